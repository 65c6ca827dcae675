"""Killed at each step of hold, approve and run: one refund, one decision, one approval.

By hand a seeded sample; `make chaos` takes all, each several times.
"""

import asyncio
import os
import random
from collections.abc import AsyncIterator
from typing import Any

import pytest
import refunds
from owned import CALLERS, LARGE, OWNER, Owned, owned
from temporalio.client import WorkflowHandle
from temporalio.service import RPCError
from temporalio.worker import Worker
from waits import until

from workshop_lib.governance.policy.contract import Approval
from workshop_lib.governance.policy.keeper import PolicyKeeper
from workshop_lib.workers.spawned import SpawnedWorker
from workshop_lib.workshop import Workshop

STEPS, VICTIMS = ["asks", "waits", "is approved", "runs"], ["owner", "caller", "keeper", "server"]
CASES = [(step, victim) for step in STEPS for victim in VICTIMS]
chance = random.Random(int(os.environ.get("WORKSHOP_SEED", "5")))
if rounds := int(os.environ.get("WORKSHOP_CHAOS", "0")) // 20:
    CASES *= rounds
else:
    CASES = [(step, victim) for step, victim in zip(STEPS, chance.sample(VICTIMS, 4), strict=True)][:2]


class Crew:
    """The processes of one call, of which one is killed."""

    def __init__(self, world: Owned) -> None:
        self.world, self.processes = world, dict[str, SpawnedWorker]()

    async def start(self, name: str) -> None:
        ws, clients = self.world.ws, self.world.clients
        made = {
            "owner": lambda: ws.spawn("owned"),
            "caller": lambda: ws.spawn(Worker, clients["sales"], **CALLERS),
            "keeper": lambda: ws.spawn(Worker, clients[OWNER], task_queue="keeper", workflows=[PolicyKeeper]),
        }
        self.processes[name] = await made[name]()

    async def kill(self, name: str) -> None:
        """At some moment from now on; another one takes its place."""
        await asyncio.sleep(chance.uniform(0, 0.3))
        if name == "server":
            await self.world.ws.server.kill()
            await self.world.ws.server.restart()
        else:
            self.processes[name].kill()
            await self.start(name)


@pytest.fixture(scope="module")
async def crew(ws: Workshop) -> AsyncIterator[Crew]:
    async with owned(ws, "sales") as world:
        made = Crew(world)
        await asyncio.gather(*(made.start(name) for name in VICTIMS[:3]))
        await world.rules(LARGE, queue="keeper")
        yield made


@pytest.mark.parametrize(("step", "victim"), CASES)
async def test_one_refund_and_one_decision(crew: Crew, step: str, victim: str) -> None:
    world, order = crew.world, crew.world.ws.id("order")
    call = await world.start("sales", refunds.Pay, "pay", refunds.Refund(order, 500))
    if step == "asks":
        await crew.kill(victim)
    waiting = await persistent(lambda: world.one_waiting())
    if step == "waits":
        await crew.kill(victim)
    approving = await persistent(lambda: world.start("leads", refunds.Decides, Approval(waiting.id, True, "yes")))
    if step == "is approved":
        await crew.kill(victim)
    assert await ended(world, approving) == "Approved by leads: yes"
    if step == "runs":
        await crew.kill(victim)
    assert await ended(world, call) == "paid 500"
    assert world.ws.ledger.count("refund", order=order) == 1
    rows = await persistent(world.rows)
    mine = [(row.kind, row.verdict) for row in rows if row.id == waiting.id]
    assert mine == [("decision", "hold"), ("approval", "approved")]


async def persistent(asked: Any) -> Any:
    """Ask again while the server is away."""

    async def ask() -> Any:
        try:
            return [await asked()]
        except RPCError:
            return None

    return (await until(ask))[0]


async def ended(world: Owned, handle: WorkflowHandle[Any, Any]) -> str:
    told: str = await persistent(lambda: world.outcome(handle))
    return told
