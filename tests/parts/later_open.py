"""Finance a week later, and without the allowlist."""

from temporalio.worker import Worker

from workshop_lib.server.connections import Connections
from workshop_lib.teams.finance import later
from workshop_lib.teams.finance.contract import ENDPOINT
from workshop_lib.teams.finance.handler import ExchangeHandler, FinanceHandler
from workshop_lib.teams.finance.worker import NAMESPACE, WORKER
from workshop_lib.teams.offering import offer

app = later.app


async def worker(ws: Connections) -> Worker:
    """The Worker, not yet running."""
    handlers = [FinanceHandler(), ExchangeHandler(), later.DIRECTORY]
    return await offer(ws, ENDPOINT, NAMESPACE, {**WORKER, "nexus_service_handlers": handlers})
