"""Wait until the server has recorded an end, or that none will come by itself. No clock of the check decides.

Right code ends, however slow the machine is. Wrong code comes to rest: it fails each time it is run, one of its steps
fails again and again, or it waits for something that nobody is going to send.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client, WorkflowHandle

from workshop_lib.checks.exercise import Wrong
from workshop_lib.evidence.failures import advice
from workshop_lib.evidence.history import History, Step, history
from workshop_lib.workshop import Workshop

PAUSE = 0.25  # seconds between two looks
_LONG = timedelta(seconds=60)  # a timer of this length waits for somebody; a shorter one is a pause
_TIRELESS = 10  # failed steps of one kind: code that tries again by itself, and does not give up
_SILENT = "Heartbeat timeout"
_LATE = "StartToClose timeout"  # what hangs, or a busy machine: that many times in a row it hangs
DEADLOCK = "TMPRL1101"  # the SDK's own limit of 2 s for one workflow task: a busy machine exceeds it now and then

Judge = Callable[[History], None]


async def until(
    waited: asyncio.Future[Any],
    handle: WorkflowHandle[Any, Any],
    stuck: str | None,
    *,
    attempts: int = 3,
    update: bool = False,
    judge: Judge = lambda told: None,
) -> None:
    """Wait for something that a run is going to do, at most until the run has ended.

    Args:
        waited: Done when the run has done it. Its result or exception is left in it.
        handle: The run.
        stuck: What to advise if the run waits for something that does not come; None if it may wait.
        attempts: How many failed attempts of a step are too many: more than the check itself lets fail.
        update: Whether it is the answer to an update, which may still be on its way to the run.
        judge: Sees the record first, each time; may raise.

    Raises:
        Wrong: The run will never do it.
    """
    while not waited.done():
        await asyncio.wait([waited], timeout=PAUSE)
        if waited.done():
            return
        seen = await history(handle, follow=True)
        if seen.closed:  # now and then the server forgets for 20 s to notify whoever waits
            return
        judge(seen)
        if stuck is None or (update and not any(step.kind == "update" and not step.closed for step in seen.steps)):
            _look_at_tasks([seen], attempts)
        else:
            look(seen, stuck, attempts=attempts)
        await _look_for_workers(seen)


def look(told: History, stuck: str, *, attempts: int = 3) -> None:
    """Say why a run, or one that it waits for, will never end by itself.

    Args:
        told: What the server has recorded of it, followed.
        stuck: What to advise if it waits for something that does not come.
        attempts: How many failed attempts of a step are too many.

    Raises:
        Wrong: It never will.
    """
    still_open = [run for run in every_run(told) if not run.closed]
    _look_at_tasks(still_open, attempts)
    steps = [step for run in still_open for step in run.steps if not step.closed]
    for step in steps:
        if _SILENT in step.failure:
            continue  # the Worker, and not the code: it does not get to run on a busy machine
        most = max(attempts, _TIRELESS) if _LATE in step.failure else attempts
        if step.failure and step.attempts - (step.status == "running") >= most:
            why = "Temporal tries it again and again. What was it given, and is that what it takes?"
            raise Wrong(f"The {step.title} fails each time: {step.failure}", why)
    for run in still_open:
        failures = [step for step in run.steps if step.status == "failed"]
        if (again := Counter(step.title for step in failures).most_common(1)) and again[0][1] >= _TIRELESS:
            why = "Your code asks for it again and again. When does it stop?"
            raise Wrong(f"The {again[0][0]} failed {again[0][1]} times: {failures[-1].failure}", why)
    if stays(told):
        timers = [step.title for step in steps if step.kind == "timer"]
        raise Wrong(f"Your workflow waits for {timers[-1] if timers else 'something that nobody sends'}.", stuck)


def _look_at_tasks(still_open: list[History], attempts: int) -> None:
    for run in still_open:
        deadlocks = [failure for failure in run.failed_tasks if DEADLOCK in failure]
        others = [failure for failure in run.failed_tasks if DEADLOCK not in failure]
        if failed := others or deadlocks[attempts - 1 :]:
            raise wrong_code(failed[-1])


def stays(told: History) -> bool:
    """Whether a run is at rest: nothing that is under way can move it.

    Args:
        told: What the server has recorded of it, followed.
    """
    steps = [step for step in told.steps if not step.closed and step.kind != "update"]
    return bool(told.taken) and told.resting and not told.closed and all(_stays(step) for step in steps)


def _stays(step: Step) -> bool:
    if step.kind == "timer":
        return step.due is not None and step.due - step.scheduled > _LONG
    return bool(step.calls) and all(stays(each) for each in step.calls)


def every_run(told: History) -> Iterator[History]:
    """A run, and all that it started, directly or not.

    Args:
        told: What the server has recorded of it, followed.
    """
    yield told
    for step in told.steps:
        for each in step.calls:
            yield from every_run(each)


async def _look_for_workers(told: History) -> None:
    for run in every_run(told):
        for step in run.steps:
            waits = step.kind == "activity" and not step.closed and not step.attempts and step.queue != run.task_queue
            if waits and not await _polled(run.namespace, step.queue):
                what = f"The {step.title} waits in task queue {step.queue!r}, where no Worker looks for work."
                raise Wrong(what, f"Without `task_queue=…` it goes to {run.task_queue!r}, the workflow's own.")


async def _polled(namespace: str, queue: str) -> bool:
    assert Workshop.current is not None, "a check runs"
    client = await Client.connect(**await Workshop.current.connection("default"))
    asked = DescribeTaskQueueRequest(
        namespace=namespace, task_queue=TaskQueue(name=queue), task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY
    )
    return bool((await client.workflow_service.describe_task_queue(asked)).pollers)


def wrong_code(failure: str) -> Wrong:
    """What to say of workflow code that fails each time it is run.

    Args:
        failure: From its history.
    """
    return Wrong(f"Your workflow's code fails each time it is run: {failure}", advice(failure) or "Fix that line.")
