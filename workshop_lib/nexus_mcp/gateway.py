"""An MCP server for clients outside Temporal. A call of a tool becomes a standalone Nexus operation.

**When two calls are the same.** The gateway makes the operation's id from what the client says about the call. A call
that is repeated, through the same gateway or another, joins the operation or gets its result:

- A client can send a key in the call's ``_meta``, under ``IDEMPOTENCY_KEY``: a new one for each call, such as a UUID,
  and the same one when it repeats the call. The same key with another tool or other arguments is refused.
- Without a key, the session and the id of the JSON-RPC request name the call. So a request that is sent again in its
  session is the same call. A session ends with its gateway.
- MCP's version of 2026-07-28 has no sessions over HTTP: there, each call without a key is a new one.

**Cancelling.** ``notifications/cancelled`` cancels the operation. In the version of 2026-07-28 over HTTP, so does a
client that closes the response, because the protocol says so. Whatever else ends a request (an older client that hangs
up, a gateway that stops or dies) leaves the operation running, for the next call with its key.
"""

import asyncio
import contextlib
import hashlib
import hmac
import json
import re
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from datetime import timedelta
from typing import Any

import anyio
import mcp_types as types
from mcp.server import Server, ServerRequestContext
from mcp.server.auth.provider import AccessToken, TokenVerifier
from mcp.server.auth.settings import AuthSettings
from mcp.server.stdio import stdio_server
from mcp.shared.exceptions import MCPError
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import AnyHttpUrl
from starlette.applications import Starlette
from temporalio.client import Client, NexusOperationFailureError, WorkflowFailureError
from temporalio.service import RPCError

from . import by_workflow
from .by_workflow import Handle
from .calls import answered, described, failed, failure, problems
from .contract import Tool
from .standalone import Directories, OtherCallError, start

IDEMPOTENCY_KEY = "nexus-mcp/idempotency-key"
LARGEST_REQUEST = 1 << 20  # bytes; Temporal takes payloads of 2 MB
PROBLEMS = "nexus-mcp/problems"  # in a list's `_meta`: which teams are missing, and which names clash
_KEY = re.compile(r"[!-~]{1,200}")
_PROGRESS_SECONDS = 2.0  # between two reports of progress
_LATE_SECONDS = 5.0  # a notification that cancels a call is handled after the SDK has interrupted the call

Context = ServerRequestContext[Client, Any]


class Gateway:
    """Serves the tools of some Nexus endpoints over MCP.

    Args:
        connect: Connects to the namespace that the calls come from. The running server calls it once.
        endpoints: The names of the Nexus endpoints whose tools are served. If two offer a tool of the same name, it
            belongs to the one that offered it first, at the start the first in this list. A client can also call
            ``endpoint/tool``.
        limit: How long one call may take, including retries, where its team sets no limit. Temporal Server 1.32 starts
            nothing that has less than 1.5 seconds left (``component.nexusoperations.minRequestTimeout``).
    """

    def __init__(
        self,
        connect: Callable[[], Awaitable[Client]],
        endpoints: Iterable[str],
        limit: timedelta = timedelta(minutes=1),
    ) -> None:
        self._connect, self._limit = connect, limit
        self._directories = Directories(endpoints)
        self._process = uuid.uuid4().hex
        self._started: dict[str, asyncio.Future[Handle]] = {}  # by the request that called
        self.server: Server[Client] = Server(
            "nexus",
            lifespan=self._lifespan,
            get_tool_input_schema=self._schema,  # else the SDK lists the tools before each call
            on_list_tools=self._list,
            on_call_tool=self._call,
        )
        self.server.add_notification_handler(
            "notifications/cancelled", types.CancelledNotificationParams, self._cancelled
        )

    def app(self, token: str = "") -> Starlette:
        """The server over Streamable HTTP at ``/mcp``, for an ASGI server that listens on loopback.

        A request whose ``Host`` or ``Origin`` names another machine is refused, so that no web page gets here by
        rebinding its name to this machine's address.

        Args:
            token: What each request must carry as ``Authorization: Bearer …``. Empty: requests need no token.
        """
        # The SDK checks a token only where it has the settings of an OAuth server. There is none here: without the URL
        # of a resource server, no client ever sees these settings.
        auth = AuthSettings(issuer_url=AnyHttpUrl("http://127.0.0.1"), resource_server_url=None)
        guarded: Any = {"auth": auth, "token_verifier": _OneToken(token)} if token else {}
        return self.server.streamable_http_app(max_request_body_size=LARGEST_REQUEST, **guarded)

    async def serve_stdio(self) -> None:
        """Serve the client that started this process over standard input and output, until it hangs up."""
        async with stdio_server() as (read, write):
            await self.server.run(read, write, self.server.create_initialization_options())

    @contextlib.asynccontextmanager
    async def _lifespan(self, server: Server[Client]) -> AsyncIterator[Client]:
        client = await self._connect()
        async with by_workflow.caller(client):
            yield client

    def _schema(self, name: str) -> dict[str, Any] | None:
        tool = self._directories.remembered(name)
        return tool.input_schema if tool else None

    async def _list(self, ctx: Context, params: types.PaginatedRequestParams | None) -> types.ListToolsResult:
        await self._directories.ask(ctx.lifespan_context)
        if self._directories.problems and not self._directories.tools:
            raise MCPError(types.INTERNAL_ERROR, " ".join(self._directories.problems))
        problems: Any = {PROBLEMS: self._directories.problems} if self._directories.problems else None
        return types.ListToolsResult(tools=[described(tool) for tool in self._directories.tools], _meta=problems)

    async def _call(self, ctx: Context, params: types.CallToolRequestParams) -> types.CallToolResult:
        id, client, arguments = self._operation_id(ctx), ctx.lifespan_context, params.arguments or {}
        found = await self._directories.find(client, params.name)
        if found is None:
            names = ", ".join(tool.name for tool in self._directories.tools) or "none"
            text = " ".join([f"Unknown tool {params.name!r}. There are: {names}.", *self._directories.problems])
            raise MCPError(types.INVALID_PARAMS, text)
        endpoint, tool = found
        if wrong := problems(tool, arguments):
            return failed(wrong)
        try:
            async with self._cancellable(ctx) as started:
                with anyio.CancelScope(shield=True):  # it takes milliseconds, and then we know what to cancel
                    handle = await start(client, endpoint, tool, arguments, id, tool.limit(self._limit))
                started.set_result(handle)
                async with _progress(ctx, tool):
                    return answered(tool, await handle.result())
        except OtherCallError:
            text = f"The {IDEMPOTENCY_KEY} or the id of this request was used before, for another call."
            raise MCPError(types.INVALID_PARAMS, text) from None
        except (NexusOperationFailureError, WorkflowFailureError) as error:
            return failed(failure(tool, error))
        except RPCError as error:
            return failed(f"{failure(tool, error)} Temporal could not be asked. The call may be running anyway.")

    def _operation_id(self, ctx: Context) -> str:
        """The id of the operation for a request: see the module's docstring."""
        key = (ctx.meta or {}).get(IDEMPOTENCY_KEY)
        if key is None:
            return f"mcp-request-{self._request(ctx, ctx.request_id)}"
        if not isinstance(key, str) or not _KEY.fullmatch(key):
            raise MCPError(types.INVALID_PARAMS, f"{IDEMPOTENCY_KEY}: a key has 1 to 200 printable ASCII characters.")
        return f"mcp-key-{key}"

    def _request(self, ctx: Context, request_id: str | int | None) -> str:
        """A name for a request. It is a hash, because anyone who knows the session's id can use the session."""
        if ctx.request is None:
            session = self._process  # over stdio, the process has one client
        elif ctx.protocol_version in MODERN_PROTOCOL_VERSIONS:
            session = uuid.uuid4().hex
        else:
            session = ctx.request.headers["mcp-session-id"]
        return hashlib.sha256(json.dumps([session, str(request_id)]).encode()).hexdigest()

    @contextlib.asynccontextmanager
    async def _cancellable(self, ctx: Context) -> AsyncIterator[asyncio.Future[Handle]]:
        """Cancel the operation if the client cancels the call while the block runs."""
        request, loop = self._request(ctx, ctx.request_id), asyncio.get_running_loop()
        started = self._started[request] = loop.create_future()
        try:
            yield started
        except asyncio.CancelledError:
            with anyio.CancelScope(shield=True):
                if started.done() and await _hung_up(ctx):
                    await _cancel(started.result())
            raise
        finally:
            started.cancel()  # without effect if it has a result
            loop.call_later(_LATE_SECONDS, self._forget, request, started)

    def _forget(self, request: str, started: asyncio.Future[Handle]) -> None:
        if self._started.get(request) is started:
            del self._started[request]

    async def _cancelled(self, ctx: Context, params: types.CancelledNotificationParams) -> None:
        started = self._started.get(self._request(ctx, params.request_id))
        if started is not None:
            await asyncio.wait([started])
            if not started.cancelled():
                await _cancel(started.result())


@contextlib.asynccontextmanager
async def _progress(ctx: Context, tool: Tool) -> AsyncIterator[None]:
    """Report every few seconds that the call goes on, if the client sent a progress token."""

    async def say() -> None:
        seconds = 0.0
        while True:
            await asyncio.sleep(_PROGRESS_SECONDS)
            seconds += _PROGRESS_SECONDS
            await ctx.session.report_progress(seconds, message=f"{tool.name} has been running for {seconds:.0f} s.")

    saying = asyncio.create_task(say())
    try:
        yield
    finally:
        saying.cancel()


async def _hung_up(ctx: Context) -> bool:
    """Whether the client closed the response, in a version of MCP where that cancels the request."""
    if ctx.request is None or ctx.protocol_version not in MODERN_PROTOCOL_VERSIONS:
        return False
    return bool(await ctx.request.is_disconnected())


async def _cancel(handle: Handle) -> None:
    with contextlib.suppress(RPCError):  # it has ended, or Temporal does not answer; nobody is waiting for it anymore
        await handle.cancel()


class _OneToken(TokenVerifier):
    def __init__(self, token: str) -> None:
        self._token = token.encode()

    async def verify_token(self, token: str) -> AccessToken | None:
        if not hmac.compare_digest(token.encode(), self._token):
            return None
        return AccessToken(token=token, client_id="bearer", scopes=[])
