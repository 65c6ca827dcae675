"""Run a Nexus handler behind an endpoint, call it as others would, and see what it does."""

import asyncio
import contextlib
import inspect
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import temporalio.client as tc
import temporalio.worker as tw
from nexusrpc import HandlerError, HandlerErrorType, get_service_definition
from nexusrpc.handler import StartOperationResultAsync, StartOperationResultSync
from temporalio.client import Client, WorkflowHandle
from temporalio.worker import Worker

from workshop_lib.checks.exercise import Wrong
from workshop_lib.checks.harness.recorded import too_slow
from workshop_lib.checks.harness.trial import NAMESPACE, Before, end, ended, stop, worker
from workshop_lib.nexus_mcp.by_workflow import CallOperation
from workshop_lib.workers import takeover
from workshop_lib.workers.in_process import InProcessWorker
from workshop_lib.workshop import Workshop

_NEVER = timedelta(days=9)  # what the server records says whether a call will end
_TIMEOUT = "upstream timeout"  # what the server records of an attempt without an answer
_ATTEMPTS = 2  # that failed: more than a check itself lets fail
_REQUEST = ContextVar("_REQUEST", default="")  # the one that a handler works at
Started = StartOperationResultSync[Any] | StartOperationResultAsync


class Watch(Before, tw.Interceptor):
    """Sees what a handler does when it is called.

    Attributes:
        requests: The ids of the requests that came, each attempt of a call.
        started: The workflows that it started: the request's id, and theirs.
        answers: What it answered.
        errors: What it raised.
    """

    def __init__(self) -> None:
        super().__init__(start_workflow=lambda input: self.starts(_REQUEST.get(), input))
        self.requests: list[str] = []
        self.started: list[tuple[str, str]] = []
        self.answers: list[Any] = []
        self.errors: list[Exception] = []

    @property
    def unanswered(self) -> int:
        """How many requests came and have no answer yet."""
        return len(self.requests) - len(self.answers) - len(self.errors)

    def comes(self, input: tw.ExecuteNexusOperationStartInput) -> None:
        """See a request before the handler does, and change it where a check wants that.

        Args:
            input: The request.

        Raises:
            Exception: The handler is not to see it.
        """

    def starts(self, request: str, input: tc.StartWorkflowInput) -> None:
        """Note a workflow that is about to be started.

        Args:
            request: The id of the request that it is started for; empty if there is none.
            input: What the client is to start.
        """
        self.started.append((request, input.id))

    def answered(self, request: str, answer: Any) -> None:
        """Note an answer.

        Args:
            request: The request's id.
            answer: The handler's, which may be anything.

        Raises:
            HandlerError: The caller does not get it.
        """
        self.answers.append(answer)

    def intercept_nexus_operation(
        self, next: tw.NexusOperationInboundInterceptor
    ) -> tw.NexusOperationInboundInterceptor:
        """See base class."""
        return _Answering(next, self)


class _Answering(tw.NexusOperationInboundInterceptor):
    def __init__(self, next: tw.NexusOperationInboundInterceptor, watch: Watch) -> None:
        super().__init__(next)
        self._watch = watch

    async def execute_nexus_operation_start(self, input: tw.ExecuteNexusOperationStartInput) -> Started:
        request = input.ctx.request_id
        _REQUEST.set(request)
        self._watch.requests.append(request)
        try:
            self._watch.comes(input)
            answer: Any = await super().execute_nexus_operation_start(input)  # of a learner's interceptor, too
        except Exception as error:
            self._watch.errors.append(error)
            raise _final(str(error)) from error
        self._watch.answered(request, answer)
        if inspect.iscoroutine(answer):
            answer.close()  # else Python warns about it later
        if isinstance(answer, StartOperationResultSync | StartOperationResultAsync):
            return answer
        raise _final("no answer")


def _final(text: str) -> HandlerError:
    # Nexus would call again, as long as the caller waits.
    return HandlerError(text, type=HandlerErrorType.INTERNAL, retryable_override=False)


@dataclass(frozen=True)
class Handled:
    """A handler behind an endpoint, and callers who know names and JSON.

    Attributes:
        ws: The workshop.
        client: Of the namespace where the handler runs.
        endpoint: The endpoint's name, and that of the task queue.
        service: The service's name.
        watch: What the handler does.
        callers: The Workers of callers in other namespaces.
    """

    ws: Workshop
    client: Client
    endpoint: str
    service: str
    watch: Watch
    callers: dict[Client, InProcessWorker] = field(default_factory=dict)

    async def ask(self, operation: str, given: Any, caller: Client | None = None) -> tuple[Any, str]:
        """Call an operation from a Workflow.

        Args:
            operation: Its name.
            given: Its input.
            caller: Of the namespace where the Workflow runs; None for that of the handler.

        Returns:
            The result as JSON, and why the call failed, the innermost cause (empty if it did not).

        Raises:
            Wrong: The call will never end.
            WorkflowFailureError: It is only that the exercise is not solved yet.
            WorkshopError: The machine is too slow just now.
        """
        queue = f"{self.endpoint}-{id(caller)}" if caller else self.endpoint
        if caller and caller not in self.callers:
            self.callers[caller] = self.ws.run(Worker, caller, task_queue=queue, workflows=[CallOperation])
        call = (self.endpoint, self.service, operation, given)
        handle = await begin_call(self.ws, caller or self.client, queue, *call)
        try:
            stuck = "What does the Workflow behind the operation wait for?"
            return (await ended(handle, stuck, attempts=_ATTEMPTS))[:2]
        except Wrong as wrong:
            if _TIMEOUT in wrong.saw and self.watch.unanswered < _ATTEMPTS:
                raise too_slow("Your code was not called in time") from wrong
            raise
        finally:
            await end(handle)


async def begin_call(
    ws: Workshop, client: Client, queue: str, endpoint: str, *call: Any, limit: timedelta = _NEVER
) -> WorkflowHandle[Any, Any]:
    """Call an operation from a Workflow, and do not wait for the result.

    Args:
        ws: The workshop.
        client: Of the namespace that calls.
        queue: Of a Worker there that has ``CallOperation``.
        endpoint: The endpoint's name.
        call: The service, the operation and its input.
        limit: The operation's.
    """
    args, id = [ws.namespace(endpoint), *call, limit.total_seconds()], ws.id("check-call")
    return await client.start_workflow(CallOperation.run, args=args, id=id, task_queue=queue, execution_timeout=_NEVER)


@contextlib.asynccontextmanager
async def handled(
    ws: Workshop, handler: Any, endpoint: str, watch: Watch, interceptors: Sequence[tw.Interceptor] = (), **work: Any
) -> AsyncIterator[Handled]:
    """Run a handler behind an endpoint, while the block runs.

    Args:
        ws: The workshop.
        handler: An object of its class.
        endpoint: The endpoint's name, and that of the task queue.
        watch: Is to see what the handler does.
        interceptors: What its Worker has before the handler.
        work: The workflows and activities of its Worker.
    """
    definition = get_service_definition(type(handler))
    assert definition is not None
    await ws.endpoint(endpoint, namespace=NAMESPACE, task_queue=endpoint)
    client = await Client.connect(**await ws.connection(NAMESPACE))  # the Worker's own is watched
    settings: dict[str, Any] = {**work, "workflows": [CallOperation, *work.get("workflows", [])]}
    settings["nexus_task_executor"] = ThreadPoolExecutor(4)  # for a handler with plain `def`
    settings["interceptors"] = [takeover.Heartbeats(), *interceptors]
    made = Handled(ws, client, endpoint, definition.name, watch)
    async with worker(ws, endpoint, client_interceptors=[watch], nexus_service_handlers=[handler], **settings):
        try:
            yield made
        finally:
            for caller in made.callers.values():
                await stop(ws, caller)
            await asyncio.gather(*(end(client.get_workflow_handle(id)) for _, id in watch.started))
