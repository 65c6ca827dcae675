"""Orders through every failure at once. Runs in a kernel of its own, because it kills the server."""

import asyncio
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


class Crew:
    """Workers that are killed, and somebody who starts new ones."""

    def __init__(self, ws: Workshop, client: Client, chance: random.Random) -> None:
        self._ws, self._client, self._chance = ws, client, chance
        self._workers: list[SpawnedWorker] = []
        self.deaths = 0

    async def keep_up(self) -> None:
        """Replace who is dead, and kill one every two seconds."""
        next_kill = time.monotonic() + 2
        while True:
            dead = [worker for worker in self._workers if not worker.running]
            self.deaths += len(dead)
            self._workers = [worker for worker in self._workers if worker not in dead]
            while len(self._workers) < WORKERS:
                with suppress(Exception):  # the server may be down
                    self._workers.append(await self._ws.spawn(Worker, self._client, **SETTINGS))
            if time.monotonic() > next_kill:
                next_kill = time.monotonic() + 2
                self._chance.choice(self._workers).kill()
            await asyncio.sleep(0.05)

    async def go_home(self) -> None:
        """Stop all that are left."""
        await self._ws.stop(*self._workers)


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


async def storm(ws: Workshop, client: Client, orders: int, server_deaths: int, seed: int) -> dict[str, int]:
    """Send orders through the storm.

    Args:
        ws: The workshop.
        client: In namespace ``default``.
        orders: How many; each brings one fault, drawn from all there are.
        server_deaths: How often the server is killed.
        seed: Of what is drawn.

    Returns:
        How many orders came to which end, and how often what happened.
    """
    chance = random.Random(seed)
    await ws.serve("payments", "workshop_lib.teams.orders.payments")
    steps.check_fraud(Order("warm-up"))  # makes the database that is to be locked
    crew = Crew(ws, client, chance)
    crewing = asyncio.create_task(crew.keep_up())
    placed: list[tuple[Order, Any]] = []
    try:
        with ExitStack() as faults:
            made = []
            for number in range(orders):
                if number and number % (orders // (server_deaths + 1)) == 0:
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
        crewing.cancel()
        await asyncio.wait([crewing])
        await crew.go_home()
    table = Counter(verdict(ws, order, end) for (order, _), end in zip(placed, ends, strict=True))
    return {**table, "faults that fired": fired, "workers that died": crew.deaths, "server deaths": server_deaths}
