"""Answers to the exercises of notebook 01, right and wrong. A plain module: the sandbox imports it again."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

with workflow.unsafe.imports_passed_through():
    from temporalio.client import Client
    from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
    from temporalio.exceptions import WorkflowAlreadyStartedError

    from workshop_lib.teams.orders.activities import charge_customer, check_fraud, prepare_shipment, ship_order
    from workshop_lib.teams.orders.data import Order, Receipt
    from workshop_lib.teams.orders.workflows import ProcessOrder

FIVE = timedelta(seconds=5)


def do(step: Any, order: Order) -> Any:
    return workflow.execute_activity(step, order, start_to_close_timeout=FIVE)


async def charge_and_ship(order: Order) -> Receipt:
    charge = await do(charge_customer, order)
    return Receipt(order.id, charge, await do(ship_order, order))


@workflow.defn
class InALoop:
    @workflow.run
    async def run(self, order: Order) -> Receipt:
        results = []
        for step in ("check_fraud", "prepare_shipment", "charge_customer", "ship_order"):
            results.append(await workflow.start_activity(step, order, schedule_to_close_timeout=FIVE))
        return Receipt(order.id, results[2], results[3])


@workflow.defn
class ADict:
    @workflow.run
    async def run(self, order: Order) -> dict[str, str]:
        await do(check_fraud, order)
        await do(prepare_shipment, order)
        charge = await do(charge_customer, order)
        return {"order": order.id, "charge": charge, "parcel": await do(ship_order, order)}


@workflow.defn
class Direct:
    @workflow.run
    async def run(self, order: Order) -> Receipt:
        check_fraud(order)
        prepare_shipment(order)
        return Receipt(order.id, charge_customer(order), ship_order(order))


@workflow.defn
class NotAwaited:
    @workflow.run
    async def run(self, order: Order) -> Receipt:
        for step in (check_fraud, prepare_shipment, charge_customer, ship_order):
            do(step, order).close()
        return Receipt(order.id, "charge", "parcel")


@workflow.defn
class NoLimit:
    @workflow.run
    async def run(self, order: Order) -> Receipt:
        await workflow.execute_activity(check_fraud, order)
        return await charge_and_ship(order)


@workflow.defn
class Swallows:
    @workflow.run
    async def run(self, order: Order) -> Receipt | None:
        try:
            await do(check_fraud, order)
            await do(prepare_shipment, order)
        except ActivityError:
            return None
        return await charge_and_ship(order)


@workflow.defn
class Swapped:
    @workflow.run
    async def run(self, order: Order) -> Receipt:
        await do(check_fraud, order)
        await do(prepare_shipment, order)
        charge = await do(charge_customer, order)
        return Receipt(order.id, await do(ship_order, order), charge)


@workflow.defn
class Stub:
    @workflow.run
    async def run(self, order: Order) -> Receipt:
        raise ApplicationError("not solved yet", non_retryable=True)


@workflow.defn
class Gathered:
    @workflow.run
    async def run(self, order: Order) -> Receipt:
        await asyncio.gather(do(check_fraud, order), do(prepare_shipment, order))
        return await charge_and_ship(order)


@workflow.defn
class Started:
    @workflow.run
    async def run(self, order: Order) -> Receipt:
        first = workflow.start_activity(check_fraud, order, start_to_close_timeout=FIVE)
        second = workflow.start_activity(prepare_shipment, order, start_to_close_timeout=FIVE)
        await first
        await second
        return await charge_and_ship(order)


@workflow.defn
class MadeThenAwaited:
    @workflow.run
    async def run(self, order: Order) -> Receipt:
        first, second = do(check_fraud, order), do(prepare_shipment, order)
        await first
        await second
        return await charge_and_ship(order)


@workflow.defn
class GoesOn:
    @workflow.run
    async def run(self, order: Order) -> Receipt:
        results = await asyncio.gather(do(check_fraud, order), do(prepare_shipment, order), return_exceptions=True)
        receipt = await charge_and_ship(order)
        if any(isinstance(result, Exception) for result in results):
            raise ApplicationError("refused", non_retryable=True)
        return receipt


ONCE: dict[str, Any] = {"task_queue": "orders", "id_reuse_policy": WorkflowIDReusePolicy.REJECT_DUPLICATE}


async def right(client: Client, order: Order) -> Any:
    try:
        return await client.start_workflow(ProcessOrder.run, order, id=order.id, **ONCE)
    except WorkflowAlreadyStartedError:
        return client.get_workflow_handle_for(ProcessOrder.run, order.id)


async def joins(client: Any, order: Order) -> Any:
    try:
        join = WorkflowIDConflictPolicy.USE_EXISTING
        return await client.start_workflow("ProcessOrder", order, id=order.id, id_conflict_policy=join, **ONCE)
    except WorkflowAlreadyStartedError:
        return client.get_workflow_handle(order.id)


async def any_id(client: Client, order: Order) -> Any:
    return await client.start_workflow(ProcessOrder.run, order, id=str(uuid.uuid4()), task_queue="orders")


async def reused(client: Client, order: Order) -> Any:
    try:
        return await client.start_workflow(ProcessOrder.run, order, id=order.id, task_queue="orders")
    except WorkflowAlreadyStartedError:
        return client.get_workflow_handle(order.id)


async def uncaught(client: Client, order: Order) -> Any:
    return await client.start_workflow(ProcessOrder.run, order, id=order.id, **ONCE)


async def waits(client: Client, order: Order) -> Any:
    handle = await right(client, order)
    await handle.result()
    return handle


async def elsewhere(client: Client, order: Order) -> Any:
    return await client.start_workflow(ProcessOrder.run, order, id=order.id, task_queue="order")


async def stub(client: Client, order: Order) -> Any:
    raise ApplicationError("not solved yet", non_retryable=True)


class _Cooling:
    """What the answers to 1.3 have in common. Each of the updates only notes that it was called."""

    def __init__(self) -> None:
        self.hurry = self.cancelled = False

    async def before(self, order: Order, until: Callable[[], bool]) -> None:
        await do(check_fraud, order)
        await do(prepare_shipment, order)
        await workflow.wait_condition(until, timeout=timedelta(days=3))

    @workflow.update
    def ship_now(self) -> None:
        self.hurry = True

    @workflow.update
    def cancel(self) -> None:
        self.cancelled = True


@workflow.defn
class TwoFlags(_Cooling):
    @workflow.run
    async def run(self, order: Order) -> str:
        try:
            await self.before(order, lambda: self.hurry or self.cancelled)
        except Exception:
            self.hurry = True  # the time is over
        return "cancelled" if self.cancelled else (await charge_and_ship(order)).parcel


@workflow.defn
class AnEvent:
    @workflow.init
    def __init__(self, order: Order) -> None:
        self.choice: asyncio.Future[str] = asyncio.Future()

    @workflow.run
    async def run(self, order: Order) -> str:
        await asyncio.gather(do(check_fraud, order), do(prepare_shipment, order))
        done, _ = await workflow.wait([self.choice], timeout=timedelta(days=3).total_seconds())
        return "cancelled" if done and self.choice.result() == "cancel" else str(await charge_and_ship(order))

    @workflow.update
    async def ship_now(self) -> None:
        self.choice.set_result("ship")

    @workflow.update
    async def cancel(self) -> str:
        self.choice.set_result("cancel")
        return "as you wish"


@workflow.defn
class NoCancel:
    @workflow.run
    async def run(self, order: Order) -> str:
        await workflow.wait_condition(lambda: False, timeout=timedelta(days=3))
        return "cancelled"


@workflow.defn
class NotWoken(_Cooling):
    @workflow.run
    async def run(self, order: Order) -> str:
        await self.before(order, lambda: self.hurry)
        return "cancelled" if self.cancelled else (await charge_and_ship(order)).parcel


@workflow.defn
class NotLookedAt(_Cooling):
    @workflow.run
    async def run(self, order: Order) -> str:
        await self.before(order, lambda: self.hurry or self.cancelled)
        return (await charge_and_ship(order)).parcel


@workflow.defn
class Polls(_Cooling):
    @workflow.run
    async def run(self, order: Order) -> str:
        while not (self.hurry or self.cancelled):
            await workflow.sleep(0.2)
        return "cancelled" if self.cancelled else (await charge_and_ship(order)).parcel


@workflow.defn
class Unexpecting(_Cooling):
    @workflow.run
    async def run(self, order: Order) -> str:
        await self.before(order, lambda: self.hurry or self.cancelled)
        return "cancelled" if self.cancelled else (await charge_and_ship(order)).parcel


RIGHT = {
    "1.1": {"in a loop": InALoop, "a dict": ADict, "side by side": Gathered},
    "1.2": {"one attempt": right, "joins": joins},
    "1.3": {"two flags": TwoFlags, "an event": AnEvent},
    "1.4": {"gathered": Gathered, "started": Started},
}
WRONG = {
    "1.1": {
        "an object": (ADict(), "Hand in the class itself"),
        "plain calls": (Direct, "Your Workflow called the function itself"),
        "not awaited": (NotAwaited, "Each step needs its `await`"),
        "no limit": (NoLimit, "Give each call `start_to_close_timeout=timedelta(seconds=5)`"),
        "swallowed": (Swallows, "Let the error of the step through"),
        "swapped": (Swapped, "expected check, prepare, charge, ship or"),
    },
    "1.2": {
        "any id": (any_id, "The same order must come to the same id"),
        "reused": (reused, "it was charged 2 times"),
        "uncaught": (uncaught, "Catch `WorkflowAlreadyStartedError`"),
        "waits": (waits, "Return the handle, not the result"),
        "elsewhere": (elsewhere, 'task_queue="orders"'),
    },
    "1.3": {
        "no update": (NoCancel, "Is there `@workflow.update`"),
        "not woken": (NotWoken, "does the condition look at it?"),
        "not looked at": (NotLookedAt, "Look after the wait whether it was cancelled"),
        "polls": (Polls, "no asking again and again"),
        "three days are over": (Unexpecting, "Keep the `try` and `except TimeoutError`"),
    },
    "1.4": {
        "one by one": (InALoop, "Hand both to `asyncio.gather`"),
        "made, then awaited": (MadeThenAwaited, "A coroutine starts when it is awaited"),
        "goes on": (GoesOn, "charged all the same"),
    },
}
STUBS = {"1.1": Stub, "1.2": stub, "1.3": Stub, "1.4": Stub}
