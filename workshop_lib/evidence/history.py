"""A workflow's history as plain objects: steps, attempts, durations, failures, and links between workflows."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.common.v1 import Callback
from temporalio.api.enums.v1 import EventType, PendingActivityState, WorkflowTaskFailedCause
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import HistoryEvent, WorkflowExecutionStartedEventAttributes
from temporalio.api.workflowservice.v1 import DescribeWorkflowExecutionResponse
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowHandle
from temporalio.service import RPCError, RPCStatusCode

from workshop_lib.evidence.failures import sentence

# The event with which each kind of step begins: its type, the kind, and the attributes with the name and the id.
_BEGINS = {
    "ACTIVITY_TASK_SCHEDULED": ("activity", "activity_type.name", "activity_id"),
    "TIMER_STARTED": ("timer", "timer_id", "timer_id"),
    "NEXUS_OPERATION_SCHEDULED": ("nexus operation", "operation", ""),
    "START_CHILD_WORKFLOW_EXECUTION_INITIATED": ("child workflow", "workflow_type.name", "workflow_id"),
    "WORKFLOW_EXECUTION_UPDATE_ACCEPTED": ("update", "accepted_request.input.name", "protocol_instance_id"),
    "WORKFLOW_EXECUTION_SIGNALED": ("signal", "signal_name", ""),
}

NO_RIGHT = "no right to read"
_UNREAD = {RPCStatusCode.PERMISSION_DENIED: NO_RIGHT, RPCStatusCode.NOT_FOUND: "its record was deleted"}
CALLS = ("nexus operation", "child workflow")
"""The kinds of steps that lead to another workflow."""

# The attribute with which later events refer to the first event of their step, and the statuses that they bring.
_BEGUN_BY = ("scheduled_event_id", "started_event_id", "initiated_event_id", "accepted_event_id")
_ENDS = {
    "COMPLETED": "completed",
    "FIRED": "completed",
    "FAILED": "failed",
    "TIMED_OUT": "timed out",
    "CANCELED": "cancelled",
    "TERMINATED": "terminated",
}


# An event came while the task was running, so the server repeats it. No code is wrong, and neither is it if the server
# gives a task up without a message.
_NO_FAILURE = (WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_UNHANDLED_COMMAND,)


@dataclass(frozen=True)
class Link:
    """One end of a call between workflows.

    Attributes:
        namespace: Where the other workflow runs.
        workflow_id: The other workflow's id.
        run_id: Its run's id.
        standalone: Whether it is an operation that a client called without a workflow. The ids are the operation's.
    """

    namespace: str
    workflow_id: str
    run_id: str
    standalone: bool = False


@dataclass
class Step:
    """One step of a workflow.

    Attributes:
        kind: ``activity``, ``timer``, ``nexus operation``, ``child workflow``, ``update`` or ``signal``.
        name: The activity's type, the operation, and so on.
        id: Its id among the steps of its kind in the same execution.
        scheduled: When the workflow requested it.
        started: When its last attempt began; None if no Worker has started it yet.
        closed: When it ended; None while it is open.
        status: ``waiting``, ``running``, ``completed``, ``failed``, ``timed out``, ``cancelled``, ``terminated``, or
            ``abandoned``: the workflow ended before it did.
        attempts: The number of attempts.
        failure: The last failure, in a sentence; empty if there was none.
        links: The workflows that it started.
        due: When a timer fires; None for other kinds.
        endpoint: The endpoint of a Nexus operation; empty for other kinds.
        service: The service of a Nexus operation; empty for other kinds.
        limit: How long it may take including retries; None without a limit.
        queue: The task queue of an activity; empty for other kinds.
        event: The number of its first event.
        calls: The histories of ``links``, if ``history`` was called with ``follow``.
    """

    kind: str
    name: str
    id: str
    scheduled: datetime
    started: datetime | None = None
    closed: datetime | None = None
    status: str = "waiting"
    attempts: int = 0
    failure: str = ""
    links: list[Link] = field(default_factory=list)
    due: datetime | None = None
    endpoint: str = ""
    service: str = ""
    limit: timedelta | None = None
    queue: str = ""
    event: int = 0
    calls: list["History"] = field(default_factory=list)

    @property
    def title(self) -> str:
        """A short description."""
        if self.due is not None:
            return f"timer of {spoken(self.due - self.scheduled)}"
        return f"{self.kind} {self.name}"

    @property
    def duration(self) -> timedelta | None:
        """From the request to the end, including waits and retries; None while it is open."""
        return self.closed - self.scheduled if self.closed else None

    @property
    def outcome(self) -> str:
        """How it ended, after how long and how many attempts."""
        if self.kind == "signal":
            return "received"
        timer = {"completed": "fired", "cancelled": "cut short"} if self.due else {}
        took = f" {'after' if self.due else 'in'} {spoken(self.duration)}" if self.duration is not None else ""
        tries = f", {self.attempts} attempts" if self.attempts > 1 else ""
        return timer.get(self.status, self.status) + took + tries


@dataclass(repr=False)
class History:
    """One workflow execution.

    Attributes:
        workflow_id: Its id.
        workflow_type: Its type.
        namespace: Its namespace.
        task_queue: Its task queue.
        status: ``running``, ``completed``, ``failed``, ``canceled``, ``terminated``, ``timed out``, …
        steps: Its steps, in order.
        failed_tasks: Why workflow tasks failed, in sentences: errors of the workflow's code, not of its steps.
        failure: Why it failed, in a sentence; empty if it did not.
        links: The workflows that called it.
        started: When it started.
        taken: When a Worker first ran it; None if none has.
        closed: When it ended; None while it is open.
        events: The number of events.
        sdk: The SDK of the Worker that ran it, such as ``temporal-python``; empty if none has.
        run_id: Its run's id.
        resting: Whether no workflow task was scheduled or running when it was read.
    """

    workflow_id: str
    workflow_type: str
    namespace: str
    task_queue: str
    status: str
    started: datetime
    closed: datetime | None
    events: int
    taken: datetime | None = None
    steps: list[Step] = field(default_factory=list)
    failed_tasks: list[str] = field(default_factory=list)
    failure: str = ""
    links: list[Link] = field(default_factory=list)
    sdk: str = ""
    run_id: str = ""
    resting: bool = False

    @property
    def link(self) -> Link:
        """The link to this workflow."""
        return Link(self.namespace, self.workflow_id, self.run_id)

    @property
    def duration(self) -> timedelta | None:
        """From start to end; None while it is open."""
        return self.closed - self.started if self.closed else None

    def attempts(self, name: str) -> int:
        """The number of attempts of all steps with this name."""
        return sum(step.attempts for step in self.steps if step.name == name)

    def __repr__(self) -> str:
        lines = [f"{self.workflow_type} {self.workflow_id}: {self.status}, {self.events} events"]
        for number, step in enumerate(self.steps, 1):
            why = f"; last failure: {step.failure}" if step.failure else ""
            lines.append(f"  {number}. {step.title}: {step.outcome}{why}")
            for call in step.calls:
                first, *others = repr(call).splitlines()
                lines += [f"     └ in namespace {call.namespace}: {first}", *(f"       {line}" for line in others)]
        lines += [f"  workflow task failed: {failure}" for failure in self.failed_tasks]
        lines += [f"  failed: {self.failure}"] if self.failure else []
        return "\n".join(lines)


def spoken(duration: timedelta) -> str:
    """A duration as text: ``12 ms``, ``1.25 s``, ``2 min 5 s``, ``3 days``."""
    seconds = duration.total_seconds()
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.2f}".rstrip("0").rstrip(".") + " s"
    parts = []
    rest = round(seconds)
    for size, unit in ((86400, "day"), (3600, "h"), (60, "min"), (1, "s")):
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count} {unit}{'s' if unit == 'day' and count > 1 else ''}")
    return " ".join(parts[:2])


async def history(handle: WorkflowHandle[Any, Any], *, follow: bool = False) -> History:
    """Read what the server has recorded of an execution, finished or not.

    Args:
        handle: From ``client.start_workflow`` or ``client.get_workflow_handle``.
        follow: Whether to read also the executions that it started, in any namespace: child workflows, and the
            workflows behind Nexus operations.

    Raises:
        temporalio.service.RPCError: There is no such execution, or the server does not answer.
    """
    first = await _recorded(handle)
    if follow:
        _nest(first, await linked(handle, [first], called, {}), {first.link})
    return first


def called(record: History) -> list[Link]:
    """The workflows that a history's steps have called."""
    return [link for step in record.steps if step.kind in CALLS for link in step.links]


def _nest(record: History, read: dict[Link, History], above: set[Link]) -> None:
    for step in (step for step in record.steps if step.kind in CALLS):
        step.calls = [read[link] for link in dict.fromkeys(step.links) if link in read and link not in above]
        for call in step.calls:
            _nest(call, read, above | {call.link})


async def linked(
    handle: WorkflowHandle[Any, Any],
    begin: Iterable[History],
    links: Callable[[History], Iterable[Link]],
    unread: dict[Link, str],
) -> dict[Link, History]:
    """Histories and all others that they link to, by link, read with the rights of the handle's client.

    Args:
        handle: The handle of any of these workflows.
        begin: The first histories.
        links: Returns the links of a history to follow.
        unread: Gets the workflows that could not be read, and why.

    Raises:
        temporalio.service.RPCError: The server does not answer.
    """
    # There is no public way from a handle to its client (tests/unit/house/test_sdk.py).
    service = handle._client.service_client  # one connection reaches every namespace

    async def read(link: Link) -> History | None:
        there = Client(service, namespace=link.namespace)
        try:
            return await _recorded(there.get_workflow_handle(link.workflow_id, run_id=link.run_id))
        except RPCError as error:
            if error.status not in _UNREAD:
                raise
            unread[link] = _UNREAD[error.status]
            return None

    found = {record.link: record for record in begin}
    new = [*found.values()]
    while new:
        wanted = {link for record in new for link in links(record) if not link.standalone}
        missing = [*(wanted - found.keys() - unread.keys())]
        read_now = zip(missing, await asyncio.gather(*map(read, missing)), strict=True)
        found |= (others := {link: record for link, record in read_now if record})
        new = [*others.values()]
    return found


async def _recorded(handle: WorkflowHandle[Any, Any]) -> History:
    described = await handle.describe()
    events = [event async for event in handle.fetch_history_events()]
    raw = described.raw_description
    result = History(
        workflow_id=described.id,
        workflow_type=described.workflow_type,
        namespace=described.namespace,
        task_queue=described.task_queue,
        status=(described.status or WorkflowExecutionStatus.RUNNING).name.lower().replace("_", " "),
        started=described.start_time,
        closed=described.close_time,
        events=len(events),
        run_id=described.run_id,
        resting=not raw.HasField("pending_workflow_task") and described.history_length == len(events),
    )
    _read(events, result)
    _add_pending(raw, result)
    for step in result.steps:
        if result.closed and step.status in ("waiting", "running"):
            step.status = "abandoned"
    return result


def _read(events: Iterable[HistoryEvent], result: History) -> None:
    begun: dict[int, Step] = {}
    for event in events:
        name = EventType.Name(event.event_type).removeprefix("EVENT_TYPE_")
        attributes = getattr(event, event.WhichOneof("attributes") or "")
        if name in _BEGINS:
            step = _begin(event, name, attributes)
            begun[event.event_id] = step
            result.steps.append(step)
        elif name == "WORKFLOW_TASK_STARTED":
            result.taken = result.taken or _when(event.event_time)
        elif name == "WORKFLOW_TASK_COMPLETED":
            result.sdk = attributes.sdk_metadata.sdk_name or result.sdk  # sent when it changes
        elif name == "WORKFLOW_TASK_FAILED" and attributes.failure.message and attributes.cause not in _NO_FAILURE:
            result.failed_tasks.append(sentence(attributes.failure, _when(event.event_time)))
        elif name == "WORKFLOW_EXECUTION_STARTED":
            result.links += _callers(event, attributes)
        elif name == "WORKFLOW_EXECUTION_FAILED":
            result.failure = sentence(attributes.failure, _when(event.event_time))
        else:
            _follow(event, name, attributes, begun)


def _begin(event: HistoryEvent, name: str, attributes: Any) -> Step:
    kind, title, identity = _BEGINS[name]
    step = Step(
        kind,
        name=str(attrgetter(title)(attributes)),
        id=str(attrgetter(identity)(attributes)) if identity else str(event.event_id),
        scheduled=_when(event.event_time),
        event=event.event_id,
        links=_links(event),
        endpoint=getattr(attributes, "endpoint", ""),
        service=getattr(attributes, "service", ""),
        queue=attributes.task_queue.name if kind == "activity" else "",
    )
    if kind in ("activity", "nexus operation") and attributes.schedule_to_close_timeout.ByteSize():
        step.limit = attributes.schedule_to_close_timeout.ToTimedelta()
    if kind == "timer":
        step.due = step.scheduled + attributes.start_to_fire_timeout.ToTimedelta()
    if kind == "signal":
        step.status, step.closed = "completed", step.scheduled
    if kind == "update":  # a Worker has accepted it
        step.status, step.started = "running", step.scheduled
    return step


def _follow(event: HistoryEvent, name: str, attributes: Any, begun: dict[int, Step]) -> None:
    step = next((begun[i] for key in _BEGUN_BY if (i := getattr(attributes, key, 0)) in begun), None)
    if step is None or "CANCEL_REQUEST" in name:
        return
    step.links += _links(event)
    if name.endswith("_STARTED"):
        step.started, step.status = _when(event.event_time), "running"
        step.attempts = getattr(attributes, "attempt", 1)
        if isinstance(last := getattr(attributes, "last_failure", None), Failure) and last.message:
            step.failure = sentence(last, step.started)
        if name.startswith("CHILD_"):
            execution = attributes.workflow_execution
            step.links.append(Link(attributes.namespace, execution.workflow_id, execution.run_id))
        return
    end = next((status for suffix, status in _ENDS.items() if name.endswith(suffix)), None)
    if end is not None:
        step.closed, step.status = _when(event.event_time), end
        step.attempts = step.attempts or 1
        outcome = getattr(attributes, "outcome", attributes)  # of an update
        failure = getattr(outcome, "failure", None)
        if isinstance(failure, Failure) and failure.ByteSize():
            step.failure = sentence(failure, step.closed)
            step.status = end if end != "completed" else "failed"  # an update that completed with a failure


def _add_pending(raw: DescribeWorkflowExecutionResponse, result: History) -> None:
    # A retry adds no event before the last attempt: only the execution's description has the attempts of open steps.
    steps = {(step.kind, step.id): step for step in result.steps}
    for activity in raw.pending_activities:
        if step := steps.get(("activity", activity.activity_id)):  # else it was added after the events were read
            running = activity.state == PendingActivityState.PENDING_ACTIVITY_STATE_STARTED
            step.attempts = activity.attempt if running else activity.attempt - 1  # otherwise it includes the next one
            step.failure = sentence(activity.last_failure) if activity.last_failure.ByteSize() else ""
            if running:
                step.started, step.status = _when(activity.last_started_time), "running"
    for operation in raw.pending_nexus_operations:
        if step := steps.get(("nexus operation", str(operation.scheduled_event_id))):
            step.attempts = operation.attempt
            if operation.last_attempt_failure.ByteSize():
                step.failure = sentence(operation.last_attempt_failure)


def _callers(event: HistoryEvent, started: WorkflowExecutionStartedEventAttributes) -> list[Link]:
    # The workflow of a Nexus operation has its caller in the callback for its result.
    found = _links(event, *started.completion_callbacks)
    if started.parent_workflow_namespace:
        parent = started.parent_workflow_execution
        found.append(Link(started.parent_workflow_namespace, parent.workflow_id, parent.run_id))
    return list(dict.fromkeys(found))


def _links(*holders: HistoryEvent | Callback) -> list[Link]:
    found = []
    for link in (link for holder in holders for link in holder.links):
        if link.HasField("workflow_event"):
            other = link.workflow_event
            found.append(Link(other.namespace, other.workflow_id, other.run_id))
        elif link.HasField("nexus_operation"):
            called = link.nexus_operation
            found.append(Link(called.namespace, called.operation_id, called.run_id, standalone=True))
    return found


def _when(timestamp: Timestamp) -> datetime:
    return timestamp.ToDatetime(UTC)
