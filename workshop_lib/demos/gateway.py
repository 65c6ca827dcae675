"""The gateway of demo 4: the tools of Finance and IT for MCP clients outside Temporal.

``ws.serve("gateway", "workshop_lib.demos.gateway")`` serves them over HTTP, ``python -m workshop_lib.demos.gateway``
over standard input and output. Each call is an operation that starts in the orchestrator's namespace.
"""

import asyncio
import os

from temporalio.client import Client

from workshop_lib.cells.quiet import quieten
from workshop_lib.demos import local
from workshop_lib.nexus_mcp.gateway import Gateway
from workshop_lib.server.connections import attach
from workshop_lib.teams.finance.contract import ENDPOINT as FINANCE_ENDPOINT
from workshop_lib.teams.it.contract import ENDPOINT as IT_ENDPOINT
from workshop_lib.workers.process import leave

TOKEN = "WORKSHOP_GATEWAY_TOKEN"  # the environment variable; without it, anyone who can reach the port may call


async def connect() -> Client:
    """The gateway's client."""
    return await Client.connect(**await attach().connection(local.NAMESPACE, quiet=True))


gateway = Gateway(connect, [FINANCE_ENDPOINT, IT_ENDPOINT])
app = gateway.app(os.environ.get(TOKEN, ""))

if __name__ == "__main__":
    quieten()
    asyncio.run(gateway.serve_stdio())
    leave(0)
