"""What breaks the surroundings of the Workers: the server, a database, a task queue."""

import asyncio
import contextlib
import sqlite3
import uuid
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import temporalio.client as tc

from workshop_lib.faults.kinds import JUNK
from workshop_lib.server.connections import Connections
from workshop_lib.server.devserver import DevServer

_LIMIT = timedelta(minutes=10)  # after which each execution of a flood ends, even if the kernel dies


@contextlib.asynccontextmanager
async def server_down(server: DevServer) -> AsyncIterator[bool]:
    """Kill the server. On exit, start it again on the same database. Nothing happens to an outside service.

    Args:
        server: The embedded server.
    """
    runs = server.pid is not None
    try:
        await server.kill()
        yield runs
    finally:
        await server.start()


@contextlib.asynccontextmanager
async def locked(path: Path) -> AsyncIterator[bool]:
    """Hold an SQLite database's exclusive lock: all other writers wait, and fail after a while.

    Args:
        path: The database's file.
    """
    database = sqlite3.connect(path, timeout=10, check_same_thread=False)
    try:
        await asyncio.to_thread(database.execute, "BEGIN EXCLUSIVE")
        yield True
    finally:
        database.close()


@contextlib.asynccontextmanager
async def flooded(connections: Connections, queue: str) -> AsyncIterator[bool]:
    """Add executions to a task queue that no Worker can run. On exit, terminate them.

    Args:
        connections: Connections to the service.
        queue: The task queue, in the namespace ``default``.
    """
    # Nothing waits for these executions, so waits need no explanation.
    client = await tc.Client.connect(**await connections.connection("default", quiet=True))
    handles = [client.get_workflow_handle(f"junk-{uuid.uuid4().hex}") for _ in range(JUNK)]
    # On a busy machine, each of so many calls takes its time.
    limits: dict[str, Any] = {"execution_timeout": _LIMIT, "rpc_timeout": _LIMIT}
    starts = [client.start_workflow("Junk", id=handle.id, task_queue=queue, **limits) for handle in handles]
    try:
        await asyncio.gather(*starts)
        yield True
    finally:
        # Those that were not started yet cannot be terminated; all end at their timeout at the latest.
        await asyncio.gather(*(each.terminate(rpc_timeout=_LIMIT) for each in handles), return_exceptions=True)
