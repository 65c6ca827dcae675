"""How a team that offers Nexus operations runs its Worker: what is the same for each of them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Worker

from workshop_lib.agent import Heartbeats
from workshop_lib.connections import Connections
from workshop_lib.operations import BUGS, KeepsReasons

SETTINGS: dict[str, Any] = {
    "interceptors": [Heartbeats(), KeepsReasons()],
    # A caller waits for the result: a bug fails the workflow, and does not leave it waiting for mended code.
    "workflow_failure_exception_types": BUGS,
    # For people who wait: how long heartbeats are held back, and how soon another Worker takes a workflow over.
    "max_heartbeat_throttle_interval": timedelta(milliseconds=500),
    "sticky_queue_schedule_to_start_timeout": timedelta(milliseconds=200),
}


async def offer(ws: Connections, endpoint: str, namespace: str, settings: dict[str, Any]) -> Worker:
    """A Worker behind a Nexus endpoint, not yet running.

    Args:
        ws: How to reach the service.
        endpoint: Its name; it is made if it is missing, and leads to this Worker.
        namespace: The team's.
        settings: The Worker's own arguments.
    """
    # What a caller sends is compared with the contract, constraints included, before a handler sees it.
    client = await Client.connect(**await ws.connection(namespace, data_converter=pydantic_data_converter))
    await ws.endpoint(endpoint, namespace=namespace, task_queue=settings["task_queue"])
    return Worker(client, **settings, **SETTINGS, activity_executor=ThreadPoolExecutor(20))
