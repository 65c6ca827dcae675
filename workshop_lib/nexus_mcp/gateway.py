"""An MCP server for clients outside of Temporal. A call of a tool becomes a standalone Nexus operation.

**What a call is.** The operation's id is made from what the client says of the call, so that a call made again, by
whichever gateway, joins the operation or gets its result, and never runs a second time:

- A client that wants this sends a key in the call's ``_meta``, under ``IDEMPOTENCY_KEY``: its own for each call (a UUID
  does), and the same when it calls again. With another tool or other arguments, the same key is refused.
- Without a key, a call is named by the session and the JSON-RPC request's id, which MCP makes unique in it. That
  covers a request that is sent again in its session. A session ends with its gateway, so it does not cover that.
- MCP's version of 2026-07-28 has no sessions over HTTP: there a call without a key is each time a new one.

**Calling off.** ``notifications/cancelled`` cancels the operation, and in the version of 2026-07-28 over HTTP so does
the client that closes the response, because that is what it means there. Everything else that ends a request (an older
client that hangs up, a gateway that stops or dies) leaves the operation running, for the next call with its key.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import itertools
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
from mcp.server.transport_security import TransportSecuritySettings
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
PROBLEMS = "nexus-mcp/problems"  # of a list's `_meta`: which teams are missing in it, and which names clash
_KEY = re.compile(r"[!-~]{1,200}")
_PROGRESS_SECONDS = 2.0  # between two words to a client that wants to hear that its call goes on
_LATE_SECONDS = 5.0  # a notification that cancels a call is handled after the call has been interrupted

Context = ServerRequestContext[Client, Any]


class Gateway:
    """Serves the tools of some Nexus endpoints over MCP.

    Args:
        connect: Connects to the namespace that the calls come from. Called once, by the running server.
        endpoints: The Nexus endpoints whose directories are asked. A tool's name belongs to the endpoint that offered
            it first, and from the start to the one that is named first; a client can call ``endpoint/tool``, too.
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

    def app(self, token: str = "", security: TransportSecuritySettings | None = None) -> Starlette:
        """The server over Streamable HTTP at ``/mcp``, for an ASGI server that listens on loopback.

        Args:
            token: What each request has to carry: ``Authorization: Bearer …``. Empty: nothing.
            security: Which ``Host`` and ``Origin`` a request may name. By default those of loopback only, so that no
                web page gets here by rebinding its name to this machine's address.

        Raises:
            ValueError: Other hosts than loopback are to be served, and there is no token.
        """
        if security and not token:
            raise ValueError("Beyond loopback, a gateway needs a token: whoever reaches it can call every tool.")
        # The SDK checks tokens only beside the settings of an OAuth server. There is none: without the URL of a
        # resource server, nothing of these settings is ever told to a client.
        auth = AuthSettings(issuer_url=AnyHttpUrl("http://127.0.0.1"), resource_server_url=None)
        return self.server.streamable_http_app(
            max_request_body_size=LARGEST_REQUEST,
            transport_security=security,
            auth=auth if token else None,
            token_verifier=_OneToken(token) if token else None,
        )

    async def serve_stdio(self) -> None:
        """Serve the client that started this process, over standard input and output, until it hangs up."""
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
                with anyio.CancelScope(shield=True):  # it takes milliseconds, and then it is known what to cancel
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
            return failed(f"{failure(tool, error)} Temporal could not be asked. The call may run all the same.")

    def _operation_id(self, ctx: Context) -> str:
        """The id of the operation that a request asks for: see the module's docstring."""
        key = (ctx.meta or {}).get(IDEMPOTENCY_KEY)
        if key is None:
            return f"mcp-request-{self._request(ctx, ctx.request_id)}"
        if not isinstance(key, str) or not _KEY.fullmatch(key):
            raise MCPError(types.INVALID_PARAMS, f"{IDEMPOTENCY_KEY}: a key has 1 to 200 printable ASCII characters.")
        return f"mcp-key-{key}"

    def _request(self, ctx: Context, request_id: str | int | None) -> str:
        """Names a request, in a form that tells nobody the session's id: who knows that has the session."""
        if ctx.request is None:
            session = self._process  # over stdio, a process has one client
        elif ctx.protocol_version in MODERN_PROTOCOL_VERSIONS:
            session = uuid.uuid4().hex
        else:
            session = ctx.request.headers["mcp-session-id"]
        return hashlib.sha256(json.dumps([session, str(request_id)]).encode()).hexdigest()

    @contextlib.asynccontextmanager
    async def _cancellable(self, ctx: Context) -> AsyncIterator[asyncio.Future[Handle]]:
        """Cancel what was started, where the client calls it off while it waits."""
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
            started.cancel()  # it does nothing to one that has its result
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
    """Say every few seconds that the call goes on, where the client sent a token for that."""

    async def say() -> None:
        for times in itertools.count(1):
            await asyncio.sleep(_PROGRESS_SECONDS)
            seconds = times * _PROGRESS_SECONDS
            await ctx.session.report_progress(seconds, message=f"{tool.name} has been running for {seconds:.0f} s.")

    saying = asyncio.create_task(say())
    try:
        yield
    finally:
        saying.cancel()


async def _hung_up(ctx: Context) -> bool:
    """Whether the client closed the response, in a version of MCP where that calls the request off."""
    if ctx.request is None or ctx.protocol_version not in MODERN_PROTOCOL_VERSIONS:
        return False
    return bool(await ctx.request.is_disconnected())


async def _cancel(handle: Handle) -> None:
    with contextlib.suppress(RPCError):  # it has ended, or Temporal does not answer: nobody waits for this any more
        await handle.cancel()


class _OneToken(TokenVerifier):
    def __init__(self, token: str) -> None:
        self._token = token.encode()

    async def verify_token(self, token: str) -> AccessToken | None:
        if not hmac.compare_digest(token.encode(), self._token):
            return None
        return AccessToken(token=token, client_id="bearer", scopes=[])
