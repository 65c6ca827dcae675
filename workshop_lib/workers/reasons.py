"""Why a workflow is stuck: the server does not answer, nobody polls its task queue, or its code fails each time."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import temporalio.client as tc
from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.enums.v1 import PendingActivityState, PendingNexusOperationState, PendingWorkflowTaskState
from temporalio.service import RPCError, RPCStatusCode

from workshop_lib.evidence.failures import BUG_NAMES, advice, sentence
from workshop_lib.evidence.state import home, unusable

EXPLAIN_AFTER = 3.0  # seconds
_DOWN_SECONDS = 1.5  # after which we look whether the server is there at all; the SDK would retry for nine
_ANSWER_SECONDS = 30.0  # for a server that is there, on a machine that is busy

Polled = tuple[str, str, str]
"""A namespace, a task queue, and the kind of task that is polled: ``workflow``, ``activity`` or ``nexus``."""

_FIX = "Interrupt this cell (■), fix the line above, run its cell again, then this one."
_NO_SERVER = (
    "The Temporal Server does not answer: it is down, or this machine is busy.\n→ If you killed it, start it again: "
    "`await ws.server.restart()`. The Workflow continues where it was."
)
_PLAIN_CALL: dict[str, Any] = {"rpc_metadata": {}, "rpc_timeout": None}
_PAGING: dict[str, Any] = {"page_size": None, "next_page_token": None, "wait_new_event": False, "skip_archival": True}


class Reasons:
    """Finds out why workflows are stuck.

    Args:
        calls: Calls the server.
        polled: Returns what the Workers of this notebook poll.
        address: Returns the server's address.
    """

    def __init__(
        self, calls: tc.OutboundInterceptor, polled: Callable[[], list[Polled]], address: Callable[[], str]
    ) -> None:
        self._calls, self._polled, self._address = calls, polled, address

    async def find(self, workflow_id: str, run_id: str | None, *, asks: bool) -> str | None:
        """The reason, if the workflow is stuck.

        Args:
            workflow_id: The workflow's id.
            run_id: The id of one of its runs; None for the latest.
            asks: Whether a query or an update waits. It needs a Worker, but no pending task shows that it waits.
        """
        looking = asyncio.ensure_future(self._find(workflow_id, run_id, asks))
        try:
            await asyncio.wait([looking], timeout=_DOWN_SECONDS)
            if not looking.done() and not await self._is_there():
                return _no_server()
            async with asyncio.timeout(_ANSWER_SECONDS):
                return await looking
        except TimeoutError:
            return _no_server()
        except RPCError as error:
            return _no_server() if error.status == RPCStatusCode.UNAVAILABLE else None
        finally:
            looking.cancel()

    async def _is_there(self) -> bool:
        """Whether anybody listens at the server's address. One that is only slow does."""
        host, _, port = self._address().rpartition(":")
        try:
            async with asyncio.timeout(_DOWN_SECONDS):
                _, connection = await asyncio.open_connection(host, int(port))
        except OSError:
            return False
        connection.close()
        return True

    async def _find(self, workflow_id: str, run_id: str | None, asks: bool) -> str | None:
        asked = tc.DescribeWorkflowInput(id=workflow_id, run_id=run_id, **_PLAIN_CALL)
        described = await self._calls.describe_workflow(asked)
        reason = await self._task_fails(described)
        if asks and (described.namespace, described.task_queue, "workflow") not in self._polled():
            reason = reason or self._unpolled(described, described.task_queue, "workflow", "question")
        reason = reason or self._nobody_polls(described) or _activity_fails(described) or _operation_waits(described)
        for child in described.raw_description.pending_children:
            reason = reason or await self._find(child.workflow_id, child.run_id, asks=False)
        return reason

    async def _task_fails(self, described: tc.WorkflowExecutionDescription) -> str | None:
        if described.raw_description.pending_workflow_task.attempt < 2:
            return None
        cause, every = "", tc.WorkflowHistoryEventFilterType.ALL_EVENT
        run: dict[str, Any] = {"id": described.id, "run_id": described.run_id, "event_filter_type": every}
        asked = tc.FetchWorkflowHistoryEventsInput(**run, **_PAGING, **_PLAIN_CALL)
        async for event in self._calls.fetch_workflow_history_events(asked):
            if event.HasField("workflow_task_completed_event_attributes"):
                cause = ""  # an earlier failure, which was fixed
            elif event.HasField("workflow_task_failed_event_attributes"):
                cause = sentence(event.workflow_task_failed_event_attributes.failure)
        what = advice(cause) or "The Worker gets the new code automatically."
        return f"It fails each time the Worker runs it:\n{cause}\n→ {_FIX} {what}" if cause else None

    def _nobody_polls(self, described: tc.WorkflowExecutionDescription) -> str | None:
        raw = described.raw_description
        task = raw.pending_workflow_task
        scheduled = PendingWorkflowTaskState.PENDING_WORKFLOW_TASK_STATE_SCHEDULED
        if task.state == scheduled and _overdue(task.scheduled_time):
            return self._unpolled(described, described.task_queue, "workflow", "workflow task")
        for activity in raw.pending_activities:
            waits = activity.state == PendingActivityState.PENDING_ACTIVITY_STATE_SCHEDULED
            if waits and _overdue(activity.scheduled_time):
                queue = activity.activity_options.task_queue.name
                return self._unpolled(described, queue, "activity", f"activity {activity.activity_type.name!r}")
        return None

    def _unpolled(self, described: tc.WorkflowExecutionDescription, queue: str, kind: str, what: str) -> str:
        polled = self._polled()
        place = (described.namespace, queue)
        if (*place, kind) in polled:
            return f"Its {what} waits on task queue {queue!r}: the Workers that poll it are busy."
        if any(other[:2] == place for other in polled):
            argument = {"workflow": "workflows", "activity": "activities"}[kind]
            return (
                f"Its {what} waits on task queue {queue!r}, and the Worker there has no {argument}.\n"
                f"→ Interrupt this cell (■), give the Worker `{argument}=[…]`, and run its cell again."
            )
        others = sorted({f"{other[1]!r} in {other[0]!r}" for other in polled})
        return (
            f"No Worker of this notebook polls task queue {queue!r} in namespace {described.namespace!r}, "
            f"where its {what} waits. Polled: {', '.join(others) or 'nothing'}.\n"
            "→ Interrupt this cell (■) and run the cell that starts the Worker, with "
            f"`task_queue={queue!r}`. {described.id} continues as soon as a Worker polls."
        )


def _activity_fails(described: tc.WorkflowExecutionDescription) -> str | None:
    for activity in described.raw_description.pending_activities:
        failure = activity.last_failure
        if activity.attempt > 1 and failure.application_failure_info.type in BUG_NAMES:
            cause = sentence(failure)
            return (
                f"Activity {activity.activity_type.name!r} fails each time it is tried:\n{cause}\n"
                f"→ A retry does not fix code. {_FIX} {advice(cause)}".rstrip()
            )
    return None


def _operation_waits(described: tc.WorkflowExecutionDescription) -> str | None:
    for operation in described.raw_description.pending_nexus_operations:
        started = operation.state == PendingNexusOperationState.PENDING_NEXUS_OPERATION_STATE_STARTED
        if not started and _overdue(operation.scheduled_time):
            last = sentence(operation.last_attempt_failure)
            tried = f"The last attempt failed: {last}" if last else "There is no answer yet."
            name = f"{operation.service}.{operation.operation} on endpoint {operation.endpoint!r}"
            then = "→ Is a Worker with its handler polling the endpoint's task queue?"
            return f"It waits for the Nexus operation {name}. {tried}\n{then}"
    return None


def _no_server() -> str:
    return str(unusable(home()) or _NO_SERVER)  # a server ends when its disk is full


def _overdue(since: Timestamp) -> bool:
    return (datetime.now(UTC) - since.ToDatetime(UTC)).total_seconds() > EXPLAIN_AFTER - 1
