"""The four computers of a demo: yours, which is the client, and those of the orchestrator, IT and Finance."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib import import_module
from typing import cast

from temporalio.worker import Worker

from workshop_lib.cells.imports import without_collector
from workshop_lib.demos import NAMES, local
from workshop_lib.demos.demo import Demo
from workshop_lib.teams.offering import offered
from workshop_lib.workers.in_process import InProcessWorker
from workshop_lib.workers.spawned import HttpService, SpawnedWorker
from workshop_lib.workshop import Workshop


def demo(number: int) -> Demo:
    """Import a demo.

    Args:
        number: The demo's number, as in ``NAMES``.
    """
    with without_collector():
        return cast("Demo", import_module(f"workshop_lib.demos.{NAMES[number]}"))


@dataclass(frozen=True)
class Computers:
    """The computers that run a Worker. The fourth is yours, which has the client.

    Attributes:
        orchestrator: The agent's Worker.
        it: The IT team's Worker.
        finance: The Finance team's Worker.
        servers: The MCP servers that run besides them, by name. Where each computer is a process, they are part of it.
    """

    orchestrator: InProcessWorker | SpawnedWorker
    it: InProcessWorker | SpawnedWorker
    finance: InProcessWorker | SpawnedWorker
    servers: dict[str, HttpService] = field(default_factory=dict)


async def start(ws: Workshop, demo: Demo, *, processes: bool = False) -> Computers:
    """Start a demo's Workers. They replace those that polled its task queues before.

    Args:
        ws: The workshop.
        demo: The demo's module, such as ``workshop_lib.demos.litellm_temporal``.
        processes: Whether each Worker runs in its own process, which can be killed, or beside the notebook.
    """
    places = {(ws.namespace(name), queue) for name, queue in _PLACES}
    await ws.stop(*(each for each in ws.workers if places & {polled[:2] for polled in each.polls}))
    if processes:
        orchestrator, it, finance = (ws.spawn(demo.COMPUTERS[name]) for name in ("orchestrator", "it", "finance"))
        return Computers(*await asyncio.gather(orchestrator, it, finance))
    threads = ThreadPoolExecutor(20)
    worker = ws.run(Worker, await demo.connect(ws), **demo.WORKER, activity_executor=threads)
    services = await asyncio.gather(*(ws.serve(name, module) for name, module in demo.SERVERS.items()))
    servers = dict(zip(demo.SERVERS, services, strict=True))
    return Computers(worker, await _beside(ws, "it"), await _beside(ws, "finance"), servers)


async def _beside(ws: Workshop, name: str) -> InProcessWorker:
    """A team's Worker, beside the notebook."""
    team = import_module(f"workshop_lib.teams.{name}.worker")
    client, settings = await offered(ws, team.ENDPOINT, team.NAMESPACE, team.WORKER)
    return ws.run(Worker, client, **settings)


_PLACES = [(local.NAMESPACE, local.TASK_QUEUE), ("it", "it"), ("finance", "finance")]
