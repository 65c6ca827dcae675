"""How a team that offers Nexus operations runs its Worker."""

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
    # A caller waits for the result, so a bug fails the workflow instead of leaving it waiting for fixed code.
    "workflow_failure_exception_types": BUG_TYPES,
}


async def offered(
    ws: Connections, endpoint: str, namespace: str, settings: dict[str, Any]
) -> tuple[Client, dict[str, Any]]:
    """Prepare the arguments of a Worker behind a Nexus endpoint.

    Args:
        ws: How to reach the service.
        endpoint: The name of the endpoint. It is created if it does not exist, and leads to this Worker.
        namespace: The team's namespace.
        settings: The Worker's own arguments.

    Returns:
        The Worker's client, and all its other arguments.
    """
    # This converter checks what a caller sends against the contract, constraints included, before a handler sees it.
    client = await Client.connect(**await ws.connection(namespace, data_converter=pydantic_data_converter))
    await ws.endpoint(endpoint, namespace=namespace, task_queue=settings["task_queue"])
    return client, {**settings, **SETTINGS, "activity_executor": ThreadPoolExecutor(20)}


async def offer(
    ws: Connections, endpoint: str, namespace: str, settings: dict[str, Any], *guards: Interceptor
) -> Worker:
    """A Worker behind a Nexus endpoint, not yet running.

    Args:
        ws: See ``offered``.
        endpoint: See ``offered``.
        namespace: See ``offered``.
        settings: See ``offered``.
        guards: More interceptors in front of its handlers.
    """
    client, arguments = await offered(ws, endpoint, namespace, settings)
    return Worker(client, **{**arguments, "interceptors": [*arguments["interceptors"], *guards]})
