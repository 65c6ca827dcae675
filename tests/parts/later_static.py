"""Finance a week later, with the directory and the MCP server that it had before."""

from temporalio.worker import Worker

from workshop_lib.governance.allowlist import Allowlist
from workshop_lib.governance.policy.guard import WORKFLOWS, PolicyGuard
from workshop_lib.server.connections import Connections
from workshop_lib.teams.finance.contract import ENDPOINT
from workshop_lib.teams.finance.mcp_server import app as app
from workshop_lib.teams.finance.worker import NAMESPACE, WORKER
from workshop_lib.teams.offering import offer


async def worker(ws: Connections) -> Worker:
    """The Worker, not yet running."""
    settings = {**WORKER, "workflows": [*WORKER["workflows"], *WORKFLOWS]}
    return await offer(
        ws, ENDPOINT, NAMESPACE, settings, Allowlist(map(ws.namespace, ["default", "finance"])), PolicyGuard()
    )
