"""How a team that offers Nexus operations runs its Worker: what is the same for each of them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Interceptor, Worker

from workshop_lib.server.connections import Connections
from workshop_lib.workers.takeover import BUG_TYPES, QUICK_TAKEOVER, KeepsReasons

SETTINGS: dict[str, Any] = {
    **QUICK_TAKEOVER,
    "interceptors": [*QUICK_TAKEOVER["interceptors"], KeepsReasons()],
    # A caller waits for the result: a bug fails the workflow, and does not leave it waiting for fixed code.
    "workflow_failure_exception_types": BUG_TYPES,
}


async def offered(
    ws: Connections, endpoint: str, namespace: str, settings: dict[str, Any]
) -> tuple[Client, dict[str, Any]]:
    """What a Worker behind a Nexus endpoint is built from.

    Args:
        ws: How to reach the service.
        endpoint: Its name; it is made if it is missing, and leads to this Worker.
        namespace: The team's.
        settings: The Worker's own arguments.

    Returns:
        The Worker's client, and all of its other arguments.
    """
    # What a caller sends is compared with the contract, constraints included, before a handler sees it.
    client = await Client.connect(**await ws.connection(namespace, data_converter=pydantic_data_converter))
    await ws.endpoint(endpoint, namespace=namespace, task_queue=settings["task_queue"])
    return client, {**settings, **SETTINGS, "activity_executor": ThreadPoolExecutor(20)}


async def offer(
    ws: Connections, endpoint: str, namespace: str, settings: dict[str, Any], *guards: Interceptor
) -> Worker:
    """A Worker behind a Nexus endpoint, not yet running.

    Args:
        ws: As for ``offered``.
        endpoint: As for ``offered``.
        namespace: As for ``offered``.
        settings: As for ``offered``.
        guards: Interceptors before its handlers, besides those of every team.
    """
    client, arguments = await offered(ws, endpoint, namespace, settings)
    return Worker(client, **{**arguments, "interceptors": [*arguments["interceptors"], *guards]})
