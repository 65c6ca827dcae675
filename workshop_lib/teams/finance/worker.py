"""The Finance team's Worker: ``await ws.spawn("workshop_lib.teams.finance.worker")`` runs it in its own process."""

from typing import Any

from temporalio.worker import Worker

from workshop_lib.nexus_mcp.directory import DirectoryHandler
from workshop_lib.server.connections import Connections
from workshop_lib.teams.finance import activities
from workshop_lib.teams.finance.contract import ENDPOINT, Finance
from workshop_lib.teams.finance.handler import ExchangeHandler, FinanceHandler
from workshop_lib.teams.finance.workflows import PriceStock
from workshop_lib.teams.offering import offer

NAMESPACE = TASK_QUEUE = "finance"
DIRECTORY = DirectoryHandler({Finance: [Finance.stock_price, Finance.calculate_roi]})  # what agents can find
WORKER: dict[str, Any] = {
    "task_queue": TASK_QUEUE,
    "nexus_service_handlers": [FinanceHandler(), ExchangeHandler(), DIRECTORY],
    "workflows": [PriceStock],
    "activities": [activities.read_quote],
}


async def worker(ws: Connections) -> Worker:
    """The Worker, not yet running. Its endpoint is created if it does not exist.

    Args:
        ws: How to reach the service.
    """
    return await offer(ws, ENDPOINT, NAMESPACE, WORKER)
