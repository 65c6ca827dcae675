"""Answers to the exercises of notebook 02, right and wrong. A plain module: sandbox and other processes import it."""

from __future__ import annotations

import asyncio
import time
import uuid
from datetime import timedelta
from typing import Any

from temporalio import activity, workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError

with workflow.unsafe.imports_passed_through():
    from workshop_lib.evidence.ledger import note
    from workshop_lib.teams.orders.activities import prepare_shipment, release_shipment, ship_order
    from workshop_lib.teams.orders.cards import charge, charge_once, refund_customer
    from workshop_lib.teams.orders.data import Order

REMEMBERED: dict[str, str] = {}
DEMO: dict[str, Any] = {
    "start_to_close_timeout": timedelta(seconds=1.5),
    "retry_policy": RetryPolicy(
        initial_interval=timedelta(milliseconds=50), non_retryable_error_types=["CardDeclined", "Refunded"]
    ),
}


def do(step: Any, order: Order) -> Any:
    return workflow.execute_activity(step, order, **DEMO)


def charging(key: Any) -> Any:
    """An activity that charges with the key that a function makes."""

    @activity.defn(name="charge_it")
    def charge_it(order: Order) -> str:
        return charge(order, key(order))

    charge_it.__name__ = getattr(key, "__name__", "charge_it")
    return charge_it


@activity.defn
async def in_async(order: Order) -> str:
    return await asyncio.to_thread(charge, order, f"{activity.info().workflow_id}-charge")


@activity.defn
def remembers(order: Order) -> str:
    if order.id not in REMEMBERED:
        REMEMBERED[order.id] = charge(order)
    return REMEMBERED[order.id]


@activity.defn
def returns_nothing(order: Order) -> None:
    charge(order, order.id)


@activity.defn
def stub(order: Order) -> str:
    raise ApplicationError("not solved yet", non_retryable=True)


def order_id(order: Order) -> str:
    return order.id


def no_key(order: Order) -> None:
    return None


def random_key(order: Order) -> str:
    return str(uuid.uuid4())


def clock_key(order: Order) -> str:
    return str(time.time_ns())


def attempt_key(order: Order) -> str:
    return f"{order.id}-{activity.info().attempt}"


def order_key(order: Order) -> Any:
    return order


def fixed_key(order: Order) -> str:
    return "charge"


def activity_key(order: Order) -> str:
    return activity.info().activity_id


def customer_key(order: Order) -> str:
    return order.customer


class _Undoing:
    """What the answers to 2.3 have in common: three steps, and an undo that goes wrong in its own way."""

    steps: tuple[Any, ...] = (prepare_shipment, charge_once, ship_order)
    undo: tuple[Any, ...] = (release_shipment, refund_customer)
    noted_after = False
    backwards = True
    raises = True
    also_when_well = False
    on_these: type[Exception] = Exception

    async def go(self, order: Order) -> Any:
        undo: list[Any] = []
        result: Any = None
        try:
            for number, step in enumerate(self.steps):
                todo = [self.undo[number]] if number < len(self.undo) and self.undo[number] else []
                undo += [] if self.noted_after else todo
                result = await do(step, order)
                undo += todo if self.noted_after else []
        except self.on_these:
            for step in reversed(undo) if self.backwards else undo:
                await do(step, order)
            if self.raises:
                raise
        if self.also_when_well:
            await do(refund_customer, order)
        return result


@workflow.defn
class Right(_Undoing):
    @workflow.run
    async def run(self, order: Order) -> str:
        return str(await self.go(order))


@workflow.defn
class ByHand:
    @workflow.run
    async def run(self, order: Order) -> str:
        try:
            await do(prepare_shipment, order)
            try:
                await do(charge_once, order)
                parcel: str = await do(ship_order, order)
                return parcel
            except ActivityError:
                await do(refund_customer, order)
                raise
        except ActivityError:
            await do(release_shipment, order)
            raise


@workflow.defn
class NoUndo(_Undoing):
    undo = ()

    @workflow.run
    async def run(self, order: Order) -> str:
        return str(await self.go(order))


@workflow.defn
class NoRelease(_Undoing):
    undo = (None, refund_customer)

    @workflow.run
    async def run(self, order: Order) -> str:
        return str(await self.go(order))


@workflow.defn
class Forwards(_Undoing):
    backwards = False

    @workflow.run
    async def run(self, order: Order) -> str:
        return str(await self.go(order))


@workflow.defn
class NotedAfter(_Undoing):
    noted_after = True

    @workflow.run
    async def run(self, order: Order) -> str:
        return str(await self.go(order))


@workflow.defn
class CatchesTheWrongOne(_Undoing):
    on_these = ApplicationError

    @workflow.run
    async def run(self, order: Order) -> str:
        return str(await self.go(order))


@workflow.defn
class OnePathOnly:
    @workflow.run
    async def run(self, order: Order) -> str:
        await do(prepare_shipment, order)
        await do(charge_once, order)
        try:
            parcel: str = await do(ship_order, order)
            return parcel
        except ActivityError:
            await do(refund_customer, order)
            await do(release_shipment, order)
            raise


@workflow.defn
class Swallows(_Undoing):
    raises = False

    @workflow.run
    async def run(self, order: Order) -> str:
        return str(await self.go(order))


@workflow.defn
class UndoesAlways(_Undoing):
    also_when_well = True

    @workflow.run
    async def run(self, order: Order) -> str:
        return str(await self.go(order))


@workflow.defn
class ReturnsNothing(_Undoing):
    @workflow.run
    async def run(self, order: Order) -> None:
        await self.go(order)


@workflow.defn
class Stub:
    @workflow.run
    async def run(self, order: Order) -> str:
        raise ApplicationError("not solved yet", non_retryable=True)


def pack_one(order: str, item: int) -> None:
    time.sleep(0.1)
    note("pack", order=order, item=item)


@activity.defn
def goes_on(order: str) -> None:
    noted = activity.info().heartbeat_details
    for item in range(noted[0] + 1 if noted else 1, 13):
        pack_one(order, item)
        activity.heartbeat(item)


@activity.defn
async def goes_on_with_a_list(order: str) -> None:
    done = list(activity.info().heartbeat_details)
    while len(done) < 12:
        await asyncio.to_thread(pack_one, order, len(done) + 1)
        done.append(len(done) + 1)
        activity.heartbeat(*done)


@activity.defn
def no_heartbeat(order: str) -> None:
    for item in range(1, 13):
        pack_one(order, item)


@activity.defn
def no_details(order: str) -> None:
    for item in range(1, 13):
        pack_one(order, item)
        activity.heartbeat()


@activity.defn
def skips_one(order: str) -> None:
    noted = activity.info().heartbeat_details
    for item in range(noted[0] + 2 if noted else 1, 13):
        pack_one(order, item)
        activity.heartbeat(item)


@activity.defn
def noted_too_early(order: str) -> None:
    noted = activity.info().heartbeat_details
    for item in range(noted[0] + 1 if noted else 1, 13):
        activity.heartbeat(item)
        pack_one(order, item)


@activity.defn
def not_a_list(order: str) -> None:
    noted: Any = activity.info().heartbeat_details
    for item in range(noted + 1, 13):
        pack_one(order, item)


@activity.defn
def stub_packing(order: str) -> None:
    raise ApplicationError("not solved yet", non_retryable=True)
