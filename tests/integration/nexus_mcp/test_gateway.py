"""The gateway: one operation for one call, whatever dies or hangs up; and who may not get in."""

import asyncio
import uuid
from datetime import timedelta
from typing import Any

import flows
import nexusrpc
import parts
import pytest
from bridge import OPENING, Changing, Team, gateway, modern, price, raw, request, serving, session, shop, told
from mcp import Client as McpClient
from mcp.shared.exceptions import MCPError
from nexusrpc.handler import StartOperationContext, service_handler, sync_operation
from runs import priced
from temporalio.client import Client
from temporalio.worker import Worker
from waits import until

from workshop_lib.governance.allowlist import Allowlist
from workshop_lib.nexus_mcp import gateway as gateway_module
from workshop_lib.nexus_mcp import standalone
from workshop_lib.nexus_mcp.directory import DirectoryHandler
from workshop_lib.nexus_mcp.gateway import IDEMPOTENCY_KEY
from workshop_lib.workshop import Workshop

pytest_plugins = ["bridge"]  # its fixtures


async def test_a_refused_caller_learns_by_whom_and_why(ws: Workshop, client: Client, team: Team) -> None:
    async with serving(gateway(ws, parts.ENDPOINT).app()) as url, McpClient(url) as mcp:
        await mcp.list_tools()
        async with team.guard(Allowlist(["support"])):
            result = await mcp.call_tool("stock", {})
            with pytest.raises(MCPError) as listing:
                await mcp.list_tools()
            with pytest.raises(MCPError) as unknown:
                await mcp.call_tool("nothing", {})
            assert await shop(client) == []
        assert (await mcp.list_tools()).tools
    assert result.is_error
    assert told(result).startswith("Error: stock refused this caller (UNAUTHORIZED). Namespace 'default' may not call")
    for error in (listing, unknown):
        assert "Endpoint parts did not list its tools. UNAUTHORIZED: Namespace 'default' may not" in str(error.value)


async def test_a_team_that_is_down_hides_no_other(ws: Workshop, team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(gateway(ws, "nowhere", "finance").app()) as url, McpClient(url) as mcp:
        listed = await mcp.list_tools()
    assert [tool.name for tool in listed.tools] == ["stock_price", "calculate_roi"]
    assert "Endpoint nowhere did not list its tools. NOT_FOUND" in str(listed.meta), "in silence"
    await ws.endpoint("nobody", namespace="parts", task_queue="nobody")
    call = request(1, "tools/call", name="calculate_roi", arguments={"invested": 1, "returned": 2})
    async with serving(gateway(ws, "nobody", "finance").app()) as url, session(url) as send:
        # The list waits for nobody's, and this call does not.
        listing = asyncio.create_task(send(request(2, "tools/list")))
        assert "percent" in (await send(call)).text
        assert not listing.done()
        listing.cancel()
    monkeypatch.setattr(standalone, "_LIMIT", timedelta(seconds=2))
    async with serving(gateway(ws, "nobody").app()) as url, McpClient(url) as mcp:
        with pytest.raises(MCPError, match=r"Endpoint nobody did not list its tools\. TimedOut"):
            await mcp.list_tools()


async def test_a_list_that_is_slow_is_waited_for(
    ws: Workshop, directory: Changing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(standalone, "_PATIENCE_SECONDS", 0.05)  # with one that it knows
    directory.open.clear()
    async with serving(gateway(ws, "parts").app()) as url, McpClient(url) as mcp:
        listing, asked = asyncio.create_task(mcp.list_tools()), directory.asked
        await until(lambda: directory.asked > asked)
        await asyncio.sleep(0.5)
        assert not listing.done(), "it answers without the team's tools"
        directory.open.set()
        assert "stock" in [tool.name for tool in (await listing).tools]


@nexusrpc.service
class Rival:
    stock: nexusrpc.Operation[None, str]


@service_handler(service=Rival)
class RivalHandler:
    @sync_operation
    async def stock(self, ctx: StartOperationContext, nothing: None) -> str:
        return "the rival's"


async def test_a_name_that_two_teams_offer_stays_with_the_one_that_had_it(
    ws: Workshop, client: Client, team: Team, caplog: pytest.LogCaptureFixture
) -> None:
    await ws.endpoint("rival", namespace="parts", task_queue="rival")
    ours, rivals = '{"red": 3, "blue": 4}', "the rival's"
    directory = Changing(DirectoryHandler({}))
    async with (
        Worker(team.client, task_queue="rival", nexus_service_handlers=[RivalHandler(), directory]),
        serving(gateway(ws, "rival", "parts").app()) as url,
        McpClient(url) as mcp,
    ):
        await mcp.list_tools()
        directory.now = DirectoryHandler({Rival: [Rival.stock]})
        listed = await mcp.list_tools()
        assert [tool.name for tool in listed.tools].count("stock") == 1
        clash = "Endpoint rival offers stock, which endpoint parts had first."
        assert clash in str(listed.meta)
        assert clash in caplog.text
        assert told(await mcp.call_tool("stock", {})) == ours
        assert told(await mcp.call_tool("rival/stock", {})) == rivals
        assert told(await mcp.call_tool("parts/stock", {})) == ours
        # From the start, the one that is named first has it.
        async with serving(gateway(ws, "rival", "parts").app()) as again, McpClient(again) as other:
            await other.list_tools()
            assert told(await other.call_tool("stock", {})) == rivals


async def test_a_team_sets_the_limit_of_its_operations_and_a_client_hears_of_progress(
    ws: Workshop, client: Client, team: Team, directory: Changing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway_module, "_PROGRESS_SECONDS", 0.1)
    directory.now = DirectoryHandler(parts.OFFERED, {"waits": timedelta(minutes=7)})
    running, meta = asyncio.Event(), {IDEMPOTENCY_KEY: str(uuid.uuid4())}

    async def heard(progress: float, total: float | None, message: str | None) -> None:
        running.set()

    async with serving(gateway(ws, "parts").app()) as url, McpClient(url) as mcp:
        given: Any = {"name": "waits", "arguments": {"input": "long"}, "meta": meta}
        first = asyncio.create_task(mcp.call_tool(**given, progress_callback=heard))
        workflow = await team.started("long")
        await running.wait()
        again = asyncio.create_task(mcp.call_tool(**given))
        operation = await client.get_nexus_operation_handle(f"mcp-key-{meta[IDEMPOTENCY_KEY]}").describe()
        assert operation.schedule_to_close_timeout == timedelta(minutes=7)
        await workflow.signal(flows.Stubborn.proceed)
        assert [told(await call) for call in (first, again)] == ["went on"] * 2


async def test_a_team_that_goes_down_keeps_its_tools(ws: Workshop, client: Client, team: Team) -> None:
    await ws.endpoint("brief", namespace="parts", task_queue="brief")
    directory = DirectoryHandler({parts.Parts: [parts.Parts.stock]})
    async with serving(gateway(ws, "brief", "finance").app()) as url, McpClient(url) as mcp:
        async with Worker(team.client, task_queue="brief", nexus_service_handlers=[directory]):
            before = await mcp.list_tools()
        after = await mcp.list_tools()
    names = [[tool.name for tool in listed.tools] for listed in (before, after)]
    assert names == [["stock", "stock_price", "calculate_roi"]] * 2


async def test_a_call_made_again_joins_and_gets_the_result_again(mcp: McpClient, team: Team) -> None:
    meta: Any = {IDEMPOTENCY_KEY: str(uuid.uuid4())}
    calls = [asyncio.create_task(mcp.call_tool("waits", {"input": "again"}, meta=meta)) for _ in range(5)]
    workflow = await team.started("again")
    await workflow.signal(flows.Stubborn.proceed)
    answers = [told(await call) for call in calls]
    answers.append(told(await mcp.call_tool("waits", {"input": "again"}, meta=meta)))
    assert answers == ["went on"] * 6
    assert team.trouble.started.empty()


async def test_a_key_is_for_one_call_and_printable(mcp: McpClient) -> None:
    meta: Any = {IDEMPOTENCY_KEY: str(uuid.uuid4())}
    assert told(await mcp.call_tool("count", {"input": 1}, meta=meta)) == "1"
    for tool, given in (("count", {"input": 2}), ("find", {"input": "1"})):
        with pytest.raises(MCPError, match="was used before, for another call"):
            await mcp.call_tool(tool, given, meta=meta)
    assert told(await mcp.call_tool("count", {"input": 1}, meta=meta)) == "1"
    for key in ("", "with space", "ö", "x" * 201, 7, ["x"]):
        meta = {IDEMPOTENCY_KEY: key}
        with pytest.raises(MCPError, match="a key has 1 to 200 printable ASCII characters"):
            await mcp.call_tool("count", {"input": 1}, meta=meta)


async def test_a_request_sent_again_in_its_session_is_the_same_call(url: str, team: Team) -> None:
    call = request(7, "tools/call", name="waits", arguments={"input": "session"})
    async with session(url) as first, session(url) as second:
        calls = [asyncio.create_task(send(call)) for send in (first, second)]
        for workflow in [await team.started("session"), await team.started("session")]:
            await workflow.signal(flows.Stubborn.proceed)
        for call_made in calls:
            assert "went on" in (await call_made).text
        assert "went on" in (await first(call)).text  # and no third workflow
        assert "was used before" in (await first(request(7, "tools/call", name="stock"))).text
    assert team.trouble.started.empty()


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_cancelling_a_call_cancels_the_operation_for_good(url: str, team: Team, mode: str) -> None:
    given: Any = {"name": "waits", "arguments": {"input": "off"}, "meta": {IDEMPOTENCY_KEY: str(uuid.uuid4())}}
    async with McpClient(url, mode=mode) as mcp:
        call = asyncio.create_task(mcp.call_tool(**given))
        workflow = await team.started("off")
        call.cancel()
        await team.cancelled(workflow)
        assert told(await mcp.call_tool(**given)) == "Error: waits was cancelled (Cancelled). Somebody called it off."


async def test_an_older_client_that_hangs_up_cancels_nothing(url: str, team: Team) -> None:
    call = request(9, "tools/call", name="waits", arguments={"input": "hang up"})
    async with session(url) as send:
        hung_up = asyncio.create_task(send(call))
        workflow = await team.started("hang up")
        hung_up.cancel()
        await asyncio.wait([hung_up])
        assert "roi" in (await send(request(10, "tools/list"))).text
        await workflow.signal(flows.Stubborn.proceed)
        assert await workflow.result() == "went on"


@pytest.mark.usefixtures("team")
async def test_a_gateway_killed_in_a_call_makes_no_second_workflow(ws: Workshop) -> None:
    key, before = str(uuid.uuid4()), await priced(ws)
    await ws.spawn("workshop_lib.teams.it.worker")  # the gateway's other team, which it asks for its tools
    dying = await ws.serve("gateway", "workshop_lib.demos.gateway")
    with ws.fault("read_quote.is_slow", seconds=2) as slow:
        call = asyncio.create_task(price(f"{dying.url}/mcp", key))
        await until(lambda: slow.fired)
        dying.kill()
        with pytest.raises(Exception):  # noqa: B017, PT011  # whichever way a client says that nobody is there any more
            await call
        again = await ws.serve("gateway", "workshop_lib.demos.gateway")
        answers = await asyncio.gather(*(price(f"{again.url}/mcp", key) for _ in range(3)))
    assert [each.structured_content for each in answers] == [{"ticker": "ACME", "price": 120.6}] * 3
    assert await priced(ws, before + 1) == before + 1


CALL = request(1, "tools/call", name="count", arguments={"input": 1})


async def test_a_session_of_a_gateway_before_is_told_to_begin_again(url: str) -> None:
    """As the protocol says: a client opens another one after this status."""
    async with raw({"mcp-session-id": uuid.uuid4().hex}) as http:
        assert (await http.post(url, json=CALL)).status_code == 404


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "127.0.0.1.evil.example:80"}, 421),
        ({"origin": "http://localhost.evil.example:80"}, 403),
        ({"origin": "http://localhost:8888"}, 200),
    ],
)
async def test_foreign_hosts_and_origins_are_refused(url: str, headers: dict[str, str], status: int) -> None:
    async with raw(headers) as http:
        assert (await http.post(url, json=OPENING)).status_code == status
        sent = {"mcp-protocol-version": "2026-07-28", "mcp-method": "tools/list"}
        assert (await http.post(url, json=modern(request(0, "tools/list")), headers=sent)).status_code == status


async def test_without_the_token_everything_is_refused(ws: Workshop, team: Team) -> None:
    async with serving(gateway(ws).app(token="s3cret")) as url:
        for header in ("None", "Bearer s3cre", "Bearer", "Basic s3cret"):
            async with raw({"authorization": header}) as http:
                answer = await http.post(url, json=OPENING)
            assert (answer.status_code, "s3cret" in answer.text) == (401, False)
        async with session(url, authorization="Bearer s3cret") as send:
            assert '"text":"1"' in (await send(CALL)).text
