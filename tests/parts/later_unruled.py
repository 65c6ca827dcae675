"""Finance a week later, without the policy."""

from temporalio.worker import Worker

from workshop_lib.governance.allowlist import Allowlist
from workshop_lib.server.connections import Connections
from workshop_lib.teams.finance.contract import ENDPOINT
from workshop_lib.teams.finance.later import CALLERS, LATER
from workshop_lib.teams.finance.later import app as app
from workshop_lib.teams.finance.worker import NAMESPACE
from workshop_lib.teams.offering import offer


async def worker(ws: Connections) -> Worker:
    """The Worker, not yet running."""
    return await offer(ws, ENDPOINT, NAMESPACE, LATER, Allowlist(map(ws.namespace, CALLERS)))
