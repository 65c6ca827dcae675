"""The IT team's Worker, in its own process: ``await ws.spawn("workshop_lib.teams.it.worker")``."""

from __future__ import annotations

from typing import Any

from temporalio.worker import Worker

from workshop_lib.nexus_mcp.directory import DirectoryHandler
from workshop_lib.server.connections import Connections
from workshop_lib.teams.it import activities
from workshop_lib.teams.it.contract import ENDPOINT, IT
from workshop_lib.teams.it.handler import ITHandler
from workshop_lib.teams.it.workflows import FindHost, MeasureProject, Memory
from workshop_lib.teams.offering import offer

NAMESPACE = TASK_QUEUE = "it"
DIRECTORY = DirectoryHandler({IT: [IT.jira_metrics, IT.get_ip]})  # what agents find
WORKER: dict[str, Any] = {
    "task_queue": TASK_QUEUE,
    "nexus_service_handlers": [ITHandler(), DIRECTORY],
    "workflows": [MeasureProject, FindHost, Memory],
    "activities": [activities.count_issues, activities.look_up_host],
}


async def worker(ws: Connections) -> Worker:
    """The Worker, not yet running. The endpoint is made if it is missing.

    Args:
        ws: How to reach the service.
    """
    return await offer(ws, ENDPOINT, NAMESPACE, WORKER)
