"""The exercises of notebook 10: what a team's directory tells, and who may use the gateway, for what and how long."""

import uuid
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import httpx2
import mcp
from mcp.client.streamable_http import streamable_http_client
from nexusrpc import get_service_definition
from starlette.applications import Starlette
from temporalio.client import Client
from temporalio.service import RPCError

from workshop_lib.agents.discovery import MORE_TOOLS
from workshop_lib.checks.exercise import exercise, expected, require
from workshop_lib.checks.harness.handled import other_teams
from workshop_lib.checks.harness.recorded import too_slow
from workshop_lib.checks.harness.sdk_talks import sdk_talks
from workshop_lib.checks.harness.serving import serving
from workshop_lib.checks.harness.talks import holds, limited
from workshop_lib.checks.harness.trial import connect
from workshop_lib.demos import local
from workshop_lib.demos.nexus_mcp_temporal import NexusMcpAgent
from workshop_lib.evidence.history import history
from workshop_lib.nexus_mcp.by_workflow import is_off
from workshop_lib.nexus_mcp.gateway import IDEMPOTENCY_KEY, Gateway
from workshop_lib.teams.finance.contract import ENDPOINT, Finance
from workshop_lib.teams.finance.handler import ExchangeHandler, FinanceHandler
from workshop_lib.workshop import Workshop

_MOST_CALLS, _LATE = 20, "TimedOut"

# 10.1

_OFFERED = ["convert", "stock_price"]
_OTHERS = {"jira_metrics", "get_ip", MORE_TOOLS, *(each.__name__ for each in local.TOOLS)}


@exercise("10.1")
async def exposed(ws: Workshop, answer: Any) -> None:
    """Agents and MCP clients find what is listed, and can call it; and nothing more."""
    require(callable(answer), "the function itself, without a call", repr(answer))
    made = answer()
    definition = get_service_definition(type(made))
    require(definition and definition.name == "Directory", "a `DirectoryHandler`", repr(made))
    handlers = [FinanceHandler(), ExchangeHandler(), made]
    async with other_teams(ws, nexus_service_handlers=handlers), sdk_talks(ws, NexusMcpAgent) as begin:
        talk, names, turns = await begin(), list[str](), 0
        while not names and turns < _MOST_CALLS:  # on a slow machine an agent goes on without a list
            turns += 1
            answered = await talk.turn("Convert 250 dollars to EUR, and what is the price of ACME?")
            names = sorted({tool["name"] for tool in (await talk.asked())[-1].tools} - _OTHERS)
        _led("an agent", names, answered.reply, "225", "120.6")
        gateway = Gateway(partial(connect, ws, quiet=True), [ENDPOINT])
        names, saw = await _used(lambda: gateway.server, "convert", {"dollars": 40, "currency": "JPY"})
        _led("a client of the gateway", names, saw, "6080")


def _led(who: str, names: list[str], reply: str, *parts: str) -> None:
    require(names == _OFFERED, f"{who} to find {' and '.join(_OFFERED)}", ", ".join(names) or "nothing")
    holds(reply, *parts)


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
        async with mcp.Client(reach()) as there:
            try:
                names = sorted(tool.name for tool in (await there.list_tools()).tools)
                saw = str((await there.call_tool(tool, given, meta=meta)).content)
            except mcp.MCPError as error:
                saw = str(error)
        if names or _LATE not in saw:
            return names, saw
    raise too_slow("Finance did not answer in time")


# 10.2

_TOKEN = "only-for-you"
_LEAST, _MOST = timedelta(seconds=4), timedelta(seconds=6)
_REFUSED = (401, 403, 421)


@exercise("10.2")
async def guarded(ws: Workshop, answer: Any) -> None:
    """Over HTTP: callers with the token alone, Finance's tools alone, and five seconds for a call."""
    require(callable(answer), "the function itself, without a call", repr(answer))
    token = getattr(answer, "__globals__", {}).get("TOKEN", _TOKEN)
    app = answer(partial(connect, ws, quiet=True))
    require(isinstance(app, Starlette), "the application that `app` makes", repr(app), "app")
    async with other_teams(ws), serving(app) as address:
        await _refuses(f"{address}/mcp", token)
        await _serves(await connect(ws, quiet=True), f"{address}/mcp", token)


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
            require((status not in _REFUSED) is enters, what, f"status {status}", "token")


async def _serves(client: Client, url: str, token: str) -> None:
    """Be a callers' client with the token; ask for a price again where the machine was too slow for five seconds."""
    own = sorted(get_service_definition(Finance).operation_definitions)  # type: ignore[union-attr]
    headers = {"authorization": f"Bearer {token}"}
    for _ in range(_MOST_CALLS):
        key = str(uuid.uuid4())
        async with httpx2.AsyncClient(headers=headers, timeout=None) as http:
            reach = partial(streamable_http_client, url, http_client=http)
            names, saw = await _used(reach, "stock_price", {"ticker": "ACME"}, key)
        require(names == own, "Finance's tools alone", f"{', '.join(names) or 'none'} ({saw})", "tools")
        require("120.6" in saw or _LATE in saw, "the price 120.6", saw)
        try:
            limit = await _limit(client, f"mcp-key-{key}")
        except RPCError as error:  # no call has come to Finance
            raise expected("a price", saw) from error
        limited(limit, "five seconds for each call", _LEAST, _MOST)
        if _LATE not in saw:
            return
    raise too_slow("Finance did not answer in time")


async def _limit(client: Client, id: str) -> timedelta | None:
    """The limit of a call of the gateway, as the server has recorded it."""
    try:
        return (await client.get_nexus_operation_handle(id).describe()).schedule_to_close_timeout
    except RPCError as error:
        if not is_off(error):
            raise
    (step,) = (await history(client.get_workflow_handle(id))).steps  # the service has standalone operations off
    return step.limit
