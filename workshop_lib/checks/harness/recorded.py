"""Wait until the server has recorded an end, or that none will come by itself. No clock of the check decides.

What is right ends, however slow the machine is. What is wrong comes to rest: its code fails each time it is run, a step
of it fails again and again, or it waits for something that nobody is going to send.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from temporalio.client import WorkflowHandle

from workshop_lib.checks.exercise import Wrong
from workshop_lib.evidence.failures import advice
from workshop_lib.evidence.history import History, Step, history

_PAUSE = 0.25  # seconds between two looks
_LONG = timedelta(seconds=60)  # a timer of so much is a wait for somebody, and not a pause


async def until(
    waited: asyncio.Future[Any],
    handle: WorkflowHandle[Any, Any],
    stuck: str,
    *,
    attempts: int = 3,
    update: bool = False,
) -> None:
    """Wait for something that a run is going to do.

    Args:
        waited: Done when it has. What it gives or raises is left in it.
        handle: The run.
        stuck: What to advise if the run waits for something that does not come.
        attempts: How many failed attempts of a step are too many: more than the check itself lets fail.
        update: Whether it is the answer to an update, which may still be on its way there.

    Raises:
        Wrong: It never will.
    """
    while not waited.done():
        await asyncio.wait([waited], timeout=_PAUSE)
        if not waited.done():
            told = await history(handle, follow=True)
            if told.closed:  # now and then the server forgets to tell who waits, for 20 s
                return
            if not update or any(step.kind == "update" and not step.closed for step in told.steps):
                look(told, stuck, attempts=attempts)


def look(told: History, stuck: str, *, attempts: int = 3) -> None:
    """Say why a run, or one that it waits for, will never end by itself.

    Args:
        told: What the server has recorded of it, followed.
        stuck: What to advise if it waits for something that does not come.
        attempts: How many failed attempts of a step are too many.

    Raises:
        Wrong: It never will.
    """
    every = [each for each in _all(told) if not each.closed]
    if failed := [task for each in every for task in each.failed_tasks]:
        raise wrong_code(failed[-1])  # it would fail again and again
    for step in (step for each in every for step in each.steps):
        if step.failure and not step.closed and step.attempts - (step.status == "running") >= attempts:
            why = "Temporal tries it again and again. What was it given, and is that what it takes?"
            raise Wrong(f"The {step.title} fails each time: {step.failure}", why)
    if stays(told):
        waits = [step.title for each in every for step in each.steps if step.kind == "timer" and not step.closed]
        raise Wrong(f"Your workflow waits for {waits[-1] if waits else 'something that nobody sends'}.", stuck)


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


def _all(told: History) -> Iterator[History]:
    yield told
    for step in told.steps:
        for each in step.calls:
            yield from _all(each)


def wrong_code(failure: str) -> Wrong:
    """What to say of workflow code that fails each time it is run.

    Args:
        failure: From its history.
    """
    if "must have start_to_close_timeout" in failure:
        return Wrong(
            f"An activity was asked for without a limit: {failure}",
            "Give each call `start_to_close_timeout=timedelta(seconds=5)`.",
        )
    return Wrong(f"Your workflow's code fails each time it is run: {failure}", advice(failure) or "Fix that line.")
