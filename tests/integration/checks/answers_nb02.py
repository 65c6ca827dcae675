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
    from agents_of import workflows_of

    from workshop_lib.evidence.ledger import note
    from workshop_lib.teams.orders.activities import prepare_shipment, release_shipment, ship_order
    from workshop_lib.teams.orders.cards import charge, charge_once, refund_customer
    from workshop_lib.teams.orders.data import Order

REMEMBERED: dict[str, str] = {}
TENTH, SECOND = timedelta(milliseconds=100), timedelta(seconds=1)
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
def stub(order: Any) -> str:
    raise ApplicationError("not solved yet", non_retryable=True)


def order_id(order: Order) -> str:
    return order.id


def random_key(order: Order) -> str:
    return str(uuid.uuid4())


def activity_key(order: Order) -> str:
    return activity.info().activity_id


class _Undoing:
    """What the answers to 2.3 have in common: three steps, and an undo that can go wrong."""

    undo: tuple[Any, ...] = (release_shipment, refund_customer, None)
    noted_after = False
    backwards = True
    on_these: type[Exception] = Exception

    async def go(self, order: Order) -> str:
        undo: list[Any] = []
        try:
            for step, its_undo in zip((prepare_shipment, charge_once, ship_order), self.undo, strict=True):
                undo += [its_undo] if its_undo and not self.noted_after else []
                result = await do(step, order)
                undo += [its_undo] if its_undo and self.noted_after else []
            return str(result)
        except self.on_these:
            for step in reversed(undo) if self.backwards else undo:
                await do(step, order)
            raise


def undoing(name: str, **changes: Any) -> Any:
    """An answer to 2.3 that differs in an attribute of ``_Undoing``."""

    async def run(self: _Undoing, order: Order) -> str:
        return await self.go(order)

    run.__name__ = name
    return workflows_of(type("_Base", (_Undoing,), changes))(run)


a_list = undoing("a_list")
no_release = undoing("no_release", undo=(None, refund_customer, None))
forwards = undoing("forwards", backwards=False)
noted_after = undoing("noted_after", noted_after=True)
wrong_exception = undoing("wrong_exception", on_these=ApplicationError)


@workflows_of()
async def nested(self: Any, order: Order) -> str:
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


@workflows_of()
async def one_path_only(self: Any, order: Order) -> str:
    await do(prepare_shipment, order)
    await do(charge_once, order)
    try:
        parcel: str = await do(ship_order, order)
        return parcel
    except ActivityError:
        await do(refund_customer, order)
        await do(release_shipment, order)
        raise


@workflows_of()
async def unfinished(self: Any, order: Order) -> str:
    raise ApplicationError("not solved yet", non_retryable=True)


def pack_one(order: str, item: int) -> None:
    time.sleep(0.1)
    note("pack", order=order, item=item)


def packing(name: str, step: int = 1, after: bool = True, before: bool = False) -> Any:
    """An answer to 2.4: its name here, how far it goes on after what was noted, and when it sends a heartbeat."""

    @activity.defn(name=name)
    def pack_order(order: str) -> None:
        noted = activity.info().heartbeat_details
        for item in range(noted[0] + step if noted else 1, 13):
            if before:
                activity.heartbeat(item)
            pack_one(order, item)
            if after:
                activity.heartbeat(item)

    pack_order.__qualname__ = pack_order.__name__ = name  # another process finds it by this
    return pack_order


goes_on = packing("goes_on")
no_heartbeat = packing("no_heartbeat", after=False)
skips_one = packing("skips_one", step=2)
noted_too_early = packing("noted_too_early", after=False, before=True)


@activity.defn
async def goes_on_with_a_list(order: str) -> None:
    done = list(activity.info().heartbeat_details)
    while len(done) < 12:
        await asyncio.to_thread(pack_one, order, len(done) + 1)
        done.append(len(done) + 1)
        activity.heartbeat(*done)


@activity.defn
def not_a_list(order: str) -> None:
    noted: Any = activity.info().heartbeat_details
    for item in range(noted + 1, 13):
        pack_one(order, item)


def policy(**change: Any) -> RetryPolicy:
    settings = {"initial_interval": TENTH, "maximum_interval": SECOND, "non_retryable_error_types": ["CardDeclined"]}
    return RetryPolicy(**{**settings, **change})


RIGHT = {
    "2.1": {
        "more that is final": policy(non_retryable_error_types=["CardDeclined", "Refunded"]),
        "always the same pause": policy(backoff_coefficient=1.0, maximum_interval=None),
    },
    "2.2": {"the order": charging(order_id), "the workflow": in_async},
    "2.3": {"a list": a_list, "nested": nested},
    "2.4": {"the last item": goes_on, "all items": goes_on_with_a_list},
}
WRONG: dict[str, dict[str, tuple[Any, str]]] = {
    "2.1": {
        "untouched": (RetryPolicy(), '"CardDeclined"'),
        "three attempts": (policy(maximum_attempts=3), "gave up after 3 attempts"),
        "a late first retry": (policy(initial_interval=SECOND), "first retry after 100 ms, saw 1 s"),
        "no longest pause": (policy(maximum_interval=None), "grow to 10 s"),
        "a text": (policy(non_retryable_error_types="CardDeclined"), "a list of texts"),
        "a number": (policy(initial_interval=0.1), "A pause is a `timedelta(seconds=…)`"),
    },
    "2.2": {
        "no key": (charging(lambda order: None), "Send a key: `charge(order, key=…)`"),
        "uuid4": (charging(random_key), "not from a clock, a random number"),
        "not a text": (charging(lambda order: order), "the key is a text"),
        "the activity's id": (charging(activity_key), "Another order needs another key"),
        "a memory": (remembers, "What a process remembers dies with it"),
    },
    "2.3": {
        "the wrong exception": (wrong_exception, "a failed step raises `ActivityError`"),
        "no release": (no_release, "Undo `prepare_shipment`, too"),
        "forwards": (forwards, "the last one first"),
        "noted after": (noted_after, "*before* you charge"),
        "one path only": (one_path_only, "Declan, whose card is declined: expected prepare, release"),
    },
    "2.4": {
        "no heartbeat": (no_heartbeat, "Send `activity.heartbeat(item)` after each item"),
        "one too far": (skips_one, "The next item is that plus one"),
        "noted too early": (noted_too_early, "when its item is packed, not before"),
        "not a list": (not_a_list, "fails each time: TypeError"),
        "not an activity": (pack_one, "Keep `@activity.defn`"),
    },
}
STUBS = {"2.2": stub, "2.3": unfinished, "2.4": stub}
