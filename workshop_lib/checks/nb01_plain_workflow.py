"""The exercises of notebook 01."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

import temporalio.client as tc
import temporalio.worker as tw
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client, WorkflowHandle, WorkflowHistory, WorkflowUpdateFailedError
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.workflow import ActivityHandle

from workshop_lib.checks.exercise import Wrong, exercise
from workshop_lib.checks.harness.recorded import look, until
from workshop_lib.checks.harness.trial import NAMESPACE, Outcome, Trial, end, ended, expect, trial
from workshop_lib.evidence.history import history
from workshop_lib.teams.orders.activities import charge_customer, check_fraud, prepare_shipment, ship_order
from workshop_lib.teams.orders.data import Order, Receipt, store
from workshop_lib.teams.orders.workflows import ProcessOrder
from workshop_lib.workshop import Workshop

_STEPS = [check_fraud, prepare_shipment, charge_customer, ship_order]
_NAMES = {"check": "check_fraud", "prepare": "prepare_shipment", "charge": "charge_customer", "ship": "ship_order"}
_GOOD = [["check", "prepare", "charge", "ship"], ["prepare", "check", "charge", "ship"]]
_REFUSED = {"Mallory is blocked": {"customer": "Mallory"}, "The teapot is sold out": {"item": "teapot"}}
_CALL = "`await workflow.execute_activity(check_fraud, order, start_to_close_timeout=timedelta(seconds=5))`"


@exercise("1.1")
async def four_steps(ws: Workshop, answer: Any) -> str:
    """A good order goes through in four steps; a blocked customer and missing goods cost nobody anything."""
    async with trial(ws, answer, _STEPS) as tried:
        await _good_order(tried)
        await _refused_orders(tried)
    return (
        "A good order took its four steps, each once, although its Worker forgot everything after each. "
        "Mallory, who is blocked, and a teapot that is out of stock were charged nothing."
    )


async def _good_order(tried: Trial) -> Outcome:
    seen = await tried.run()
    direct = [name for effect, name in _NAMES.items() if effect in seen.effects and name not in seen.activities]
    if direct:
        what = f"The ledger shows {seen.seen}, but the history shows no Activity {' or '.join(direct)}."
        raise Wrong(what, f"Your Workflow called the function itself. Ask for the step, and Temporal runs it: {_CALL}.")
    if not seen.activities and not seen.failure:
        raise Wrong("Your workflow completed without any step.", f"Each step needs its `await`: {_CALL}.")
    expect(seen, "A good order", effects=_GOOD, result=_receipt(seen.order))
    if len(seen.activities) != len(_STEPS):
        raise Wrong(f"The history shows more than four steps: {', '.join(seen.activities)}.", "Ask for each step once.")
    return seen


def _receipt(order: Order) -> Receipt:
    with store() as database:
        found = database.execute("SELECT id FROM charges WHERE order_id = ?", (order.id,)).fetchone()
    return Receipt(order.id, f"charge-{found[0] if found else '…'}", f"parcel-{order.id}")


async def _refused_orders(tried: Trial) -> None:
    for what, change in _REFUSED.items():
        seen = await tried.run(**change)
        if "charge" in seen.effects:
            advice = "Wait for `check_fraud` and `prepare_shipment` before you charge, and let their errors through."
            raise Wrong(f"{what}, and the customer was charged all the same: {seen.seen}.", advice)
        expect(seen, what, fails=True, advice="Let the error of the step through: no `try` around it.")


_KEEP = "`id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE`"
_CATCH = "Catch `WorkflowAlreadyStartedError`, and return `client.get_workflow_handle_for(ProcessOrder.run, order.id)`."


@exercise("1.2")
async def place_once(ws: Workshop, answer: Any) -> str:
    """The same order placed again, later, at once and by others is one order."""
    if not callable(answer):
        raise Wrong(f"{answer!r} is not a function.", "Hand in the function itself, without a call.")
    again, together, elsewhere, new = orders = [Order(ws.id("order")) for _ in range(4)]
    theirs = await Client.connect(**await ws.connection(NAMESPACE, interceptors=[_RefusesToWait()]))
    async with trial(ws, ProcessOrder, _STEPS, queue="orders") as tried:

        async def place(order: Order) -> None:
            await _placed(tried.client, order, answer(theirs, order))

        try:
            await place(again)
            await place(again)
            await asyncio.gather(place(together), place(together))
            await tried.outcome(await tried.start(elsewhere))
            await place(elsewhere)
            await place(new)
        finally:
            for order in orders:
                await end(tried.client.get_workflow_handle(order.id))
    for order in orders:
        if (count := ws.ledger.count("charge", order=order.id)) != 1:
            what = f"The same order, placed a second time, ran a second time: it was charged {count} times."
            raise Wrong(what, f"Say {_KEEP}.")
    return "Placed again after its end, twice at the same moment, and by another program: each order was charged once."


class _RefusesToWait(tc.Interceptor):
    """For a client that must not wait for a result."""

    def intercept_client(self, next: tc.OutboundInterceptor) -> tc.OutboundInterceptor:
        """See base class."""

        class Refusing(tc.OutboundInterceptor):
            def fetch_workflow_history_events(
                self, input: tc.FetchWorkflowHistoryEventsInput
            ) -> tc.WorkflowHistoryEventAsyncIterator:
                if input.wait_new_event:
                    raise Wrong("Your function waits until the order has ended.", "Return the handle, not the result.")
                return super().fetch_workflow_history_events(input)

        return Refusing(next)


async def _placed(client: Client, order: Order, placing: Awaitable[Any]) -> None:
    try:
        handle = await placing
    except WorkflowAlreadyStartedError as error:
        raise Wrong(f"The order was there already, and your function raised an error: {error}", _CATCH) from None
    if not isinstance(handle, WorkflowHandle):
        advice = "Return what `await client.start_workflow(…)` gives you, and the same kind of handle the second time."
        raise Wrong(f"Your function returned {handle!r}, which is not a handle.", advice)
    ours = client.get_workflow_handle(handle.id)  # this one may wait
    if handle.id != order.id:
        await end(ours)
        advice = "The same order must come to the same id, and another order to another: `id=order.id`."
        raise Wrong(f"For the order {order.id} your function gave a workflow with the id {handle.id!r}.", advice)
    if (queue := (await ours.describe()).task_queue) != "orders":
        raise Wrong(f"The order waits in task queue {queue!r}.", 'Start it with `task_queue="orders"`.')
    _, failure, _ = await ended(ours)
    if failure:
        raise Wrong(f"The order did not end well: {failure}", "Let the order that runs go on: no terminating policy.")


_WAIT = "Keep the wait: `workflow.wait_condition(…, timeout=timedelta(days=3))`, and no asking again and again."


@exercise("1.3")
async def cancelled_in_time(ws: Workshop, answer: Any) -> str:
    """One order is cancelled while it waits, another is sent at once, and for a third three days would pass."""
    async with trial(ws, answer, _STEPS) as tried:
        seen = await _updated(tried, "cancel")
        if {"charge", "ship"} & set(seen.effects):
            raise Wrong(f"A cancelled order went on: {seen.seen}.", "Look after the wait whether it was cancelled.")
        advice = 'A customer who changes her mind is not an error: `return "cancelled"`.'
        expect(seen, "A cancelled order", result="cancelled", advice=advice)
        seen = await _updated(tried, "ship_now")
        advice = "An order that nobody cancels goes on as before."
        expect(seen, "An order with `ship_now`", effects=_GOOD, advice=advice)
        if "charge_customer" not in await _asked_after_timer(tried.client, await _waiting(tried), answer):
            raise Wrong(
                "After three days `wait_condition` raises `TimeoutError`, and your workflow does not charge then.",
                "Keep the `try` and `except TimeoutError` around the wait: then the order goes on as before.",
            )
    return "A cancelled order ended at once, not charged and not shipped. One that nobody cancelled was sent."


async def _waiting(tried: Trial) -> WorkflowHandle[Any, Any]:
    """An order that has come to its wait of three days."""
    handle = await tried.start(Order(tried.ws.id("order")))
    while True:
        seen = await history(handle)
        timers = [step.title for step in seen.steps if step.kind == "timer"]
        if timers or seen.closed:
            break
        look(seen, _WAIT)
        await asyncio.sleep(0.05)
    _, failure, _ = await ended(handle) if seen.closed else (None, "", None)
    if timers[:1] != ["timer of 3 days"]:
        what = failure or (f"it waits for a {timers[0]}" if timers else "it ended at once")
        raise Wrong(f"An order that nobody touches: expected a timer of 3 days, but {what}.", _WAIT)
    return handle


async def _updated(tried: Trial, name: str) -> Outcome:
    """What became of an order that got an update while it waited."""
    handle = await _waiting(tried)
    call = asyncio.ensure_future(handle.execute_update(name))
    try:
        await until(call, handle, f"Let `{name}` note that it was called, and return.", update=True)
        await call
    except WorkflowUpdateFailedError as error:
        advice = f"Is there `@workflow.update` above `def {name}(self) -> None`? It only notes that it was called."
        raise Wrong(f"Your workflow did not take the update {name!r}: {error.cause}", advice) from None
    finally:
        call.cancel()
    stuck = f"`{name}` was accepted, and the order goes on waiting: does the condition look at it?"
    return await tried.outcome(handle, stuck)


async def _asked_after_timer(client: Client, handle: WorkflowHandle[Any, Any], workflow: type) -> list[str]:
    """The activities that a run asks for from its beginning until its first timer has fired, and right after that.

    Args:
        client: Its data converter reads the run's arguments.
        handle: The run, which waits for its first timer.
        workflow: Its class.
    """
    events = list((await handle.fetch_history()).events)
    timer = next(event for event in events if event.HasField("timer_started_event_attributes"))
    added = {
        "timer_fired": {
            "timer_id": timer.timer_started_event_attributes.timer_id,
            "started_event_id": timer.event_id,
        },
        "workflow_task_scheduled": {"attempt": 1},
        "workflow_task_started": {"scheduled_event_id": len(events) + 2},
    }
    for name, attributes in added.items():
        kind = EventType.Value(f"EVENT_TYPE_{name.upper()}")
        content: dict[str, Any] = {f"{name}_event_attributes": attributes, "event_time": timer.event_time}
        events.append(HistoryEvent(event_id=len(events) + 1, event_type=kind, **content))
    noting = _NotesActivities()
    replayer = tw.Replayer(workflows=[workflow], interceptors=[noting], data_converter=client.data_converter)
    await replayer.replay_workflow(WorkflowHistory(handle.id, events), raise_on_replay_failure=False)
    return noting.asked


class _NotesActivities(tw.Interceptor):
    """Notes which activities Workflows ask for."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def workflow_interceptor_class(
        self, input: tw.WorkflowInterceptorClassInput
    ) -> type[tw.WorkflowInboundInterceptor]:
        """See base class."""
        asked = self.asked

        class Outbound(tw.WorkflowOutboundInterceptor):
            def start_activity(self, input: tw.StartActivityInput) -> ActivityHandle[Any]:
                asked.append(input.activity)
                return super().start_activity(input)

        class Inbound(tw.WorkflowInboundInterceptor):
            def init(self, outbound: tw.WorkflowOutboundInterceptor) -> None:
                super().init(Outbound(outbound))

        return Inbound


@exercise("1.4")
async def side_by_side(ws: Workshop, answer: Any) -> str:
    """The first two steps overlap in the history; the charge waits for both."""
    async with trial(ws, answer, _STEPS) as tried:
        steps = {step.name: step for step in (await _good_order(tried)).history.steps}
        first, second = steps["check_fraud"], steps["prepare_shipment"]
        ends = [step.closed for step in (first, second) if step.closed]
        if steps["charge_customer"].scheduled < max(ends):
            raise Wrong("The customer was charged before both had ended.", "Wait for both, then charge.")
        if max(first.scheduled, second.scheduled) > min(ends):
            raise Wrong(
                "One step was asked for only after the other had ended.",
                "A coroutine starts when it is awaited. Hand both to `asyncio.gather`, or begin both with "
                "`workflow.start_activity` and then await them.",
            )
        await _refused_orders(tried)
    return "Both steps were asked for before either had ended, and nobody was charged before both had gone well."
