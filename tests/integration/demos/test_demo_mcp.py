"""What is special about demo 3: tools over MCP. test_demos.py and test_measure.py compare it with the other demos."""

import asyncio
import os
import signal
import sys
from typing import Any

import mcp
import pytest
from demo_talks import Demo, Handle, ask, calls, said
from mcp.client.stdio import StdioServerParameters
from mcp.types import TextContent
from temporalio.client import Client
from waits import GUARD, until

from workshop_lib.agents.discovery import MORE_TOOLS
from workshop_lib.agents.loop import Tool
from workshop_lib.demos import computers
from workshop_lib.demos import openai_mcp_temporal as demo
from workshop_lib.demos.computers import Computers
from workshop_lib.evidence.history import history
from workshop_lib.evidence.state import STATE_VARIABLE
from workshop_lib.teams.finance import contract as finance
from workshop_lib.teams.finance import mcp_server as finance_server
from workshop_lib.teams.it import contract as it
from workshop_lib.teams.it import mcp_server as it_server
from workshop_lib.workers.spawned import SpawnedWorker
from workshop_lib.workshop import Workshop

PRICE, HOST = "What is the price of ACME?", "What is the IP address of db-1?"


@pytest.fixture(scope="module")
async def apart(ws: Workshop, with_model: None) -> Computers:
    """Each computer is a process; Finance's and IT's have their MCP servers in it."""
    return await computers.start(ws, demo, processes=True)


@pytest.fixture
async def handle(ws: Workshop, client: Client, apart: Computers) -> Handle:
    return await Demo(ws, demo, client).begin()


async def kill(worker: Any) -> None:
    worker.kill()
    await until(lambda: not worker.running)


FAILURES = {
    "What is the price of NOPE?": "Error executing tool stock_price: No stock NOPE is traded.",
    "What's the stock price of TOOLONGTICKER?": "Invalid arguments for stock_price. ticker: String should match "
    "pattern '^[A-Za-z]{1,5}$'",
}


async def test_a_failure_keeps_its_reason_and_is_not_tried_again(handle: Handle) -> None:
    for question, reason in FAILURES.items():
        assert reason.partition(": ")[2] in (await ask(handle, question)).text
        assert (await said(handle, "result"))[-1].text == reason
    assert max(step.attempts for step in (await history(handle)).steps if step.kind == "activity") == 1
    assert "120.6" in (await ask(handle, PRICE)).text


async def test_a_slow_list_is_waited_for_only_by_a_question_that_needs_it(handle: Handle, apart: Computers) -> None:
    assert isinstance(apart.it, SpawnedWorker)
    assert apart.it.pid is not None
    os.kill(apart.it.pid, signal.SIGSTOP)
    try:
        assert "Hello!" in (await ask(handle, "Hello!")).text
        assert "120.6" in (await ask(handle, PRICE)).text
        waits = asyncio.create_task(ask(handle, HOST))
        await calls(handle, MORE_TOOLS)
        assert not waits.done()
    finally:
        os.kill(apart.it.pid, signal.SIGCONT)
    assert "192.0.2.21" in (await waits).text


async def test_a_project_is_remembered_over_turns_and_restarts(
    ws: Workshop, client: Client, handle: Handle, apart: Computers
) -> None:
    assert "No project is set." in (await ask(handle, "How is the current project doing?")).text
    assert "There is no project NOPE in Jira." in (await ask(handle, "Set the project to NOPE.")).text
    assert "PAY" in (await ask(handle, "Set the project to PAY.")).text
    for host in ("db-1", "web-1", "db-1"):
        await ask(handle, f"What is the IP address of {host}?")
    await kill(apart.it)
    await apart.it.start()
    assert "open 4" in (await ask(handle, "How is the current project doing?")).text
    assert "db-1, web-1" in (await ask(handle, "Show me the IP history.")).text
    other = await Demo(ws, demo, client).begin()
    assert "PAY" in (await ask(other, "Which project was chosen?")).text, "the project is the same for everybody"


MISTAKEN: list[tuple[str, dict[str, Any], str]] = [
    ("stock_price", {"ticker": "NOPE"}, "No stock NOPE is traded."),
    ("stock_price", {"ticker": "ACME", "colour": "blue"}, "Invalid arguments for stock_price. It takes no colour."),
    ("calculate_roi", {"invested": 10**400, "returned": 1}, "Invalid arguments for calculate_roi. invested:"),
]


@pytest.mark.usefixtures("apart")
async def test_a_desktop_program_starts_the_server_itself_and_its_mistakes_are_refused() -> None:
    variables = {STATE_VARIABLE: os.environ[STATE_VARIABLE], "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    module = "workshop_lib.teams.finance.mcp_server"
    started = StdioServerParameters(command=sys.executable, args=["-m", module], env=variables)
    async with mcp.Client(started, read_timeout_seconds=GUARD) as program:
        right = await program.call_tool("stock_price", {"ticker": "ACME"})
        wrong = [await program.call_tool(tool, given) for tool, given, _ in MISTAKEN]
    assert right.structured_content == {"ticker": "ACME", "price": 120.6}
    for result, (*_, reason) in zip(wrong, MISTAKEN, strict=True):
        assert result.is_error
        assert isinstance(result.content[0], TextContent)
        assert reason in result.content[0].text


EXPECTED: dict[str, type] = {
    "stock_price": finance.StockQuery,
    "calculate_roi": finance.RoiQuery,
    "jira_metrics": it.ProjectQuery,
    "get_ip": it.HostQuery,
}


def test_a_tool_over_mcp_is_described_as_over_nexus() -> None:
    """The server declares its own parameters: they say the same as the contract's."""
    servers = (finance_server.server, it_server.server)
    tools = {tool.name: tool for server in servers for tool in asyncio.run(server.list_tools())}
    for name, query in EXPECTED.items():
        contract = Tool(name, "", query, str).schema["function"]["parameters"]  # type: ignore[arg-type]
        assert tools[name].input_schema["properties"] == contract["properties"]
        assert tools[name].input_schema["required"] == contract["required"]
        assert tools[name].description == " ".join((query.__doc__ or "").partition("\n\n")[0].split())
