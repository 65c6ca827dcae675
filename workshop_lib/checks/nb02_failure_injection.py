"""The exercises of notebook 02, each run under the failure that it is about."""

import asyncio
import contextlib
import inspect
import os
import re
import signal
import sqlite3
from dataclasses import replace
from datetime import timedelta
from typing import Any

from temporalio import activity
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError

from workshop_lib.checks.exercise import NOT_SOLVED, exercise, expecting, require
from workshop_lib.checks.harness.recorded import Handle, quietly
from workshop_lib.checks.harness.serving import serve
from workshop_lib.checks.harness.trial import Outcome, activity_name, ended, expect, in_turn, one_activity, trial
from workshop_lib.checks.harness.workflows import as_message
from workshop_lib.evidence.history import spoken
from workshop_lib.evidence.state import notebook_folder
from workshop_lib.teams.orders.activities import prepare_shipment, release_shipment, ship_order
from workshop_lib.teams.orders.cards import charge_card, charge_once, refund_customer
from workshop_lib.teams.orders.data import Order
from workshop_lib.workers.takeover import Heartbeats
from workshop_lib.workshop import Workshop

_SOON = timedelta(milliseconds=20)
_PAYMENTS = "workshop_lib.teams.orders.payments"


@exercise("2.1")
async def retries(ws: Workshop, answer: Any) -> None:
    """A declined card is tried once; an outage of six answers, which would take some seconds, is survived."""
    require(isinstance(answer, RetryPolicy), "a `RetryPolicy(…)`", repr(answer))
    if answer == RetryPolicy():  # as the notebook has it
        raise RuntimeError(NOT_SOLVED)
    what, final = "a policy that Temporal can read", answer.non_retryable_error_types
    with expecting(what, "types", TypeError, ValueError, AttributeError):
        as_message(answer)
    require(not isinstance(final, str), what, "that non_retryable_error_types is not a list", "types")
    await serve(ws, "payments", _PAYMENTS)
    async with one_activity(ws, charge_card) as begin:
        quick = replace(answer, initial_interval=_SOON, maximum_interval=_SOON)
        declan = Order(ws.id("order"), customer="Declan")
        _, _, declined = await ended(await begin([declan], replace(quick, maximum_attempts=2)))
        what = "one attempt to charge a card that is declined"
        require(declined.attempts("charge_card") == 1, what, f"{final} as the final errors", "declined")
        first, longest = answer.initial_interval, answer.maximum_interval or 100 * answer.initial_interval
        require(first == timedelta(milliseconds=100), "the first retry after 100 ms", spoken(first), "first")
        short = longest <= timedelta(seconds=1) or answer.backoff_coefficient <= 1
        require(short, "no pause longer than 1 s", f"pauses that grow to {spoken(longest)}", "longest")
        with ws.fault("payments.answers_503", times=6):
            _, failure, outage = await ended(await begin([Order(ws.id("order"))], quick), attempts=20)
    saw = f"that it gave up after {outage.attempts('charge_card')} attempts"
    require(not failure, "the order to survive an outage", saw, "outage")


@exercise("2.2")
async def charged_once(ws: Workshop, answer: Any) -> None:
    """An order is charged, its process dies, and another one tries again; another order is another charge."""
    orders = [Order(ws.id("order")), Order(ws.id("order"))]
    retries = RetryPolicy(initial_interval=_SOON, maximum_interval=_SOON, maximum_attempts=15)
    await serve(ws, "payments", _PAYMENTS)
    async with one_activity(ws, answer, processes=2, interceptors=[Heartbeats()]) as begin:
        with ws.fault(f"{activity_name(answer)}.dies_after_effect"):
            for order in orders:
                result, failure, _ = await ended(await begin([order], retries), attempts=20)
                charged = not failure and str(result).startswith("charge-")
                require(charged, f"the charge's id for {order.id}", failure or repr(result), "call")
    with contextlib.closing(sqlite3.connect(notebook_folder() / "payments.db")) as database:
        query = "SELECT key FROM charges WHERE order_id = ?"
        first, second = ([key for (key,) in database.execute(query, (order.id,))] for order in orders)
    right = len(first) == len(second) == 1 and None not in first
    require(right, "one charge with a key for each order", f"the keys {first} for one order, {second} for another")


_STEPS = [prepare_shipment, charge_once, ship_order, release_shipment, refund_customer]


def _losing(step: Any) -> Any:
    """An Activity that has its effect, and then fails for good."""

    @activity.defn(name=step.__name__)
    def lose(order: Order) -> str:
        step(order)
        raise ApplicationError("done, and then lost", non_retryable=True)

    return lose


@exercise("2.3")
async def undone(ws: Workshop, answer: Any) -> None:
    """Orders that fail at each step are undone, also when the undo itself is interrupted."""
    await serve(ws, "payments", _PAYMENTS)
    everything = ["prepare", "charge", "refund", "release"]
    async with trial(ws, answer, _STEPS) as tried:
        made = await tried.run()
        good = ["prepare", "charge", "ship"]
        expect(made, "A good order", effects=[good], result=f"parcel-{made.history.workflow_id}", advice="good order")
        with ws.fault("refund_customer.fails_after_effect"):
            anvil = await tried.run(item="anvil")
        _undone(anvil, "An anvil, which no carrier takes", everything)
        _undone(await tried.run(customer="Declan"), "Declan, whose card is declined", ["prepare", "release"])
    for lost, effects in ((charge_once, everything), (prepare_shipment, ["prepare", "release"])):
        async with trial(ws, answer, [_losing(each) if each is lost else each for each in _STEPS]) as tried:
            _undone(await tried.run(), f"An order whose {lost.__name__} had its effect, and then failed", effects)


def _undone(made: Outcome, what: str, effects: list[str]) -> None:
    missing = [effect for effect in ("refund", "release") if effect in effects and effect not in made.effects]
    advice = f"no {' and '.join(missing)}" if missing else "order" if made.failure else "no raise"
    in_turn(made.history.steps, "order")
    expect(made, what, effects=[effects], fails=True, advice=advice)


_ITEMS = list(range(1, 13))


@exercise("2.4")
async def packed(ws: Workshop, answer: Any) -> str:
    """The Worker's process is killed while it packs the seventh item; another one finishes."""
    order, path = ws.id("order"), notebook_folder() / "ledger.db"
    # Each heartbeat is sent at once: usually the SDK sends one, and then none for most of the timeout.
    at_once = timedelta(milliseconds=1)
    async with one_activity(ws, answer, processes=2, max_heartbeat_throttle_interval=at_once) as begin:
        handle = await begin([order], RetryPolicy(initial_interval=_SOON))
        ending = quietly(ended(handle, "Pack twelve items."))
        while len(_packed(ws, order)) < 6 and not ending.done():
            await asyncio.sleep(0.01)
        if not ending.done():
            with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as ledger:
                ledger.execute("BEGIN IMMEDIATE")  # until the process is killed, no further item can be packed
                await _heartbeat(handle, len(_packed(ws, order)))
                os.kill(ws.ledger.entries("pack", order=order)[-1].process, signal.SIGKILL)
        _, failure, told = await ending
    items = _packed(ws, order)
    what, again = "each of the items 1 to 12, and few of them twice", len(items) - len(_ITEMS)
    require(not failure, what, f"the failure {failure}")
    require(not set(_ITEMS) - set(items), what, items, "too early")
    blocked = "blocked" if inspect.iscoroutinefunction(answer) else "heartbeat"
    require(items.count(1) == 1 and again <= 4 * (told.steps[0].attempts - 1), what, items, blocked)
    return f"The second Worker packed {again or 'none'} of the items again."


def _packed(ws: Workshop, order: str) -> list[int]:
    return [entry.details["item"] for entry in ws.ledger.entries("pack", order=order)]


async def _heartbeat(handle: Handle, packed: int) -> None:
    """Wait for the server to record a heartbeat that tells of the last item, or that none came in time."""
    while pending := (await handle.describe()).raw_description.pending_activities:
        noted = [int(each) for told in pending[0].heartbeat_details.payloads for each in re.findall(rb"\d+", told.data)]
        if pending[0].attempt > 1 or max(noted, default=0) >= packed:
            return
        await asyncio.sleep(0.02)
