"""Orders through every failure at once: each completed or undone, charged once or refunded once, none lost."""

import asyncio
import os
import random
import time
from collections import Counter
from contextlib import ExitStack, suppress
from datetime import timedelta
from typing import Any

from temporalio.client import Client, WorkflowFailureError
from temporalio.service import RPCError
from temporalio.worker import Worker

from workshop_lib.teams.orders import activities as steps
from workshop_lib.teams.orders import cards
from workshop_lib.teams.orders.data import Order
from workshop_lib.teams.orders.safe_order import SafeOrder
from workshop_lib.workers.spawned import SpawnedWorker
from workshop_lib.workshop import Workshop

STEPS = ("check_fraud", "prepare_shipment", "charge_once", "ship_order", "refund_customer", "release_shipment")
OF_A_STEP = (
    *("fails", "fails_after_effect", "times_out", "hangs", "is_slow"),
    *("dies_before_effect", "dies_after_effect", "dies_after_report"),
)
OF_PAYMENTS = ("drops", "drops_answer", "delays", "answers_500", "answers_503")
FAULTS = (
    *(f"{step}.{kind}" for step in STEPS for kind in OF_A_STEP),
    *(f"payments.{kind}" for kind in OF_PAYMENTS for _ in range(3)),
    *("orders.db.locked", "orders.flooded"),
)
WORKERS = 3
ORDERS, SERVER_DEATHS = (100, 2) if "WORKSHOP_CHAOS" in os.environ else (14, 1)
SEED = int(os.environ.get("WORKSHOP_SEED", "1"))
SETTINGS: dict[str, Any] = {
    "task_queue": "orders",
    "workflows": [SafeOrder],
    "activities": [
        *(steps.check_fraud, steps.prepare_shipment, cards.charge_once, steps.ship_order),
        *(steps.release_shipment, cards.refund_customer),
    ],
    "sticky_queue_schedule_to_start_timeout": timedelta(milliseconds=200),
}


def draw(ws: Workshop, chance: random.Random) -> Order:
    """An order; three in ten cannot be finished."""
    change = chance.choice([{}] * 7 + [{"item": "anvil"}, {"customer": "Declan"}, {"item": "teapot"}])
    return Order(ws.id("order"), **change)  # type: ignore[arg-type]


async def keep_up(
    ws: Workshop, client: Client, chance: random.Random, crew: list[SpawnedWorker], over: asyncio.Event
) -> None:
    """Replace who is dead, and kill one every two seconds."""
    next_kill = time.monotonic() + 2
    while not over.is_set():
        while len(alive := [worker for worker in crew if worker.running]) < WORKERS:
            with suppress(Exception):  # the server may be down
                crew.append(await ws.spawn(Worker, client, **SETTINGS))
        if time.monotonic() > next_kill:
            next_kill = time.monotonic() + 2
            chance.choice(alive).kill()
        await asyncio.sleep(0.05)


async def place(client: Client, order: Order) -> Any:
    """Start an order, also when the server is down for a moment."""
    async with asyncio.timeout(120):
        while True:
            with suppress(RPCError):
                return await client.start_workflow(
                    SafeOrder.run,
                    order,
                    id=order.id,
                    task_queue="orders",
                    task_timeout=timedelta(seconds=1),
                    execution_timeout=timedelta(minutes=5),
                )
            await asyncio.sleep(0.1)


async def ended(handle: Any) -> str:
    """How an order ended: ``completed`` or ``failed``."""
    while True:
        try:
            await handle.result()
        except WorkflowFailureError as error:
            return "failed" if "timeout" not in str(error.cause).lower() else "stuck"
        except RPCError:  # the server is down for a moment
            await asyncio.sleep(0.1)
        else:
            return "completed"


def verdict(ws: Workshop, order: Order, end: str) -> str:
    """What an order left behind, in a word."""
    done = Counter(entry.effect for entry in ws.ledger.entries(order=order.id))
    left = {name: done[name] for name in ("prepare", "charge", "ship", "refund", "release")}
    if end == "completed" and left == {"prepare": 1, "charge": 1, "ship": 1, "refund": 0, "release": 0}:
        return "completed, charged once"
    undone = left["prepare"] == left["release"] <= 1 and left["charge"] == left["refund"] <= 1
    if end == "failed" and left["ship"] == 0 and undone:
        return "compensated, refunded" if left["charge"] else "compensated, never charged"
    return f"WRONG: {end}, {left}"


async def test_no_order_is_lost_or_charged_twice(ws: Workshop, client: Client) -> None:
    """Each order brings one fault, drawn from all there are."""
    chance = random.Random(SEED)
    await ws.serve("payments", "workshop_lib.teams.orders.payments")
    steps.check_fraud(Order("warm-up"))  # makes the database that is to be locked
    crew, over = list[SpawnedWorker](), asyncio.Event()
    crewing = asyncio.create_task(keep_up(ws, client, chance, crew, over))
    placed: list[tuple[Order, Any]] = []
    try:
        with ExitStack() as faults:
            made = []
            for number in range(ORDERS):
                if number and number % (ORDERS // (SERVER_DEATHS + 1)) == 0:
                    await ws.server.kill()
                    await ws.server.restart()
                made.append(faults.enter_context(ws.fault(chance.choice(FAULTS), seconds=1)))
                order = draw(ws, chance)
                placed.append((order, await place(client, order)))
                await asyncio.sleep(chance.uniform(0, 0.15))
            async with asyncio.timeout(1200):
                ends = await asyncio.gather(*(ended(handle) for _, handle in placed))
            fired = sum(fault.fired for fault in made)
    finally:
        over.set()
        await crewing
        deaths = sum(not worker.running for worker in crew)
        await ws.stop(*ws.workers)
    table = Counter(verdict(ws, order, end) for (order, _), end in zip(placed, ends, strict=True))
    print(*(f"{count:4}  {what}" for what, count in table.items()), sep="\n")
    assert not [what for what in table if what.startswith("WRONG")], table
    assert deaths >= 1
    assert fired >= ORDERS // 4
