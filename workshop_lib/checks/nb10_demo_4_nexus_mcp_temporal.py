"""The exercises of notebook 10: what a team's directory tells, and who may use the gateway, for what and how long."""

# No `from __future__ import annotations`: the SDK reads the operations' types from the annotations.

import inspect
import uuid
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import httpx2
from mcp import Client as McpClient
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from nexusrpc import get_service_definition
from nexusrpc.handler import StartOperationContext, service_handler, sync_operation
from starlette.applications import Starlette
from temporalio.client import Client
from temporalio.common import NexusOperationExecutionStatus
from temporalio.service import RPCError

from workshop_lib.agents.openai_agents import AgentConversation, plugin
from workshop_lib.checks.exercise import exercise, expected, require
from workshop_lib.checks.harness.other_teams import other_teams, quiet_client
from workshop_lib.checks.harness.serving import serving
from workshop_lib.checks.harness.talks import talks
from workshop_lib.checks.harness.turns import turn
from workshop_lib.demos import local
from workshop_lib.demos.nexus_mcp_temporal import NexusMcpAgent
from workshop_lib.evidence.history import history, spoken
from workshop_lib.evidence.messages import WorkshopError
from workshop_lib.nexus_mcp.by_workflow import is_off
from workshop_lib.nexus_mcp.contract import Directory, Tool
from workshop_lib.nexus_mcp.gateway import IDEMPOTENCY_KEY, Gateway
from workshop_lib.teams.finance import worker as team_finance
from workshop_lib.teams.finance.contract import ENDPOINT, Finance
from workshop_lib.teams.finance.handler import ExchangeHandler, FinanceHandler
from workshop_lib.workshop import Workshop

_MOST_CALLS = 20
_TOO_SLOW = WorkshopError("This machine is too slow just now.", then="Stop what else runs on it, and check again.")

# 10.1

_MODEL_SECONDS = 60.0  # far more than it takes: a slow machine is nobody's mistake
_OFFERED = ["convert", "stock_price"]
_OTHERS = {"jira_metrics", "get_ip", *(each.__name__ for each in local.TOOLS)}
_SOLVED = "`DirectoryHandler({Finance: [Finance.stock_price], Exchange: [Exchange.convert]})`"
_LISTS = f"What is not listed is not found, and each operation is in its own contract's list: {_SOLVED}."


@service_handler(service=Directory)
class _Changing:
    """A directory that offers something else from one moment to the next."""

    def __init__(self) -> None:
        self.now: Any = team_finance.DIRECTORY
        self.asked = 0  # since it changed

    @sync_operation
    async def tools(self, ctx: StartOperationContext, nothing: None) -> list[Tool]:
        """What the team offers."""
        self.asked += 1
        offered = self.now.tools(ctx, nothing)
        tools: list[Tool] = await offered if inspect.isawaitable(offered) else offered
        return tools


@exercise("10.1")
async def exposed(ws: Workshop, answer: Any) -> str:
    """Agents and MCP clients find what is listed, in conversations that go on, and can call it; and nothing more."""
    require(callable(answer), "the function itself, without a call", repr(answer))
    made = answer()
    definition = get_service_definition(type(made))
    require(definition and definition.name == "Directory", "a `DirectoryHandler`", repr(made), _LISTS)
    agent = talks(ws, NexusMcpAgent, *local.TOOLS, base=AgentConversation, plugins=[plugin(_MODEL_SECONDS)])
    directory = _Changing()
    handlers = [FinanceHandler(), ExchangeHandler(), directory]
    async with other_teams(ws, nexus_service_handlers=handlers), agent as begin:
        talk = await begin()
        await turn(talk, "What is the ROI if I invest 1000 dollars and get 1250 back?")
        directory.now, directory.asked, names, before = made, 0, list[str](), 0
        while names != _OFFERED and before < 2:  # on a slow machine an agent goes on with the list that it has
            before = directory.asked
            answered = await turn(talk, "Convert 250 dollars to EUR, and what is the price of ACME?")
            names = sorted({tool["name"] for tool in (await talk.asked())[-1].tools} - _OTHERS)
        _led("an agent", names, answered.reply, "225", "120.6")
        gateway = Gateway(partial(quiet_client, ws), [ENDPOINT])
        names, saw = await _used(lambda: gateway.server, "convert", {"dollars": 40, "currency": "JPY"})
        _led("a client of the gateway", names, saw, "6080")
    return "An agent in a conversation that was open, and an MCP client, found and used both tools and no other."


def _led(who: str, names: list[str], reply: str, *parts: str) -> None:
    require(names == _OFFERED, f"{who} to find {' and '.join(_OFFERED)}", ", ".join(names) or "nothing", _LISTS)
    require(all(part in reply for part in parts), f"a reply with {' and '.join(parts)}", repr(reply), _LISTS)


async def _used(reach: Callable[[], Any], tool: str, given: dict[str, Any], key: str = "") -> tuple[list[str], str]:
    """Be an MCP client: the tools that it finds, and what a call gives it.

    Args:
        reach: Gives what ``mcp.Client`` takes. It is asked again where Finance's directory had no time to answer.
        tool: The tool to call.
        given: Its arguments.
        key: Names the call.
    """
    meta: Any = {IDEMPOTENCY_KEY: key or str(uuid.uuid4())}
    for _ in range(_MOST_CALLS):
        names, saw = list[str](), ""
        async with McpClient(reach()) as mcp:
            try:
                names = sorted(tool.name for tool in (await mcp.list_tools()).tools)
                saw = str((await mcp.call_tool(tool, given, meta=meta)).content)
            except MCPError as error:
                saw = str(error)
        if names or "TimedOut" not in saw:
            return names, saw
    raise _TOO_SLOW


# 10.2

_TOKEN = "only-for-you"
_LEAST, _MOST = timedelta(seconds=4), timedelta(seconds=6)
_REFUSED = (401, 403, 421)
_APP = "Compare with `Gateway(connect, [ENDPOINT], timedelta(seconds=5)).app(TOKEN)`: each part counts."


@exercise("10.2")
async def guarded(ws: Workshop, answer: Any) -> str:
    """Over HTTP: callers with the token alone, Finance's tools alone, and five seconds for a call."""
    require(callable(answer), "the function itself, without a call", repr(answer))
    token = getattr(answer, "__globals__", {}).get("TOKEN", _TOKEN)
    app = answer(partial(quiet_client, ws))
    require(isinstance(app, Starlette), "the application that `app` makes", repr(app), _APP)
    async with other_teams(ws), serving(app) as address:
        await _refuses(f"{address}/mcp", token)
        await _serves(await quiet_client(ws), f"{address}/mcp", token)
    return "Only who had the token was let in, found Finance's tools alone and got a price. A call has five seconds."


async def _refuses(url: str, token: str) -> None:
    """Knock at the door in some ways."""
    right = {"authorization": f"Bearer {token}"}
    doors: list[tuple[str, dict[str, str], bool]] = [
        ("without a token", {}, False),
        ("with another token", {"authorization": "Bearer guessed"}, False),
        ("with the token", right, True),
        ("with the token, from a page of evil.example", {**right, "host": "evil.example"}, False),
    ]
    headers = {"accept": "application/json, text/event-stream", "content-type": "application/json"}
    async with httpx2.AsyncClient(headers=headers, timeout=None) as http:
        for who, more, enters in doors:
            status = (await http.post(url, headers=more)).status_code
            what = f"a request {who} to be {'let in' if enters else 'refused'}"
            advice = "`.app(TOKEN)` lets in who sends TOKEN, and only from this computer: leave `security` out."
            require((status not in _REFUSED) is enters, what, f"status {status}", advice)


async def _serves(client: Client, url: str, token: str) -> None:
    """Be a callers' client with the token; ask for a price again where the machine was too slow for five seconds."""
    own = sorted(get_service_definition(Finance).operation_definitions)  # type: ignore[union-attr]
    headers = {"authorization": f"Bearer {token}"}
    for _ in range(_MOST_CALLS):
        key = str(uuid.uuid4())
        async with httpx2.AsyncClient(headers=headers, timeout=None) as http:
            reach = partial(streamable_http_client, url, http_client=http)
            names, saw = await _used(reach, "stock_price", {"ticker": "ACME"}, key)
        require(names == own, "Finance's tools alone", f"{', '.join(names) or 'none'} ({saw})", _APP)
        try:
            limit, timed_out = await _recorded(client, f"mcp-key-{key}")
        except RPCError as error:
            raise expected("a price", saw, _APP) from error
        took = spoken(limit) if limit else "no limit"
        require(limit and _LEAST <= limit <= _MOST, "five seconds for each call", took, _APP)
        if not timed_out:
            return require("120.6" in saw, "the price 120.6", saw)
    raise _TOO_SLOW


async def _recorded(client: Client, id: str) -> tuple[timedelta | None, bool]:
    """The limit of a call of the gateway, and whether it was exceeded."""
    try:
        call = await client.get_nexus_operation_handle(id).describe()
    except RPCError as error:
        if not is_off(error):
            raise
        (step,) = (await history(client.get_workflow_handle(id))).steps  # the service has standalone operations off
        return step.limit, step.status == "timed out"
    return call.schedule_to_close_timeout, call.status == NexusOperationExecutionStatus.TIMED_OUT
