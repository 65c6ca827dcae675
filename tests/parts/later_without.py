"""Finance a week later, without what ``FINANCE_WITHOUT`` names: its allowlist, its policy, or what it has more."""

import os

from temporalio.worker import Worker

from workshop_lib.governance.allowlist import Allowlist
from workshop_lib.governance.policy.guard import WORKFLOWS, PolicyGuard
from workshop_lib.server.connections import Connections
from workshop_lib.teams.finance import later, mcp_server
from workshop_lib.teams.finance.contract import ENDPOINT
from workshop_lib.teams.finance.worker import NAMESPACE, WORKER
from workshop_lib.teams.offering import offer

WITHOUT = os.environ["FINANCE_WITHOUT"]
app = mcp_server.app if WITHOUT == "growth" else later.app


async def worker(ws: Connections) -> Worker:
    """The Worker, not yet running."""
    settings = {**WORKER, "workflows": [*WORKER["workflows"], *WORKFLOWS]} if WITHOUT == "growth" else later.LATER
    guards = {"allowlist": Allowlist(map(ws.namespace, later.CALLERS)), "policy": PolicyGuard()}
    return await offer(ws, ENDPOINT, NAMESPACE, settings, *(guards[name] for name in guards if name != WITHOUT))
