"""Finance a week later, without a part of what it has then: that which the variable ``WITHOUT`` names."""

import os
from importlib import import_module

from temporalio.worker import Worker

from workshop_lib.governance.allowlist import Allowlist
from workshop_lib.governance.policy.guard import WORKFLOWS, PolicyGuard
from workshop_lib.server.connections import Connections
from workshop_lib.teams.finance.contract import ENDPOINT
from workshop_lib.teams.finance.worker import NAMESPACE, WORKER
from workshop_lib.teams.offering import offer

WITHOUT = os.environ.get("WITHOUT", "")
module = import_module(f"workshop_lib.teams.finance.{'mcp_server' if WITHOUT == 'growth' else 'later'}")
app = module.app


async def worker(ws: Connections) -> Worker:
    settings = getattr(module, "LATER", {**WORKER, "workflows": [*WORKER["workflows"], *WORKFLOWS]})
    guards = {"allowlist": Allowlist(map(ws.namespace, ["default", NAMESPACE])), "policy": PolicyGuard()}
    return await offer(ws, ENDPOINT, NAMESPACE, settings, *(guards[name] for name in guards if name != WITHOUT))
