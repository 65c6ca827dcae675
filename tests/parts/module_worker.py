"""A worker as a module, to be spawned by its name."""

from __future__ import annotations

from flows import Echo
from temporalio.client import Client
from temporalio.worker import Worker

from workshop_lib.server.connections import Connections


async def worker(ws: Connections) -> Worker:
    client = await Client.connect(**await ws.connection("default"))
    return Worker(client, task_queue="module", workflows=[Echo])
