"""Answers to the exercises of notebook 01, right and wrong. A plain module: the sandbox imports it again."""

from __future__ import annotations

import asyncio
import uuid
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

with workflow.unsafe.imports_passed_through():
    from agents_of import workflows_of
    from temporalio.client import Client
    from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
    from temporalio.exceptions import WorkflowAlreadyStartedError

    from workshop_lib.teams.orders.activities import charge_customer, check_fraud, prepare_shipment, ship_order
    from workshop_lib.teams.orders.data import Order, Receipt
    from workshop_lib.teams.orders.workflows import ProcessOrder

FIVE = timedelta(seconds=5)
STEPS: tuple[Any, ...] = (check_fraud, prepare_shipment, charge_customer, ship_order)
processing = workflows_of()

# 1.1 and 1.4


def do(step: Any, order: Order) -> Any:
    return workflow.execute_activity(step, order, start_to_close_timeout=FIVE)


async def charge_and_ship(order: Order) -> Receipt:
    charge = await do(charge_customer, order)
    return Receipt(order.id, charge, await do(ship_order, order))


@processing
async def in_a_loop(self: Any, order: Order) -> Receipt:
    results = []
    for step in ("check_fraud", "prepare_shipment", "charge_customer", "ship_order"):
        results.append(await workflow.start_activity(step, order, schedule_to_close_timeout=FIVE))
    return Receipt(order.id, results[2], results[3])


@processing
async def gathered(self: Any, order: Order) -> Receipt:
    await asyncio.gather(do(check_fraud, order), do(prepare_shipment, order))
    return await charge_and_ship(order)


@processing
async def plain_calls(self: Any, order: Order) -> Receipt:
    results = [step(order) for step in STEPS]
    return Receipt(order.id, results[2], results[3])


@processing
async def local(self: Any, order: Order) -> Receipt:
    results = [await workflow.execute_local_activity(step, order, start_to_close_timeout=FIVE) for step in STEPS]
    return Receipt(order.id, results[2], results[3])


@processing
async def one_not_awaited(self: Any, order: Order) -> Receipt:
    do(check_fraud, order).close()
    await do(prepare_shipment, order)
    return await charge_and_ship(order)


@processing
async def no_limit(self: Any, order: Order) -> Receipt:
    await workflow.execute_activity(check_fraud, order)
    return await charge_and_ship(order)


@processing
async def swallows(self: Any, order: Order) -> Receipt | None:
    try:
        await do(check_fraud, order)
        await do(prepare_shipment, order)
    except ActivityError:
        return None
    return await charge_and_ship(order)


@processing
async def started(self: Any, order: Order) -> Receipt:
    first = workflow.start_activity(check_fraud, order, start_to_close_timeout=FIVE)
    second = workflow.start_activity(prepare_shipment, order, start_to_close_timeout=FIVE)
    await first
    await second
    return await charge_and_ship(order)


@processing
async def made_then_awaited(self: Any, order: Order) -> Receipt:
    first, second = do(check_fraud, order), do(prepare_shipment, order)
    await first
    await second
    return await charge_and_ship(order)


@processing
async def goes_on(self: Any, order: Order) -> Receipt:
    both = workflow.start_activity, do(prepare_shipment, order)
    both[0](check_fraud, order, start_to_close_timeout=FIVE)
    await both[1]
    return await charge_and_ship(order)


@processing
async def stub(self: Any, order: Order) -> Receipt:
    raise ApplicationError("not solved yet", non_retryable=True)


# 1.2

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


async def not_awaited(client: Client, order: Order) -> Any:
    return client.start_workflow(ProcessOrder.run, order, id=order.id, **ONCE)


async def nothing_started(client: Client, order: Order) -> Any:
    right(client, order).close()
    return client.get_workflow_handle_for(ProcessOrder.run, order.id)


async def place_stub(client: Client, order: Order) -> Any:
    raise ApplicationError("not solved yet", non_retryable=True)


# 1.3


class _Cooling:
    """What the answers to 1.3 have in common. Each of the updates only notes that it was called."""

    awaits: tuple[str, ...] = ("hurry", "cancelled")
    heeds = True
    catches: tuple[type[Exception], ...] = (TimeoutError,)
    late = ""

    def __init__(self) -> None:
        self.hurry = self.cancelled = False

    def called(self) -> bool:
        return any(getattr(self, each) for each in self.awaits)

    async def go(self, order: Order) -> str:
        await do(check_fraud, order)
        await do(prepare_shipment, order)
        try:
            await workflow.wait_condition(self.called, timeout=timedelta(days=3))
        except self.catches:
            if self.late:
                return self.late
        if self.cancelled and self.heeds:
            return "cancelled"
        return (await charge_and_ship(order)).parcel

    @workflow.update
    def ship_now(self) -> None:
        self.hurry = True

    @workflow.update
    def cancel(self) -> None:
        self.cancelled = True


def cooling(name: str, **changes: Any) -> Any:
    """An answer to 1.3 that differs in an attribute of ``_Cooling``."""

    async def run(self: _Cooling, order: Order) -> str:
        return await self.go(order)

    run.__name__ = name
    return workflows_of(type("_Base", (_Cooling,), changes))(run)


two_flags = cooling("two_flags", catches=(Exception,))
not_woken = cooling("not_woken", awaits=("hurry",))
not_looked_at = cooling("not_looked_at", heeds=False)
unexpecting = cooling("unexpecting", catches=())
too_late = cooling("too_late", late="cancelled")


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


@processing
async def no_cancel(self: Any, order: Order) -> str:
    await workflow.wait_condition(lambda: False, timeout=timedelta(days=3))
    return "cancelled"


@workflows_of(_Cooling)
async def polls(self: _Cooling, order: Order) -> str:
    while not self.hurry:
        await workflow.sleep(0.2)
    return (await charge_and_ship(order)).parcel


@workflows_of(_Cooling)
async def forgets_to_ship(self: _Cooling, order: Order) -> str:
    try:
        await asyncio.gather(do(check_fraud, order), do(prepare_shipment, order))
        await workflow.wait_condition(lambda: self.hurry or self.cancelled, timeout=timedelta(days=3))
    except TimeoutError:
        return str(await do(charge_customer, order))
    return "cancelled" if self.cancelled else (await charge_and_ship(order)).parcel


RIGHT = {
    "1.1": {"in a loop": in_a_loop, "side by side": gathered},
    "1.2": {"one attempt": right, "joins": joins},
    "1.3": {"two flags": two_flags, "an event": AnEvent},
    "1.4": {"gathered": gathered, "started": started},
}
WRONG = {
    "1.1": {
        "an object": (in_a_loop(), "Hand in the class itself"),
        "plain calls": (plain_calls, "Your Workflow called the function itself"),
        "local activities": (local, "These are local Activities"),
        "one not awaited": (one_not_awaited, "no Activity check_fraud.\n→ Ask for each step. Is an `await` missing?"),
        "no limit": (no_limit, "Give each call `start_to_close_timeout=timedelta(seconds=5)`"),
        "swallowed": (swallows, "Let the error of the step through"),
    },
    "1.2": {
        "any id": (any_id, "The same order must come to the same id"),
        "reused": (reused, "it was charged 2 times"),
        "uncaught": (uncaught, "Catch `WorkflowAlreadyStartedError`"),
        "waits": (waits, "Return the handle, not the result"),
        "not awaited": (not_awaited, "Return what `await client.start_workflow(…)` gives you"),
        "nothing started": (nothing_started, "Is an `await` missing"),
    },
    "1.3": {
        "no update": (no_cancel, "Is there `@workflow.update`"),
        "not woken": (not_woken, "does the condition look at it?"),
        "not looked at": (not_looked_at, "Look after the wait whether it was cancelled"),
        "polls": (polls, "no asking again and again"),
        "three days are over": (unexpecting, "Keep the `try` and `except TimeoutError`"),
        "cancelled after three days": (too_late, "Keep the `try` and `except TimeoutError`"),
        "not shipped after three days": (forgets_to_ship, "Three days later, an order: expected check"),
    },
    "1.4": {
        "one by one": (in_a_loop, "Hand both to `asyncio.gather`"),
        "made, then awaited": (made_then_awaited, "A coroutine starts when it is awaited"),
        "one not awaited": (goes_on, "charged all the same"),
    },
}
STUBS = {"1.1": stub, "1.2": place_stub, "1.3": stub, "1.4": stub}
