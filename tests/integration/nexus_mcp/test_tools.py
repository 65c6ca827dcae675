"""Nexus operations as tools: their schemas, what comes through, why a call failed, an agent, and MCP's own client."""

import asyncio
import json
import socket
import uuid
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import nexusrpc
import parts
import pytest
import shoppers
from bridge import LIMIT, Changing, Team, gateway, serving, shop, told
from demo_talks import ask, begin, greets, said
from mcp import Client as McpClient
from pydantic import AnyUrl
from temporalio.client import Client
from temporalio.worker import Replayer, Worker
from waits import until

from workshop_lib.agents.openai_agents import plugin
from workshop_lib.evidence.history import history
from workshop_lib.nexus_mcp import standalone
from workshop_lib.nexus_mcp.calls import problems
from workshop_lib.nexus_mcp.contract import Directory, Tool
from workshop_lib.nexus_mcp.directory import DirectoryHandler, _docstring
from workshop_lib.nexus_mcp.transport import SANDBOX
from workshop_lib.workshop import Workshop

pytest_plugins = ["bridge"]  # its fixtures


LINE = {"part": "bolt", "count": 2, "parts": [{"part": "日本"}]}
TRAVELS: list[tuple[str, dict[str, Any], Any]] = [
    (
        "order",
        {"customer": "Ann", "lines": [LINE], "colour": "blue", "note": None, "tags": {"a": 1, "b": "c"}},
        parts.Order("Ann", [parts.Line("bolt", 2, [parts.Line("日本")])], parts.Colour.BLUE, None, {"a": 1, "b": "c"}),
    ),
    ("ship", {"weight": 2, "to-where": "away"}, parts.Shipment.model_validate({"weight": 2, "to-where": "away"})),
    ("count", {"input": 7}, 7),
    ("find", {"input": "bolt"}, "bolt"),
    ("find", {"input": None}, None),
    ("find", {}, None),
]
ANSWERS: list[tuple[str, dict[str, Any], Any]] = [
    ("stock", {}, {"red": 3, "blue": 4}),
    ("total", {"input": [1, 2, 3]}, {"result": 6}),
    ("forget", {"input": "me"}, {"result": None}),
]


async def test_types_and_results_come_through(client: Client, team: Team, mcp: McpClient) -> None:
    for tool, given, answer in ANSWERS:
        result = await mcp.call_tool(tool, given)  # the client checks it against the tool's output schema
        assert result.structured_content == answer
        assert json.loads(told(result)) == answer.get("result", answer)
    said = await shop(client, *[(tool, given) for tool, given, _ in TRAVELS + ANSWERS])
    wanted = [repr(got) for *_, got in TRAVELS] + [json.dumps(row[2].get("result", row[2])) for row in ANSWERS]
    assert said == wanted


WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("order", {"lines": []}, "'customer' is a required property"),
    ("order", {"customer": "Ann", "lines": [{"part": "bolt", "count": 0}]}, "lines.0.count: 0 is less than"),
    ("order", {"customer": "Ann", "lines": [{"part": "bolt", "cuont": 3}]}, "lines.0: Additional properties"),
    ("order", {"customer": "Ann", "lines": [], "tags": {"a": []}}, "tags.a: [] is not valid under any of the given"),
    ("count", {}, "'input' is a required property"),
    ("stock", {"input": 1}, "'input' was unexpected"),
    ("order", {"customer": "Ann", "lines": [LINE | {"parts": [{"part": 3}]}]}, "lines.0.parts.0.part: 3 is not of"),
]


async def test_wrong_arguments_are_reported(client: Client, team: Team, mcp: McpClient) -> None:
    results = [await mcp.call_tool(tool, given) for tool, given, _ in WRONG]
    assert all(result.is_error for result in results)
    no_json = [("order", "{'no': json}"), ("order", "[]"), ("ship", '{"weight": 1e999}')]
    said = await shop(client, *[(tool, given) for tool, given, _ in WRONG], *no_json)
    assert said[-3].startswith("Invalid arguments for order: they are not valid JSON.")
    assert said[-2].startswith("Invalid arguments for order. [] is not of type 'object'")
    assert said[-1] == "Invalid arguments for ship. NaN and infinity are no numbers of JSON."
    assert [told(result) for result in results] == said[:-3]
    for (tool, _, reason), text in zip(WRONG, said, strict=False):
        assert text.startswith(f"Invalid arguments for {tool}. ")
        assert reason in text


async def test_a_directory_describes_tools_by_docstrings_and_says_what_stands_behind(
    client: Client, mcp: McpClient
) -> None:
    tools = {tool.name: tool for tool in (await mcp.list_tools()).tools}
    assert list(tools)[:2] == ["stock_price", "calculate_roi"]
    assert "convert" not in tools
    assert tools["order"].description == "Order parts for a customer."
    assert tools["stock"].description == "How many parts there are."  # of its output: it has no input
    assert tools["count"].description == "Parts.count"
    assert tools["ship"].input_schema["properties"]["weight"]["description"] == "In kilograms."
    directory: Any = client.create_nexus_client(Directory, parts.ENDPOINT)
    asked = {"id": f"directory-{uuid.uuid4()}", "schedule_to_close_timeout": LIMIT}
    found = {tool.name: tool for tool in await directory.execute_operation(Directory.tools, None, **asked)}
    assert (found["waits"].service, found["waits"].operation) == ("troubles", "waits")
    assert (found["order"].argument, found["order"].result) == ("", "result")
    assert (found["stock"].argument, found["stock"].result) == ("input", "")


class Strange:
    """Nothing that JSON schema knows."""


@nexusrpc.service
class Odd:
    odd: nexusrpc.Operation[Strange, str]
    order: nexusrpc.Operation[str, str]
    dotted: nexusrpc.Operation[str, str] = nexusrpc.Operation(name="stock.price")
    spelled: nexusrpc.Operation[str, str] = nexusrpc.Operation(name="preis_für")
    long: nexusrpc.Operation[str, str] = nexusrpc.Operation(name="x" * 65)


@pytest.mark.parametrize(
    ("offered", "kind", "reason"),
    [
        ({Odd: [Odd.odd]}, TypeError, r"Odd\.odd cannot be a tool"),
        ({Odd: [Odd.order], parts.Parts: [parts.Parts.order]}, ValueError, "cannot have one name: order"),
        ({parts.Parts: [parts.Trouble.fails]}, ValueError, "fails is not an operation of Parts"),
        ({Strange: [Odd.order]}, ValueError, "Is that a Nexus contract"),
        *(
            ({Odd: [operation]}, ValueError, f"'{operation.name}' cannot be a tool's name")
            for operation in (Odd.dotted, Odd.spelled, Odd.long)
        ),
    ],
)
def test_a_directory_refuses_what_cannot_be_a_tool(offered: Any, kind: type[Exception], reason: str) -> None:
    with pytest.raises(kind, match=reason):
        DirectoryHandler(offered)
    with pytest.raises(ValueError, match="There is a limit for ship, which is not offered"):
        DirectoryHandler({parts.Parts: [parts.Parts.order]}, {"ship": timedelta(minutes=1)})


def test_a_schema_that_cannot_be_checked_lets_nothing_through_and_fetches_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as elsewhere:
        reference = {"$ref": f"http://127.0.0.1:{elsewhere.getsockname()[1]}/schema"}
        for schema in (reference, {"type": "nothing"}, {"pattern": "("}, {"minLength": "1"}, {"enum": 5}):
            tool = Tool("odd", "", {"properties": {"x": schema}}, {}, "Odd", "odd", "", "")
            assert problems(tool, {"x": "y"}).startswith("The arguments of odd cannot be checked.")
        elsewhere.setblocking(False)
        with pytest.raises(BlockingIOError):  # nobody has come
            elsewhere.accept()


async def test_a_list_of_tools_that_is_none_is_a_problem_and_not_in_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standalone, "_listed", None)
    known = standalone.Directories(["odd"])
    await known.ask(None)  # type: ignore[arg-type]
    assert known.problems[0].startswith("Endpoint odd did not list its tools. TypeError: ")


def test_what_python_or_a_library_says_of_a_class_is_no_description() -> None:
    kinds = (parts.Line, str, type(None), list[int], Decimal, AnyUrl, uuid.UUID, date)
    assert [_docstring(kind) for kind in kinds] == [""] * 8
    assert _docstring(parts.Colour) == "A colour."


REASONS = [
    ("fails", "bolt", "Error: fails failed (NoSuchPart). There is no bolt."),
    ("refuses", "bolt", "Error: refuses refused this caller (UNAUTHENTICATED). Only on Sundays."),
    ("breaks", "bolt", "Error: breaks timed out (TimedOut). There was no answer in time."),
    ("waits", "bolt", "Error: waits timed out (TimedOut). There was no answer in time."),
]


async def test_failures_keep_their_reason(ws: Workshop, client: Client, team: Team) -> None:
    calls = [(tool, {"input": given}) for tool, given, _ in REASONS]
    async with serving(gateway(ws, limit=timedelta(seconds=3)).app()) as url, McpClient(url) as mcp:
        results, said = await asyncio.gather(
            asyncio.gather(*(mcp.call_tool(tool, given) for tool, given in calls)),
            shop(client, *calls, seconds=3),
        )
    assert all(result.is_error for result in results)
    wanted = [reason for *_, reason in REASONS]
    assert [told(result) for result in results] == wanted
    assert said == wanted


async def test_an_answer_that_is_not_json_is_an_error(mcp: McpClient) -> None:
    result = await mcp.call_tool("calculate_roi", {"invested": 1e-308, "returned": 1e308})
    assert told(result).startswith("Error: calculate_roi failed (NoJson).")


async def has_called(handle: Any, *tools: str) -> bool:
    return tuple(line.tool for line in await said(handle, "call")) == tools


PARTS = "How many parts are there?"
ONE: dict[type, Any] = {parts.Parts: [parts.Parts.stock]}


async def test_an_agent_waits_for_a_list_that_is_slow_and_says_hello_meanwhile(
    ws: Workshop, with_model: None, directory: Changing
) -> None:
    client = await Client.connect(**await ws.connection("default", plugins=[plugin()]))
    directory.open.clear()
    directory.now = DirectoryHandler(ONE)
    async with Worker(client, task_queue="assistants", workflows=[shoppers.Assistant]), asyncio.timeout(120):
        handle = await begin(ws, client, shoppers.Assistant, "assistants", most_events=30)
        await greets(handle)
        waits = asyncio.create_task(ask(handle, PARTS))
        await until(lambda: has_called(handle, "more_tools"))
        assert not waits.done()
        directory.open.set()
        assert "blue 4" in (await waits).text
        assert await has_called(handle, "more_tools", "stock")
        directory.open.clear()
        first = (await handle.describe()).run_id
        while (await handle.describe()).run_id == first:  # each message makes its history longer
            assert "stock" in (await ask(handle, "What can you do?")).text, "it forgot what it knew"
        assert "stock" in (await ask(handle, "What can you do?")).text, "the next execution does not know it"
        # A team may offer less by the time that its list comes: that list counts.
        waits = asyncio.create_task(ask(handle, PARTS))
        await until(lambda: has_called(handle, "more_tools", "stock", "stock"))
        directory.now = DirectoryHandler({})
        directory.open.set()
        assert "no longer offers it" in (await waits).text


@pytest.mark.usefixtures("team")
async def test_requests_of_mcps_own_client_are_operations_and_a_replay_makes_the_same(
    ws: Workshop, client: Client
) -> None:
    settings: dict[str, Any] = {"workflows": [shoppers.Speaker], "workflow_runner": SANDBOX}
    ws.run(Worker, client, task_queue="speakers", max_cached_workflows=0, **settings)
    calls = [
        ("stock_price", {"ticker": "ACME"}),
        ("stock_price", {"ticker": "NOPE"}),
        ("stock_price", {"tikcer": "ACME"}),
        ("sell_everything", {}),
    ]
    start, arguments = shoppers.Speaker.run, ["finance", calls]
    handle = await client.start_workflow(start, args=arguments, id=ws.id("speaker"), task_queue="speakers")
    heard = await handle.result()
    assert heard[:3] == ["stock_price", "calculate_roi", 'fine: {"ticker": "ACME", "price": 120.6}']
    assert heard[3].startswith("error: Error: stock_price failed (UnknownTicker).")
    assert heard[4].startswith("error: Invalid arguments for stock_price.")
    assert heard[5].startswith("refused: Unknown tool 'sell_everything'.")
    asked = [step.name for step in (await history(handle)).steps if step.kind == "nexus operation"]
    assert asked == ["tools", "stock_price", "stock_price", "tools"], "what cannot be right is not sent"
    await Replayer(workflows=[shoppers.Speaker], workflow_runner=SANDBOX).replay_workflow(await handle.fetch_history())
