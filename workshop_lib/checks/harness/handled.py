"""Run a learner's Nexus handler behind an endpoint, call it as others would, and see what it does."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import temporalio.client as tc
import temporalio.worker as tw
from nexusrpc import (
    HandlerError,
    HandlerErrorType,
    OperationDefinition,
    OperationError,
    get_operation,
    get_service_definition,
)
from nexusrpc.handler import StartOperationResultAsync, StartOperationResultSync
from temporalio.client import Client, WorkflowFailureError
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError, WorkflowAlreadyStartedError

from workshop_lib.checks.exercise import NOT_SOLVED, Wrong
from workshop_lib.checks.harness.calling import Calling
from workshop_lib.checks.harness.recorded import until
from workshop_lib.checks.harness.trial import NAMESPACE, end, worker
from workshop_lib.evidence.failures import describe
from workshop_lib.evidence.history import History, history
from workshop_lib.evidence.messages import WorkshopError
from workshop_lib.workers import takeover
from workshop_lib.workshop import Workshop

_CALL_SECONDS = 60.0  # a guard: one call takes a tenth of a second

Started = StartOperationResultSync[Any] | StartOperationResultAsync
_REQUEST = ContextVar("_REQUEST", default="")  # the one that a handler works at


class Watch(tc.Interceptor, tw.Interceptor):
    """Sees what a handler does when it is called, and can lose its answer.

    Attributes:
        started: The workflows that it started: the request's id, and theirs.
        answers: What it answered.
        errors: What it raised.
        lose: Whether the next answer does not reach the caller.
        repeated: Set when the handler is called again for that.
        policies: The retry policies of the workflows that it started, where they have one.
    """

    def __init__(self) -> None:
        self.lose, self.repeated = False, threading.Event()
        self._lost = ""
        self.started: list[tuple[str, str]] = []
        self.policies: list[RetryPolicy] = []
        self.answers: list[Started] = []
        self.errors: list[Exception] = []

    def intercept_client(self, next: tc.OutboundInterceptor) -> tc.OutboundInterceptor:
        """See base class."""
        return _Starting(next, self)

    def answered(self, request: str, answer: Started) -> None:
        """Note an answer, and lose it if that is its turn.

        Args:
            request: The request's id.
            answer: The handler's.

        Raises:
            HandlerError: It is lost.
        """
        self.answers.append(answer)
        if request == self._lost:
            self.repeated.set()
        if self.lose:
            self.lose, self._lost = False, request
            raise HandlerError("The answer was lost.", type=HandlerErrorType.UNAVAILABLE)

    def intercept_nexus_operation(
        self, next: tw.NexusOperationInboundInterceptor
    ) -> tw.NexusOperationInboundInterceptor:
        """See base class."""
        return _Answering(next, self)


class _Starting(tc.OutboundInterceptor):
    def __init__(self, next: tc.OutboundInterceptor, watch: Watch) -> None:
        super().__init__(next)
        self._watch = watch

    async def start_workflow(self, input: tc.StartWorkflowInput) -> tc.WorkflowHandle[Any, Any]:
        self._watch.started.append((_REQUEST.get(), input.id))
        self._watch.policies += [input.retry_policy] if input.retry_policy else []
        return await super().start_workflow(input)


class _Answering(tw.NexusOperationInboundInterceptor):
    def __init__(self, next: tw.NexusOperationInboundInterceptor, watch: Watch) -> None:
        super().__init__(next)
        self._watch = watch

    async def execute_nexus_operation_start(self, input: tw.ExecuteNexusOperationStartInput) -> Started:
        _REQUEST.set(input.ctx.request_id)
        try:
            answer = await super().execute_nexus_operation_start(input)
        except Exception as error:
            self._watch.errors.append(error)
            if passing(error):  # Nexus would try again, until the caller's time is up
                raise HandlerError(str(error), type=HandlerErrorType.INTERNAL, retryable_override=False) from error
            raise
        self._watch.answered(input.ctx.request_id, answer)
        return answer


def passing(error: Exception) -> bool:
    """Whether Nexus takes an error of a handler for one that may pass, and tries again.

    Args:
        error: What it raised.
    """
    if isinstance(error, HandlerError):
        return error.retryable
    if isinstance(error, ApplicationError):
        return not error.non_retryable
    return not isinstance(error, OperationError | WorkflowAlreadyStartedError)


@dataclass(frozen=True)
class Called:
    """What became of one call.

    Attributes:
        result: As JSON; None if it failed.
        failure: Why it failed, a line for each cause; empty if it did not.
        told: The caller's history, and what it led to.
    """

    result: Any
    failure: list[str]
    told: History

    @property
    def why(self) -> str:
        """The innermost cause of its failure."""
        return self.failure[-1].strip().removeprefix("↳ ")


class Handled:
    """A handler behind an endpoint, and a caller who knows names and JSON.

    Args:
        ws: The workshop.
        client: Of the namespace of the checks.
        names: Of the endpoint, which is also the task queue's; of the service; of the operation.
        watch: What the handler does.
        look: Called with the caller's history while it waits; may raise.
    """

    def __init__(
        self, ws: Workshop, client: Client, names: list[str], watch: Watch, look: Callable[[History], None]
    ) -> None:
        self._ws, self._client, self._names, self.watch, self._look = ws, client, names, watch, look
        self._callers: list[tc.WorkflowHandle[Any, Any]] = []

    async def call(self, given: dict[str, Any]) -> Called:
        """Call the operation.

        Args:
            given: Its input.

        Raises:
            WorkflowFailureError: It is only that the exercise is not solved yet.
            WorkshopError: It was not over in time.
        """
        handle = await self._client.start_workflow(
            Calling.run,
            args=[self._ws.namespace(self._names[0]), *self._names[1:], given, _CALL_SECONDS],
            id=self._ws.id("check-call"),
            task_queue=self._names[0],
        )
        self._callers.append(handle)
        result, failure = None, list[str]()
        ending = asyncio.ensure_future(handle.result())
        try:
            stuck = "What does the workflow behind the operation wait for?"
            await until(ending, handle, stuck, judge=self._look)
            result = ending.result() if ending.done() else await handle.result()
        except WorkflowFailureError as error:
            failure = describe(error)
            if any(NOT_SOLVED in line for line in failure):
                raise
        finally:
            ending.cancel()
        told = await history(handle, follow=True)
        in_time(told)
        return Called(result, failure, told)

    async def end(self) -> None:
        """End what has not ended."""
        left = [self._client.get_workflow_handle(id) for _, id in self.watch.started]
        await asyncio.gather(*(end(handle) for handle in [*self._callers, *left]))


def in_time(told: History) -> None:
    """Look whether a limit of the check ended a call, which says nothing about an answer.

    Args:
        told: The caller's history.

    Raises:
        WorkshopError: It did.
    """
    if any(step.kind == "nexus operation" and step.status == "timed out" for step in told.steps):
        what = f"A call of your handler was not over after {_CALL_SECONDS:.0f} s."
        raise WorkshopError(what, then="Does your code wait for something? If not, stop what else runs, and try again.")


def behind(told: History) -> list[History]:
    """The workflows behind the operations that one called.

    Args:
        told: The caller's history, with what it led to.
    """
    return [called for step in told.steps for called in step.calls]


def operation_of(answer: Any, name: str, contract: str) -> OperationDefinition[Any, Any]:
    """An operation of the contract that a handler class handles.

    Args:
        answer: What the learner handed in.
        name: The operation's.
        contract: The contract's, for advice.

    Raises:
        Wrong: It has none of this name, or the answer is no handler.
    """
    if not isinstance(answer, type):
        if get_service_definition(type(answer)):
            raise Wrong("You handed in an object.", "Hand in the class itself, without a call.")
        raise Wrong(f"You handed in {answer!r}, which is no handler.", "Hand in the class of the handler.")
    definition = get_service_definition(answer)
    if definition is None:
        above = f"`@service_handler(service={contract})`"
        raise Wrong(f"{answer.__name__} is not known to Nexus as a handler.", f"Keep {above} above the class.")
    operations = definition.operation_definitions
    if not operations:
        raise RuntimeError(NOT_SOLVED)
    if name not in operations:
        what = f"The contract {definition.name} has {', '.join(operations)}, and no {name}."
        raise Wrong(what, f"Callers know the operation by its name: call it `{name}`, in the contract and the handler.")
    if get_operation(getattr(answer, operations[name].method_name, None)) is None:
        raise Wrong("You handed in the contract.", "Hand in the class of the handler, which does the work.")
    return operations[name]


@contextlib.asynccontextmanager
async def handled(
    ws: Workshop,
    answer: Any,
    endpoint: str,
    operation: str,
    watch: Watch,
    look: Callable[[History], None] = lambda told: None,
    **settings: Any,
) -> AsyncIterator[Handled]:
    """Run a handler behind an endpoint, while the block runs.

    Args:
        ws: The workshop.
        answer: The handler's class.
        endpoint: The endpoint's name, and that of the task queue.
        operation: The operation's name.
        watch: Is to see what the handler does.
        look: As for ``Handled``.
        settings: Of the handler's Worker.
    """
    definition = get_service_definition(answer)
    assert definition is not None
    await ws.endpoint(endpoint, namespace=NAMESPACE, task_queue=endpoint)
    client = await Client.connect(**await ws.connection(NAMESPACE))
    settings["workflows"] = [Calling, *settings.pop("workflows", [])]
    settings["nexus_task_executor"] = ThreadPoolExecutor(4)  # for a handler with plain `def`
    settings["nexus_service_handlers"] = [answer()]
    async with worker(ws, endpoint, client_interceptors=[watch], interceptors=[takeover.Heartbeats()], **settings):
        made = Handled(ws, client, [endpoint, definition.name, operation], watch, look)
        try:
            yield made
        finally:
            await made.end()
