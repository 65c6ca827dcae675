"""The exercises of notebook 02, each run under the failure that it is about."""

from __future__ import annotations

import asyncio
import contextlib
import re
import sqlite3
from dataclasses import replace
from datetime import timedelta
from typing import Any

from temporalio import activity
from temporalio.client import WorkflowHandle
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

from workshop_lib.checks.exercise import exercise, expected, require
from workshop_lib.checks.harness.recorded import until
from workshop_lib.checks.harness.serving import serve
from workshop_lib.checks.harness.trial import Outcome, activity_name, end, ended, expect, one_activity, trial, worker
from workshop_lib.checks.harness.workflows import OneActivity, as_message
from workshop_lib.evidence.history import spoken
from workshop_lib.evidence.ledger import Effect
from workshop_lib.evidence.state import notebook_folder
from workshop_lib.teams.orders.activities import prepare_shipment, release_shipment, ship_order
from workshop_lib.teams.orders.cards import charge, charge_card, charge_once, refund_customer
from workshop_lib.teams.orders.data import Order
from workshop_lib.workshop import Workshop

_SOON = timedelta(milliseconds=20)
_PAYMENTS = "workshop_lib.teams.orders.payments"


@exercise("2.1")
async def retries(ws: Workshop, answer: Any) -> str:
    """A declined card is tried once; an outage of three answers is survived."""
    require(isinstance(answer, RetryPolicy), "a `RetryPolicy(…)`", repr(answer))
    try:
        as_message(answer)
        if isinstance(answer.non_retryable_error_types, str):
            raise TypeError("non_retryable_error_types is not a list")
    except (TypeError, ValueError, AttributeError) as error:
        advice = "A pause is a `timedelta(seconds=…)`. The errors that are final are a list of texts, their types."
        raise expected("a policy that Temporal can read", f"{answer!r}: {error}", advice) from None
    await serve(ws, "payments", _PAYMENTS)
    async with one_activity(ws, charge_card) as run:
        quick = replace(answer, initial_interval=_SOON, maximum_interval=None, maximum_attempts=2)
        _, _, declined = await run(Order(ws.id("order"), customer="Declan"), quick)
        saw, advice = f"{answer.non_retryable_error_types} as final errors", 'The type of this one is "CardDeclined".'
        require(declined.attempts("charge_card") == 1, "one attempt at Declan's card, which is declined", saw, advice)
        _right_pauses(answer)
        with ws.fault("payments.answers_503", times=3):
            _, failure, outage = await run(Order(ws.id("order")), answer)
    saw = f"that it gave up after {outage.attempts('charge_card')} attempts"
    advice = "Only the declined card is final: no `maximum_attempts`, and no other error among those not retried."
    require(not failure, "an outage to be survived", saw, advice)
    return "Declan's card was asked once. An outage of three answers was survived."


def _right_pauses(policy: RetryPolicy) -> None:
    first, longest = policy.initial_interval, policy.maximum_interval
    advice = "Write `initial_interval=timedelta(milliseconds=100)`."
    require(first == timedelta(milliseconds=100), "the first retry after 100 ms", spoken(first), advice)
    longest = longest or 100 * first  # the service's own rule
    short = longest <= timedelta(seconds=1) or policy.backoff_coefficient <= 1
    saw = f"pauses that grow to {spoken(longest)}"
    require(short, "no pause longer than 1 s", saw, "Write `maximum_interval=timedelta(seconds=1)`.")


@exercise("2.2")
async def charged_once(ws: Workshop, answer: Any) -> str:
    """An order is charged, fails twice after the effect, and is tried again; another order is another charge."""
    orders = [Order(ws.id("order")), Order(ws.id("order"))]
    await serve(ws, "payments", _PAYMENTS)
    async with one_activity(ws, answer) as run:
        with ws.fault(f"{activity_name(answer)}.fails_after_effect", times=2):
            for order in orders:
                result, failure, _ = await run(order, RetryPolicy(initial_interval=_SOON, maximum_attempts=6))
                charged = not failure and str(result).startswith("charge-")
                advice = "Call `charge(order, key=…)` without `await`; the key is a text. Return what it returns."
                require(charged, f"the charge's id for {order.id}", failure or repr(result), advice)
    with contextlib.closing(sqlite3.connect(notebook_folder() / "payments.db")) as database:
        query = "SELECT key FROM charges WHERE order_id = ?"
        first, second = ([key for (key,) in database.execute(query, (order.id,))] for order in orders)
    if None in first:
        advice = "Send a key: `charge(order, key=…)`. What a process remembers dies with it; the service remembers."
    elif len(first) > 1:
        advice = "Make the key from what each attempt has: not from a clock, a random number or the attempt itself."
    else:
        advice = "Another order needs another key. The order has an id."
    right = len(first) == len(second) == 1 and None not in first
    saw = f"the keys {first} for one order, {second} for another"
    require(right, "one charge with a key for each order", saw, advice)
    return "Two attempts failed after the money was taken: one charge. Another order was another charge."


_STEPS = [prepare_shipment, charge_once, ship_order, release_shipment, refund_customer]


@activity.defn(name="charge_once")
def _charge_and_lose(order: Order) -> str:
    """Takes the money, and then fails for good."""
    charge(order, key=order.id)
    raise ApplicationError("charged, and then lost", non_retryable=True)


@exercise("2.3")
async def undone(ws: Workshop, answer: Any) -> str:
    """Orders that fail at each step are undone, also when the undo itself is interrupted."""
    await serve(ws, "payments", _PAYMENTS)
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
_BEAT = "Send `activity.heartbeat(item)` after each item, and begin after `activity.info().heartbeat_details`."


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
                    mine = "SELECT count(*) FROM effects WHERE effect = 'pack' AND json_extract(details, '$.order') = ?"
                    (count,) = ledger.execute(mine, (queue,)).fetchone()  # any other connection would wait for this
                    await _heartbeat(handle, count)
                    workers[0].kill()
                workers.append(await ws.spawn(Worker, client, **settings))
            _, failure, seen = await ended(handle, attempts=20)
        finally:
            packing.cancel()
            await end(handle)
            await ws.stop(*workers)
    require(not failure, "twelve items, packed", f"the failure {failure}", "Fix that first.")
    items = [entry.details["item"] for entry in _packed(ws, queue)]
    what, saw = "every item, and few of them twice, although the process was killed at item 9", f"{items}"
    advice = "Send the heartbeat when its item is packed, not before. The next item is that plus one."
    require(not set(_ITEMS) - set(items), what, saw, advice)
    again = len(items) - len(_ITEMS)
    require(items.count(1) == 1 and again <= 4 * (seen.attempts(name) - 1), what, saw, _BEAT)
    return f"The process was killed at item 9. Another one went on, and packed {again} of the items a second time."


def _packed(ws: Workshop, order: str) -> list[Effect]:
    return ws.ledger.entries("pack", order=order)


async def _eight(ws: Workshop, order: str) -> None:
    while len(_packed(ws, order)) < 8:
        await asyncio.sleep(0.01)


async def _heartbeat(handle: WorkflowHandle[Any, Any], packed: int) -> None:
    """Wait for the server to record a heartbeat that tells of the last item, or that none came in time."""
    while pending := (await handle.describe()).raw_description.pending_activities:
        noted = [int(each) for told in pending[0].heartbeat_details.payloads for each in re.findall(rb"\d+", told.data)]
        if pending[0].attempt > 1 or max(noted, default=0) >= packed:
            return
        await asyncio.sleep(0.02)
