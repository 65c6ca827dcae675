"""How a team runs its MCP server.

Such a server is a client of Temporal: for each request it starts a workflow of its team, and waits for the result.
"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from typing import Any

import uvicorn
from mcp import MCPError
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import INTERNAL_ERROR, CallToolResult, InputRequiredResult
from pydantic import ValidationError
from starlette.applications import Starlette
from temporalio.client import Client, WorkflowFailureError, WorkflowUpdateFailedError
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.service import RPCError

from workshop_lib.evidence.failures import invalid_fields, reason
from workshop_lib.evidence.state import SERVICES, StateFolder, notebook_folder
from workshop_lib.server.connections import attach
from workshop_lib.server.devserver import HOST

_kept: list[asyncio.Task[None]] = []  # a task ends with the last reference to it


class TeamServer(MCPServer[Client]):
    """An MCP server that says in one line which argument is wrong, or unknown.

    The SDK's server quotes pydantic, with links, and drops an argument that a tool does not have.
    """

    async def call_tool(
        self, name: str, arguments: dict[str, Any], context: Context[Client, Any] | None = None
    ) -> CallToolResult | InputRequiredResult:
        """See base class."""
        takes = {tool.name: tool.input_schema["properties"].keys() for tool in await self.list_tools()}
        if unknown := arguments.keys() - takes.get(name, arguments.keys()):
            raise ToolError(f"Invalid arguments for {name}. It takes no {', '.join(sorted(unknown))}.")
        try:
            return await super().call_tool(name, arguments, context)
        except ToolError as error:
            if not isinstance(error.__cause__, ValidationError):
                raise
            raise ToolError(f"Invalid arguments for {name}. {invalid_fields(error.__cause__)}") from error.__cause__


def connected(namespace: str) -> Callable[[MCPServer[Client]], AbstractAsyncContextManager[Client]]:
    """The ``lifespan`` of an MCP server: while it runs, it has a client of the team's namespace.

    Args:
        namespace: The team's.
    """

    @contextlib.asynccontextmanager
    async def lifespan(server: MCPServer[Client]) -> AsyncIterator[Client]:
        # Quietly: a wait is explained under the cell that waits.
        yield await Client.connect(
            **await attach().connection(namespace, quiet=True, data_converter=pydantic_data_converter)
        )

    return lifespan


@contextlib.contextmanager
def told() -> Iterator[None]:
    """Put this around what a tool does: the caller learns why it failed.

    Raises:
        ToolError: The workflow failed. The message is the reason.
        MCPError: Temporal did not answer. The caller may try again.
    """
    try:
        yield
    except (WorkflowFailureError, WorkflowUpdateFailedError) as error:
        raise ToolError(reason(error)) from None
    except RPCError as error:
        raise MCPError(INTERNAL_ERROR, f"Temporal did not answer. {error.message}") from error


def application(server: MCPServer[Any]) -> Starlette:
    """The server over HTTP, at ``/mcp``.

    Args:
        server: The team's.
    """
    # Without sessions: a restarted server would know none of them, and no request needs one.
    return server.streamable_http_app(stateless_http=True, json_response=True)


async def listen(service: str, server: MCPServer[Any]) -> None:
    """Serve a team's MCP server in the process of its Worker, so that both die together.

    ``state.service_address`` finds it under the service's name: of several processes with one name, the latest.

    Args:
        service: Its name, such as ``"finance-mcp"``.
        server: The team's.

    Raises:
        WorkshopError: This process belongs to no notebook, or Temporal does not answer.
    """
    # Named TCP: see workshop_lib/programs/http.py.
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.bind((HOST, 0))
    app = application(server)
    http = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_level="warning", access_log=False))

    async def serve() -> None:
        async with server.session_manager.run():  # not by uvicorn, which would not say why it cannot begin
            await http.serve([listening])

    serving = asyncio.create_task(serve())
    while not http.started:
        if serving.done():
            serving.result()
        await asyncio.sleep(0.001)
    StateFolder(notebook_folder()).write(SERVICES, {service: f"http://{HOST}:{listening.getsockname()[1]}"})
    _kept.append(serving)
