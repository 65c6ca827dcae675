"""Never stuck: every wait is bounded, and after three seconds of waiting a notice says what is missing.

Connections made with the workshop's settings have the interceptor ``Explainer``. It changes three things: a workflow
that is started without an execution timeout gets one, a wait for a stuck workflow is explained, and a workflow that
breaks the sandbox's rules fails at once instead of retrying the same line forever.
"""

import asyncio
import contextlib
import re
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from datetime import timedelta
from typing import Any, TypeVar

import temporalio.client as tc
import temporalio.worker as tw
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError
from temporalio.worker.workflow_sandbox import RestrictedWorkflowAccessError

from workshop_lib.evidence.failures import explain_sandbox
from workshop_lib.evidence.messages import Display, WorkshopError, say
from workshop_lib.workers.reasons import EXPLAIN_AFTER, Polled, Reasons

EXECUTION_TIMEOUT = timedelta(days=1)  # long enough for a slow reader; what is still open then was forgotten
LONGEST_WAIT = 120.0  # seconds, for an answer; five times as long for the result of a Workflow, which may be healthy
_LOOK_EVERY = 1.5  # seconds, once a wait is long
_ASK_EVERY, _ASK_FOR = 0.25, 600.0  # seconds, while the server passes a question to nobody; the second is a guard

T = TypeVar("T")


class Explainer(tc.Interceptor, tw.Interceptor):
    """Bounds and explains the waits of a Client, and explains what the sandbox refuses in its Workers.

    Args:
        polled: Returns what the Workers of this notebook poll.
        address: Returns the server's address.
    """

    def __init__(self, polled: Callable[[], list[Polled]], address: Callable[[], str]) -> None:
        self._polled, self._address = polled, address

    def intercept_client(self, next: tc.OutboundInterceptor) -> tc.OutboundInterceptor:
        """See base class."""
        return _ClientCalls(next, Reasons(next, self._polled, self._address))

    def workflow_interceptor_class(
        self, input: tw.WorkflowInterceptorClassInput
    ) -> type[tw.WorkflowInboundInterceptor]:
        """See base class."""
        return _SandboxRefusals


class AsksAgain(tc.Interceptor):
    """Repeats an update or a query that the server refuses because the workflow's tasks fail, or gives up when busy.

    Its code is wrong, and will be fixed, or a busy machine takes longer for a task than the 2 s that the SDK allows.
    """

    def intercept_client(self, next: tc.OutboundInterceptor) -> tc.OutboundInterceptor:
        """See base class."""
        return _Questions(next)


class _Questions(tc.OutboundInterceptor):
    async def start_workflow_update(self, input: tc.StartWorkflowUpdateInput) -> tc.WorkflowUpdateHandle[Any]:
        input.update_id = input.update_id or str(uuid.uuid4())  # however often it is sent, it is one update
        return await _passed_on(lambda: self.next.start_workflow_update(input), input.rpc_timeout)

    async def query_workflow(self, input: tc.QueryWorkflowInput) -> Any:
        return await _passed_on(lambda: self.next.query_workflow(input), input.rpc_timeout)


async def _passed_on(ask: Callable[[], Awaitable[T]], limit: timedelta | None) -> T:
    # The limits of the server and of the SDK: 30 s for one call. An update is aborted whose task is not done in time.
    # One that is aborted because its workflow has closed is refused for good.
    passing = "in failed state" + ("" if limit else "|deadline exceeded|Timeout expired|update was aborted(?! by)")
    until = time.monotonic() + _ASK_FOR
    while True:
        try:
            return await ask()
        except (RPCError, tc.WorkflowUpdateRPCTimeoutOrCancelledError) as error:
            if not re.search(passing, f"{error} {error.__cause__}") or time.monotonic() > until:
                raise
        await asyncio.sleep(_ASK_EVERY)


async def _failing_at_once(call: Coroutine[Any, Any, T]) -> T:
    try:
        return await call
    except RestrictedWorkflowAccessError as error:
        # Otherwise the workflow task would fail, and be retried until other code is deployed.
        refused = ApplicationError(explain_sandbox(str(error)), type=type(error).__name__, non_retryable=True)
        raise refused.with_traceback(error.__traceback__) from None


class _SandboxRefusals(tw.WorkflowInboundInterceptor):
    async def execute_workflow(self, input: tw.ExecuteWorkflowInput) -> Any:
        return await _failing_at_once(super().execute_workflow(input))

    async def handle_signal(self, input: tw.HandleSignalInput) -> None:
        await _failing_at_once(super().handle_signal(input))

    async def handle_query(self, input: tw.HandleQueryInput) -> Any:
        return await _failing_at_once(super().handle_query(input))

    async def handle_update_handler(self, input: tw.HandleUpdateInput) -> Any:
        return await _failing_at_once(super().handle_update_handler(input))


class _ClientCalls(tc.OutboundInterceptor):
    def __init__(self, next: tc.OutboundInterceptor, reasons: Reasons) -> None:
        super().__init__(next)
        self._reasons = reasons
        self._notices: dict[str, tuple[Display, list[str]]] = {}  # by reason: the workflows that wait

    async def start_workflow(self, input: tc.StartWorkflowInput) -> tc.WorkflowHandle[Any, Any]:
        input.execution_timeout = input.execution_timeout or EXECUTION_TIMEOUT
        async with self._explained(input.id, None):
            return await super().start_workflow(input)

    async def signal_workflow(self, input: tc.SignalWorkflowInput) -> None:
        async with self._explained(input.id, input.run_id):
            await super().signal_workflow(input)

    async def start_update_with_start_workflow(
        self, input: tc.StartWorkflowUpdateWithStartInput
    ) -> tc.WorkflowUpdateHandle[Any]:
        start = input.start_workflow_input
        start.execution_timeout = start.execution_timeout or EXECUTION_TIMEOUT
        return await self._explained_update(start.id, None, super().start_update_with_start_workflow(input))

    async def start_workflow_update(self, input: tc.StartWorkflowUpdateInput) -> tc.WorkflowUpdateHandle[Any]:
        return await self._explained_update(input.id, input.run_id, super().start_workflow_update(input))

    async def _explained_update(
        self, workflow_id: str, run_id: str | None, starting: Coroutine[Any, Any, tc.WorkflowUpdateHandle[Any]]
    ) -> tc.WorkflowUpdateHandle[Any]:
        async with self._explained(workflow_id, run_id, asks=True):
            handle = await starting
        # The SDK waits for an update that was only accepted without calling an interceptor again.
        handle.result = self._watched(handle.result, workflow_id, run_id, asks=True)  # type: ignore[method-assign]
        return handle

    async def query_workflow(self, input: tc.QueryWorkflowInput) -> Any:
        async with self._explained(input.id, input.run_id, asks=True):
            return await super().query_workflow(input)

    async def get_nexus_operation_result(self, input: tc.GetNexusOperationResultInput) -> Any:
        try:
            async with asyncio.timeout(LONGEST_WAIT):
                return await super().get_nexus_operation_result(input)
        except TimeoutError as error:
            what = f"Stopped waiting for Nexus operation {input.operation_id} after {LONGEST_WAIT:.0f} s."
            then = "Is a Worker with its handler polling the endpoint's task queue?"
            raise WorkshopError(what, "The operation itself continues.", then) from error

    async def start_nexus_operation(self, input: tc.StartNexusOperationInput) -> tc.NexusOperationHandle[Any]:
        input.schedule_to_close_timeout = input.schedule_to_close_timeout or EXECUTION_TIMEOUT
        return await super().start_nexus_operation(input)

    def fetch_workflow_history_events(
        self, input: tc.FetchWorkflowHistoryEventsInput
    ) -> tc.WorkflowHistoryEventAsyncIterator:
        events = super().fetch_workflow_history_events(input)
        if input.wait_new_event:  # the iterator waits in this method
            fetch = events.fetch_next_page

            async def fetch_next_events(**options: Any) -> None:
                await fetch(**options)
                while not events.current_page and events.next_page_token:  # it answers after 20 s, if with nothing
                    await fetch(**options)

            events.fetch_next_page = self._watched(fetch_next_events, input.id, input.run_id)  # type: ignore[method-assign]
        return events

    def _watched(
        self, wait: Callable[..., Coroutine[Any, Any, T]], workflow_id: str, run_id: str | None, *, asks: bool = False
    ) -> Callable[..., Coroutine[Any, Any, T]]:
        async def watched(**options: Any) -> T:
            async with self._explained(workflow_id, run_id, asks=asks):
                return await wait(**options)

        return watched

    @contextlib.asynccontextmanager
    async def _explained(self, workflow_id: str, run_id: str | None, *, asks: bool = False) -> AsyncIterator[None]:
        """Bound a wait, and explain it. For ``asks``, see ``Reasons.find``."""
        mine: dict[str, str] = {}  # the reasons that are shown for this wait
        watcher = asyncio.create_task(self._watch(workflow_id, run_id, asks, mine))
        longest = LONGEST_WAIT * (1 if asks else 5)
        try:
            async with asyncio.timeout(longest) as limit:
                yield
        except Exception as error:  # the SDK makes something else of a cancelled update than a TimeoutError
            if not limit.expired():
                raise
            what = f"Stopped waiting for workflow {workflow_id} after {longest:.0f} s."
            then = f"Look at it later: client.get_workflow_handle({workflow_id!r})."
            raise WorkshopError(what, "The Workflow itself continues.", then) from error
        finally:
            watcher.cancel()
            waiter = asyncio.current_task()
            ended = not limit.expired() and not (waiter and waiter.cancelling())  # otherwise, its advice is still good
            for kind, reason in mine.items():
                notice, waits = self._notices[kind]
                waits.remove(workflow_id)
                if not waits:
                    del self._notices[kind]  # the next wait belongs to another cell
                    if ended:
                        was = reason.partition("\n→")[0]
                        say(f'No longer waiting for {workflow_id}. The reason was: "{was}"', into=notice)

    async def _watch(self, workflow_id: str, run_id: str | None, asks: bool, mine: dict[str, str]) -> None:
        await asyncio.sleep(EXPLAIN_AFTER)
        while True:
            reason = await self._reasons.find(workflow_id, run_id, asks=asks) or ""
            kind = reason.replace(workflow_id, "…")
            if reason and kind not in mine:
                mine[kind] = reason
                notice, waits = self._notices.setdefault(kind, (Display(), []))
                waits.append(workflow_id)
                others = len(set(waits)) - 1
                more = f" and {others} more" if others else ""
                say(f"Still waiting for {workflow_id}{more}. {reason}", "warn", into=notice)
            await asyncio.sleep(_LOOK_EVERY)
