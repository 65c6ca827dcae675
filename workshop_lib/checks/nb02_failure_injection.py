"""The exercises of notebook 02, each run under the failure that it is about."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from dataclasses import replace
from datetime import UTC, timedelta
from typing import Any

from temporalio import activity
from temporalio.client import WorkflowHandle
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

from workshop_lib.checks.exercise import Wrong, exercise
from workshop_lib.checks.harness.one_activity import OneActivity, as_message
from workshop_lib.checks.harness.recorded import until
from workshop_lib.checks.harness.trial import Outcome, activity_name, end, ended, expect, one_activity, trial, worker
from workshop_lib.evidence.history import spoken
from workshop_lib.evidence.ledger import Effect
from workshop_lib.evidence.messages import WorkshopError
from workshop_lib.evidence.state import notebook_folder, service_address
from workshop_lib.teams.orders.activities import prepare_shipment, release_shipment, ship_order
from workshop_lib.teams.orders.cards import charge, charge_card, charge_once, refund_customer
from workshop_lib.teams.orders.data import Order
from workshop_lib.workshop import Workshop

_SOON = timedelta(milliseconds=20)


async def _payments(ws: Workshop) -> None:
    try:
        service_address("payments")
    except WorkshopError:
        await ws.serve("payments", "workshop_lib.teams.orders.payments")


@exercise("2.1")
async def retries(ws: Workshop, answer: Any) -> str:
    """A declined card is tried once; an outage of three answers is survived."""
    policy = _valid(answer)
    await _payments(ws)
    async with one_activity(ws, charge_card) as run:
        quick = replace(policy, initial_interval=_SOON, maximum_interval=None, maximum_attempts=2)
        _, _, declined = await run(Order(ws.id("order"), customer="Declan"), quick)
        if declined.attempts("charge_card") > 1:
            named = ", ".join(policy.non_retryable_error_types or ["none"])
            raise Wrong(
                f"Declan's card was declined, and you asked again. Errors that you do not retry: {named}.",
                'Name the error\'s type in `non_retryable_error_types`: "CardDeclined".',
            )
        _right_pauses(policy)
        with ws.fault("payments.answers_503", times=3):
            _, failure, outage = await run(Order(ws.id("order")), policy)
        if failure:
            raise Wrong(
                f"In an outage your policy gave up after {outage.attempts('charge_card')} attempts.",
                "Only the declined card is final: no `maximum_attempts`, and no other error among those not retried.",
            )
    return "Declan's card was asked once. An outage of three answers was survived."


def _valid(answer: Any) -> RetryPolicy:
    if not isinstance(answer, RetryPolicy):
        raise Wrong(f"{answer!r} is not a RetryPolicy.", "Hand in a `RetryPolicy(…)`.")
    try:
        if isinstance(answer.non_retryable_error_types, str):
            raise TypeError("non_retryable_error_types is not a list")
        as_message(answer)
    except Exception as error:
        advice = "A pause is a `timedelta(seconds=…)`. The errors that are final are a list of texts, their types."
        raise Wrong(f"Temporal cannot read {answer!r}: {error}.", advice) from None
    return answer


def _right_pauses(policy: RetryPolicy) -> None:
    first = policy.initial_interval
    longest = policy.maximum_interval or 100 * first  # the service's own rule
    if first != timedelta(milliseconds=100):
        advice = "Write `initial_interval=timedelta(milliseconds=100)`."
        raise Wrong(f"Expected the first retry after 100 ms, saw {spoken(first)}.", advice)
    if longest > timedelta(seconds=1) and policy.backoff_coefficient > 1:
        what = f"Expected no pause longer than 1 s. In a long outage yours would grow to {spoken(longest)}."
        raise Wrong(what, "Write `maximum_interval=timedelta(seconds=1)`.")


@exercise("2.2")
async def charged_once(ws: Workshop, answer: Any) -> str:
    """An order is charged, fails twice after the effect, and is tried again; another order is another charge."""
    orders = [Order(ws.id("order")), Order(ws.id("order"))]
    results = []
    await _payments(ws)
    async with one_activity(ws, answer) as run:
        with ws.fault(f"{activity_name(answer)}.fails_after_effect", times=2):
            for order in orders:
                result, failure, _ = await run(order, RetryPolicy(initial_interval=_SOON, maximum_attempts=6))
                if failure:
                    advice = "Call `charge(order, key=…)` without `await`; the key is a text."
                    raise Wrong(f"Your activity did not charge {order.id}: {failure}", advice)
                results.append(result)
    _right_keys(*(_keys(order) for order in orders))
    if not all(str(result).startswith("charge-") for result in results):
        what = f"Expected the charge's id as the result, saw {results[0]!r}."
        raise Wrong(what, "Return what `charge` returns.")
    return (
        "Two attempts failed after the money was taken, the third went through: one charge. Another order, another one."
    )


def _keys(order: Order) -> list[str | None]:
    """The keys under which the payment service has charged an order."""
    with contextlib.closing(sqlite3.connect(notebook_folder() / "payments.db")) as database:
        return [key for (key,) in database.execute("SELECT key FROM charges WHERE order_id = ?", (order.id,))]


def _right_keys(first: list[str | None], second: list[str | None]) -> None:
    saw = f"Expected one charge with a key for each order. Saw the keys {first} for one order, {second} for another."
    if None in first:
        advice = "Send a key: `charge(order, key=…)`. What a process remembers dies with it; the service remembers."
    elif len(first) > 1:
        advice = "Make the key from what each attempt has: not from a clock, a random number or the attempt itself."
    else:
        advice = "Another order needs another key. The order has an id."
    if len(first) != 1 or len(second) != 1 or None in first:
        raise Wrong(saw, advice)


_STEPS = [prepare_shipment, charge_once, ship_order, release_shipment, refund_customer]


@activity.defn(name="charge_once")
def _charge_and_lose(order: Order) -> str:
    """Takes the money, and then fails for good."""
    charge(order, key=order.id)
    raise ApplicationError("charged, and then lost", non_retryable=True)


@exercise("2.3")
async def undone(ws: Workshop, answer: Any) -> str:
    """Orders that fail at each step are undone, also when the undo itself is interrupted."""
    await _payments(ws)
    everything = ["prepare", "charge", "refund", "release"]
    async with trial(ws, answer, _STEPS) as tried:
        seen = await tried.run()
        advice = "Prepare, charge and ship, undo only in `except`, and return what `ship_order` returns."
        result = f"parcel-{seen.order.id}"
        expect(seen, "A good order", effects=[["prepare", "charge", "ship"]], result=result, advice=advice)
        with ws.fault("refund_customer.fails_after_effect"):
            anvil = await tried.run(item="anvil")
        _undone(anvil, "An anvil, which no carrier takes", everything)
        _undone(await tried.run(customer="Declan"), "Declan, whose card is declined", ["prepare", "release"])
        _undone(await tried.run(item="teapot"), "A teapot, which is out of stock", [])
    async with trial(ws, answer, [each for each in _STEPS if each is not charge_once] + [_charge_and_lose]) as tried:
        _undone(await tried.run(), "An order whose charge was taken, but failed after that", everything)
    return "Orders that failed at each of the three steps were undone, the last step first; a good one was left alone."


def _undone(seen: Outcome, what: str, effects: list[str]) -> None:
    missing = [effect for effect in effects if effect not in seen.effects]
    if "refund" in missing and "release" in missing:
        advice = "Put the steps into a `try`, and undo in `except Exception`: a failed step raises `ActivityError`."
    elif "refund" in missing:
        advice = "Note `refund_customer` for the undo *before* you charge: a charge that failed may have happened."
    elif "release" in missing:
        advice = "Undo `prepare_shipment`, too, on every path."
    elif not seen.failure:
        advice = "When all is undone, `raise`."
    else:
        advice = "Undo each step once, the last one first (`reversed`), and then end."
    expect(seen, what, effects=[effects], fails=True, advice=advice)


_ITEMS = list(range(1, 13))
_BEAT = (
    "Send `activity.heartbeat(item)` after each item, and begin after what `activity.info().heartbeat_details` says."
)


@exercise("2.4")
async def packed(ws: Workshop, answer: Any) -> str:
    """The Worker's process is killed while it packs the ninth item; another one finishes."""
    name, queue = activity_name(answer), ws.id("check")
    # Each heartbeat is sent at once: usually the SDK sends one, and then none for most of the timeout.
    at_once = timedelta(milliseconds=1)
    settings = {"task_queue": queue, "activities": [answer], "max_heartbeat_throttle_interval": at_once}
    async with worker(ws, queue, workflows=[OneActivity]) as client:
        workers = [await ws.spawn(Worker, client, **settings)]
        arguments = [name, queue, as_message(RetryPolicy(initial_interval=_SOON)), 2]
        handle = await client.start_workflow(OneActivity.run, args=arguments, id=queue, task_queue=queue)
        packing = asyncio.ensure_future(_eight(ws, queue))
        try:
            await until(packing, handle, "Pack twelve items.")
            if packing.done():
                with contextlib.closing(
                    sqlite3.connect(notebook_folder() / "ledger.db", isolation_level=None)
                ) as ledger:
                    ledger.execute("BEGIN EXCLUSIVE")  # until the process is killed, no further item can be packed
                    await _heartbeat(handle, _packed(ws, queue))
                    workers[0].kill()
                workers.append(await ws.spawn(Worker, client, **settings))
            _, failure, seen = await ended(handle, attempts=20)
        finally:
            packing.cancel()
            await end(handle)
            await ws.stop(*workers)
    if failure:
        raise Wrong(f"Your activity failed: {failure}", "Fix that first.")
    items = [entry.details["item"] for entry in _packed(ws, queue)]
    what = f"The process was killed at item 9. Expected every item, and few of them twice; saw {items}."
    if set(_ITEMS) - set(items):
        raise Wrong(what, "Send the heartbeat when its item is packed, not before. The next item is that plus one.")
    again = len(items) - len(_ITEMS)
    if items.count(1) > 1 or again > 4 * (seen.attempts(name) - 1):
        raise Wrong(what, _BEAT)
    return f"The process was killed at item 9. Another one went on, and packed {again} of the items a second time."


def _packed(ws: Workshop, order: str) -> list[Effect]:
    return ws.ledger.entries("pack", order=order)


async def _eight(ws: Workshop, order: str) -> None:
    while len(_packed(ws, order)) < 8:
        await asyncio.sleep(0.01)


async def _heartbeat(handle: WorkflowHandle[Any, Any], items: list[Effect]) -> None:
    """Wait for the server to record a heartbeat after the last of the items, or that none came in time."""
    while pending := (await handle.describe()).raw_description.pending_activities:
        if pending[0].attempt > 1 or pending[0].last_heartbeat_time.ToDatetime(UTC).timestamp() > items[-1].at:
            return
        await asyncio.sleep(0.02)
