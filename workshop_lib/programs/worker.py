"""What ``Workshop.spawn`` starts: a process that runs one Worker until SIGTERM.

``python -m workshop_lib.programs.worker module NAME`` imports a module and runs what its coroutine function
``worker(ws)`` returns. ``… described NAMESPACE FILE`` builds the Worker that a cell described.
"""

import asyncio
import inspect
import json
import pickle
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path
from typing import Any

from temporalio.client import Client
from temporalio.worker import Worker

from workshop_lib.cells.imports import without_collector
from workshop_lib.cells.quiet import quieten
from workshop_lib.evidence.state import notebook_folder
from workshop_lib.faults.interceptor import Faults
from workshop_lib.server.connections import Connections, attach
from workshop_lib.workers.in_process import begin, offer
from workshop_lib.workers.process import fail, leave
from workshop_lib.workers.spawned import READY


def _described(file: Path) -> dict[str, Any]:
    content: dict[str, Any] = pickle.loads(file.read_bytes())
    file.unlink()
    return content


async def _build(ws: Connections, arguments: list[str]) -> Worker:
    if arguments[0] == "module":
        worker = await import_module(arguments[1]).worker(ws)
        assert isinstance(worker, Worker), f"{arguments[1]}.worker(ws) must return a Worker, not {type(worker)}"
        return worker
    described = _described(Path(arguments[2]))
    kind, data_converter = described.pop("worker"), described.pop("data_converter")
    client = await Client.connect(**await ws.connection(ws.own_name(arguments[1]), data_converter=data_converter))
    if any(not inspect.iscoroutinefunction(activity) for activity in described.get("activities", [])):
        described["activity_executor"] = ThreadPoolExecutor(described.get("max_concurrent_activities") or 100)
    built: Worker = kind(client, **described)
    return built


async def main(arguments: list[str]) -> None:
    """Run the Worker that the arguments describe until SIGTERM."""
    quieten()
    with without_collector():
        worker = await _build(attach(Faults(notebook_folder(), may_die=True)), arguments)
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    running = await begin(worker)
    if not running.done():
        print(READY + json.dumps(offer(worker)), flush=True)
    await asyncio.wait([running, asyncio.create_task(stopping.wait())], return_when=asyncio.FIRST_COMPLETED)
    await worker.shutdown()  # harmless if it has failed
    await running


if __name__ == "__main__":
    try:
        asyncio.run(main(sys.argv[1:]))
    except Exception as error:
        fail(error)
    leave(0)
