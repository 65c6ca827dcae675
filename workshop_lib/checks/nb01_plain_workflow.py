"""The exercises of notebook 01."""

import asyncio
import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

from temporalio.client import Client, FetchWorkflowHistoryEventsInput, WorkflowHandle, WorkflowUpdateFailedError
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError

from workshop_lib.checks.exercise import Wrong, exercise, expecting, require
from workshop_lib.checks.harness.recorded import look, quietly, seen, skip_timer, unanswered, until
from workshop_lib.checks.harness.trial import Before, Outcome, Trial, connect, ended, expect, in_turn, trial
from workshop_lib.evidence.history import History, Step
from workshop_lib.teams.orders.activities import charge_customer, check_fraud, prepare_shipment, ship_order
from workshop_lib.teams.orders.data import Order, Receipt, store
from workshop_lib.teams.orders.workflows import ProcessOrder
from workshop_lib.workshop import Workshop

_STEPS = [check_fraud, prepare_shipment, charge_customer, ship_order]
_NAMES = ["check_fraud", "prepare_shipment", "charge_customer", "ship_order"]
_GOOD = [["check", "prepare", "charge", "ship"], ["prepare", "check", "charge", "ship"]]  # what the ledger may show
_REFUSED = {"Mallory is blocked": {"customer": "Mallory"}, "The teapot is sold out": {"item": "teapot"}}


@exercise("1.1")
async def four_steps(ws: Workshop, answer: Any) -> None:
    """A good order goes through in four steps; a blocked customer and missing goods cost nobody anything."""
    async with trial(ws, answer, _STEPS) as tried:
        await _good_order(tried, _GOOD[:1], lambda steps: in_turn(steps, "in turn"))
        await _refused_orders(tried)


async def _good_order(tried: Trial, effects: list[list[str]], judge: Callable[[list[Step]], None]) -> None:
    made = await tried.run()
    missing = [name for name in _NAMES if name not in made.activities]
    done_otherwise = {name.partition("_")[0] for name in missing} & {*made.effects}
    came_so_far = done_otherwise or not made.failure
    saw = f"none for {', '.join(missing)}; the ledger shows {made.effects}"
    require(not (missing and came_so_far), "four Activities in the history", saw, "activities")
    if not missing:
        judge(made.history.steps)
    id = made.history.workflow_id
    with store() as database:
        found = database.execute("SELECT id FROM charges WHERE order_id = ?", (id,)).fetchone()
    receipt = Receipt(id, f"charge-{found[0] if found else '…'}", f"parcel-{id}")
    expect(made, "A good order", effects=effects, result=receipt)
    require(len(made.activities) == len(_STEPS), "four steps", ", ".join(made.activities))


async def _refused_orders(tried: Trial) -> None:
    for what, change in _REFUSED.items():
        made = await tried.run(**change)
        require("charge" not in made.effects, f"no charge, because {what}", ", ".join(made.effects), "too early")
        expect(made, what, fails=True, advice="swallowed")


@exercise("1.2")
async def place_once(ws: Workshop, answer: Any) -> None:
    """The same order placed again, later, at once and by others is one order."""
    require(callable(answer), "the function itself, without a call", repr(answer))
    # An anvil is charged, and then no carrier takes it: that order fails.
    again, together, elsewhere = orders = [Order(ws.id("order"), item=item) for item in ("kettle", "lamp", "anvil")]
    looks, client = Before(fetch_workflow_history_events=_not_waiting), await connect(ws)
    async with trial(ws, ProcessOrder, _STEPS, queue="orders", interceptors=[looks]) as theirs:
        await _place(client, again, answer, theirs.client)
        await _place(client, again, answer, theirs.client)
        await asyncio.gather(*(_place(client, together, answer, theirs.client) for _ in range(2)))
        await theirs.start(elsewhere)
        await ended(client.get_workflow_handle(elsewhere.id))
        await _place(client, elsewhere, answer, theirs.client)
    for order in orders:
        count = ws.ledger.count("charge", order=order.id)
        require(count == 1, "one charge for an order that is placed twice", f"{count} charges", "charged twice")


def _not_waiting(input: FetchWorkflowHistoryEventsInput) -> None:
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
    with expecting("a handle also of an order that was placed before", "not caught", WorkflowAlreadyStartedError):
        placed = answer(theirs, order)
        handle = await placed if inspect.isawaitable(placed) else placed
    require(isinstance(handle, WorkflowHandle), "a handle", repr(handle), "no handle")
    require(handle.id == order.id, f"a Workflow with the id {order.id!r}", repr(handle.id), "id")
    ours = client.get_workflow_handle(handle.id)
    with expecting("a handle of an order that has been started", "not started", RPCError):
        queue = (await ours.describe()).task_queue
    require(queue == "orders", "the order in the Task Queue 'orders'", repr(queue))
    _, failure, _ = await ended(ours)
    require(not failure or order.item == "anvil", "the order to end well", failure, "terminated")


@exercise("1.3")
async def cancelled_in_time(ws: Workshop, answer: Any) -> str:
    """One order is cancelled while it waits, another is sent at once, and for a third three days pass."""
    async with trial(ws, answer, _STEPS) as tried:
        made = await _updated(tried, "cancel")
        spared = not {"charge", "ship"} & {*made.effects}
        what, saw = "a cancelled order to end, not charged and not shipped", ", ".join(made.effects)
        require(spared, what, saw, "not looked at")
        expect(made, "A cancelled order", result="cancelled", advice="raised")
        sent = await _updated(tried, "ship_now")
        in_turn([step for step in sent.history.steps if step.name in _NAMES[2:]], "in turn")
        expect(sent, "An order with `ship_now`", effects=_GOOD)
        untouched = await _waiting(tried)
        if not await skip_timer(tried.client, untouched):
            return "What becomes of it after three days was not checked: this Temporal Service cannot skip time."
        expect(await ended(untouched), "An order after three days", effects=_GOOD, advice="three days")
    return "One that nobody cancelled was sent, also after three days."


def _timers(told: History) -> list[str]:
    return [step.title for step in told.steps if step.kind == "timer"]


async def _waiting(tried: Trial) -> WorkflowHandle[Any, Any]:
    """An order that has come to its wait of three days."""
    handle = await tried.start(Order(tried.ws.id("order")))
    told = await seen(handle, _timers, partial(look, stuck="wait"))
    saw = (_timers(told) or [told.failure or "that it ended immediately"])[0]
    require(saw == "timer of 3 days", "a timer of 3 days in an order that nobody touches", saw, "wait")
    return handle


async def _updated(tried: Trial, name: str) -> Outcome:
    """What became of an order that got an update while it waited."""
    handle = await _waiting(tried)
    call = quietly(handle.execute_update(name))
    stuck = f"`{name}` only notes that it was called, and returns."
    await until(call, handle, partial(unanswered, stuck=stuck))
    with expecting(f"the Update {name!r} to be accepted", "no update", WorkflowUpdateFailedError):
        await call
    stuck = f"`{name}` was accepted, and the order still waits: does the condition look at it?"
    return await ended(handle, stuck)


@exercise("1.4")
async def side_by_side(ws: Workshop, answer: Any) -> None:
    """The first two steps overlap in the history; the charge waits for both."""
    async with trial(ws, answer, _STEPS) as tried:
        await _good_order(tried, _GOOD, _first_two_together)
        await _refused_orders(tried)


def _first_two_together(steps: list[Step]) -> None:
    named = {step.name: step for step in steps}
    first, second, charge, ship = (named[name] for name in _NAMES)
    for each in (first, second):
        in_turn([each, charge, ship], "too early")
    together = max(first.scheduled, second.scheduled) <= min(step.closed for step in (first, second) if step.closed)
    require(together, "both steps at the same time", "that one was asked for after the other's end", "one by one")
