"""The bridge between MCP and Nexus, from both sides: schemas, errors by their reason, one operation for one call."""

# No `from __future__ import annotations`: the SDK reads the operations' types from the annotations.

import asyncio
import contextlib
import http.server
import json
import socket
import sys
import threading
import time
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import httpx
import nexusrpc
import parts
import pytest
import shoppers
import uvicorn
from gateways import POINTS
from mcp import Client as McpClient
from mcp import StdioServerParameters
from mcp.server.transport_security import TransportSecuritySettings
from mcp.shared.exceptions import MCPError
from mcp_types import CallToolResult
from nexusrpc.handler import StartOperationContext, service_handler, sync_operation
from temporalio.client import Client, WorkflowFailureError
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.exceptions import CancelledError
from temporalio.worker import Interceptor, NexusOperationInboundInterceptor, Replayer, Worker

from workshop_lib.agents.conversation import Chat, Conversation
from workshop_lib.agents.openai_agents import plugin
from workshop_lib.governance.allowlist import Allowlist
from workshop_lib.nexus_mcp import gateway as gateway_module
from workshop_lib.nexus_mcp import standalone
from workshop_lib.nexus_mcp.calls import problems
from workshop_lib.nexus_mcp.contract import Directory, Tool
from workshop_lib.nexus_mcp.directory import DirectoryHandler, _docstring
from workshop_lib.nexus_mcp.gateway import IDEMPOTENCY_KEY, LARGEST_REQUEST, Gateway
from workshop_lib.workers.spawned import environment
from workshop_lib.workshop import Workshop

pytestmark = pytest.mark.anyio

FINANCE = "workshop_lib.teams.finance.worker"
LIMIT = timedelta(seconds=20)


class Guard(Interceptor):
    """Whatever guards the team's Worker in one test."""

    now: Interceptor | None = None

    def intercept_nexus_operation(self, next: NexusOperationInboundInterceptor) -> NexusOperationInboundInterceptor:
        return self.now.intercept_nexus_operation(next) if self.now else next


@service_handler(service=Directory)
class Changing:
    """A directory that can offer something else from one moment to the next."""

    def __init__(self) -> None:
        self.now = DirectoryHandler(parts.OFFERED)
        self.asked = 0

    @sync_operation
    async def tools(self, ctx: StartOperationContext, nothing: None) -> list[Tool]:
        self.asked += 1
        return self.now._tools


@dataclass
class Team:
    """The team of ``parts``, in this process."""

    client: Client
    trouble: parts.TroubleHandler = field(default_factory=parts.TroubleHandler)
    guard: Guard = field(default_factory=Guard)
    directory: Changing = field(default_factory=Changing)

    def worker(self) -> Worker:
        handlers = [parts.PartsHandler(), self.trouble, self.directory]
        return Worker(
            self.client,
            task_queue="parts",
            workflows=[parts.Waits],
            nexus_service_handlers=handlers,
            interceptors=[self.guard],
        )

    async def started(self, name: str) -> Any:
        """The next workflow of ``waits`` that was started by this name."""
        async with asyncio.timeout(10):
            while not (id := await self.trouble.started.get()).startswith(f"waits-{name}-"):
                pass
        return self.client.get_workflow_handle(id)

    async def cancelled(self, workflow: Any) -> None:
        async with asyncio.timeout(10):
            with pytest.raises(WorkflowFailureError) as caught:
                await workflow.result()
        assert isinstance(caught.value.cause, CancelledError)


@pytest.fixture(scope="module")
async def team(ws: Workshop) -> AsyncIterator[Team]:
    client = await Client.connect(**await ws.connection("parts", data_converter=pydantic_data_converter))
    await ws.endpoint(parts.ENDPOINT, namespace="parts", task_queue="parts")
    made = Team(client)
    finance = await ws.spawn(FINANCE)
    async with made.worker():
        yield made
    await ws.stop(finance)


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Any:
        yield  # they are the test run's


@contextlib.asynccontextmanager
async def serving(app: Any) -> AsyncIterator[str]:
    """Serve over HTTP, in this process."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()  # who comes before the server has started waits for it
        server = _Server(uvicorn.Config(app, log_level="critical", timeout_graceful_shutdown=1))
        running = asyncio.create_task(server.serve([listening]))
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}/mcp"
        finally:
            server.should_exit = True
            await running


def gateway(ws: Workshop, *endpoints: str, limit: timedelta = LIMIT, namespace: str = "default") -> Gateway:
    async def connect() -> Client:
        return await Client.connect(**await ws.connection(namespace))

    return Gateway(connect, endpoints or ("finance", "parts"), limit)


@pytest.fixture(scope="module")
async def url(ws: Workshop, team: Team) -> AsyncIterator[str]:
    async with serving(gateway(ws).app()) as served:
        yield served


@pytest.fixture(params=["auto", "legacy"])
async def mcp(url: str, request: pytest.FixtureRequest) -> AsyncIterator[McpClient]:
    """A client of MCP's version of 2026-07-28, and one of the versions with sessions."""
    async with McpClient(url, mode=request.param) as made:
        yield made


def told(result: CallToolResult) -> str:
    (content,) = result.content
    return str(getattr(content, "text", content))


async def shop(
    client: Client, *calls: tuple[str, Any], endpoints: tuple[str, ...] = (parts.ENDPOINT,), seconds: float = 10
) -> list[str]:
    """Call tools from a workflow, in the sandbox."""
    texts = [(name, given if isinstance(given, str) else json.dumps(given)) for name, given in calls]
    async with Worker(client, task_queue="shoppers", workflows=[shoppers.Shopper]), asyncio.timeout(20):
        handle = await client.start_workflow(
            shoppers.Shopper.run,
            args=[list(endpoints), texts, seconds],
            id=f"shopper-{uuid.uuid4()}",
            task_queue="shoppers",
            execution_timeout=LIMIT,
        )
        said: list[str] = await handle.result()
    replayer = Replayer(workflows=[shoppers.Shopper], namespace=client.namespace)
    await replayer.replay_workflow(await handle.fetch_history())
    return said[-len(calls) :] if calls else said


# Schemas. A row: the tool, the arguments, what the team got (or what it answered, where it gives no text).

LINE = {"part": "bolt", "count": 2}
TRAVELS: list[tuple[str, dict[str, Any], Any]] = [
    (
        "order",
        {"customer": "Ann", "lines": [LINE, {"part": "nut"}], "colour": "blue", "note": "soon", "tags": {"a": 1}},
        parts.Order("Ann", [parts.Line("bolt", 2), parts.Line("nut")], parts.Colour.BLUE, "soon", {"a": 1}),
    ),
    ("order", {"customer": "Ann", "lines": [], "note": None}, parts.Order("Ann", [])),
    ("ship", {"weight": 2, "to-where": "away"}, parts.Shipment.model_validate({"weight": 2, "to-where": "away"})),
    ("ship", {"weight": 0.5, "lines": [LINE]}, parts.Shipment.model_validate({"weight": 0.5, "lines": [LINE]})),
    ("pay", {"how": {"number": "4242"}, "amount": 3}, parts.Payment(parts.Card("4242"), 3)),
    ("pay", {"how": {"iban": "DE1"}, "amount": "all"}, parts.Payment(parts.Transfer("DE1"), "all")),
    ("refund", {"input": {"iban": "DE1"}}, parts.Transfer("DE1")),
    ("count", {"input": 7}, 7),
    ("colours", {"input": ["red", "blue"]}, [parts.Colour.RED, parts.Colour.BLUE]),
    ("find", {"input": "bolt"}, "bolt"),
    ("find", {"input": None}, None),
    ("find", {}, None),
    ("weigh", {"input": {"bolt": 3}}, {"bolt": 3}),
    (
        "tree",
        {"name": "car", "parts": [{"name": "door", "parts": [{"name": "ö 日本"}]}]},
        parts.Node("car", [parts.Node("door", [parts.Node("ö 日本")])]),
    ),
]
ANSWERS: list[tuple[str, dict[str, Any], Any]] = [
    ("stock", {}, {"red": 3, "blue": 4}),
    ("total", {"input": [1, 2, 3]}, {"result": 6}),
    ("forget", {"input": "me"}, {"result": None}),
    (
        "same",
        {"customer": "Ann", "lines": [LINE]},
        {"customer": "Ann", "lines": [LINE], "colour": "red", "note": None, "tags": {}},
    ),
]
NAMED = [f"{name}-{number}" for number, (name, *_) in enumerate(TRAVELS)]


@pytest.mark.full
@pytest.mark.parametrize(("tool", "given", "got"), TRAVELS, ids=NAMED)
async def test_types_come_through_the_gateway(mcp: McpClient, tool: str, given: dict[str, Any], got: Any) -> None:
    result = await mcp.call_tool(tool, given)
    assert not result.is_error, told(result)
    assert told(result) == repr(got)
    assert result.structured_content == {"result": repr(got)}


@pytest.mark.parametrize(("tool", "given", "answer"), ANSWERS, ids=[row[0] for row in ANSWERS])
async def test_results_come_through_the_gateway(mcp: McpClient, tool: str, given: dict[str, Any], answer: Any) -> None:
    result = await mcp.call_tool(tool, given)  # the client checks it against the tool's output schema
    assert result.structured_content == answer
    assert json.loads(told(result)) == answer.get("result", answer)


async def test_types_come_through_a_workflow(client: Client, team: Team) -> None:
    rows = TRAVELS + ANSWERS
    said = await shop(client, *[(tool, given) for tool, given, _ in rows])
    wanted = [repr(got) for *_, got in TRAVELS] + [json.dumps(row[2].get("result", row[2])) for row in ANSWERS]
    assert said == wanted


WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("order", {"lines": []}, "'customer' is a required property"),
    ("order", {"customer": "Ann", "lines": [{"part": "bolt", "count": 0}]}, "lines.0.count: 0 is less than"),
    ("order", {"customer": "Ann", "lines": [{"part": "bolt", "cuont": 3}]}, "lines.0: Additional properties"),
    ("order", {"customer": "Ann", "lines": [], "colour": "green"}, "colour: 'green' is not one of ['red', 'blue']"),
    ("ship", {"weight": 1, "to": "away"}, "'to' was unexpected"),
    ("pay", {"how": {"cash": 1}}, "how: {'cash': 1} is not valid under any of the given schemas"),
    ("count", {"input": "7"}, "input: '7' is not of type 'integer'"),
    ("count", {}, "'input' is a required property"),
    ("stock", {"input": 1}, "'input' was unexpected"),
    ("tree", {"name": "car", "parts": [{"name": 3}]}, "parts.0.name: 3 is not of type 'string'"),
]


@pytest.mark.parametrize(("tool", "given", "reason"), WRONG)
async def test_wrong_arguments_are_told(mcp: McpClient, tool: str, given: dict[str, Any], reason: str) -> None:
    result = await mcp.call_tool(tool, given)
    assert result.is_error
    assert told(result).startswith(f"Invalid arguments for {tool}. ")
    assert reason in told(result)


async def test_wrong_arguments_are_told_in_a_workflow(client: Client, team: Team) -> None:
    said = await shop(client, *[(tool, given) for tool, given, _ in WRONG], ("order", "{'no': json}"), ("order", "[]"))
    for (tool, _, reason), text in zip(WRONG, said, strict=False):
        assert text.startswith(f"Invalid arguments for {tool}. ")
        assert reason in text
    assert said[-2].startswith("Invalid arguments for order: they are no JSON.")
    assert said[-1].startswith("Invalid arguments for order. [] is not of type 'object'")


async def test_descriptions_are_docstrings(mcp: McpClient) -> None:
    tools = {tool.name: tool for tool in (await mcp.list_tools()).tools}
    assert list(tools)[:2] == ["stock_price", "calculate_roi"]
    assert "convert" not in tools
    assert tools["order"].description == "Order parts for a customer."
    assert tools["stock"].description == "How many parts there are."  # of its output: it has no input
    assert tools["pay"].description == "Pay for an order."
    assert tools["count"].description == "Parts.count"
    assert tools["refund"].description == "Parts.refund"
    weight = tools["ship"].input_schema["properties"]["weight"]
    assert weight["description"] == "In kilograms."


async def test_the_directory_is_an_operation_and_says_what_stands_behind_a_tool(client: Client, team: Team) -> None:
    directory = client.create_nexus_client(Directory, parts.ENDPOINT)
    tools = await directory.execute_operation(
        Directory.tools, None, id=f"directory-{uuid.uuid4()}", schedule_to_close_timeout=LIMIT
    )
    found = {tool.name: tool for tool in tools}
    assert (found["waits"].service, found["waits"].operation) == ("troubles", "waits")
    assert (found["order"].argument, found["order"].result) == ("", "result")
    assert (found["same"].argument, found["same"].result) == ("", "")


class Strange:
    """Nothing that JSON schema knows."""


@nexusrpc.service
class Odd:
    odd: nexusrpc.Operation[Strange, str]
    order: nexusrpc.Operation[str, str]


def test_a_directory_refuses_what_cannot_be_a_tool() -> None:
    with pytest.raises(TypeError, match=r"Odd\.odd cannot be a tool"):
        DirectoryHandler({Odd: [Odd.odd]})
    with pytest.raises(ValueError, match="Two tools of one team cannot have one name: order"):
        DirectoryHandler({Odd: [Odd.order], parts.Parts: [parts.Parts.order]})
    with pytest.raises(ValueError, match="fails is no operation of Parts"):
        DirectoryHandler({parts.Parts: [parts.Trouble.fails]})
    with pytest.raises(ValueError, match="Is that a Nexus contract"):
        DirectoryHandler({Strange: [Odd.order]})


@pytest.mark.parametrize("schema", [{"$ref": "http://127.0.0.1:9/schema"}, {"type": "nothing"}, {"pattern": "("}])
def test_a_schema_that_cannot_be_checked_lets_nothing_through(schema: dict[str, Any]) -> None:
    tool = Tool("odd", "", {"properties": {"x": schema}}, {}, "Odd", "odd", "", "")
    assert problems(tool, {"x": "y"}).startswith("The arguments of odd cannot be checked.")


class _Elsewhere(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, format: str, *args: Any) -> None:
        pass


def test_a_schema_cannot_make_the_caller_fetch_something() -> None:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Elsewhere) as elsewhere:
        threading.Thread(target=elsewhere.serve_forever, daemon=True).start()
        schema = {"$ref": f"http://127.0.0.1:{elsewhere.server_port}/schema"}
        tool = Tool("odd", "", {"properties": {"x": schema}}, {}, "Odd", "odd", "", "")
        assert problems(tool, {"x": "y"}).startswith("The arguments of odd cannot be checked.")
        elsewhere.shutdown()


def test_what_python_says_of_a_class_is_no_description() -> None:
    assert [_docstring(kind) for kind in (parts.Line, parts.Colour, str, type(None), list[int])] == [
        "",
        "A colour.",
        "",
        "",
        "",
    ]


# Errors, by their reason.

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


async def test_an_unknown_tool_is_named_beside_those_that_there_are(mcp: McpClient) -> None:
    with pytest.raises(MCPError, match=r"Unknown tool 'convert'. There are: stock_price, calculate_roi, "):
        await mcp.call_tool("convert", {})


async def test_a_refused_caller_is_told_by_whom_and_why(ws: Workshop, client: Client, team: Team) -> None:
    async with serving(gateway(ws, parts.ENDPOINT).app()) as url, McpClient(url) as mcp:
        await mcp.list_tools()
        team.guard.now = Allowlist(["support"])
        try:
            result = await mcp.call_tool("stock", {})
            with pytest.raises(MCPError) as listing:
                await mcp.list_tools()
            with pytest.raises(MCPError) as unknown:
                await mcp.call_tool("nothing", {})
            assert await shop(client) == []
        finally:
            team.guard.now = None
        assert (await mcp.list_tools()).tools
    assert result.is_error
    assert told(result).startswith("Error: stock refused this caller (UNAUTHORIZED). Namespace 'default' may not call")
    for error in (listing, unknown):
        assert "Endpoint parts did not tell its tools. UNAUTHORIZED: Namespace 'default' may not" in str(error.value)


async def test_a_team_that_is_down_hides_no_other(ws: Workshop, client: Client, team: Team) -> None:
    await ws.endpoint("nobody", namespace="parts", task_queue="nobody")
    async with serving(gateway(ws, "nobody", "nowhere", "finance").app()) as url, McpClient(url) as mcp:
        listed, said = await asyncio.gather(mcp.list_tools(), shop(client, endpoints=("nobody", "finance")))
        began = time.monotonic()
        assert not (await mcp.call_tool("calculate_roi", {"invested": 1, "returned": 2})).is_error
        assert time.monotonic() - began < 1, "a call waited for a team that it does not need"
        with pytest.raises(MCPError) as unknown:
            await mcp.call_tool("order", {})
    assert [tool.name for tool in listed.tools] == said == ["stock_price", "calculate_roi"]
    assert "Endpoint nobody did not tell its tools. TimedOut" in str(unknown.value)
    assert "Endpoint nowhere did not tell its tools. NOT_FOUND" in str(unknown.value)


@nexusrpc.service
class Rival:
    stock: nexusrpc.Operation[None, str]


@service_handler(service=Rival)
class RivalHandler:
    @sync_operation
    async def stock(self, ctx: StartOperationContext, nothing: None) -> str:
        return "the rival's"


async def test_of_two_tools_with_one_name_the_first_endpoints_is_used(ws: Workshop, client: Client, team: Team) -> None:
    await ws.endpoint("rival", namespace="parts", task_queue="rival")
    handlers = [RivalHandler(), DirectoryHandler({Rival: [Rival.stock]})]
    async with Worker(team.client, task_queue="rival", nexus_service_handlers=handlers):
        for order, wanted in ((("parts", "rival"), '{"red": 3, "blue": 4}'), (("rival", "parts"), "the rival's")):
            async with serving(gateway(ws, *order).app()) as url, McpClient(url) as mcp:
                assert [tool.name for tool in (await mcp.list_tools()).tools].count("stock") == 1
                assert told(await mcp.call_tool("stock", {})) == wanted
            assert await shop(client, ("stock", {}), endpoints=order) == [wanted]


async def test_an_answer_that_is_no_json_is_an_error(mcp: McpClient) -> None:
    result = await mcp.call_tool("calculate_roi", {"invested": 10**400, "returned": 1})
    assert result.is_error
    assert told(result).startswith("Error: calculate_roi failed (NoJson).")


async def test_a_team_that_goes_down_keeps_its_tools(ws: Workshop, client: Client, team: Team) -> None:
    await ws.endpoint("brief", namespace="parts", task_queue="brief")
    directory = DirectoryHandler({parts.Parts: [parts.Parts.stock]})
    async with serving(gateway(ws, "brief", "finance").app()) as url, McpClient(url) as mcp:
        async with Worker(team.client, task_queue="brief", nexus_service_handlers=[directory]):
            before = await mcp.list_tools()
        after = await mcp.list_tools()
    names = [[tool.name for tool in listed.tools] for listed in (before, after)]
    assert names == [["stock", "stock_price", "calculate_roi"]] * 2


# One call, one operation.


async def test_a_call_made_again_joins_and_gets_the_result_again(mcp: McpClient, team: Team) -> None:
    meta: Any = {IDEMPOTENCY_KEY: str(uuid.uuid4())}
    calls = [asyncio.create_task(mcp.call_tool("waits", {"input": "again"}, meta=meta)) for _ in range(5)]
    workflow = await team.started("again")
    await workflow.signal(parts.Waits.proceed)
    answers = [told(await call) for call in calls]
    answers.append(told(await mcp.call_tool("waits", {"input": "again"}, meta=meta)))
    assert answers == ["waited for again"] * 6
    assert team.trouble.started.empty()


async def test_a_key_is_for_one_call(mcp: McpClient) -> None:
    meta: Any = {IDEMPOTENCY_KEY: str(uuid.uuid4())}
    assert told(await mcp.call_tool("count", {"input": 1}, meta=meta)) == "1"
    for tool, given in (("count", {"input": 2}), ("find", {"input": "1"})):
        with pytest.raises(MCPError, match="was used before, for another call"):
            await mcp.call_tool(tool, given, meta=meta)
    assert told(await mcp.call_tool("count", {"input": 1}, meta=meta)) == "1"


@pytest.mark.parametrize("key", ["", "with space", "ö", "x" * 201, 7, True, ["x"], {"x": 1}])
async def test_a_key_that_is_none_is_refused(mcp: McpClient, key: Any) -> None:
    meta: Any = {IDEMPOTENCY_KEY: key}
    with pytest.raises(MCPError, match="a key has 1 to 200 printable ASCII characters"):
        await mcp.call_tool("count", {"input": 1}, meta=meta)


HEADERS = {"accept": "application/json, text/event-stream", "content-type": "application/json"}
INITIALIZE = {
    "protocolVersion": "2025-06-18",
    "capabilities": {},
    "clientInfo": {"name": "raw", "version": "1"},
}


def request(id: Any, method: str, **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": id, "method": method, "params": params}


@contextlib.asynccontextmanager
async def session(url: str, **headers: str) -> AsyncIterator[Callable[[Any], Coroutine[Any, Any, httpx.Response]]]:
    """A session by hand: what is sent in it, byte for byte."""
    async with httpx.AsyncClient(timeout=15, headers={**HEADERS, **headers}) as http:
        opened = await http.post(url, json=request(0, "initialize", **INITIALIZE))
        http.headers["mcp-session-id"] = opened.headers["mcp-session-id"]
        await http.post(url, json={"jsonrpc": "2.0", "method": "notifications/initialized"})
        yield lambda body: http.post(url, json=body)


async def test_a_request_sent_again_in_its_session_is_the_same_call(url: str, team: Team) -> None:
    call = request(7, "tools/call", name="waits", arguments={"input": "session"})
    async with session(url) as first, session(url) as second:
        calls = [asyncio.create_task(send(call)) for send in (first, second)]
        for workflow in [await team.started("session"), await team.started("session")]:
            await workflow.signal(parts.Waits.proceed)
        for call_made in calls:
            assert "waited for session" in (await call_made).text
        assert "waited for session" in (await first(call)).text  # and no third workflow
        assert "was used before" in (await first(request(7, "tools/call", name="stock"))).text
    assert team.trouble.started.empty()


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_calling_off_cancels_the_operation(url: str, team: Team, mode: str) -> None:
    async with McpClient(url, mode=mode) as mcp:
        call = asyncio.create_task(mcp.call_tool("waits", {"input": "cancel"}))
        workflow = await team.started("cancel")
        call.cancel()
        await team.cancelled(workflow)
        assert told(await mcp.call_tool("count", {"input": 1})) == "1"


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_what_is_called_off_while_it_starts_is_cancelled(
    url: str, team: Team, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    starting, go = asyncio.Event(), asyncio.Event()

    async def slow_start(*arguments: Any) -> Any:
        starting.set()
        await go.wait()
        return await standalone.start(*arguments)

    async with McpClient(url, mode=mode) as mcp:
        await mcp.list_tools()
        monkeypatch.setattr(gateway_module, "start", slow_start)
        call = asyncio.create_task(mcp.call_tool("waits", {"input": "early"}))
        await starting.wait()
        call.cancel()
        await asyncio.wait([call])
        await mcp.list_tools()  # by now the gateway knows
        go.set()
        await team.cancelled(await team.started("early"))


async def test_many_first_calls_ask_a_directory_once_or_twice(ws: Workshop, team: Team) -> None:
    async with serving(gateway(ws, "parts").app()) as url, session(url) as send:
        before = team.directory.asked
        await asyncio.gather(*(send({**CALL, "id": number}) for number in range(20)))
    assert team.directory.asked - before <= 3


async def test_a_call_that_was_called_off_stays_so(ws: Workshop, url: str, team: Team) -> None:
    meta: Any = {IDEMPOTENCY_KEY: str(uuid.uuid4())}
    async with McpClient(url) as mcp:
        call = asyncio.create_task(mcp.call_tool("waits", {"input": "off"}, meta=meta))
        workflow = await team.started("off")
        call.cancel()
        await team.cancelled(workflow)
        result = await mcp.call_tool("waits", {"input": "off"}, meta=meta)
    assert told(result) == "Error: waits was cancelled (Cancelled). Somebody called it off."


async def test_an_older_client_that_hangs_up_calls_nothing_off(url: str, team: Team) -> None:
    call = request(9, "tools/call", name="waits", arguments={"input": "hang up"})
    async with session(url) as send:
        hung_up = asyncio.create_task(send(call))
        workflow = await team.started("hang up")
        hung_up.cancel()
        await asyncio.wait([hung_up])
        assert "roi" in (await send(request(10, "tools/list"))).text
        await workflow.signal(parts.Waits.proceed)
        assert await workflow.result() == "waited for hang up"


async def test_a_gateway_that_stops_calls_nothing_off(ws: Workshop, team: Team) -> None:
    calls = []
    async with contextlib.AsyncExitStack() as stack:
        async with serving(gateway(ws).app()) as url:
            for mode in ("auto", "legacy"):
                mcp = await stack.enter_async_context(McpClient(url, mode=mode))
                calls.append(asyncio.create_task(mcp.call_tool("waits", {"input": "stop"})))
            workflows = [await team.started("stop"), await team.started("stop")]
        for workflow in workflows:
            await workflow.signal(parts.Waits.proceed)
            assert await workflow.result() == "waited for stop"
        for call in calls:
            call.cancel()
        await asyncio.wait(calls)


async def test_many_calls_at_once(url: str) -> None:
    numbers = list(range(200))
    async with McpClient(url) as one, McpClient(url, mode="legacy") as other:

        async def call(number: int) -> CallToolResult:
            given = {"invested": 100, "returned": 100 + number}
            return await (one, other)[number % 2].call_tool("calculate_roi", given)

        await one.list_tools()
        async with asyncio.timeout(30):
            results = await asyncio.gather(*map(call, numbers))
    assert [result.structured_content for result in results] == [{"percent": n, "gain": n} for n in numbers]


# The gateway dies.


async def price(mcp_url: str, key: str) -> CallToolResult:
    async with McpClient(mcp_url) as mcp:
        meta: Any = {IDEMPOTENCY_KEY: key}
        return await mcp.call_tool("stock_price", {"ticker": "ACME"}, meta=meta)


async def stock_prices(ws: Workshop) -> int:
    finance = await Client.connect(**await ws.connection("finance"))
    return len([each async for each in finance.list_workflows('WorkflowType = "PriceStock"')])


@pytest.fixture(scope="module")
async def spare(ws: Workshop, team: Team) -> AsyncIterator[str]:
    """A gateway in a process of its own, that lives."""
    service = await ws.serve("spare", "gateways")
    yield f"{service.url}/mcp"
    await service.stop()


@pytest.mark.parametrize("point", POINTS)
async def test_a_gateway_killed_in_a_call_makes_no_second_workflow(
    ws: Workshop, spare: str, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    key, before = str(uuid.uuid4()), await stock_prices(ws)
    monkeypatch.setenv("GATEWAY_DIES", point)
    dying = await ws.serve("gateway", "gateways")
    with pytest.raises(Exception):  # noqa: B017, PT011  # whichever way a client says that nobody is there any more
        await price(f"{dying.url}/mcp", key)
    async with asyncio.timeout(5):  # it was the kill, and nothing else
        while dying.running:
            await asyncio.sleep(0.01)
    result = await price(spare, key)
    assert result.structured_content == {"ticker": "ACME", "price": 120.6}
    await asyncio.gather(*(price(spare, key) for _ in range(3)))
    async with asyncio.timeout(10):  # the list follows a moment later
        while await stock_prices(ws) == before:
            await asyncio.sleep(0.02)
    assert await stock_prices(ws) == before + 1


# Who may not get in.

CALL = request(1, "tools/call", name="count", arguments={"input": 1})


@pytest.fixture(scope="module")
async def locked(ws: Workshop, team: Team) -> AsyncIterator[str]:
    """A gateway with a token."""
    async with serving(gateway(ws).app(token="s3cret")) as served:
        yield served


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "evil.example"}, 421),
        ({"host": "evil.example:80"}, 421),
        ({"host": "127.0.0.1.evil.example:80"}, 421),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://localhost.evil.example:80"}, 403),
        ({"content-type": "text/plain"}, 400),
        ({"accept": "text/html"}, 406),
        ({"origin": "http://localhost:8888"}, 200),
    ],
)
@pytest.mark.parametrize("version", ["2025-06-18", "2026-07-28"])
async def test_foreign_hosts_and_origins_are_refused(
    url: str, headers: dict[str, str], status: int, version: str
) -> None:
    async with httpx.AsyncClient(timeout=10) as http:
        sent = {**HEADERS, **headers, "mcp-protocol-version": version}
        body = request(0, "initialize", **INITIALIZE)
        if version == "2026-07-28":
            body, sent["mcp-method"] = modern(request(0, "tools/list")), "tools/list"
        assert (await http.post(url, json=body, headers=sent)).status_code == status


def modern(body: dict[str, Any]) -> dict[str, Any]:
    """With what each request carries in MCP's version of 2026-07-28."""
    meta = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    return {**body, "params": {**body["params"], "_meta": meta}}


@pytest.mark.parametrize(
    "header", ["None", "Bearer wrong", "Bearer s3cre", "Bearer  ", "Basic s3cret", "Bearer s3crets"]
)
async def test_without_the_token_nothing_is_told(locked: str, header: str) -> None:
    async with httpx.AsyncClient(timeout=10, headers={**HEADERS, "authorization": header.strip()}) as http:
        answer = await http.post(locked, json=request(0, "initialize", **INITIALIZE))
    assert answer.status_code == 401
    assert "s3cret" not in answer.text


async def test_with_the_token_it_works(locked: str) -> None:
    async with session(locked, authorization="Bearer s3cret") as send:
        assert '"text":"1"' in (await send(CALL)).text


async def test_beyond_loopback_there_must_be_a_token(ws: Workshop) -> None:
    security = TransportSecuritySettings(allowed_hosts=["gateway.example:*"])
    with pytest.raises(ValueError, match="needs a token"):
        gateway(ws).app(security=security)
    async with serving(gateway(ws).app("s3cret", security)) as url, httpx.AsyncClient(headers=HEADERS) as http:
        sent = {"authorization": "Bearer s3cret", "host": "gateway.example:443"}
        opened = await http.post(url, json=request(0, "initialize", **INITIALIZE), headers=sent)
        loopback = await http.post(url, json=CALL, headers={"authorization": "Bearer s3cret"})
    assert (opened.status_code, loopback.status_code) == (200, 421)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"x" * (LARGEST_REQUEST + 1), 413),
        (b"{", 400),
        (b"\xff\xfe", 400),
        (b"[]", 400),
        (b'{"jsonrpc": "1.0", "id": 1, "method": "tools/list"}', 400),
        (b"[" * 100_000, 400),
    ],
)
async def test_what_is_no_request_is_refused(url: str, body: bytes, status: int) -> None:
    async with httpx.AsyncClient(timeout=10, headers=HEADERS) as http:
        for version in ("2025-06-18", "2026-07-28"):
            answer = await http.post(url, content=body, headers={"mcp-protocol-version": version})
            assert answer.status_code == status
        chunks = (body[at : at + 65536] for at in range(0, len(body), 65536))  # without a length in its head

        async def stream() -> AsyncIterator[bytes]:
            for chunk in chunks:
                yield chunk

        assert (await http.post(url, content=stream())).status_code == status


# Standard input and output.


@pytest.fixture
def stdio(ws: Workshop) -> StdioServerParameters:
    return StdioServerParameters(command=sys.executable, args=["-m", "gateways"], env=dict(environment(ws._folder)))


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_over_standard_input_and_output(stdio: StdioServerParameters, team: Team, mode: str) -> None:
    async with asyncio.timeout(20), McpClient(stdio, mode=mode) as mcp:
        assert "stock_price" in [tool.name for tool in (await mcp.list_tools()).tools]
        assert told(await mcp.call_tool("count", {"input": 1})) == "1"
        assert "required property" in told(await mcp.call_tool("count", {}))
        with pytest.raises(MCPError, match="Unknown tool 'nope'"):
            await mcp.call_tool("nope", {})
        call = asyncio.create_task(mcp.call_tool("waits", {"input": "stdio"}))
        workflow = await team.started("stdio")
        call.cancel()
        await team.cancelled(workflow)


# An agent.


@pytest.mark.usefixtures("with_model")
async def test_an_agent_finds_a_new_operation_without_a_restart(ws: Workshop, team: Team) -> None:
    client = await Client.connect(**await ws.connection("default", plugins=[plugin()]))
    team.directory.now = DirectoryHandler({})
    settings: dict[str, Any] = {"task_queue": "assistants", "workflows": [shoppers.Assistant]}
    question = "How many parts are there?"
    try:
        async with Worker(client, **settings), asyncio.timeout(30):
            handle = await client.start_workflow(
                shoppers.Assistant.run,
                Chat("offline", tool_seconds=5),
                id=f"assistant-{uuid.uuid4()}",
                task_queue="assistants",
                execution_timeout=timedelta(minutes=1),
            )

            async def ask(text: str) -> str:
                return (await handle.execute_update(Conversation.send_message, text)).text

            price = await ask("What is the stock price of ACME?")
            failed = await ask("What is the stock price of NOPE?")
            before = await ask(question)
            team.directory.now = DirectoryHandler({parts.Parts: [parts.Parts.stock]})
            after = await ask(question)
            entries = await handle.query(Conversation.transcript)
            await handle.signal(Conversation.end_chat)
            await handle.result()
    finally:
        team.directory.now = DirectoryHandler(parts.OFFERED)
    assert "120.6" in price
    assert "No stock NOPE is traded" in failed
    assert "blue" not in before
    assert "4" in after
    assert [entry.tool for entry in entries if entry.kind == "call"] == ["stock_price", "stock_price", "stock"]
