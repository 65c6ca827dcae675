"""A check waits for what the server records: a run that ends, or one that never will."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from resting import RestHandler, Resting, fails, fails_twice, slow
from temporalio.client import Client, WorkflowQueryFailedError

from workshop_lib.agents.conversation import Line
from workshop_lib.checks.exercise import Wrong
from workshop_lib.checks.harness import recorded
from workshop_lib.checks.harness.talks import Talk
from workshop_lib.checks.harness.trial import NAMESPACE, end, ended, worker
from workshop_lib.evidence.history import History, Step
from workshop_lib.workshop import Workshop


@pytest.fixture
async def resting(ws: Workshop) -> AsyncIterator[Client]:
    await ws.endpoint("resting", namespace=NAMESPACE, task_queue="resting")
    settings: dict[str, Any] = {"workflows": [Resting], "activities": [fails, fails_twice, slow]}
    async with worker(ws, "resting", nexus_service_handlers=[RestHandler()], **settings) as client:
        yield client


@pytest.mark.parametrize("how", ["short timer", "fails_twice", "slow", "nexus slow"])
async def test_what_takes_its_time_is_waited_for(ws: Workshop, resting: Client, how: str) -> None:
    handle = await resting.start_workflow(Resting.run, how, id=ws.id("check"), task_queue="resting")
    assert (await ended(handle))[:2] == ("done", "")


@pytest.mark.parametrize(
    ("how", "saw"),
    [
        ("idle", "waits for something that nobody sends"),
        ("long timer", "waits for timer of 3 days"),
        ("child", "waits for something that nobody sends"),
        ("nexus long timer", "waits for timer of 3 days"),
        ("nexus fails", "The activity fails fails each time: ValueError: no"),
        ("fails", "The activity fails fails each time: ValueError: no"),
        ("failing task", "fails each time it is run: KeyError"),
        ("nobody's queue", "waits in the Task Queue 'nobody', where no Worker looks for work"),
    ],
)
async def test_what_never_ends_is_seen(ws: Workshop, resting: Client, how: str, saw: str) -> None:
    handle = await resting.start_workflow(Resting.run, how, id=ws.id("check"), task_queue="resting")
    try:
        with pytest.raises(Wrong, match=saw):
            await ended(handle)
    finally:
        await end(handle)


async def test_a_run_that_no_worker_has_taken_is_not_at_rest(ws: Workshop) -> None:
    """Its Worker may be slow to start: that says nothing about the code."""
    client = await Client.connect(**await ws.connection("default"))
    handle = await client.start_workflow(Resting.run, "idle", id=ws.id("check"), task_queue="later")
    try:
        waiting = asyncio.ensure_future(recorded.until(asyncio.Future(), handle, lambda told: recorded.look(told, "")))
        assert not (await asyncio.wait([waiting], timeout=1))[0]
        waiting.cancel()
    finally:
        await end(handle)


def test_deadlocks_and_silent_workers_on_a_busy_machine_are_not_wrong_code() -> None:
    """The SDK (temporalio 1.35) fails a workflow task that takes 2 s; a busy machine exceeds that now and then."""
    now = datetime.now(UTC)
    run = History("id", "Resting", "checks", "resting", "running", now, None, events=5)
    run.failed_tasks = ["_DeadlockError: [TMPRL1101] Potential deadlock detected"] * 3
    recorded.look(run, "")
    run.failed_tasks.append("KeyError: a mistake")
    with pytest.raises(Wrong, match="fails each time"):
        recorded.look(run, "")
    run.failed_tasks.clear()
    run.steps = [Step("activity", "slow", "1", now, now, None, "running", 9, failure="activity Heartbeat timeout")]
    recorded.look(run, "")
    run.steps[0].failure = "ValueError: no"
    with pytest.raises(Wrong, match="fails each time"):
        recorded.look(run, "")


async def test_a_busy_machine_s_deadlock_in_a_query_says_nothing_about_the_code() -> None:
    said, line = [WorkflowQueryFailedError("[TMPRL1101] Potential deadlock detected")], Line(1, "user", "Hello")

    class Busy:
        async def query(self, name: str, *, result_type: Any) -> list[Line]:
            if said:
                raise said.pop()
            return [line]

    assert await Talk(cast("Any", Busy())).lines("user") == [line]
    assert not said
