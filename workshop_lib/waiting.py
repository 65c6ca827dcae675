"""Never stuck: every wait is bounded, and after three seconds of waiting a learner is told what is missing.

Connections made with the workshop's settings carry ``Explainer``. It changes three things and no more: a workflow
started without an execution timeout gets one, a wait that goes nowhere is explained, and a workflow that breaks
the sandbox's rules fails at once instead of trying the same line for ever.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import temporalio.client as tc
import temporalio.worker as tw
from temporalio.api.enums.v1 import EventType, PendingActivityState, PendingWorkflowTaskState
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflowservice.v1 import DescribeWorkflowExecutionResponse
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker.workflow_sandbox import RestrictedWorkflowAccessError

from workshop_lib.failures import BUGS, explain_sandbox, sentence
from workshop_lib.messages import WorkshopError, say

EXECUTION_TIMEOUT = timedelta(seconds=60)
EXPLAIN_AFTER = 3.0  # seconds
LONGEST_WAIT = 120.0  # seconds

Polled = Callable[[str, str], bool | None]
"""Whether a worker that the caller knows of polls (namespace, task queue); None: it cannot know."""


class Explainer(tc.Interceptor, tw.Interceptor):
    """Bounds and explains the waits of a Client, and of Workers made with it the sandbox's refusals.

    Args:
        polled: What is known of running workers.
    """

    def __init__(self, polled: Polled) -> None:
        self._polled = polled

    def intercept_client(self, next: tc.OutboundInterceptor) -> tc.OutboundInterceptor:
        """See base class."""
        return _ClientCalls(next, self._polled)

    def workflow_interceptor_class(
        self, input: tw.WorkflowInterceptorClassInput
    ) -> type[tw.WorkflowInboundInterceptor]:
        """See base class."""
        return _SandboxRefusals


@contextlib.contextmanager
def _refusals_fail_at_once() -> Iterator[None]:
    try:
        yield
    except RestrictedWorkflowAccessError as error:
        # By default the workflow task would fail, and be tried again until somebody deploys other code.
        refused = ApplicationError(explain_sandbox(str(error)), type=type(error).__name__, non_retryable=True)
        raise refused.with_traceback(error.__traceback__) from None


class _SandboxRefusals(tw.WorkflowInboundInterceptor):
    async def execute_workflow(self, input: tw.ExecuteWorkflowInput) -> Any:
        with _refusals_fail_at_once():
            return await super().execute_workflow(input)

    async def handle_signal(self, input: tw.HandleSignalInput) -> None:
        with _refusals_fail_at_once():
            await super().handle_signal(input)

    async def handle_query(self, input: tw.HandleQueryInput) -> Any:
        with _refusals_fail_at_once():
            return await super().handle_query(input)

    async def handle_update_handler(self, input: tw.HandleUpdateInput) -> Any:
        with _refusals_fail_at_once():
            return await super().handle_update_handler(input)


class _ClientCalls(tc.OutboundInterceptor):
    def __init__(self, next: tc.OutboundInterceptor, polled: Polled) -> None:
        super().__init__(next)
        self._polled = polled

    async def start_workflow(self, input: tc.StartWorkflowInput) -> tc.WorkflowHandle[Any, Any]:
        if input.execution_timeout is None:
            input.execution_timeout = EXECUTION_TIMEOUT
        return await super().start_workflow(input)

    async def start_update_with_start_workflow(
        self, input: tc.StartWorkflowUpdateWithStartInput
    ) -> tc.WorkflowUpdateHandle[Any]:
        start = input.start_workflow_input
        if start.execution_timeout is None:
            start.execution_timeout = EXECUTION_TIMEOUT
        async with self._explained(start.id, None):
            return await super().start_update_with_start_workflow(input)

    async def start_workflow_update(self, input: tc.StartWorkflowUpdateInput) -> tc.WorkflowUpdateHandle[Any]:
        async with self._explained(input.id, input.run_id):
            return await super().start_workflow_update(input)

    async def query_workflow(self, input: tc.QueryWorkflowInput) -> Any:
        async with self._explained(input.id, input.run_id):
            return await super().query_workflow(input)

    async def start_nexus_operation(self, input: tc.StartNexusOperationInput) -> tc.NexusOperationHandle[Any]:
        if input.schedule_to_close_timeout is None:
            input.schedule_to_close_timeout = EXECUTION_TIMEOUT
        return await super().start_nexus_operation(input)

    def fetch_workflow_history_events(
        self, input: tc.FetchWorkflowHistoryEventsInput
    ) -> tc.WorkflowHistoryEventAsyncIterator:
        events = super().fetch_workflow_history_events(input)
        if not input.wait_new_event:
            return events
        return _ExplainedEvents(events, self._explained, input)

    @contextlib.asynccontextmanager
    async def _explained(self, workflow_id: str, run_id: str | None) -> AsyncIterator[None]:
        watcher = asyncio.create_task(self._watch(workflow_id, run_id))
        try:
            async with asyncio.timeout(LONGEST_WAIT) as limit:
                yield
        except Exception as error:  # the SDK makes something else of a cancelled update than a TimeoutError
            if not limit.expired():
                raise
            raise WorkshopError(
                f"Stopped waiting for workflow {workflow_id} after {LONGEST_WAIT:.0f} s.",
                "The workflow itself goes on.",
                f"Look at it later: client.get_workflow_handle({workflow_id!r}).",
            ) from error
        finally:
            watcher.cancel()

    async def _watch(self, workflow_id: str, run_id: str | None) -> None:
        told: set[str] = set()
        await asyncio.sleep(EXPLAIN_AFTER)
        while True:
            try:
                async with asyncio.timeout(1.5):  # the SDK itself would go on trying for nine seconds
                    reason = await self._reason(workflow_id, run_id)
            except TimeoutError:
                reason = ("server", _NO_SERVER)
            except RPCError as error:
                reason = ("server", _NO_SERVER) if error.status == RPCStatusCode.UNAVAILABLE else None
            if reason and reason[0] not in told:
                told.add(reason[0])
                say(f"Still waiting for {workflow_id}. {reason[1]}", "warn")
            await asyncio.sleep(1.5)

    async def _reason(self, workflow_id: str, run_id: str | None) -> tuple[str, str] | None:
        described = await self.describe_workflow(
            tc.DescribeWorkflowInput(id=workflow_id, run_id=run_id, rpc_metadata={}, rpc_timeout=timedelta(seconds=1))
        )
        raw = described.raw_description
        for find in (self._task_fails, self._nobody_polls, self._step_fails):
            reason = await find(described, raw)
            if reason:
                return reason
        for child in raw.pending_children:
            reason = await self._reason(child.workflow_id, child.run_id)
            if reason:
                return reason
        return None

    async def _task_fails(
        self, described: tc.WorkflowExecutionDescription, raw: DescribeWorkflowExecutionResponse
    ) -> tuple[str, str] | None:
        attempt = raw.pending_workflow_task.attempt
        if attempt < 2:
            return None
        async for event in self._history(described, newest_first=True):
            if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED:
                cause = sentence(event.workflow_task_failed_event_attributes.failure)
                return (
                    cause,
                    f"Its workflow task fails each time it is tried:\n{cause}\n"
                    "→ Interrupt this cell (■), mend that line, run its cell again, then this one. "
                    "The worker takes the new code by itself.",
                )
        return None

    async def _nobody_polls(
        self, described: tc.WorkflowExecutionDescription, raw: DescribeWorkflowExecutionResponse
    ) -> tuple[str, str] | None:
        task, queues = raw.pending_workflow_task, []
        open_execution = described.status == tc.WorkflowExecutionStatus.RUNNING
        if task.state == PendingWorkflowTaskState.PENDING_WORKFLOW_TASK_STATE_SCHEDULED and _overdue(
            task.scheduled_time.ToDatetime(UTC)
        ):
            queues.append((described.task_queue, "workflow task"))
        elif open_execution and self._polled(described.namespace, described.task_queue) is False:
            queues.append((described.task_queue, "workflow task"))  # a query or an update leaves no pending task
        waiting = [
            activity
            for activity in raw.pending_activities
            if activity.state == PendingActivityState.PENDING_ACTIVITY_STATE_SCHEDULED
            and _overdue(activity.scheduled_time.ToDatetime(UTC))
        ]
        if waiting:
            scheduled = {
                e.activity_task_scheduled_event_attributes.activity_id: e.activity_task_scheduled_event_attributes
                async for e in self._history(described)
                if e.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
            }
            queues += [
                (scheduled[activity.activity_id].task_queue.name, f"activity {activity.activity_type.name!r}")
                for activity in waiting
                if activity.activity_id in scheduled
            ]
        for queue, what in queues:
            if self._polled(described.namespace, queue):
                text = f"No worker has taken its {what} from task queue {queue!r}: the one that polls it is busy."
            else:
                text = (
                    f"No worker of this notebook polls task queue {queue!r} in namespace {described.namespace!r}, "
                    f"where its {what} waits.\n→ Start one there: ws.run(Worker, client, task_queue={queue!r}, …). "
                    "The workflow goes on as soon as a worker polls."
                )
            return f"{queue}/{what}", text
        return None

    async def _step_fails(
        self, described: tc.WorkflowExecutionDescription, raw: DescribeWorkflowExecutionResponse
    ) -> tuple[str, str] | None:
        for activity in raw.pending_activities:
            failure = activity.last_failure
            if activity.attempt > 1 and failure.application_failure_info.type in BUGS:
                cause = sentence(failure)
                return cause, (
                    f"Activity {activity.activity_type.name!r} fails each time it is tried:\n{cause}\n"
                    "→ Trying again does not mend code. Interrupt this cell (■), mend that line, and run it again."
                )
        for operation in raw.pending_nexus_operations:
            if operation.schedule_to_close_timeout and _overdue(operation.scheduled_time.ToDatetime(UTC)):
                last = sentence(operation.last_attempt_failure) or "no answer yet"
                name = f"{operation.service}.{operation.operation}"
                return name, (
                    f"It waits for the Nexus operation {name} on endpoint {operation.endpoint!r} "
                    f"(attempt {max(operation.attempt, 1)}; {last}).\n"
                    "→ Is a worker with its handler polling the endpoint's task queue?"
                )
        return None

    async def _history(
        self, described: tc.WorkflowExecutionDescription, newest_first: bool = False
    ) -> AsyncIterator[HistoryEvent]:
        events = [
            event
            async for event in super().fetch_workflow_history_events(
                tc.FetchWorkflowHistoryEventsInput(
                    id=described.id,
                    run_id=described.run_id,
                    page_size=None,
                    next_page_token=None,
                    wait_new_event=False,
                    event_filter_type=tc.WorkflowHistoryEventFilterType.ALL_EVENT,
                    skip_archival=True,
                    rpc_metadata={},
                    rpc_timeout=timedelta(seconds=2),
                )
            )
        ]
        for event in reversed(events) if newest_first else events:
            yield event


class _ExplainedEvents(tc.WorkflowHistoryEventAsyncIterator):
    """The SDK's iterator, whose waits are watched."""

    def __init__(
        self,
        events: tc.WorkflowHistoryEventAsyncIterator,
        explained: Callable[[str, str | None], contextlib.AbstractAsyncContextManager[None]],
        input: tc.FetchWorkflowHistoryEventsInput,
    ) -> None:
        self.__dict__ = events.__dict__  # the same iterator in all but __anext__
        self._explained, self._of = explained, (input.id, input.run_id)

    async def __anext__(self) -> HistoryEvent:
        async with self._explained(*self._of):
            return await super().__anext__()


_NO_SERVER = (
    "The Temporal Server does not answer.\n→ If you killed it, start it again: await ws.server.restart(). "
    "The workflow goes on from where it stood."
)


def _overdue(since: datetime) -> bool:
    return (datetime.now(UTC) - since).total_seconds() > EXPLAIN_AFTER - 1
