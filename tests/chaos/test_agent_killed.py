"""An agent's Worker killed at every boundary of a turn: the answer is right, money moves once, no tokens spent twice.

By hand a seeded sample; `make chaos` takes all.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from temporalio.client import Client

from workshop_lib.agents.conversation import Chat
from workshop_lib.evidence.history import history
from workshop_lib.teams.support.workflows import Dispatcher
from workshop_lib.workers.spawned import SpawnedWorker
from workshop_lib.workshop import Workshop

pytestmark = pytest.mark.anyio

TEAM = "workshop_lib.teams.support.worker"
# A turn: the dispatcher asks the model, the specialist asks it, refunds, asks it again, the dispatcher asks it again.
STEPS = [("call_model", 0), ("call_model", 1), ("refund", 0), ("call_model", 2), ("call_model", 3)]
KINDS = ("dies_before_effect", "dies_after_effect", "dies_after_report", "mid-activity")
POINTS = [(name, skip, kind) for name, skip in STEPS for kind in KINDS]
if "WORKSHOP_CHAOS" not in os.environ:
    POINTS = random.Random(int(os.environ.get("WORKSHOP_SEED", "3"))).sample(POINTS, 3)


@pytest.fixture(scope="module")
async def workers(ws: Workshop) -> AsyncIterator[list[SpawnedWorker]]:
    """The support team's Workers, each in a process of its own, and its services."""
    await Workshop.start(model=True)
    await ws.serve("audit", "workshop_lib.teams.support.audit")
    await ws.serve("refunds", "workshop_lib.teams.support.refunds")
    made: list[SpawnedWorker] = []
    yield made
    await ws.stop(*made)


@pytest.mark.parametrize(("name", "skip", "kind"), POINTS, ids=lambda value: str(value))
async def test_killed_at_a_boundary(
    ws: Workshop, workers: list[SpawnedWorker], name: str, skip: int, kind: str
) -> None:
    missing = 2 - sum(worker.running for worker in workers)
    workers += await asyncio.gather(*(ws.spawn(TEAM) for _ in range(missing)))
    client = await Client.connect(**await ws.connection("default"))
    handle = await client.start_workflow(
        Dispatcher.run,
        Chat(model="offline"),
        id=ws.id("chat"),
        task_queue="support",
        execution_timeout=timedelta(minutes=2),
        task_timeout=timedelta(seconds=2),
    )
    order, before = ws.id("order"), ws.ledger.count()
    fault = ws.fault(f"{name}.{'is_slow' if kind == 'mid-activity' else kind}", seconds=60, skip=skip)
    with fault:
        asked = asyncio.create_task(
            handle.execute_update(Dispatcher.send_message, f"Please refund $30 for {order}, it was broken.")
        )
        while not fault.fired and not asked.done():
            await asyncio.sleep(0.02)
        if kind == "mid-activity":
            await kill_the_worker_of(client, handle.id, name, workers)
        reply = await asked
    assert fault.fired == 1
    assert sum(worker.running for worker in workers) == 1
    assert reply.problem == ""
    assert order in reply.text
    assert ws.ledger.count("refund", order=order) == 1
    assert sum(order in entry.details["what"].split() for entry in ws.ledger.entries("audit")) == 1
    noted = [entry.details["call"] for entry in ws.ledger.entries()[before:] if entry.effect == "model call"]
    assert len(set(noted)) == 4  # each model call that was needed, and no other
    in_flight = name == "call_model" and kind == "dies_after_effect"
    assert len(noted) - len(set(noted)) == in_flight
    await handle.terminate()


async def kill_the_worker_of(client: Client, chat: str, name: str, workers: list[SpawnedWorker]) -> None:
    """Kill the process that runs an activity of an agent, or of the agents that it asked."""
    async with asyncio.timeout(120):  # only against hanging
        while True:
            record = await history(client.get_workflow_handle(chat), follow=True)
            for agent in [chat, *(call.workflow_id for step in record.steps for call in step.calls)]:
                described = await client.get_workflow_handle(agent).describe()
                for activity in described.raw_description.pending_activities:
                    if activity.activity_type.name == name and activity.last_worker_identity:
                        pid = activity.last_worker_identity.partition("@")[0]
                        next(worker for worker in workers if str(worker.pid) == pid).kill()
                        return
            await asyncio.sleep(0.02)
