"""The exercises of notebook 01: every right answer passes, every wrong one gets advice of its own."""

from __future__ import annotations

import uuid
from typing import Any

import answers_nb01 as answers
import answers_no_timeout
import pytest
from temporalio.client import Client, WorkflowHandle
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import ApplicationError, WorkflowAlreadyStartedError

from workshop_lib.checks.exercise import check
from workshop_lib.evidence.progress import progress
from workshop_lib.teams.orders.data import Order
from workshop_lib.teams.orders.workflows import ProcessOrder
from workshop_lib.workshop import Workshop

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("own_progress")]
ONCE = {"task_queue": "orders", "id_reuse_policy": WorkflowIDReusePolicy.REJECT_DUPLICATE}


async def right(client: Any, order: Any) -> Any:
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


async def any_id(client: Any, order: Order) -> Any:
    return await client.start_workflow(ProcessOrder.run, order, id=str(uuid.uuid4()), task_queue="orders")


async def one_id(client: Any, order: Order) -> Any:
    return await client.start_workflow(ProcessOrder.run, order, id="order", task_queue="orders")


async def reused(client: Any, order: Order) -> Any:
    try:
        return await client.start_workflow(ProcessOrder.run, order, id=order.id, task_queue="orders")
    except WorkflowAlreadyStartedError:
        return client.get_workflow_handle(order.id)


async def uncaught(client: Any, order: Order) -> Any:
    return await client.start_workflow(ProcessOrder.run, order, id=order.id, **ONCE)


async def nothing(client: Any, order: Order) -> Any:
    await right(client, order)


async def result(client: Any, order: Order) -> Any:
    return await (await right(client, order)).result()


async def elsewhere(client: Any, order: Order) -> Any:
    return await client.start_workflow(ProcessOrder.run, order, id=order.id, task_queue="order")


async def terminates(client: Any, order: Order) -> Any:
    policy = WorkflowIDConflictPolicy.TERMINATE_EXISTING
    return await client.start_workflow(
        ProcessOrder.run, order, id=order.id, task_queue="orders", id_conflict_policy=policy
    )


def remembering() -> Any:
    placed: dict[str, WorkflowHandle[Any, Any]] = {}

    async def remembers(client: Any, order: Order) -> Any:
        if order.id not in placed:
            placed[order.id] = await reused(client, order)
        return placed[order.id]

    return remembers


async def stub(client: Any, order: Order) -> Any:
    raise ApplicationError("not solved yet", non_retryable=True)


RIGHT = [
    ("1.1", answers.OneByOne),
    ("1.1", answers.InALoop),
    ("1.1", answers.ADict),
    ("1.1", answers.Gathered),
    ("1.2", right),
    ("1.2", joins),
    ("1.3", answers.TwoFlags),
    ("1.3", answers.AnEvent),
    ("1.4", answers.Gathered),
    ("1.4", answers.Started),
]

WRONG = [
    ("1.1", answers.OneByOne(), "Hand in the class itself"),
    ("1.1", "ProcessOrder", "Keep `@workflow.defn`"),
    ("1.1", answers.NoShipping, "never asks for ship_order"),
    ("1.1", answers.ChargedFirst, "The steps came in the order charge, check, prepare, ship"),
    ("1.1", answers.Direct, "the history shows no activity: your workflow called the functions itself"),
    ("1.1", answers.PartlyDirect, "calls check_fraud itself"),
    ("1.1", answers.NotAwaited, "Each step needs its `await`"),
    ("1.1", answers.ReturnsACoroutine, "is an `await` missing?"),
    ("1.1", answers.NoLimit, "Give each call `start_to_close_timeout=timedelta(seconds=5)`"),
    ("1.1", answers.Swallows, "Let the error of the step through"),
    ("1.1", answers.GoesOn, "charged all the same"),
    ("1.1", answers.ReturnsNothing, "returned nothing"),
    ("1.1", answers.Swapped, "It should have been Receipt("),
    ("1.1", answers.Twice, "charge_customer ran 2 times"),
    ("1.1", answers.AnIdOnly, "Temporal tries it again and again"),
    ("1.1", answers.ANumber, "timedelta"),
    ("1.1", answers.Unprepared, "`prepare_shipment` has to have ended before"),
    ("1.4", answers.Grouped, "Use `asyncio.gather` instead"),
    ("1.1", answers.Typo, "no attribute 'ident'"),
    ("1.2", right(None, None), "Hand in the function itself"),
    ("1.2", any_id, "The same order must come to the same id"),
    ("1.2", one_id, "another order to another"),
    ("1.2", reused, "ran a second time, and was charged 2 times"),
    ("1.2", uncaught, "Catch `WorkflowAlreadyStartedError`"),
    ("1.2", nothing, "returned None, which is no handle"),
    ("1.2", result, "which is no handle"),
    ("1.2", elsewhere, 'task_queue="orders"'),
    ("1.2", terminates, "ran a second time"),
    ("1.2", remembering(), "placed by another program before ran a second time"),
    ("1.3", answers_no_timeout.Unexpecting, "Keep the `try` and `except TimeoutError`"),
    ("1.3", answers.NoCancel, "has no update 'cancel'"),
    ("1.3", answers.NotWoken, "does the condition look at it?"),
    ("1.3", answers.NotLookedAt, "Look after the wait whether it was cancelled"),
    ("1.3", answers.Fails, "is no error"),
    ("1.3", answers.Polls, "instead of asking again and again"),
    ("1.3", answers.OtherWords, 'It should end with "cancelled"'),
    ("1.3", answers.NeverShips, "It should go on as before"),
    ("1.4", answers.OneByOne, "Hand both to `asyncio.gather`"),
    ("1.4", answers.MadeThenAwaited, "A coroutine starts when it is awaited"),
    ("1.4", answers.ChargedMeanwhile, "charge"),
    ("1.4", answers.GoesOn, "charged all the same"),
]


@pytest.mark.parametrize(("number", "answer"), RIGHT, ids=lambda value: getattr(value, "__name__", str(value)))
async def test_right_answers_pass(number: str, answer: Any, capsys: pytest.CaptureFixture[str]) -> None:
    await check(number, answer)
    assert f"✓ Exercise {number} passed" in capsys.readouterr().out
    assert progress()[number].passed


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("number", "answer", "advice"), WRONG, ids=lambda value: getattr(value, "__name__", str(value)[:20])
)
async def test_wrong_answers_are_refused_with_their_own_advice(
    number: str, answer: Any, advice: str, capsys: pytest.CaptureFixture[str]
) -> None:
    await check(number, answer)
    text = capsys.readouterr().out
    assert f"✗ Exercise {number} is not right yet." in text
    assert advice in text
    assert not progress()[number].passed


@pytest.mark.parametrize("number", ["1.1", "1.2", "1.3", "1.4"])
async def test_a_stub_is_not_solved_yet(number: str, capsys: pytest.CaptureFixture[str]) -> None:
    await check(number, stub if number == "1.2" else answers.Stub)
    assert f"○ Exercise {number} is not solved yet" in capsys.readouterr().out
    assert progress()[number].error == ""


async def test_the_notebook_s_own_worker_on_orders_goes_on(ws: Workshop, client: Client) -> None:
    from temporalio.worker import Worker

    own = ws.run(Worker, client, task_queue="orders", workflows=[answers.Polls])
    try:
        await check("1.2", right)
        assert own.running
        assert progress()["1.2"].passed
    finally:
        await ws.stop(own)
