"""MCP's own client in a workflow. Its requests travel as Nexus operations.

An agent that is written for MCP keeps its client, ``mcp.ClientSession``. Each ``tools/list`` is an operation of a
directory, and each ``tools/call`` is the operation behind the tool, so both are recorded in the workflow's history and
done once. MCP's revision of 2026-07-28 has no ``initialize``, so opening a session sends no request.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

with workflow.unsafe.imports_passed_through():
    import anyio
    import anyio._backends._asyncio  # else anyio imports it with its first task, and the sandbox stops that
    import mcp_types as types
    from mcp import ClientSession
    from mcp.shared.exceptions import MCPError
    from mcp_types.version import MODERN_PROTOCOL_VERSIONS

    from .calls import answered, described, failed
    from .contract import Tool
    from .in_workflow import CallFailed, call, listed


SANDBOX = SandboxedWorkflowRunner(
    restrictions=SandboxRestrictions.default.with_passthrough_modules(
        "anyio", "jsonschema", "jsonschema_specifications", "mcp", "mcp_types", "referencing", "rpds"
    )
)
"""For a Worker's ``workflow_runner``: the sandbox, in which MCP's client also finds the modules that it imports while
it runs."""


@asynccontextmanager
async def session(endpoint: str, limit: timedelta) -> AsyncIterator[ClientSession]:
    """Open an MCP session with a team, in a workflow. This sends nothing.

    Args:
        endpoint: The name of the team's Nexus endpoint, which needs a directory.
        limit: How long one request may take, including retries, where the team sets no limit.
    """
    try:
        async with ClientSession(dispatcher=_NexusDispatcher(endpoint, limit)) as client:
            client.adopt(_MODERN)
            yield client
    except BaseExceptionGroup as group:  # anyio's, around the one error that ended the block
        error = group.exceptions[0]
        raise error from error.__cause__  # Temporal tells a cancellation from a failure by its cause


_MODERN = types.DiscoverResult(
    supported_versions=[MODERN_PROTOCOL_VERSIONS[-1]],
    capabilities=types.ServerCapabilities(),
    result_type="complete",
    ttl_ms=0,
    cache_scope="public",
)
"""The answer that a client would get to ``server/discover``."""


class _NexusDispatcher:
    """Carries the requests of one session. It implements ``mcp.shared.dispatcher.Dispatcher``."""

    def __init__(self, endpoint: str, limit: timedelta) -> None:
        self._endpoint, self._limit = endpoint, limit
        self._tools: dict[str, Tool] = {}

    async def run(self, *handlers: Any, task_status: Any = anyio.TASK_STATUS_IGNORED, **options: Any) -> None:
        """Wait for nothing: a team sends nothing by itself."""
        task_status.started()

    async def notify(self, method: str, params: Mapping[str, Any] | None, opts: Any = None) -> None:
        """Send nothing: cancelling the workflow's task cancels the operation."""

    async def send_raw_request(self, method: str, params: Mapping[str, Any] | None, opts: Any = None) -> dict[str, Any]:
        """Send one request as an operation.

        Raises:
            MCPError: The method or the tool does not exist, or the directory does not answer.
        """
        if method == "tools/list":
            tools = [described(tool) for tool in await self._list()]
            return _encoded(types.ListToolsResult(tools=tools, cache_scope="private"))
        if method == "tools/call" and params:
            return _encoded(await self._call(params["name"], params.get("arguments") or {}))
        raise MCPError(types.METHOD_NOT_FOUND, f"A Nexus endpoint has tools only, and no {method}.")

    async def _list(self) -> list[Tool]:
        tools = await listed(self._endpoint, self._limit)
        self._tools = {tool.name: tool for tool in tools}
        return tools

    async def _call(self, name: str, arguments: dict[str, Any]) -> types.CallToolResult:
        if name not in self._tools:
            await self._list()
        tool = self._tools.get(name)
        if tool is None:
            names = ", ".join(self._tools) or "none"
            raise MCPError(types.INVALID_PARAMS, f"Unknown tool {name!r}. There are: {names}.")
        try:
            value = await call(self._endpoint, tool, arguments, self._limit)
        except CallFailed as error:
            return failed(str(error))
        return answered(tool, value)


def _encoded(result: types.Result) -> dict[str, Any]:
    return result.model_dump(by_alias=True, mode="json", exclude_none=True)
