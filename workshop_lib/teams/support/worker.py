"""The support team's Worker: ``await ws.spawn("workshop_lib.teams.support.worker")`` runs it in its own process."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from temporalio.client import Client
from temporalio.worker import Worker

from workshop_lib.agents.model.calls import call_model
from workshop_lib.server.connections import Connections
from workshop_lib.teams.support import activities
from workshop_lib.teams.support.workflows import Cashier, Dispatcher, Specialist
from workshop_lib.workers.takeover import QUICK_TAKEOVER

TASK_QUEUE = "support"
TOOLS = [activities.calculator, activities.weather, activities.search_documents, activities.refund]
WORKER: dict[str, Any] = {
    "task_queue": TASK_QUEUE,
    "workflows": [Dispatcher, Specialist, Cashier],
    "activities": [call_model, *TOOLS],
    **QUICK_TAKEOVER,
}


async def worker(ws: Connections) -> Worker:
    """The Worker, not yet running.

    Args:
        ws: How to reach the service.
    """
    client = await Client.connect(**await ws.connection("default"))
    return Worker(client, **WORKER, activity_executor=ThreadPoolExecutor(20))
