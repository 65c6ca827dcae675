"""The exercises of notebook 02, each run under the failure that it is about."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

from temporalio import activity
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

from workshop_lib.checks.exercise import Wrong, exercise
from workshop_lib.checks.harness.charging import Charging, Packing
from workshop_lib.checks.harness.trial import NAMESPACE, Outcome, Trial, activity_name, end, failure_of, trial, worker
from workshop_lib.evidence.history import history
from workshop_lib.evidence.messages import WorkshopError
from workshop_lib.evidence.state import notebook_folder, service_address
from workshop_lib.teams.orders.activities import prepare_shipment, release_shipment, ship_order
from workshop_lib.teams.orders.cards import charge, charge_card, charge_once, refund_customer
from workshop_lib.teams.orders.data import Order
from workshop_lib.workshop import Workshop

_QUICK = {"initial_interval": 0.01, "maximum_attempts": 6}


async def _payments(ws: Workshop) -> None:
    try:
        service_address("payments")
    except WorkshopError:
        await ws.serve("payments", "workshop_lib.teams.orders.payments")


@contextlib.asynccontextmanager
async def _charging(ws: Workshop, charging: Any) -> AsyncIterator[tuple[Client, str]]:
    """A Worker for an activity that charges, while the block runs: its client and task queue."""
    await _payments(ws)
    queue = ws.id("check")
    async with worker(ws, queue, workflows=[Charging], activities=[charging]) as client:
        yield client, queue


async def _charge(client: Client, queue: str, name: str, order: Order, retries: dict[str, Any]) -> Any:
    return await client.start_workflow(Charging.run, args=[name, order, retries], id=order.id, task_queue=queue)


async def _ended(handle: WorkflowHandle[Any, Any], seconds: float) -> tuple[Any, str] | None:
    """The result and the failure of a run, or None if it has not ended in time; then it is terminated."""
    try:
        async with asyncio.timeout(seconds):
            return await handle.result(), ""
    except WorkflowFailureError as error:
        return None, failure_of(error)
    except TimeoutError:
        return None
    finally:
        await end(handle)


@exercise(
    "2.1",
    hints=(
        "The policy needs three things: when the first retry comes, the longest pause, and what not to retry at all.",
        "`non_retryable_error_types` is a list of texts: the `type` of the `ApplicationError`s that are final.",
        "`RetryPolicy(initial_interval=timedelta(milliseconds=100), maximum_interval=timedelta(seconds=1), "
        'non_retryable_error_types=["CardDeclined"])`',
    ),
)
async def retries(ws: Workshop, answer: Any) -> str:
    """A declined card is tried once; an outage of three answers is survived."""
    if not isinstance(answer, RetryPolicy):
        raise Wrong(f"You handed in {answer!r}.", "Hand in a `RetryPolicy(…)`.")
    final = answer.non_retryable_error_types or []
    if isinstance(final, str) or not all(isinstance(name, str) for name in final):
        what = f"`non_retryable_error_types` is {final!r}."
        raise Wrong(what, 'It should be a list of texts, the types of errors: `["…"]`.')
    for pause in (answer.initial_interval, answer.maximum_interval):
        if not isinstance(pause, timedelta | None):
            raise Wrong(f"A pause is given as {pause!r}.", f"Write `timedelta(seconds={pause!r})`.")
    policy: dict[str, Any] = {
        "initial_interval": answer.initial_interval.total_seconds(),
        "backoff_coefficient": answer.backoff_coefficient,
        "maximum_interval": answer.maximum_interval.total_seconds() if answer.maximum_interval else None,
        "maximum_attempts": answer.maximum_attempts,
        "non_retryable_error_types": list(answer.non_retryable_error_types or []),
    }
    async with _charging(ws, charge_card) as (client, queue):
        declined = await _charge(client, queue, "charge_card", Order(ws.id("order"), customer="Declan"), dict(policy))
        ended = await _ended(declined, 1.5)
        attempts = (await history(declined)).attempts("charge_card")
        if ended is None or attempts != 1:
            named = ", ".join(policy["non_retryable_error_types"]) or "none"
            raise Wrong(
                f"Declan's card was declined, and you asked {attempts} times. Errors that you do not retry: {named}.",
                'Name the error\'s type in `non_retryable_error_types`: "CardDeclined".',
            )
        _right_pauses(policy)
        with ws.fault("payments.answers_503", times=3) as fault:
            outage = await _charge(client, queue, "charge_card", Order(ws.id("order")), dict(policy))
            ended = await _ended(outage, 10)
        if ended is None or ended[1]:
            raise Wrong(
                f"In an outage your policy gave up after {fault.fired} attempts.",
                "Only the declined card is final: no `maximum_attempts`, and no other error among those not retried.",
            )
    return "Declan's card was asked once. An outage of three answers was survived."


def _right_pauses(policy: dict[str, Any]) -> None:
    first, growth = policy["initial_interval"], policy["backoff_coefficient"]
    if first != 0.1:
        advice = (
            "The first retry should come after a tenth of a second: `initial_interval=timedelta(milliseconds=100)`."
        )
        raise Wrong(f"The first retry would come after {first:g} s.", advice)
    longest = policy["maximum_interval"] or 100 * first  # the service's own rule
    if longest > 1 and growth > 1:
        advice = "No pause should be longer than a second: `maximum_interval=timedelta(seconds=1)`."
        raise Wrong(f"In a long outage the pauses would grow to {longest:g} s.", advice)


@exercise(
    "2.2",
    hints=(
        "Two attempts at the same order must look the same to the payment service, and two orders must not.",
        "Send a key: `charge(order, key=…)`. What is the same in both attempts, and different for each order?",
        "`return charge(order, key=order.id)`",
    ),
)
async def charged_once(ws: Workshop, answer: Any) -> str:
    """An order is charged, fails twice after the effect, and is tried again; another order is another charge."""
    name = activity_name(answer)
    orders = [Order(ws.id("order")), Order(ws.id("order"))]
    async with _charging(ws, answer) as (client, queue):
        results = []
        with ws.fault(f"{name}.fails_after_effect", times=2):
            for order in orders:
                handle = await _charge(client, queue, name, order, dict(_QUICK))
                ended = await _ended(handle, 8)
                if ended is None or ended[1]:
                    what = ended[1] if ended else "It had not ended after 8 s."
                    raise Wrong(f"Your activity did not charge {order.id}: {what}", _charging_advice(what))
                results.append(ended[0])
    keys = [_keys(order) for order in orders]
    _right_keys(*keys)
    if not all(str(result).startswith("charge-") for result in results):
        raise Wrong(f"Your activity returned {results[0]!r}.", "Return what `charge` returns: the charge's id.")
    return (
        "Two attempts failed after the money was taken, the third went through: one charge. Another order, another one."
    )


def _charging_advice(what: str) -> str:
    if "Header value must be str" in what:
        return "The key must be a text, such as the order's id."
    if "'await' expression" in what:
        return "`charge` is a plain function: call it without `await`."
    return "Call `charge(order, key=…)`, and return what it returns."


def _keys(order: Order) -> list[str | None]:
    """The keys under which the payment service has charged an order."""
    with contextlib.closing(sqlite3.connect(notebook_folder() / "payments.db")) as database:
        return [key for (key,) in database.execute("SELECT key FROM charges WHERE order_id = ?", (order.id,))]


def _right_keys(first: list[str | None], second: list[str | None]) -> None:
    if len(first) > 1 and None in first:
        raise Wrong(f"The order was charged {len(first)} times, without a key.", "Send one: `charge(order, key=…)`.")
    if len(first) > 1:
        raise Wrong(
            f"The order was charged {len(first)} times. Each attempt had a key of its own: "
            f"{str(first[0])[:40]}, {str(first[1])[:40]}, …",
            "Make the key from what does not change from attempt to attempt: not from a clock, a random number, or the "
            "attempt. The order has an id.",
        )
    if None in first:
        raise Wrong(
            "The order was charged once, but without a key: something in this process remembered it.",
            "What a process remembers dies with it. Let the payment service remember: `charge(order, key=…)`.",
        )
    if len(second) != 1 or not first:
        raise Wrong(
            "A second order was not charged at all: its key is that of the first one.",
            "Another order needs another key. The order has an id.",
        )


_STEPS = [prepare_shipment, charge_once, ship_order, release_shipment, refund_customer]


@activity.defn(name="charge_once")
def _charge_and_lose(order: Order) -> str:
    """Takes the money, and then fails for good."""
    charge(order, key=order.id)
    raise ApplicationError("charged, and then lost", non_retryable=True)


@exercise(
    "2.3",
    hints=(
        "Put the three steps into a `try`. What has to be undone depends on how far the order came.",
        "Keep a list of undo steps, and add each *before* its step runs. In `except` run it in reverse, then `raise`.",
        "`undo.append(release_shipment)` before `prepare_shipment`, `undo.append(refund_customer)` before "
        "`charge_once`; then `except Exception:`, `for step in reversed(undo):`, "
        "`await workflow.execute_activity(step, order, **DEMO)`, and `raise`.",
    ),
)
async def undone(ws: Workshop, answer: Any) -> str:
    """Orders that fail at each step are undone, also when the undo itself is interrupted."""
    await _payments(ws)
    async with trial(ws, answer, _STEPS) as tried:
        await _goes_well(tried)
        with ws.fault("refund_customer.fails_after_effect"):
            anvil = await tried.run(item="anvil")
        _undone(anvil, "No carrier takes an anvil, so shipping failed for good", charged=True)
        effects = anvil.effects
        if effects.index("release") < effects.index("refund"):
            raise Wrong(
                f"The goods were put back before the money: {anvil.seen}.", "Undo the last step first: `reversed`."
            )
        _undone(await tried.run(customer="Declan"), "Declan's card was declined", charged=False)
        _undone(await tried.run(item="teapot"), "The teapot is out of stock", charged=False, prepared=False)
    async with trial(ws, answer, [each for each in _STEPS if each is not charge_once] + [_charge_and_lose]) as tried:
        _undone(await tried.run(), "The charge was taken, and its activity failed for good after that", charged=True)
    return "Orders that failed at each of the three steps were undone, the last step first; a good one was left alone."


async def _goes_well(tried: Trial) -> None:
    seen = await tried.run()
    if seen.failure:
        advice = (
            "Prepare, charge, ship, in this order, each with `await workflow.execute_activity(step, order, **DEMO)`."
        )
        raise Wrong(f"A good order failed: {seen.failure}", advice)
    if seen.effects != ["prepare", "charge", "ship"]:
        advice = "Prepare, charge and ship, each as an activity; undo only in `except`."
        raise Wrong(f"A good order should be prepared, charged and shipped. What happened: {seen.seen}.", advice)
    if seen.result != f"parcel-{seen.order.id}":
        raise Wrong(f"A good order returned {seen.result!r}.", "Return what `ship_order` returns: the tracking number.")


def _undone(seen: Outcome, what: str, *, charged: bool, prepared: bool = True) -> None:
    counts = Counter(seen.effects)
    if charged and not counts["refund"] and not counts["release"]:
        raise Wrong(
            f"{what}, and nothing was undone: {seen.seen}.",
            "Put the steps into a `try`, and undo in `except Exception`: what a failed step raises is `ActivityError`.",
        )
    if charged and not counts["refund"]:
        raise Wrong(
            f"{what}, and the customer did not get the money back: {seen.seen}.",
            "Note `refund_customer` for the undo *before* you charge: a charge that failed may have happened.",
        )
    if prepared and not counts["release"]:
        raise Wrong(
            f"{what}, and the goods stayed put aside: {seen.seen}.", "Undo `prepare_shipment`, too, on every path."
        )
    if counts["charge"] > 1 or counts["refund"] > 1 or counts["ship"]:
        raise Wrong(f"{what}. Then something happened that should not have: {seen.seen}.", "Undo once, and end.")
    if not seen.failure:
        raise Wrong(f"{what}, and your workflow ended well, with {seen.result!r}.", "When all is undone, `raise`.")


_ITEMS = list(range(1, 13))


@exercise(
    "2.4",
    hints=(
        "An attempt can leave a note for the next one: the heartbeat.",
        "`activity.heartbeat(item)` after each item; the next attempt finds it in `activity.info().heartbeat_details`.",
        "`noted = activity.info().heartbeat_details`, then `for item in range(noted[0] + 1 if noted else 1, 13):`",
    ),
)
async def packed(ws: Workshop, answer: Any) -> str:
    """The Worker's process is killed at the ninth item; another one finishes."""
    name = activity_name(answer)
    client = await Client.connect(**await ws.connection(NAMESPACE))
    queue = ws.id("check")
    settings: dict[str, Any] = {"task_queue": queue, "workflows": [Packing], "activities": [answer]}
    settings["sticky_queue_schedule_to_start_timeout"] = timedelta(milliseconds=200)
    settings["max_heartbeat_throttle_interval"] = timedelta(milliseconds=100)  # usually most of the heartbeat timeout
    workers = [await ws.spawn(Worker, client, **settings)]
    handle = await client.start_workflow(
        Packing.run, args=[name, queue], id=queue, task_queue=queue, task_timeout=timedelta(seconds=1)
    )
    ending = asyncio.ensure_future(_ended(handle, 8))
    try:
        while _packed(ws, queue).count(8) == 0 and not ending.done():
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.07)  # packing takes a tenth of a second: into the middle of the ninth item
        workers[0].kill()
        workers.append(await ws.spawn(Worker, client, **settings))
        ended = await ending
    finally:
        ending.cancel()
        await asyncio.wait([ending])
        await ws.stop(*workers)
    items = _packed(ws, queue)
    if ended is None and (failure := (await history(handle)).steps[0].failure) and "timeout" not in failure:
        raise Wrong(f"Your activity fails: {failure}", "Fix that line.")
    _right_items(items, ended)
    again = len(items) - len(_ITEMS)
    return f"The process was killed at item 9. Another one went on, and packed {again} of the items a second time."


def _packed(ws: Workshop, order: str) -> list[int]:
    return [entry.details["item"] for entry in ws.ledger.entries("pack", order=order)]


def _right_items(items: list[int], ended: tuple[Any, str] | None) -> None:
    if ended is not None and ended[1]:
        raise Wrong(f"Your activity failed: {ended[1]}", "Fix that first.")
    if ended is None:
        raise Wrong(
            f"It had not ended after 8 s; packed so far: {items}.",
            "After a second without `activity.heartbeat(…)` an attempt is given up. Send one after each item.",
        )
    missing = sorted(set(_ITEMS) - set(items))
    if missing:
        advice = "Send the heartbeat when its item is packed, not before. The next item is that plus one."
        raise Wrong(f"The process was killed at item 9. Never packed: {missing}.", advice)
    if items.count(1) > 1:
        raise Wrong(
            f"The second attempt began at item 1 again: {items}.",
            "Send the item with the heartbeat, `activity.heartbeat(item)`, and begin after "
            "`activity.info().heartbeat_details`.",
        )
    if len(items) > len(_ITEMS) + 4:
        raise Wrong(f"Too many items were packed a second time: {items}.", "Send a heartbeat after each item.")
