"""Wait until the server has recorded an end, or that none will come by itself. No clock of the check decides.

Right code ends, however slow the machine is. Wrong code comes to rest: it fails each time it is run, one of its steps
fails again and again, or it waits for something that nobody is going to send.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from datetime import timedelta
from typing import Any, TypeVar

from google.protobuf.field_mask_pb2 import FieldMask
from temporalio.api.common.v1 import TimeSkippingConfig, WorkflowExecution
from temporalio.api.workflow.v1 import WorkflowExecutionOptions
from temporalio.api.workflowservice.v1 import UpdateWorkflowExecutionOptionsRequest
from temporalio.client import Client, WorkflowHandle
from temporalio.service import RPCError, RPCStatusCode

from workshop_lib.checks.exercise import Wrong
from workshop_lib.evidence.history import History, Step, history
from workshop_lib.evidence.messages import WorkshopError

PAUSE = 0.25  # seconds between two looks
_LONG = timedelta(seconds=60)  # a timer of this length waits for somebody; a shorter one is a pause
_TIRELESS = 10  # failed steps of one kind: code that tries again by itself, and does not give up
_SILENT = "Heartbeat timeout"
# What hangs, or a busy machine: that many times in a row, it hangs. Nexus waits longer before each attempt.
_LATE = {"StartToClose timeout": _TIRELESS, "upstream timeout": 6}
DEADLOCK = "TMPRL1101"
_NOT_OFFERED = (RPCStatusCode.INVALID_ARGUMENT, RPCStatusCode.UNIMPLEMENTED, RPCStatusCode.PERMISSION_DENIED)

T = TypeVar("T")
Handle = WorkflowHandle[Any, Any]
Reads = Callable[[History], object]


async def until(waited: asyncio.Future[Any], handle: Handle, judge: Reads) -> None:
    """Wait for something that a run is going to do, at most until the run has ended.

    Args:
        waited: Done when the run has done it. Its result or exception is left in it.
        handle: The run.
        judge: Sees the record from time to time, followed. It raises ``Wrong`` if the run will never do it.
    """
    while not (await asyncio.wait([waited], timeout=PAUSE))[0]:
        told = await history(handle, follow=True)
        if told.closed:  # now and then the server forgets for 20 s to notify whoever waits
            return
        judge(told)


def quietly(call: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    """Begin a call that may fail without anybody who looks. Otherwise Python tells of it, later.

    Args:
        call: The call.
    """
    begun = asyncio.create_task(call)
    begun.add_done_callback(lambda done: done.cancelled() or done.exception())
    return begun


async def seen(handle: Handle, what: Reads, judge: Reads) -> History:
    """Wait for the server to have recorded something of a run, at most until the run has ended: the record.

    Args:
        handle: The run.
        what: Whether it is recorded.
        judge: As for ``until``.
    """
    while not ((told := await history(handle, follow=True)).closed or what(told)):
        judge(told)
        await asyncio.sleep(PAUSE)
    return told


async def skip_timer(client: Client, handle: Handle) -> bool:
    """Let the time pass at once for which a run waits.

    Args:
        client: Connected to the run's namespace.
        handle: The run, which has come to a timer.

    Returns:
        False if this Temporal Service does not offer that.
    """
    once = TimeSkippingConfig(enabled=True, max_session_skip_count=1)
    request = UpdateWorkflowExecutionOptionsRequest(
        namespace=client.namespace,
        workflow_execution=WorkflowExecution(workflow_id=handle.id),
        workflow_execution_options=WorkflowExecutionOptions(time_skipping_config=once),
        update_mask=FieldMask(paths=["time_skipping_config"]),
    )
    try:
        await client.workflow_service.update_workflow_execution_options(request)
    except RPCError as error:
        if error.status in _NOT_OFFERED:
            return False
        raise
    await seen(handle, lambda told: told.resting and any(step.closed for step in told.steps if step.due), blame)
    return True


def look(told: History, stuck: str, *, attempts: int = 3) -> None:
    """Say why a run, or one that it waits for, will never end by itself.

    Args:
        told: What the server has recorded of it, followed.
        stuck: What to advise if it waits for something that does not come.
        attempts: How many failed attempts of a step are too many: more than the check itself lets fail.

    Raises:
        Wrong: It never will.
    """
    still_open = [run for run in every_run(told) if not run.closed]
    blame(*still_open)
    steps = [step for run in still_open for step in run.steps if not step.closed]
    for step in steps:
        if _SILENT in step.failure:
            continue  # the Worker, and not the code: it does not get to run on a busy machine
        if step.kind == "activity" and not step.attempts and step.queue not in {run.task_queue for run in still_open}:
            what = f"The {step.title} waits in the Task Queue {step.queue!r}, where no Worker looks for work."
            raise Wrong(what, "Without `task_queue=…`, an Activity goes to its Workflow's own Task Queue.")
        most = max([attempts, *(times for what, times in _LATE.items() if what in step.failure)])
        if step.failure and step.attempts - (step.status == "running") >= most:
            what = f"The {step.title} fails each time: {step.failure}"
            raise Wrong(what, "Look at its arguments: are they what it takes?")
    for run in still_open:
        failures = [step for step in run.steps if step.status == "failed"]
        if (again := Counter(step.title for step in failures).most_common(1)) and again[0][1] >= _TIRELESS:
            what = f"The {again[0][0]} failed {again[0][1]} times: {failures[-1].failure}"
            raise Wrong(what, "Your code asks for it again and again. When does it stop?")
    if stays(told):
        timers = [step.title for step in steps if step.kind == "timer"]
        raise Wrong(f"Your Workflow waits for {timers[-1] if timers else 'something that nobody sends'}.", stuck)


def unanswered(told: History, stuck: str) -> None:
    """``look``, once a run has got the update that it should answer. Until then, the run may wait."""
    if any(step.kind == "update" and not step.closed for step in told.steps):
        look(told, stuck)
    blame(told)


def blame(*runs: History) -> None:
    """Raise ``Wrong`` if the code of a run fails each time it is run.

    Args:
        runs: What the server has recorded of them.
    """
    for run in runs:
        for failure in run.failed_tasks:
            if DEADLOCK not in failure:  # the SDK's own limit of 2 s for a task, which a busy machine exceeds
                raise wrong_code(failure)  # later ones can be consequences of the first


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


def wrong_code(failure: str) -> Wrong:
    """What to say of workflow code that fails each time it is run.

    Args:
        failure: From its history.
    """
    return Wrong(f"Your Workflow's code fails each time it is run: {failure}")


def too_slow(what: str) -> WorkshopError:
    """What to say where nothing can be said of an answer.

    Args:
        what: What did not go fast enough.
    """
    then = "Stop what else runs on it, and check again."
    return WorkshopError(f"{what}: this machine is too slow just now.", then=then)
