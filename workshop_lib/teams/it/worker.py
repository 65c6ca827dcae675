"""The IT team's Worker: ``await ws.spawn("workshop_lib.teams.it.worker")`` runs it in its own process."""

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
DIRECTORY = DirectoryHandler({IT: [IT.jira_metrics, IT.get_ip]})  # what agents can find
WORKER: dict[str, Any] = {
    "task_queue": TASK_QUEUE,
    "nexus_service_handlers": [ITHandler(), DIRECTORY],
    "workflows": [MeasureProject, FindHost, Memory],
    "activities": [activities.count_issues, activities.look_up_host],
}


async def worker(ws: Connections) -> Worker:
    """The Worker, not yet running. Its endpoint is created if it does not exist.

    Args:
        ws: How to reach the service.
    """
    return await offer(ws, ENDPOINT, NAMESPACE, WORKER)
