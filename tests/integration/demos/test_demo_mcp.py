"""What is peculiar to demo 3: tools over MCP, found anew in each turn. What it is good at, and what it cannot do."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import httpx
import mcp
import pytest
from mcp.client.stdio import StdioServerParameters
from mcp.types import TextContent
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowHandle
from temporalio.contrib.pydantic import pydantic_data_converter

from workshop_lib.agents.conversation import Chat, Conversation, Line, Reply
from workshop_lib.demos import computers
from workshop_lib.demos import openai_mcp_temporal as demo
from workshop_lib.demos.computers import Computers
from workshop_lib.evidence.history import history
from workshop_lib.evidence.state import STATE_VARIABLE, service_address
from workshop_lib.teams.it.workflows import Memory, Remembered
from workshop_lib.workers.spawned import SpawnedWorker
from workshop_lib.workshop import Workshop

pytestmark = pytest.mark.anyio

Handle = WorkflowHandle[Any, Any]
PRICE, HOST = "What is the price of ACME?", "What is the IP address of db-1?"
WITHIN = 120.0  # seconds, a guard only


@pytest.fixture(scope="module")
async def apart(ws: Workshop) -> AsyncIterator[Computers]:
    """Each computer is a process; Finance's and IT's have their MCP servers in it."""
    await Workshop.start(model=True)
    made = await computers.start(ws, demo, processes=True)
    first = await begin(ws, await Client.connect(**await ws.connection("default")))
    await ask(first, PRICE)  # LiteLLM imports the rest of itself with its first call
    await first.terminate()
    yield made
    await ws.stop(*ws.workers)


async def begin(ws: Workshop, client: Client, agent: Any = demo.AGENT, queue: str = "", **limits: Any) -> Handle:
    return await client.start_workflow(
        agent.run,
        Chat(model="offline", **limits),
        id=ws.id("chat"),
        task_queue=queue or demo.WORKER["task_queue"],
        execution_timeout=timedelta(minutes=5),
    )


@pytest.fixture
async def handle(ws: Workshop, client: Client, apart: Computers) -> AsyncIterator[Handle]:
    """One conversation, with all computers up."""
    await back(apart.finance)
    await back(apart.it)
    made = await begin(ws, client)
    yield made
    await made.terminate()


async def kill(worker: Any) -> None:
    worker.kill()
    await until(lambda: not worker.running)


async def back(*workers: Any) -> None:
    for worker in workers:
        if not worker.running:
            await worker.start()


async def ask(handle: Handle, text: str) -> Reply:
    return await handle.execute_update(Conversation.send_message, text)


async def used(handle: Handle) -> list[Line]:
    return [entry for entry in await handle.query(Conversation.transcript) if entry.kind in ("call", "result")]


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(WITHIN):
        while not condition():
            await asyncio.sleep(0.01)


async def in_namespace(ws: Workshop, name: str) -> Client:
    return await Client.connect(**await ws.connection(name, data_converter=pydantic_data_converter))


async def priced(ws: Workshop) -> set[tuple[str, str]]:
    """The workflows that have priced a stock: the id and the run of each."""
    client = await in_namespace(ws, "finance")
    return {
        (execution.id, execution.run_id) async for execution in client.list_workflows('WorkflowType = "PriceStock"')
    }


async def priced_since(ws: Workshop, before: set[tuple[str, str]], expected: int) -> set[tuple[str, str]]:
    """Those that have come since, when there are as many as expected; the list follows a moment later."""
    async with asyncio.timeout(WITHIN):
        while len(await priced(ws) - before) < expected:
            await asyncio.sleep(0.05)
    await asyncio.sleep(0.3)  # for one that should not be there
    return await priced(ws) - before


async def settled(ws: Workshop) -> None:
    """Wait for what nobody waits for any more: the workflow of a call that was lost is done to its end."""
    client = await in_namespace(ws, "finance")
    async with asyncio.timeout(WITHIN):
        while await ws.open_executions(["PriceStock"]):
            await asyncio.sleep(0.05)
    newest = [execution.status async for execution in client.list_workflows('WorkflowType = "PriceStock"', limit=2)]
    assert set(newest) <= {WorkflowExecutionStatus.COMPLETED, WorkflowExecutionStatus.FAILED}


async def test_both_servers_answer_and_the_transcript_says_what_was_called(handle: Handle) -> None:
    reply = await ask(handle, "What is the price of ACME, and what is the IP address of db-1?")
    assert "120.6" in reply.text
    assert "192.0.2.21" in reply.text
    calls = {entry.number: entry for entry in await used(handle) if entry.kind == "call"}
    results = [entry for entry in await used(handle) if entry.kind == "result"]
    assert {(entry.tool, entry.text) for entry in calls.values()} == {
        ("stock_price", '{"ticker": "ACME"}'),
        ("get_ip", '{"host": "db-1"}'),
    }
    assert {(calls[entry.of].tool, entry.text) for entry in results} == {
        ("stock_price", '{"ticker": "ACME", "price": 120.6}'),
        ("get_ip", '{"host": "db-1", "ip": "192.0.2.21"}'),
    }


@pytest.mark.parametrize(
    ("question", "reason"),
    [
        ("What is the price of NOPE?", "Error executing tool stock_price: No stock NOPE is traded."),
        (
            "How many open issues does project NOPE have?",
            "Error executing tool jira_metrics: There is no project NOPE in Jira.",
        ),
        (
            "What's the stock price of TOOLONGTICKER?",
            "Invalid arguments for stock_price. ticker: String should match pattern '^[A-Za-z]{1,5}$'",
        ),
    ],
    ids=["finance", "it", "argument"],
)
async def test_a_failure_keeps_its_reason_and_is_not_tried_again(handle: Handle, question: str, reason: str) -> None:
    reply = await ask(handle, question)
    assert reason.partition(": ")[2] in reply.text
    told = await history(handle)
    assert max(step.attempts for step in told.steps if step.kind == "activity") == 1
    said = [entry for entry in await used(handle) if entry.kind == "result"]
    assert {entry.text for entry in said} == {reason}
    assert "120.6" in (await ask(handle, PRICE)).text


@pytest.mark.parametrize("known", [True, False], ids=["known", "never seen"])
async def test_a_server_that_is_down_silences_nobody(
    ws: Workshop, client: Client, apart: Computers, known: bool
) -> None:
    await back(apart.finance, apart.it)
    handle = await begin(ws, client, tool_seconds=5)
    if known:
        assert "192.0.2.21" in (await ask(handle, HOST)).text
    await kill(apart.it)
    assert (await ask(handle, "Hello!")).text == "Hello! What can I do for you?"
    assert "120.6" in (await ask(handle, PRICE)).text
    wanted = (await ask(handle, HOST)).text
    assert "Failed to connect to MCP server 'it-mcp'" in wanted
    assert ("I could not ask it for its tools." in wanted) == (not known)
    await back(apart.it)
    assert "192.0.2.21" in (await ask(handle, HOST)).text
    await handle.terminate()


async def test_a_list_that_is_slow_is_waited_for_by_whoever_needs_it(handle: Handle, apart: Computers) -> None:
    assert isinstance(apart.it, SpawnedWorker)
    assert apart.it.pid is not None
    os.kill(apart.it.pid, signal.SIGSTOP)
    try:
        assert "Hello!" in (await ask(handle, "Hello!")).text
        assert "120.6" in (await ask(handle, PRICE)).text
        waits = asyncio.create_task(ask(handle, HOST))
        async with asyncio.timeout(WITHIN):
            while "more_tools" not in [line.tool for line in await used(handle)]:
                await asyncio.sleep(0.05)
        assert not waits.done()
    finally:
        os.kill(apart.it.pid, signal.SIGCONT)
    assert "192.0.2.21" in (await waits).text


async def killed_in_mid_call(ws: Workshop, handle: Handle, finance: Any) -> tuple[Reply, set[tuple[str, str]]]:
    """Ask for a price. Finance's computer dies while it looks it up, and is started again."""
    before = await priced(ws)
    with ws.fault("read_quote.dies_before_effect") as fault:
        asking = asyncio.create_task(ask(handle, PRICE))
        await until(lambda: fault.fired and not finance.running)
    await finance.start()
    async with asyncio.timeout(WITHIN):
        return await asking, before


async def test_a_standby_takes_over_and_two_workflows_ran(ws: Workshop, handle: Handle, apart: Computers) -> None:
    address, before = service_address("finance-mcp"), await priced(ws)
    standby = await ws.spawn(demo.COMPUTERS["finance"])
    assert service_address("finance-mcp") == address, "it waits for its turn"
    with ws.fault("read_quote.is_slow", seconds=2):
        asking = asyncio.create_task(ask(handle, PRICE))
        await priced_since(ws, before, 1)
        await kill(apart.finance)
        async with asyncio.timeout(WITHIN):
            reply = await asking
    assert "120.6" in reply.text
    assert len(await priced_since(ws, before, 2)) == 2
    assert service_address("finance-mcp") != address
    await settled(ws)
    assert len([entry for entry in await used(handle) if entry.kind == "call"]) == 1, "the model asked once"
    await ws.stop(standby)


async def test_with_a_key_that_travels_one_workflow_ran(ws: Workshop, client: Client, apart: Computers) -> None:
    """The cure: the key comes from the workflow, so each attempt of the call has it."""
    await back(apart.it)
    await apart.finance.stop()
    finance = await ws.spawn("keyed_finance")
    handle = await begin(ws, client)
    reply, before = await killed_in_mid_call(ws, handle, finance)
    assert "120.6" in reply.text
    assert len(await priced_since(ws, before, 1)) == 1
    assert "120.6" in (await ask(handle, PRICE)).text
    assert len(await priced_since(ws, before, 2)) == 2, "another question has another key"
    await settled(ws)
    meta: Any = {demo.KEY: "one"}
    async with mcp.Client(f"{service_address('finance-mcp')}/mcp") as again:
        for _ in range(2):  # the second comes when the workflow has ended
            said = await again.call_tool("stock_price", {"ticker": "ACME"}, meta=meta)
            assert said.structured_content == {"ticker": "ACME", "price": 120.6}
    assert len(await priced_since(ws, before, 3)) == 3
    await handle.terminate()
    await ws.stop(finance)
    await apart.finance.start()


async def test_anybody_may_call(handle: Handle) -> None:
    """No Nexus, so no caller's namespace, no allowlist, no signature: whoever reaches the port is served."""
    call = {"name": "stock_price", "arguments": {"ticker": "ACME"}}
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}
    url = f"{service_address('finance-mcp')}/mcp"
    async with httpx.AsyncClient() as stranger:
        answer = await stranger.post(url, json=body, headers={"Accept": "application/json, text/event-stream"})
    assert answer.json()["result"]["structuredContent"] == {"ticker": "ACME", "price": 120.6}


async def test_neither_history_knows_of_the_other(ws: Workshop, handle: Handle) -> None:
    before = await priced(ws)
    await ask(handle, PRICE)
    ((id, _),) = await priced_since(ws, before, 1)
    asked = await history(handle, follow=True)
    (step,) = [step for step in asked.steps if "call-tool" in step.name]
    assert (step.links, step.calls) == ([], [])
    assert id not in repr(asked)
    done = await history((await in_namespace(ws, "finance")).get_workflow_handle(id))
    assert done.links == []


async def test_a_project_is_remembered_over_turns_and_restarts(ws: Workshop, handle: Handle, apart: Computers) -> None:
    nothing = await ask(handle, "How is the current project doing?")
    assert "No project is set." in nothing.text
    assert "There is no project NOPE in Jira." in (await ask(handle, "Set the project to NOPE.")).text
    assert "PAY" in (await ask(handle, "Set the project to PAY.")).text
    assert "open 4" in (await ask(handle, "How is the current project doing?")).text
    await ask(handle, HOST)
    await ask(handle, "What is the IP address of web-1?")
    await ask(handle, "What is the IP address of db-1?")
    await kill(apart.it)
    await back(apart.it)
    assert "PAY" in (await ask(handle, "Which project was chosen?")).text
    assert "db-1, web-1" in (await ask(handle, "Show me the IP history.")).text
    other = await begin(ws, await Client.connect(**await ws.connection("default")))
    assert "PAY" in (await ask(other, "Which project was chosen?")).text, "nobody said whose project it is"
    await other.terminate()
    await (await in_namespace(ws, "it")).get_workflow_handle("it-memory").terminate()
    assert "No project is set." in (await ask(handle, "Show me the metrics of the current project.")).text


@pytest.mark.usefixtures("apart")
async def test_the_memorys_history_is_bounded(ws: Workshop) -> None:
    it = await in_namespace(ws, "it")
    memory = await it.start_workflow(
        Memory.run, Remembered(most_events=10), id=ws.id("memory"), task_queue="it", execution_timeout=timedelta(0)
    )
    first = (await memory.describe()).run_id
    assert await memory.execute_update(Memory.set_project, "pay") == "PAY"
    await asyncio.gather(*(memory.signal(Memory.note_host, f"web-{number}") for number in range(30)))
    await memory.signal(Memory.note_host, "web-7")
    known = await memory.query(Memory.remembered)
    assert known.project == "PAY"
    assert known.hosts[0] == "web-7"
    assert len(set(known.hosts)) == len(known.hosts) == 20
    latest = await it.get_workflow_handle(memory.id).describe()
    assert latest.run_id != first
    assert latest.history_length < 40
    await it.get_workflow_handle(memory.id).terminate()


@pytest.mark.usefixtures("apart")
@pytest.mark.parametrize("team", ["finance", "it"])
async def test_a_desktop_program_starts_the_server_itself(team: str) -> None:
    variables = {STATE_VARIABLE: os.environ[STATE_VARIABLE], "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    module = f"workshop_lib.teams.{team}.mcp_server"
    started = StdioServerParameters(command=sys.executable, args=["-m", module], env=variables)
    async with mcp.Client(started, read_timeout_seconds=WITHIN) as program:
        tools = {tool.name: tool for tool in (await program.list_tools()).tools}
        if team == "it":
            assert set(tools) > {"jira_metrics", "get_ip", "set_project"}
            return
        assert tools["stock_price"].description == "The price of a stock right now, in dollars."
        assert tools["stock_price"].input_schema["properties"]["ticker"]["pattern"]
        right = await program.call_tool("stock_price", {"ticker": "ACME"})
        wrong = await program.call_tool("stock_price", {"ticker": "NOPE"})
    assert right.structured_content == {"ticker": "ACME", "price": 120.6}
    assert wrong.is_error
    assert isinstance(wrong.content[0], TextContent)
    assert "No stock NOPE is traded." in wrong.content[0].text


# From here on the Workers run in this process, and the servers beside it. What stands above uses other ones.


@pytest.fixture(scope="module")
async def beside(ws: Workshop) -> AsyncIterator[Computers]:
    """Workers in this process, MCP servers of their own, behind proxies. Finance's can learn."""
    await Workshop.start(model=True)
    made = await computers.start(ws, demo)
    assert set(made.servers) == {"finance-mcp", "it-mcp"}
    await ws.serve("finance-mcp", "growing_server")
    yield made
    await ws.stop(*ws.workers)


@pytest.mark.usefixtures("beside")
async def test_an_answer_that_was_lost_on_its_way_is_a_second_workflow(
    ws: Workshop, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    handle, before = await begin(ws, client), await priced(ws)
    await ask(handle, "Hello!")
    with ws.fault("finance-mcp.drops_answer", skip=3) as fault:  # after those to connect, to list, and to connect
        assert "120.6" in (await ask(handle, PRICE)).text
    assert fault.fired == 1
    assert len(await priced_since(ws, before, 2)) == 2
    assert not caplog.records, "the notebook would show it"
    await handle.terminate()


@pytest.mark.usefixtures("beside")
async def test_a_tool_that_is_new_is_used_in_the_next_turn(ws: Workshop, client: Client) -> None:
    handle = await begin(ws, client)
    question = "What dividend has ACME paid?"
    assert "1.75" not in (await ask(handle, question)).text
    async with httpx.AsyncClient() as team:
        (await team.post(f"{service_address('finance-mcp')}/grow")).raise_for_status()
    assert "1.75" in (await ask(handle, question)).text
    assert "42" in (await ask(handle, "What is 6 * 7?")).text, "a server does not take the place of our own tool"
    await handle.terminate()


def test_a_price_over_mcp_is_what_it_is_over_nexus() -> None:
    """The server declares its own parameters: they say the same as the contract's."""
    from workshop_lib.agents.loop import _schema
    from workshop_lib.teams.finance import contract as finance
    from workshop_lib.teams.finance import mcp_server as finance_server
    from workshop_lib.teams.it import contract as it
    from workshop_lib.teams.it import mcp_server as it_server

    expected = {
        "stock_price": finance.StockQuery,
        "calculate_roi": finance.RoiQuery,
        "jira_metrics": it.ProjectQuery,
        "get_ip": it.HostQuery,
    }
    for server in (finance_server.server, it_server.server):
        for tool in asyncio.run(server.list_tools()):
            if tool.name in expected:
                contract = _schema(expected[tool.name])
                assert tool.input_schema["properties"] == contract["properties"]
                assert tool.input_schema["required"] == contract["required"]
                assert tool.description == " ".join((expected[tool.name].__doc__ or "").partition("\n\n")[0].split())
