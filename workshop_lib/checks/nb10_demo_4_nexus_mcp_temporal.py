"""The exercises of notebook 10: what a team's directory tells, and who may use the gateway, for what and how long."""

# No `from __future__ import annotations`: the SDK reads the operations' types from the annotations.

import asyncio
import contextlib
import inspect
import time
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx2
from mcp import Client as McpClient
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from mcp_types import CallToolResult
from nexusrpc import get_service_definition
from nexusrpc.handler import StartOperationContext, service_handler, sync_operation
from starlette.applications import Starlette
from temporalio.client import Client
from temporalio.service import RPCError

from workshop_lib.agents.openai_agents import AgentConversation, plugin
from workshop_lib.checks.exercise import Wrong, exercise
from workshop_lib.checks.harness.other_teams import other_teams
from workshop_lib.checks.harness.serving import bare, serving
from workshop_lib.checks.harness.talks import Begin, Talk, talks
from workshop_lib.checks.harness.trial import NAMESPACE
from workshop_lib.demos import local
from workshop_lib.demos.nexus_mcp_temporal import NexusMcpAgent
from workshop_lib.evidence.history import spoken
from workshop_lib.nexus_mcp.contract import Directory, Tool
from workshop_lib.nexus_mcp.directory import DirectoryHandler
from workshop_lib.nexus_mcp.gateway import IDEMPOTENCY_KEY, Gateway
from workshop_lib.teams.finance import worker as team_finance
from workshop_lib.teams.finance.contract import ENDPOINT, Finance
from workshop_lib.teams.finance.handler import ExchangeHandler, FinanceHandler
from workshop_lib.workshop import Workshop

# 10.1

_MODEL_SECONDS = 5.0
_OFFERED = {"stock_price", "convert"}
_OTHERS = {"jira_metrics", "get_ip", *(each.__name__ for each in local.TOOLS)}
_SOLVED = "`return DirectoryHandler({Finance: [Finance.stock_price], Exchange: [Exchange.convert]})`"
_BY_CONTRACT = "A directory has a list for each contract, and each operation stands with its own:"
_MADE_WRONG = {  # what a handler's making says, and what that means
    "is no operation of": f"{_BY_CONTRACT} {_SOLVED}.",
    "cannot have one name": "Name each operation once.",
    "has no attribute '__name__'": "The contracts are classes, not their names: `Finance`, `Exchange`, without quotes.",
    "'str' object has no attribute": "List the operations themselves, not their names: `Finance.stock_price`.",
    "has no attribute 'name'": "List the operations themselves: `Finance.stock_price`.",
    "has no attribute 'items'": f"{_BY_CONTRACT} {_SOLVED}.",
    "is not iterable": f"The operations of a contract stand in a list, also a single one: {_SOLVED}.",
    "unhashable": f"{_BY_CONTRACT} {_SOLVED}.",
    "argument": f"`DirectoryHandler` takes one dict. {_BY_CONTRACT} {_SOLVED}.",
}


@service_handler(service=Directory)
class _Changing:
    """A directory that tells something else from one moment to the next."""

    def __init__(self) -> None:
        self.now: Any = team_finance.DIRECTORY

    @sync_operation
    async def tools(self, ctx: StartOperationContext, nothing: None) -> list[Tool]:
        """What the team offers."""
        told = self.now.tools(ctx, nothing)
        tools: list[Tool] = await told if inspect.isawaitable(told) else told
        return tools


@exercise(
    "10.1",
    hints=(
        "A directory lists operations by their contract. Finance's Worker has one: look at `DIRECTORY` there. "
        "`convert` belongs to another contract than `stock_price`.",
        "`DirectoryHandler` takes a dict: each contract, such as `Finance`, with a list of its operations, such as "
        "`Finance.stock_price`. What is not listed is not found.",
        f"{_SOLVED}.",
    ),
)
async def exposed(ws: Workshop, answer: Any) -> str:
    """Agents and MCP clients find what is listed, in conversations that go on, and can call it; and nothing more."""
    made, directory = _directory(answer), _Changing()
    handlers = [FinanceHandler(), ExchangeHandler(), directory]
    async with other_teams(ws, nexus_service_handlers=handlers), _talks(ws) as begin:
        talk = await begin()
        await talk.say("What is the ROI if I invest 1000 dollars and get 1250 back?")
        directory.now = made
        reply = await talk.say("Convert 250 dollars to EUR, and what is the price of ACME?")
        _found(await _shown(talk), "An agent")
        for text, tool in (("225", "convert"), ("120.6", "stock_price")):
            if text not in reply:
                what = f"An agent was to get {text} from {tool}, and the user was told {reply!r}."
                raise Wrong(what, f"What is listed has to lead to Finance's operations. {_SOLVED}.")
        with bare():
            async with McpClient(Gateway(_connecting(ws), [ENDPOINT]).server) as gateway:
                _found({tool.name for tool in (await gateway.list_tools()).tools}, "A client of the gateway")
                result = await gateway.call_tool("convert", {"dollars": 40, "currency": "JPY"})
        if "6080" not in _text(result):
            what = f"A client of the gateway called convert for 40 dollars, and got {_text(result)!r}."
            raise Wrong(what, f"What is listed has to lead to Finance's operations. {_SOLVED}.")
    return (
        "A conversation that had begun before found convert in its next turn and used it, and calculate_roi no longer. "
        "A client of the gateway found the same two tools. Both are called through Nexus."
    )


def _directory(answer: Any) -> Any:
    """The directory that the learner's function makes."""
    if isinstance(answer, DirectoryHandler):
        return answer
    if not callable(answer):
        raise Wrong(
            f"You handed in {answer!r}, which is no function.", 'Hand in the function: `check("10.1", directory)`.'
        )
    try:
        made = answer()
    except (ValueError, TypeError, AttributeError) as error:
        said = f"{type(error).__name__}: {error}"
        advice = next((advice for part, advice in _MADE_WRONG.items() if part in said), f"{_BY_CONTRACT} {_SOLVED}.")
        raise Wrong(f"No directory was made. {said}", advice) from error
    if inspect.isawaitable(made):
        if inspect.iscoroutine(made):
            made.close()
        raise Wrong("`directory` gives something that is to be awaited.", "Write `def`, without `async`.")
    if made is None:
        raise Wrong("`directory` returned nothing.", "Does it say `return`?")
    if isinstance(made, type):
        raise Wrong(f"`directory` returned the class {made.__name__}.", f"Make an object of it: {_SOLVED}.")
    definition = get_service_definition(type(made))
    if definition is None or definition.name != "Directory":
        what = f"`directory` returned {type(made).__name__}, which is no handler of a directory."
        raise Wrong(what, f"`DirectoryHandler` makes one of a dict: {_SOLVED}.")
    return made


def _talks(ws: Workshop) -> contextlib.AbstractAsyncContextManager[Begin]:
    return talks(ws, NexusMcpAgent, *local.TOOLS, base=AgentConversation, plugins=[plugin(_MODEL_SECONDS)])


async def _shown(talk: Talk) -> set[str]:
    """What the agent found at Finance's, in the latest turn."""
    return {tool["name"] for tool in (await talk.asked())[-1].tools} - _OTHERS


def _found(names: set[str], who: str) -> None:
    """Look at what somebody found.

    Raises:
        Wrong: It is not what is to be offered.
    """
    found = f"{who} finds {', '.join(sorted(names)) or 'nothing'} in Finance's directory"
    if "calculate_roi" in names:
        raise Wrong(f"{found}.", "`calculate_roi` is not to be found any longer: leave it out.")
    if not names:
        raise Wrong(f"{found}.", f"It lists nothing. {_SOLVED}.")
    if "convert" not in names:
        advice = "That is of the contract `Exchange`, which comes besides: `Exchange: [Exchange.convert]`."
        raise Wrong(f"{found}, and no convert.", advice)
    if "stock_price" not in names:
        advice = "What was offered before and is not named stays: `Finance: [Finance.stock_price]`."
        raise Wrong(f"{found}, and no stock_price.", advice)
    if names != _OFFERED:
        raise Wrong(f"{found}.", f"Two operations were asked for, and Finance has no others to offer. {_SOLVED}.")


def _connecting(ws: Workshop) -> Callable[[], Any]:
    async def connect() -> Client:
        # Without the workshop's interceptors: they explain a wait to whoever sits before the cell that waits.
        return await Client.connect(**{**await ws.connection(NAMESPACE), "interceptors": []})

    return connect


def _text(result: CallToolResult) -> str:
    return "\n".join(str(getattr(content, "text", content)) for content in result.content)


# 10.2

_TOKEN = "only-for-you"
_WITHIN = 8.0  # seconds for one request
_LIMIT, _LEAST, _MOST = "`timedelta(seconds=5)`", timedelta(seconds=4), timedelta(seconds=6)
_APP = "`Gateway(connect, [ENDPOINT], timedelta(seconds=5)).app(TOKEN)`"
_HEADERS = {"accept": "application/json, text/event-stream", "content-type": "application/json"}
_HELLO = {
    "jsonrpc": "2.0",
    "id": 0,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "check", "version": "1"},
    },
}
_BUILT_WRONG = {
    "needs a token": "Other hosts were let in, and nobody asks for a token. Leave `security` out: the default is this "
    "computer alone.",
    "missing 1 required positional argument: 'endpoints'": f"A gateway has to know whose tools it serves: {_APP}.",
    "argument": f"A gateway takes `connect`, a list of endpoints and a limit, and its `app` the token: {_APP}.",
    "has no attribute": f"A gateway takes `connect`, a list of endpoints and a limit, and its `app` the token: {_APP}.",
}


@exercise(
    "10.2",
    hints=(
        "A `Gateway` is told with which client it calls, whose endpoints it serves and how long a call may take. Who "
        "may come in is for the application, which `app` makes.",
        f"One endpoint, in a list: `[ENDPOINT]`. A limit is {_LIMIT}. And `.app(TOKEN)`.",
        f"`return {_APP[1:-1]}`.",
    ),
)
async def guarded(ws: Workshop, answer: Any) -> str:
    """Over HTTP: callers with the token alone, Finance's tools alone, and five seconds for a call."""
    token = getattr(answer, "__globals__", {}).get("TOKEN", _TOKEN)
    if not (isinstance(token, str) and token):
        raise Wrong(f"TOKEN is {token!r}.", f'Without one, whoever reaches the port may call: `TOKEN = "{_TOKEN}"`.')
    app = _application(ws, answer)
    async with other_teams(ws), contextlib.AsyncExitStack() as served:
        try:
            url = f"{await served.enter_async_context(serving(app))}/mcp"
        except TypeError as error:
            advice = "A gateway connects when it starts: hand on the function, `connect`, without a call."
            raise Wrong(f"The gateway could not connect. TypeError: {error}", advice) from error
        await _refuses(url, token)
        with bare():
            await _serves(ws, url, token)
    return (
        "Without the token, and with another one, nobody was let in. With it, a client found Finance's tools alone and "
        "got a price. A call that was slow ended after five seconds, with the reason."
    )


def _application(ws: Workshop, answer: Any) -> Starlette:
    """The application that the learner's function makes."""
    if isinstance(answer, Starlette | Gateway) or not callable(answer):
        what = f"You handed in {type(answer).__name__}, which is no function."
        raise Wrong(what, 'Hand in the function, without a call: `check("10.2", guarded)`.')
    try:
        made = answer(_connecting(ws))
    except (ValueError, TypeError, AttributeError) as error:
        said = f"{type(error).__name__}: {error}"
        advice = next((advice for part, advice in _BUILT_WRONG.items() if part in said), f"Compare: {_APP}.")
        raise Wrong(f"No gateway was made. {said}", advice) from error
    if inspect.isawaitable(made):
        if inspect.iscoroutine(made):
            made.close()
        raise Wrong("`guarded` gives something that is to be awaited.", "Write `def`, without `async`.")
    if made is None:
        raise Wrong("`guarded` returned nothing.", "Does it say `return`?")
    if isinstance(made, Gateway):
        what = "`guarded` returned the gateway, which is no application that HTTP could serve."
        raise Wrong(what, f"Its `app` makes one, and takes the token: {_APP}.")
    if not isinstance(made, Starlette):
        raise Wrong(f"`guarded` returned {type(made).__name__}, which is no application.", f"Compare: {_APP}.")
    return made


async def _refuses(url: str, token: str) -> None:
    """Knock at the door in some ways."""
    async with httpx2.AsyncClient(headers=_HEADERS, timeout=_WITHIN, trust_env=False) as http:

        async def status(**headers: str) -> int:
            return (await http.post(url, json=_HELLO, headers=headers)).status_code

        right = {"authorization": f"Bearer {token}"}
        without, wrong = await status(), await status(authorization="Bearer guessed")
        if without != 401:
            what = f"A request without a token was answered with status {without}, as if that were nothing."
            raise Wrong(
                what, "Whoever reaches the port may call. `app` takes what each request has to carry: `.app(TOKEN)`."
            )
        if wrong != 401:
            raise Wrong(f"A wrong token was answered with status {wrong}.", "Compare it with TOKEN: `.app(TOKEN)`.")
        if (let_in := await status(**right)) != 200:
            what = f"A request with the right token was answered with status {let_in}."
            raise Wrong(what, "The token that counts is TOKEN, and there is one: `.app(TOKEN)`.")
        if (elsewhere := await status(**right, host="evil.example")) == 200:
            what = f"A request that named the host evil.example was answered with status {elsewhere}."
            advice = (
                "So a web page gets in, under its own name. Leave `security` out: the default is this computer alone."
            )
            raise Wrong(what, advice)


async def _serves(ws: Workshop, url: str, token: str) -> None:
    """Be a client with the token."""
    headers = {"authorization": f"Bearer {token}"}
    http = httpx2.AsyncClient(headers=headers, timeout=_WITHIN, trust_env=False)
    async with http, McpClient(streamable_http_client(url, http_client=http)) as mcp:
        try:
            names = {tool.name for tool in (await mcp.list_tools()).tools}
        except MCPError as error:
            what = f"A client with the token asked for the tools, and was told: {error}"
            advice = "Whose tools are to be served? The contract has the name of its endpoint: `[ENDPOINT]`."
            raise Wrong(what, advice) from error
        _finances(names)
        client = await _connecting(ws)()
        key, result = await _price(mcp)
        await _limited(client, key)
        if "120.6" not in _text(result):
            raise Wrong(f"A client asked for the price of ACME, and was told {_text(result)!r}.", f"Compare: {_APP}.")
        began = time.monotonic()
        with ws.fault("read_quote.is_slow", seconds=_MOST.total_seconds() + 0.5):
            _, result = await _price(mcp)
        took = time.monotonic() - began
        if not result.is_error or "timed out" not in _text(result):
            what = f"A price took long to look up. After {took:.0f} s a client was told {_text(result)!r}."
            raise Wrong(what, f"Give a call five seconds, and let Temporal watch over them: {_LIMIT}.")


async def _price(mcp: McpClient) -> tuple[str, CallToolResult]:
    """Ask for a price: the key of the call, and what it gave."""
    key = str(uuid.uuid4())
    meta: Any = {IDEMPOTENCY_KEY: key}
    try:
        return key, await asyncio.wait_for(mcp.call_tool("stock_price", {"ticker": "ACME"}, meta=meta), _WITHIN)
    except MCPError as error:
        advice = f"It could not begin the call. A limit is a `timedelta`: {_LIMIT}."
        raise Wrong(f"A client with the token asked for a price, and the gateway failed: {error}", advice) from error
    except TimeoutError as error:
        what = f"A client with the token asked for a price, and had no answer after {_WITHIN:.0f} s."
        raise Wrong(what, f"Give a call five seconds: {_LIMIT}.") from error


async def _limited(client: Client, key: str) -> None:
    """Look how long a call may take."""
    try:
        operation = await client.get_nexus_operation_handle(f"mcp-key-{key}").describe()
    except RPCError:
        return  # there is none: what the client was told says why
    limit = operation.schedule_to_close_timeout
    if not limit or limit >= timedelta(minutes=1):
        what = f"A call may take {spoken(limit) if limit else 'as long as it likes'}."
        raise Wrong(
            what, f"So long does a gateway wait that is told nothing. The third argument is the limit: {_LIMIT}."
        )
    if not _LEAST <= limit <= _MOST:
        raise Wrong(f"A call may take {spoken(limit)}.", f"Five seconds are to be given to each: {_LIMIT}.")


def _finances(names: set[str]) -> None:
    own = set(get_service_definition(Finance).operation_definitions)  # type: ignore[union-attr]
    found = f"A client with the token finds {', '.join(sorted(names)) or 'no tool'}."
    if names >= own and names - own:
        raise Wrong(found, "That is more than Finance's. Only the endpoints in the list are served: `[ENDPOINT]`.")
    if not names & own:
        raise Wrong(
            found, "These are not Finance's tools. Finance's contract has the name of its endpoint: `[ENDPOINT]`."
        )
    if own - names:
        raise Wrong(found, f"Finance offers {', '.join(sorted(own))}. Its own directory says so: `[ENDPOINT]`.")
