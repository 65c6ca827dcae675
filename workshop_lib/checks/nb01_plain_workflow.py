"""The exercises of notebook 01."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import inspect
import sys
from datetime import timedelta
from typing import Any

from temporalio.client import Client, WorkflowHandle, WorkflowUpdateFailedError
from temporalio.exceptions import WorkflowAlreadyStartedError

from workshop_lib.checks.exercise import NOT_SOLVED, Wrong, exercise
from workshop_lib.checks.harness.trial import Outcome, Trial, end, trial
from workshop_lib.evidence.history import History, Step, history
from workshop_lib.teams.orders.activities import charge_customer, check_fraud, prepare_shipment, ship_order
from workshop_lib.teams.orders.data import Order, Receipt, store
from workshop_lib.teams.orders.workflows import ProcessOrder
from workshop_lib.workshop import Workshop

_STEPS = [check_fraud, prepare_shipment, charge_customer, ship_order]
_EFFECTS = ["check", "prepare", "charge", "ship"]
_NAMES = dict(zip(_EFFECTS, ["check_fraud", "prepare_shipment", "charge_customer", "ship_order"], strict=True))
_CALL = "`await workflow.execute_activity(check_fraud, order, start_to_close_timeout=timedelta(seconds=5))`"


@exercise(
    "1.1",
    hints=(
        "Look at `CheckOrder` above: one line there runs `check_fraud`. You need four such lines.",
        "`await workflow.execute_activity(…)` gives you what the activity returned: keep it for `charge` and `parcel`.",
        "The third step is `charge = await workflow.execute_activity(charge_customer, order, "
        "start_to_close_timeout=timedelta(seconds=5))`, and the last line `return Receipt(order.id, charge, parcel)`.",
    ),
)
async def four_steps(ws: Workshop, answer: Any) -> str:
    """A good order goes through in four steps; a blocked customer and missing goods cost nobody anything."""
    async with trial(ws, answer, _STEPS) as tried:
        _right_receipt(await _good_order(tried))
        await _refused_orders(tried, "`await` each step, one after another, and let their errors through.")
    return (
        "A good order took its four steps, each once, although its Worker forgot everything after each. "
        "Mallory, who is blocked, and a teapot that is out of stock were charged nothing."
    )


def _failed(seen: Outcome) -> Wrong:
    what = f"A good order failed: {seen.failure}"
    if seen.failure.startswith("NotPrepared"):
        return Wrong(what, "`prepare_shipment` has to have ended before `ship_order` begins.")
    if seen.failure.startswith("RestrictedWorkflowAccessError"):
        return Wrong(what, "A workflow must do the same in each replay. The line above names what to use.")
    return Wrong(what, "Does each step get the order as its only argument?")


async def _good_order(tried: Trial) -> Outcome:
    seen = await tried.run()
    if seen.failure:
        raise _failed(seen)
    asked = [step.name for step in seen.history.steps if step.kind == "activity"]
    if not asked:
        if seen.effects:
            raise Wrong(
                f"The ledger shows {seen.seen}, but the history shows no activity: your workflow called the functions "
                "itself.",
                f"A workflow asks for a step, and Temporal runs it: {_CALL}.",
            )
        raise Wrong("Your workflow ended without any step.", f"Each step needs its `await`: {_CALL}.")
    for effect, name in _NAMES.items():
        if name not in asked:
            direct = effect in seen.effects
            what = f"calls {name} itself" if direct else f"never asks for {name}"
            raise Wrong(f"Your workflow {what}.", "All four steps are activities, run by `workflow.execute_activity`.")
        if asked.count(name) > 1 or seen.effects.count(effect) > 1:
            raise Wrong(f"{name} ran {seen.effects.count(effect)} times: {seen.seen}.", "Ask for each step once.")
    if sorted(seen.effects[:2]) != ["check", "prepare"] or seen.effects[2:] != ["charge", "ship"]:
        raise Wrong(f"The steps came in the order {seen.seen}.", f"They should come as {', '.join(_EFFECTS)}.")
    return seen


def _right_receipt(seen: Outcome) -> None:
    with store() as database:
        query = "SELECT id FROM charges WHERE order_id = ?"
        (charge,) = database.execute(query, (seen.order.id,)).fetchone()
    wanted = Receipt(seen.order.id, f"charge-{charge}", f"parcel-{seen.order.id}")
    if seen.result is None:
        raise Wrong("All four steps ran, and your workflow returned nothing.", "End with `return Receipt(…)`.")
    if _plain(seen.result) != _plain(wanted):
        raise Wrong(
            f"Your workflow returned {seen.result!r}.",
            f"It should have been {wanted!r}: the order's id, then what the charge and the shipping returned.",
        )


async def _refused_orders(tried: Trial, advice: str) -> None:
    for change, what in (
        ({"customer": "Mallory"}, "Mallory is blocked"),
        ({"item": "teapot"}, "The teapot is sold out"),
    ):
        seen = await tried.run(**change)
        if "charge" in seen.effects:
            raise Wrong(
                f"{what}, and the customer was charged all the same: {seen.seen}.",
                f"Wait for `check_fraud` and `prepare_shipment` before you charge: {advice}",
            )
        if not seen.failure:
            raise Wrong(
                f"{what}, and your workflow ended as if all had been well, with {seen.result!r}.",
                "Let the error of the step through: no `try` around it.",
            )


def _plain(value: Any) -> Any:
    # Without a type, a client gets a dict where the workflow returned a dataclass.
    return dataclasses.asdict(value) if dataclasses.is_dataclass(value) and not isinstance(value, type) else value


_KEEP = "`id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE`"
_CATCH = "Catch `WorkflowAlreadyStartedError`, and return `client.get_workflow_handle_for(ProcessOrder.run, order.id)`."


@exercise(
    "1.2",
    hints=(
        "The service refuses an id that is taken. Which id is the same whenever the same order is placed?",
        f"An id is free again when its workflow has ended, unless you say {_KEEP}.",
        f"Put the call into a `try`. {_CATCH}",
    ),
)
async def place_once(ws: Workshop, answer: Any) -> str:
    """The same order placed again, later, at once and by others is one order."""
    if not inspect.iscoroutinefunction(answer):
        raise Wrong(f"You handed in {answer!r}.", "Hand in the function itself, an `async def`, without a call.")
    orders = [Order(ws.id("order")) for _ in range(4)]
    async with trial(ws, ProcessOrder, _STEPS, queue="orders") as tried:
        try:
            await _place_all(ws, tried.client, answer, orders)
        finally:
            for order in orders:
                await end(tried.client.get_workflow_handle(order.id))
    return "Placed again after its end, twice at the same moment, and by another program: each order was charged once."


async def _place_all(ws: Workshop, client: Client, place: Any, orders: list[Order]) -> None:
    await _told(await _placed(client, place, orders[0]))
    await _same(ws, place, client, orders[0], "placed again after it had ended")
    for handle in await asyncio.gather(*(_placed(client, place, orders[1]) for _ in range(2))):
        await _told(handle)
    _charged_once(ws, orders[1], "placed twice at the same moment")
    elsewhere = await client.start_workflow(ProcessOrder.run, orders[2], id=orders[2].id, task_queue="orders")
    await elsewhere.result()
    await _same(ws, place, client, orders[2], "placed by another program before")
    await _told(await _placed(client, place, orders[3]))
    _charged_once(ws, orders[3], "new, placed after the others")


async def _placed(client: Client, place: Any, order: Order) -> WorkflowHandle[Any, Any]:
    try:
        async with asyncio.timeout(5):
            handle = await place(client, order)
    except WorkflowAlreadyStartedError:
        raise Wrong(
            "The order was there already, and your function raised WorkflowAlreadyStartedError.", _CATCH
        ) from None
    except TimeoutError:
        raise Wrong(
            "Your function had not returned after 5 s.", "Return the handle; do not wait for the result."
        ) from None
    if not isinstance(handle, WorkflowHandle):
        advice = "Return what `await client.start_workflow(…)` gives you, and the same kind of handle the second time."
        raise Wrong(f"Your function returned {handle!r}, which is no handle.", advice)
    if handle.id != order.id:
        await end(handle)
        advice = "The same order must come to the same id, and another order to another: `id=order.id`."
        raise Wrong(f"For the order {order.id} your function gave a workflow with the id {handle.id!r}.", advice)
    return handle


async def _same(ws: Workshop, place: Any, client: Client, order: Order, what: str) -> None:
    before = (await client.get_workflow_handle(order.id).describe()).run_id
    handle = await _placed(client, place, order)
    await _told(handle)
    now = (await client.get_workflow_handle(order.id).describe()).run_id
    if now != before:
        count = ws.ledger.count("charge", order=order.id)
        raise Wrong(f"An order that was {what} ran a second time, and was charged {count} times.", f"Say {_KEEP}.")


async def _told(handle: WorkflowHandle[Any, Any]) -> Any:
    try:
        async with asyncio.timeout(5):
            return await handle.result()
    except TimeoutError:
        queue = (await handle.describe()).task_queue
        await end(handle)
        raise Wrong(f"The order waits on task queue {queue!r}.", 'Start it with `task_queue="orders"`.') from None
    except Exception as error:
        cause = getattr(error, "cause", None) or error
        raise Wrong(
            f"The order did not end well: {cause}", "Let the order that runs go on: no terminating policy."
        ) from None


def _charged_once(ws: Workshop, order: Order, what: str) -> None:
    count = ws.ledger.count("charge", order=order.id)
    if count != 1:
        raise Wrong(f"An order that was {what} was charged {count} times.", "One order is one workflow: `id=order.id`.")


@exercise(
    "1.3",
    hints=(
        "An update can only note what the customer wants. It is `run` that has to look at it.",
        "The wait must end in two cases now: ship at once, or cancel. Both belong into the condition.",
        "`await workflow.wait_condition(lambda: self._hurry or self._cancelled, timeout=timedelta(days=3))`, then "
        '`if self._cancelled: return "cancelled"`.',
    ),
)
async def cancelled_in_time(ws: Workshop, answer: Any) -> str:
    """One order is cancelled while it waits, another is sent at once."""
    async with trial(ws, answer, _STEPS) as tried:
        _handles_the_end_of_the_wait(answer)
        waiting = await _waiting(tried)
        await _update(waiting, "cancel")
        seen = await tried.outcome(
            waiting, "`cancel` was accepted, and the order goes on waiting: does the condition look at it?"
        )
        if "charge" in seen.effects or "ship" in seen.effects:
            raise Wrong(f"A cancelled order went on: {seen.seen}.", "Look after the wait whether it was cancelled.")
        if seen.failure:
            advice = 'A customer who changes her mind is no error: `return "cancelled"`.'
            raise Wrong(f"The cancelled order failed: {seen.failure}", advice)
        if seen.result != "cancelled":
            raise Wrong(f"The cancelled order ended with {seen.result!r}.", 'It should end with "cancelled".')
        waiting = await _waiting(tried)
        await _update(waiting, "ship_now")
        seen = await tried.outcome(waiting, "`ship_now` was accepted, and the order goes on waiting.")
        if seen.failure or seen.effects[-2:] != ["charge", "ship"]:
            what = seen.failure or f"only this: {seen.seen}"
            raise Wrong(
                f"An order that nobody cancelled was told to ship, and then: {what}.", "It should go on as before."
            )
    return "A cancelled order ended at once, not charged and not shipped. One that nobody cancelled was sent."


def _handles_the_end_of_the_wait(answer: Any) -> None:
    # Nobody can wait three days for it to happen, so this one is read, not run.
    source = inspect.getsource(sys.modules[answer.__module__])
    if "wait_condition" in source and "timeout=" in source and "TimeoutError" not in source:
        raise Wrong(
            "After three days `wait_condition` raises `TimeoutError`, and your workflow does not expect it.",
            "Keep the `try` and `except TimeoutError` around the wait: then the order goes on as before.",
        )


async def _waiting(tried: Trial) -> WorkflowHandle[Any, Any]:
    """An order that has come to its wait of three days."""
    handle = await tried.start(Order(tried.ws.id("order")))
    told = await history(handle)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(4):
            while not (told.closed or _timers(told)):
                await asyncio.sleep(0.02)
                told = await history(handle)
    if NOT_SOLVED in told.failure:
        await handle.result()
    if told.failure or told.failed_tasks:
        raise Wrong(
            f"The order failed before it waited: {(told.failed_tasks or [told.failure])[-1]}", "Fix that first."
        )
    if not _timers(told):
        what = "ended" if told.closed else "waits without any timer"
        advice = "Keep the wait: `workflow.wait_condition(…, timeout=timedelta(days=3))`."
        raise Wrong(f"The order {what}: nothing would happen after three days.", advice)
    if _timers(told)[0].due - _timers(told)[0].scheduled != timedelta(days=3):  # type: ignore[operator]
        advice = "Wait for the condition, with a timeout, instead of asking again and again."
        raise Wrong(f"Your order waits with a {_timers(told)[0].title}.", advice)
    return handle


def _timers(told: History) -> list[Step]:
    return [step for step in told.steps if step.kind == "timer"]


async def _update(handle: WorkflowHandle[Any, Any], name: str) -> None:
    try:
        async with asyncio.timeout(5):
            await handle.execute_update(name)
    except WorkflowUpdateFailedError as error:
        if "not found" in str(error.cause).lower():
            advice = f"Give it one: `@workflow.update` above `def {name}(self) -> None`."
            raise Wrong(f"Your workflow has no update {name!r}.", advice) from None
        raise Wrong(f"The update {name!r} failed: {error.cause}", "It only needs to note that it was called.") from None
    except TimeoutError:
        raise Wrong(
            f"The update {name!r} had not ended after 5 s.", "Let it note what it was told, and return."
        ) from None


@exercise(
    "1.4",
    hints=(
        "What runs two things at once in asyncio does so in a workflow, too.",
        "`workflow.execute_activity(…)` without `await` starts nothing yet. `asyncio.gather(…)` starts what it gets.",
        "`await asyncio.gather(workflow.execute_activity(check_fraud, …), "
        "workflow.execute_activity(prepare_shipment, …))`, then the other two, one after another.",
    ),
)
async def side_by_side(ws: Workshop, answer: Any) -> str:
    """The first two steps overlap in the history; the charge waits for both."""
    async with trial(ws, answer, _STEPS) as tried:
        seen = await _good_order(tried)
        steps = {step.name: step for step in seen.history.steps}
        check, prepare, charge = (steps[name] for name in ("check_fraud", "prepare_shipment", "charge_customer"))
        assert check.closed is not None
        assert prepare.closed is not None
        if charge.scheduled < max(check.closed, prepare.closed):
            raise Wrong("The customer was charged before both had ended.", "Wait for both, then charge.")
        if max(check.scheduled, prepare.scheduled) > min(check.closed, prepare.closed):
            raise Wrong(
                "One step was asked for only after the other had ended.",
                "A coroutine starts when it is awaited. Hand both to `asyncio.gather`, or begin both with "
                "`workflow.start_activity` and then await them.",
            )
        _right_receipt(seen)
        await _refused_orders(tried, "let the errors of both through, without `return_exceptions`.")
    return "Both steps were asked for before either had ended, and nobody was charged before both had gone well."
