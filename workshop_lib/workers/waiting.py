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
from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.enums.v1 import (
    EventType,
    PendingActivityState,
    PendingNexusOperationState,
    PendingWorkflowTaskState,
)
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflowservice.v1 import DescribeWorkflowExecutionResponse
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker.workflow_sandbox import RestrictedWorkflowAccessError

from workshop_lib.evidence.failures import BUG_NAMES, advice, explain_sandbox, sentence
from workshop_lib.evidence.messages import WorkshopError, say

EXECUTION_TIMEOUT = timedelta(seconds=60)
EXPLAIN_AFTER = 3.0  # seconds
LONGEST_WAIT = 120.0  # seconds

Polled = tuple[str, str, str]
"""Namespace, task queue, and what is taken from it: ``workflow``, ``activity`` or ``nexus``."""


class Explainer(tc.Interceptor, tw.Interceptor):
    """Bounds and explains the waits of a Client, and of Workers made with it the sandbox's refusals.

    Args:
        polled: Tells what the workers of this notebook poll.
    """

    def __init__(self, polled: Callable[[], list[Polled]]) -> None:
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
    def __init__(self, next: tc.OutboundInterceptor, polled: Callable[[], list[Polled]]) -> None:
        super().__init__(next)
        self._polled = polled

    async def start_workflow(self, input: tc.StartWorkflowInput) -> tc.WorkflowHandle[Any, Any]:
        if input.execution_timeout is None:
            input.execution_timeout = EXECUTION_TIMEOUT
        async with self._explained(input.id, None):
            return await super().start_workflow(input)

    async def signal_workflow(self, input: tc.SignalWorkflowInput) -> None:
        async with self._explained(input.id, input.run_id):
            await super().signal_workflow(input)

    async def start_update_with_start_workflow(
        self, input: tc.StartWorkflowUpdateWithStartInput
    ) -> tc.WorkflowUpdateHandle[Any]:
        start = input.start_workflow_input
        if start.execution_timeout is None:
            start.execution_timeout = EXECUTION_TIMEOUT
        async with self._explained(start.id, None, asks=True):
            return self._explain_result(await super().start_update_with_start_workflow(input))

    async def start_workflow_update(self, input: tc.StartWorkflowUpdateInput) -> tc.WorkflowUpdateHandle[Any]:
        async with self._explained(input.id, input.run_id, asks=True):
            return self._explain_result(await super().start_workflow_update(input))

    def _explain_result(self, handle: tc.WorkflowUpdateHandle[Any]) -> tc.WorkflowUpdateHandle[Any]:
        # An update that was accepted only is waited for without another call of an interceptor.
        result = handle.result

        async def explained(**options: Any) -> Any:
            async with self._explained(handle.workflow_id, handle.workflow_run_id, asks=True):
                return await result(**options)

        handle.result = explained  # type: ignore[method-assign]
        return handle

    async def query_workflow(self, input: tc.QueryWorkflowInput) -> Any:
        async with self._explained(input.id, input.run_id, asks=True):
            return await super().query_workflow(input)

    async def get_nexus_operation_result(self, input: tc.GetNexusOperationResultInput) -> Any:
        async with asyncio.timeout(LONGEST_WAIT):
            return await super().get_nexus_operation_result(input)

    async def start_activity(self, input: tc.StartActivityInput) -> tc.ActivityHandle[Any]:
        if input.schedule_to_close_timeout is None:
            input.schedule_to_close_timeout = EXECUTION_TIMEOUT
        return await super().start_activity(input)

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
    async def _explained(self, workflow_id: str, run_id: str | None, *, asks: bool = False) -> AsyncIterator[None]:
        """Watch a wait. A question (``asks``) needs a worker at once, and leaves no task that tells of it."""
        watcher = asyncio.create_task(self._watch(workflow_id, run_id, asks))
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

    async def _watch(self, workflow_id: str, run_id: str | None, asks: bool) -> None:
        told: set[str] = set()
        await asyncio.sleep(EXPLAIN_AFTER)
        while True:
            try:
                async with asyncio.timeout(1.5):  # the SDK itself would go on trying for nine seconds
                    reason = await self._reason(workflow_id, run_id, asks)
            except TimeoutError:
                reason = ("server", _NO_SERVER)
            except RPCError as error:
                reason = ("server", _NO_SERVER) if error.status == RPCStatusCode.UNAVAILABLE else None
            if reason and reason[0] not in told:
                told.add(reason[0])
                say(f"Still waiting for {workflow_id}. {reason[1]}", "warn")
            await asyncio.sleep(1.5)

    async def _reason(self, workflow_id: str, run_id: str | None, asks: bool = False) -> tuple[str, str] | None:
        """What a workflow waits for in vain: a word to tell it from other reasons, and the text."""
        described = await self.describe_workflow(
            tc.DescribeWorkflowInput(id=workflow_id, run_id=run_id, rpc_metadata={}, rpc_timeout=None)
        )
        raw = described.raw_description
        reason = (
            await self._task_fails(described, raw)
            or self._question_unheard(described, asks)
            or await self._nobody_polls(described, raw)
            or self._step_fails(raw)
        )
        for child in raw.pending_children:
            reason = reason or await self._reason(child.workflow_id, child.run_id)
        return reason

    async def _task_fails(
        self, described: tc.WorkflowExecutionDescription, raw: DescribeWorkflowExecutionResponse
    ) -> tuple[str, str] | None:
        if raw.pending_workflow_task.attempt < 2:
            return None
        for event in reversed(await self._events(described)):
            if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
                break  # what failed before it was fixed
            if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED:
                cause = sentence(event.workflow_task_failed_event_attributes.failure)
                what = advice(cause) or "The Worker takes the new code by itself."
                return cause, f"It fails each time the Worker runs it:\n{cause}\n→ {_FIX} {what}"
        return None

    def _question_unheard(self, described: tc.WorkflowExecutionDescription, asks: bool) -> tuple[str, str] | None:
        if asks and (described.namespace, described.task_queue, "workflow") not in self._polled():
            return self._unpolled(described, described.task_queue, "workflow", "question")
        return None

    async def _nobody_polls(
        self, described: tc.WorkflowExecutionDescription, raw: DescribeWorkflowExecutionResponse
    ) -> tuple[str, str] | None:
        task = raw.pending_workflow_task
        scheduled = PendingWorkflowTaskState.PENDING_WORKFLOW_TASK_STATE_SCHEDULED
        if task.state == scheduled and _overdue(task.scheduled_time):
            return self._unpolled(described, described.task_queue, "workflow", "workflow task")
        for activity in raw.pending_activities:
            waits = activity.state == PendingActivityState.PENDING_ACTIVITY_STATE_SCHEDULED
            if waits and _overdue(activity.scheduled_time):
                for event in await self._events(described):
                    asked = event.activity_task_scheduled_event_attributes
                    if asked.activity_id == activity.activity_id:
                        what = f"activity {activity.activity_type.name!r}"
                        return self._unpolled(described, asked.task_queue.name, "activity", what)
        return None

    def _unpolled(
        self, described: tc.WorkflowExecutionDescription, queue: str, kind: str, what: str
    ) -> tuple[str, str]:
        polled = self._polled()
        place = (described.namespace, queue)
        if (*place, kind) in polled:
            text = f"No worker has taken its {what} from task queue {queue!r} so far: those that poll it are busy."
        elif any(other[:2] == place for other in polled):
            argument = {"workflow": "workflows", "activity": "activities"}[kind]
            text = (
                f"The Worker on task queue {queue!r} takes no {argument}, and its {what} waits there.\n"
                f"→ Interrupt this cell (■), give the Worker `{argument}=[…]`, and run its cell again."
            )
        else:
            others = sorted({f"{other[1]!r} in {other[0]!r}" for other in polled})
            text = (
                f"No Worker of this notebook polls task queue {queue!r} in namespace {described.namespace!r}, "
                f"where its {what} waits. Polled: {', '.join(others) or 'nothing'}.\n"
                "→ Interrupt this cell (■) and run the cell that starts the Worker, with "
                f"`task_queue={queue!r}`. {described.id} goes on as soon as a Worker polls."
            )
        return f"{queue}/{what}", text

    def _step_fails(self, raw: DescribeWorkflowExecutionResponse) -> tuple[str, str] | None:
        for activity in raw.pending_activities:
            failure = activity.last_failure
            if activity.attempt > 1 and failure.application_failure_info.type in BUG_NAMES:
                cause = sentence(failure)
                return cause, (
                    f"Activity {activity.activity_type.name!r} fails each time it is tried:\n{cause}\n"
                    f"→ Trying again does not fix code. {_FIX} {advice(cause)}".rstrip()
                )
        for operation in raw.pending_nexus_operations:
            begun = operation.state == PendingNexusOperationState.PENDING_NEXUS_OPERATION_STATE_STARTED
            if not begun and _overdue(operation.scheduled_time):
                last = sentence(operation.last_attempt_failure) or "no answer yet"
                name = f"{operation.service}.{operation.operation}"
                return name, (
                    f"It waits for the Nexus operation {name} on endpoint {operation.endpoint!r} "
                    f"(attempt {max(operation.attempt, 1)}; {last}).\n"
                    "→ Is a worker with its handler polling the endpoint's task queue?"
                )
        return None

    async def _events(self, described: tc.WorkflowExecutionDescription) -> list[HistoryEvent]:
        wanted = tc.FetchWorkflowHistoryEventsInput(
            id=described.id,
            run_id=described.run_id,
            page_size=None,
            next_page_token=None,
            wait_new_event=False,
            event_filter_type=tc.WorkflowHistoryEventFilterType.ALL_EVENT,
            skip_archival=True,
            rpc_metadata={},
            rpc_timeout=None,
        )
        return [event async for event in super().fetch_workflow_history_events(wanted)]


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


_FIX = "Interrupt this cell (■), fix what is named there, run its cell again, then this one."
_NO_SERVER = (
    "The Temporal Server does not answer.\n→ If you killed it, start it again: await ws.server.restart(). "
    "The workflow goes on from where it stood."
)


def _overdue(since: Timestamp) -> bool:
    return (datetime.now(UTC) - since.ToDatetime(UTC)).total_seconds() > EXPLAIN_AFTER - 1
