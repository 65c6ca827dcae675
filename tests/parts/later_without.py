"""Finance a week later, without what ``FINANCE_WITHOUT`` names: its allowlist, its policy, or what it has more."""

import os

from temporalio.worker import Worker

from workshop_lib.governance.allowlist import Allowlist
from workshop_lib.governance.policy.guard import WORKFLOWS, PolicyGuard
from workshop_lib.server.connections import Connections
from workshop_lib.teams.finance.contract import ENDPOINT
from workshop_lib.teams.finance.worker import NAMESPACE, WORKER
from workshop_lib.teams.offering import offer

WITHOUT = os.environ["FINANCE_WITHOUT"]
SETTINGS = {**WORKER, "workflows": [*WORKER["workflows"], *WORKFLOWS]}
if WITHOUT == "growth":
    from workshop_lib.teams.finance.mcp_server import app as app
else:  # whose import adds a tool to that server
    from workshop_lib.teams.finance.later import LATER as SETTINGS
    from workshop_lib.teams.finance.later import app as app


async def worker(ws: Connections) -> Worker:
    """The Worker, not yet running."""
    guards = {"allowlist": Allowlist(map(ws.namespace, ["default", NAMESPACE])), "policy": PolicyGuard()}
    return await offer(ws, ENDPOINT, NAMESPACE, SETTINGS, *(guards[name] for name in guards if name != WITHOUT))
