"""The exercises of notebook 01."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

import temporalio.client as tc
from google.protobuf.field_mask_pb2 import FieldMask
from temporalio.api.common.v1 import TimeSkippingConfig, WorkflowExecution
from temporalio.api.workflow.v1 import WorkflowExecutionOptions
from temporalio.api.workflowservice.v1 import UpdateWorkflowExecutionOptionsRequest
from temporalio.client import Client, WorkflowHandle, WorkflowUpdateFailedError
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from workshop_lib.checks.exercise import Wrong, exercise, expected, require
from workshop_lib.checks.harness.recorded import PAUSE, look, until, updated
from workshop_lib.checks.harness.trial import NAMESPACE, Before, Outcome, Trial, end, ended, expect, trial
from workshop_lib.evidence.history import history
from workshop_lib.teams.orders.activities import charge_customer, check_fraud, prepare_shipment, ship_order
from workshop_lib.teams.orders.data import Order, Receipt, store
from workshop_lib.teams.orders.workflows import ProcessOrder
from workshop_lib.workshop import Workshop

_STEPS = [check_fraud, prepare_shipment, charge_customer, ship_order]
_NAMES = {"check": "check_fraud", "prepare": "prepare_shipment", "charge": "charge_customer", "ship": "ship_order"}
_GOOD = [["check", "prepare", "charge", "ship"], ["prepare", "check", "charge", "ship"]]
_REFUSED = {"Mallory is blocked": {"customer": "Mallory"}, "The teapot is sold out": {"item": "teapot"}}
_NOT_OFFERED = (RPCStatusCode.INVALID_ARGUMENT, RPCStatusCode.UNIMPLEMENTED, RPCStatusCode.PERMISSION_DENIED)
_CALL = "`await workflow.execute_activity(check_fraud, order, start_to_close_timeout=timedelta(seconds=5))`"
_ASK = f"Ask Temporal for each step. Calling the function, or a local Activity, is not recorded as a step: {_CALL}."


@exercise("1.1")
async def four_steps(ws: Workshop, answer: Any) -> str:
    """A good order goes through in four steps; a blocked customer and missing goods cost nobody anything."""
    async with trial(ws, answer, _STEPS) as tried:
        await _good_order(tried)
        await _refused_orders(tried)
    return "A good order took its four steps, each once. Mallory and a teapot that is sold out were charged nothing."


async def _good_order(tried: Trial) -> Outcome:
    seen = await tried.run()
    missing = [effect for effect, name in _NAMES.items() if name not in seen.activities]
    if missing and (not seen.failure or set(missing) & set(seen.effects)):
        names = " or ".join(_NAMES[effect] for effect in missing)
        advice = _ASK if set(missing) & set(seen.effects) else f"Ask for each step. Is an `await` missing? {_CALL}."
        raise Wrong(f"The ledger shows {seen.seen}. The history shows no Activity {names}.", advice)
    with store() as database:
        found = database.execute("SELECT id FROM charges WHERE order_id = ?", (seen.order.id,)).fetchone()
    receipt = Receipt(seen.order.id, f"charge-{found[0] if found else '…'}", f"parcel-{seen.order.id}")
    expect(seen, "A good order", effects=_GOOD, result=receipt)
    require(len(seen.activities) == len(_STEPS), "four steps", ", ".join(seen.activities), "Ask for each step once.")
    return seen


async def _refused_orders(tried: Trial) -> None:
    for what, change in _REFUSED.items():
        seen = await tried.run(**change)
        advice = "Wait for `check_fraud` and `prepare_shipment` before you charge: is an `await` missing?"
        require("charge" not in seen.effects, f"no charge, because {what}", seen.seen, advice)
        expect(seen, what, fails=True, advice="Let the error of the step through: no `try` around it.")


_KEEP = "`id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE`"
_CATCH = "Catch `WorkflowAlreadyStartedError`, and return `client.get_workflow_handle_for(ProcessOrder.run, order.id)`."


@exercise("1.2")
async def place_once(ws: Workshop, answer: Any) -> str:
    """The same order placed again, later, at once and by others is one order."""
    require(callable(answer), "the function itself, without a call", repr(answer))
    again, together, elsewhere = orders = [Order(ws.id("order")) for _ in range(3)]
    not_waiting = Before(fetch_workflow_history_events=_not_waiting)
    theirs = await Client.connect(**await ws.connection(NAMESPACE, interceptors=[not_waiting]))
    async with trial(ws, ProcessOrder, _STEPS, queue="orders") as tried:
        try:
            await _place(tried.client, again, answer, theirs)
            await _place(tried.client, again, answer, theirs)
            await asyncio.gather(*(_place(tried.client, together, answer, theirs) for _ in range(2)))
            await tried.outcome(await tried.start(elsewhere))
            await _place(tried.client, elsewhere, answer, theirs)
        finally:
            for order in orders:
                await end(tried.client.get_workflow_handle(order.id))
    for order in orders:
        count = ws.ledger.count("charge", order=order.id)
        require(count == 1, "one charge for an order that is placed twice", f"that it was charged {count} times", _KEEP)
    return "Placed again after its end, twice at the same moment, and by another program: each order was charged once."


def _not_waiting(input: tc.FetchWorkflowHistoryEventsInput) -> None:
    if input.wait_new_event:
        raise Wrong("Your function waits until the order has ended.", "Return the handle, not the result.")


async def _place(client: Client, order: Order, answer: Any, theirs: Client) -> None:
    """Place an order with the learner's function, and wait for its end.

    Args:
        client: May wait.
        order: The order.
        answer: The learner's function.
        theirs: What the function gets.
    """
    try:
        placed = answer(theirs, order)
        handle = await placed if inspect.isawaitable(placed) else placed
    except WorkflowAlreadyStartedError as error:
        raise Wrong(f"The order was there already, and your function raised an error: {error}", _CATCH) from None
    advice = "Return what `await client.start_workflow(…)` gives you, and the same kind of handle the second time."
    require(isinstance(handle, WorkflowHandle), "a handle", repr(handle), advice)
    ours = client.get_workflow_handle(handle.id)
    if handle.id != order.id:
        await end(ours)
        advice = "The same order must come to the same id, and another order to another: `id=order.id`."
        raise expected(f"a Workflow with the id {order.id!r}", repr(handle.id), advice)
    try:
        queue = (await ours.describe()).task_queue
    except RPCError as error:
        advice = "Is an `await` missing before `client.start_workflow(…)`?"
        raise expected("an order that has been started", f"a handle of nothing: {error}", advice) from None
    require(queue == "orders", "the order in task queue 'orders'", repr(queue), 'Start it with `task_queue="orders"`.')
    _, failure, _ = await ended(ours)
    require(not failure, "that the order ends well", failure, "Let the order that runs go on: no terminating policy.")


_WAIT = "Keep the wait: `workflow.wait_condition(…, timeout=timedelta(days=3))`, and no asking again and again."


@exercise("1.3")
async def cancelled_in_time(ws: Workshop, answer: Any) -> str:
    """One order is cancelled while it waits, another is sent at once, and for a third three days pass."""
    async with trial(ws, answer, _STEPS) as tried:
        seen = await _updated(tried, "cancel")
        advice = "Look after the wait whether it was cancelled."
        require(not {"charge", "ship"} & set(seen.effects), "a cancelled order to end", seen.seen, advice)
        advice = 'A customer who changes her mind is not an error: `return "cancelled"`.'
        expect(seen, "A cancelled order", result="cancelled", advice=advice)
        advice = "An order that nobody cancels goes on as before."
        expect(await _updated(tried, "ship_now"), "An order with `ship_now`", effects=_GOOD, advice=advice)
        untouched, sent = await _waiting(tried), "One that nobody cancelled was sent, also after three days."
        if await _skip_timer(tried.client, untouched):
            advice = "After three days the wait raises `TimeoutError`: keep the `try` and `except TimeoutError`."
            expect(await tried.outcome(untouched), "Three days later, an order", effects=_GOOD, advice=advice)
        else:
            sent = "What becomes of one after three days was not checked: this Temporal Service cannot skip time."
    return f"A cancelled order ended at once, not charged and not shipped. {sent}"


async def _waiting(tried: Trial) -> WorkflowHandle[Any, Any]:
    """An order that has come to its wait of three days."""
    handle, timers, seen = await tried.start(Order(tried.ws.id("order"))), list[str](), None
    while not (timers or (seen and seen.closed)):
        if seen:
            look(seen, _WAIT)
            await asyncio.sleep(PAUSE)
        seen = await history(handle)
        timers = [step.title for step in seen.steps if step.kind == "timer"]
    if timers[:1] != ["timer of 3 days"]:
        saw = timers[0] if timers else (await tried.outcome(handle)).failure or "that it ended at once"
        raise expected("a timer of 3 days in an order that nobody touches", saw, _WAIT)
    return handle


async def _updated(tried: Trial, name: str) -> Outcome:
    """What became of an order that got an update while it waited."""
    handle = await _waiting(tried)
    call = asyncio.ensure_future(updated(handle, name))
    try:
        await until(call, handle, f"Let `{name}` note that it was called, and return.", update=True)
        await call
    except WorkflowUpdateFailedError as error:
        advice = f"Is there `@workflow.update` above `def {name}(self) -> None`? It only notes that it was called."
        raise expected(f"the update {name!r} to be taken", error.cause, advice) from None
    finally:
        call.cancel()
    stuck = f"`{name}` was accepted, and the order goes on waiting: does the condition look at it?"
    return await tried.outcome(handle, stuck)


async def _skip_timer(client: Client, handle: WorkflowHandle[Any, Any]) -> bool:
    """Let the time pass at once for which a run waits; False if this Temporal Service does not offer that."""
    request = UpdateWorkflowExecutionOptionsRequest(
        namespace=client.namespace,
        workflow_execution=WorkflowExecution(workflow_id=handle.id),
        workflow_execution_options=WorkflowExecutionOptions(time_skipping_config=TimeSkippingConfig(enabled=True)),
        update_mask=FieldMask(paths=["time_skipping_config"]),
    )
    try:
        await client.workflow_service.update_workflow_execution_options(request)
    except RPCError as error:
        if error.status in _NOT_OFFERED:
            return False
        raise
    while not next(step for step in (await history(handle)).steps if step.kind == "timer").closed:
        await asyncio.sleep(PAUSE)
    return True


@exercise("1.4")
async def side_by_side(ws: Workshop, answer: Any) -> str:
    """The first two steps overlap in the history; the charge waits for both."""
    async with trial(ws, answer, _STEPS) as tried:
        steps = {step.name: step for step in (await _good_order(tried)).history.steps}
        first, second = steps["check_fraud"], steps["prepare_shipment"]
        ends = [step.closed for step in (first, second) if step.closed]
        saw = "that one had not ended"
        require(
            steps["charge_customer"].scheduled >= max(ends), "a charge after both", saw, "Wait for both, then charge."
        )
        advice = "A coroutine starts when it is awaited. Hand both to `asyncio.gather`, or begin both with "
        advice += "`workflow.start_activity` and then await them."
        side_by_side = max(first.scheduled, second.scheduled) <= min(ends)
        require(side_by_side, "both steps at the same time", "that one was asked for after the other's end", advice)
        await _refused_orders(tried)
    return "Both steps were asked for before either had ended, and nobody was charged before both had gone well."
