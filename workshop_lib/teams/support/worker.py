"""The support team's Worker, in a process of its own: ``await ws.spawn("workshop_lib.teams.support.worker")``."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

from temporalio.client import Client
from temporalio.worker import Worker

from workshop_lib.agent import Heartbeats
from workshop_lib.connections import Connections
from workshop_lib.llm.calls import call_model
from workshop_lib.teams.support import activities
from workshop_lib.teams.support.workflows import Cashier, Dispatcher, Specialist

TASK_QUEUE = "support"
WORKER: dict[str, Any] = {
    "task_queue": TASK_QUEUE,
    "workflows": [Dispatcher, Specialist, Cashier],
    "activities": [
        call_model,
        activities.calculator,
        activities.weather,
        activities.search_documents,
        activities.refund,
    ],
    "interceptors": [Heartbeats()],
    # For people who wait: how long heartbeats are held back, and how soon another Worker takes over a conversation.
    "max_heartbeat_throttle_interval": timedelta(milliseconds=500),
    "sticky_queue_schedule_to_start_timeout": timedelta(milliseconds=200),
}


async def worker(ws: Connections) -> Worker:
    """The Worker, not yet running.

    Args:
        ws: How to reach the service.
    """
    client = await Client.connect(**await ws.connection("default"))
    return Worker(client, **WORKER, activity_executor=ThreadPoolExecutor(20))
