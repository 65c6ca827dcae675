"""IT's computer, where its tools are reached over MCP: its Worker and its MCP server, in one process."""

from __future__ import annotations

from temporalio.worker import Worker

from workshop_lib.server.connections import Connections
from workshop_lib.teams.it.contract import ENDPOINT
from workshop_lib.teams.it.mcp_server import SERVICE, server
from workshop_lib.teams.it.worker import NAMESPACE, WORKER
from workshop_lib.teams.mcp_serving import listen
from workshop_lib.teams.offering import offer


async def worker(ws: Connections) -> Worker:
    """The Worker, not yet running, beside the MCP server, which runs already.

    Args:
        ws: How to reach the service.
    """
    await listen(SERVICE, server)
    return await offer(ws, ENDPOINT, NAMESPACE, WORKER)
