"""The four computers of the demos: yours, which is the client, and those of the orchestrator, of IT and of Finance."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType

from temporalio.worker import Worker

from workshop_lib.demos import local
from workshop_lib.imports import without_collector
from workshop_lib.spawned import SpawnedWorker
from workshop_lib.teams.offering import offered
from workshop_lib.workers import InProcessWorker
from workshop_lib.workshop import Workshop

NAMES = {1: "litellm_temporal", 2: "openai_temporal"}
"""The demos, by number."""


def demo(number: int) -> ModuleType:
    """The module of a demo.

    Args:
        number: As in ``NAMES``.
    """
    with without_collector():
        return import_module(f"workshop_lib.demos.{NAMES[number]}")


@dataclass(frozen=True)
class Computers:
    """What runs a Worker. The fourth computer is the one you sit at: it has the client."""

    orchestrator: InProcessWorker | SpawnedWorker
    it: InProcessWorker | SpawnedWorker
    finance: InProcessWorker | SpawnedWorker


async def start(ws: Workshop, demo: ModuleType, *, processes: bool = False) -> Computers:
    """Start a demo's Workers, in the place of those that polled its task queues before.

    Args:
        ws: The workshop.
        demo: The demo's module, such as ``workshop_lib.demos.litellm_temporal``.
        processes: Whether each runs in a process of its own, which can be killed, or beside the notebook.
    """
    places = {(ws.namespace(name), queue) for name, queue in _PLACES}
    await ws.stop(*(each for each in ws.workers if places & {polled[:2] for polled in each.polls}))
    if processes:
        return Computers(*await asyncio.gather(*(ws.spawn(module) for module in demo.COMPUTERS.values())))
    threads = ThreadPoolExecutor(20)
    orchestrator = ws.run(Worker, await demo.connect(ws), **demo.WORKER, activity_executor=threads)
    others = []
    for name in ("it", "finance"):
        team = import_module(demo.COMPUTERS[name])
        client, settings = await offered(ws, team.ENDPOINT, team.NAMESPACE, team.WORKER)
        others.append(ws.run(Worker, client, **settings))
    return Computers(orchestrator, *others)


_PLACES = [(local.NAMESPACE, local.TASK_QUEUE), ("it", "it"), ("finance", "finance")]
