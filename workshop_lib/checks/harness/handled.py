"""Nexus handlers behind endpoints while a check runs: a learner's, and those of the Finance and IT teams.

A check calls them as others would, and sees what they do. The teams run their own code in their namespaces, on task
queues of the check's own. Their endpoints lead there meanwhile, so that a check can let the teams be silent or refuse,
and the notebook's own Workers go on.
"""

import asyncio
import contextlib
import inspect
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import timedelta
from types import ModuleType
from typing import Any

import nexusrpc
import nexusrpc.handler as nh
import temporalio.worker as tw
from temporalio.client import Client, Interceptor, StartWorkflowInput, WorkflowHandle
from temporalio.contrib.pydantic import pydantic_data_converter

from workshop_lib.checks.exercise import NOT_SOLVED, require
from workshop_lib.checks.harness.trial import FOREVER, NAMESPACE, Before, ended, start, worker
from workshop_lib.nexus_mcp.by_workflow import CallOperation
from workshop_lib.teams.finance import worker as team_finance
from workshop_lib.teams.it import worker as team_it
from workshop_lib.teams.offering import SETTINGS
from workshop_lib.workers import takeover
from workshop_lib.workshop import Workshop

_ATTEMPTS = 2  # that failed: more than a check itself lets fail
_CALL_LIMIT = timedelta(seconds=3)  # with less than two, the server does not even send a call
_TEST = "This is only a test."
_REQUEST = ContextVar("_REQUEST", default="")  # the one that a handler works at
Inbound = tw.NexusOperationInboundInterceptor
Started = nh.StartOperationResultSync[Any] | nh.StartOperationResultAsync


class Watch(Before, tw.Interceptor):
    """Sees what a handler does when it is called.

    Attributes:
        requests: The ids of the requests that came, each attempt of a call.
        started: The workflows that it started: the request's id, and theirs.
        answers: What it answered.
        errors: What it raised.

    Args:
        loses: Whether the first answer of a handler that starts a workflow is lost, so that Nexus calls again.
    """

    def __init__(self, *, loses: bool = False) -> None:
        super().__init__(start_workflow=lambda input: self.starts(_REQUEST.get(), input))
        self.loses = loses
        self.requests: list[str] = []
        self.started: list[tuple[str, str]] = []
        self.answers: list[Any] = []
        self.errors: list[Exception] = []

    async def comes(self, input: tw.ExecuteNexusOperationStartInput) -> None:
        """See a request before the handler does, and change it where a check wants that.

        Args:
            input: The request.

        Raises:
            Exception: The handler is not to see it.
        """

    def starts(self, request: str, input: StartWorkflowInput) -> None:
        """Note a workflow that is about to be started.

        Args:
            request: The id of the request that it is started for; empty if there is none.
            input: What the client is to start.
        """
        self.started.append((request, input.id))

    def one_each(self, *, joined: bool = False) -> None:
        """See to it that each call has one workflow, also when it came again.

        Args:
            joined: Whether calls may share one.

        Raises:
            Wrong: It is not so.
        """
        calls, ids = {request for request, _ in self.started}, {id for _, id in self.started}
        saw = f"{len(ids)} different in {len(self.started)} attempts at {len(calls)} calls"
        require(len({*self.started}) == len(calls), "the same id in each attempt at a call", saw, "changing id")
        require(joined or len(ids) == len(calls), "a separate id for each call", saw, "shared id")

    def intercept_nexus_operation(self, next: Inbound) -> Inbound:
        """See base class."""
        return _Answering(next, self)


class _Answering(Inbound):
    def __init__(self, next: Inbound, watch: Watch) -> None:
        super().__init__(next)
        self._watch = watch

    async def execute_nexus_operation_start(self, input: tw.ExecuteNexusOperationStartInput) -> Started:
        request = input.ctx.request_id
        _REQUEST.set(request)
        self._watch.requests.append(request)
        try:
            await self._watch.comes(input)
            answer: Any = await super().execute_nexus_operation_start(input)  # of a learner's interceptor, too
        except Exception as error:
            self._watch.errors.append(error)
            raise _final(str(error)) from error
        self._watch.answers.append(answer)
        if self._watch.loses and len(self._watch.started) == self._watch.requests.count(request) == 1:
            raise nexusrpc.HandlerError("The answer was lost.", type=nexusrpc.HandlerErrorType.UNAVAILABLE)
        if inspect.iscoroutine(answer):
            answer.close()  # else Python warns about it later
        if isinstance(answer, nh.StartOperationResultSync | nh.StartOperationResultAsync):
            return answer
        raise _final("no answer")


def _final(text: str) -> nexusrpc.HandlerError:
    # Nexus would call again, as long as the caller waits.
    return nexusrpc.HandlerError(text, type=nexusrpc.HandlerErrorType.INTERNAL, retryable_override=False)


@dataclass(frozen=True)
class Caller:
    """Calls operations from Workflows in a namespace: a caller who knows names and JSON.

    Attributes:
        ws: The workshop.
        client: Of the namespace that calls.
        queue: Of a Worker there that has ``CallOperation``.
        endpoint: The endpoint's name.
        service: That of operations which are named without theirs.
    """

    ws: Workshop
    client: Client
    queue: str
    endpoint: str
    service: str = ""

    async def start(self, operation: str, given: Any, limit: timedelta = FOREVER) -> WorkflowHandle[Any, Any]:
        """Call an operation, and do not wait for the result.

        Args:
            operation: Its name, or ``Service.operation``.
            given: Its input.
            limit: How long it may take.
        """
        service, _, name = operation.rpartition(".")
        call = self.ws.namespace(self.endpoint), service or self.service, name, given, limit.total_seconds()
        return await start(self.client, self.queue, CallOperation.run, *call, id=self.ws.id("check-call"))

    async def ask(self, operation: str, given: Any) -> tuple[Any, str]:
        """Call an operation, and wait for the result.

        Args:
            operation: As for ``start``.
            given: Its input.

        Returns:
            The result as JSON, and why the call failed, the innermost cause (empty if it did not).

        Raises:
            Wrong: The call will never end.
        """
        stuck = "What does the Workflow behind the operation wait for?"
        return (await ended(await self.start(operation, given), stuck, attempts=_ATTEMPTS))[:2]


@contextlib.asynccontextmanager
async def calling(
    ws: Workshop, namespace: str, endpoint: str, *interceptors: Interceptor, service: str = ""
) -> AsyncIterator[Caller]:
    """A caller in a namespace, while the block runs.

    Args:
        ws: The workshop.
        namespace: The caller's.
        endpoint: The endpoint's name.
        interceptors: Of the caller's client.
        service: As in ``Caller``.
    """
    queue = ws.id("check-calls")
    connection = {"namespace": namespace, "quiet": True, "interceptors": interceptors}
    async with worker(ws, queue, connection, workflows=[CallOperation]) as client:
        yield Caller(ws, client, queue, endpoint, service)


@contextlib.asynccontextmanager
async def handled(ws: Workshop, handler: Any, endpoint: str, watch: Watch, **work: Any) -> AsyncIterator[Caller]:
    """Run a handler behind an endpoint, while the block runs: a caller in its own namespace.

    Args:
        ws: The workshop.
        handler: An object of its class.
        endpoint: The endpoint's name, and that of the task queue.
        watch: Is to see what the handler does.
        work: The workflows, activities and interceptors of its Worker.
    """
    definition = nexusrpc.get_service_definition(type(handler))
    assert definition is not None
    await ws.endpoint(endpoint, namespace=NAMESPACE, task_queue=endpoint)
    work["interceptors"] = [takeover.Heartbeats(), *work.get("interceptors", [])]
    # The threads are for a handler with plain `def`.
    work |= {"nexus_service_handlers": [handler], "nexus_task_executor": ThreadPoolExecutor(4)}
    calls = calling(ws, NAMESPACE, endpoint, service=definition.name)
    async with worker(ws, endpoint, {"interceptors": [watch]}, **work), calls as caller:
        yield caller


def offered_by(answer: Any, *operations: str) -> Mapping[str, nexusrpc.OperationDefinition[Any, Any]]:
    """The operations of a handler's contract.

    Args:
        answer: What the learner handed in.
        operations: The names of those that it must handle.

    Raises:
        Wrong: The answer is not the class of such a handler.
    """
    contract = nexusrpc.get_service_definition(answer) if isinstance(answer, type) else None
    found = contract.operation_definitions if contract else {}
    if contract and {*found} < {*operations}:
        raise RuntimeError(NOT_SOLVED)
    methods = [getattr(answer, found[each].method_name, None) if each in found else None for each in operations]
    what = f"the class of a handler for {' and '.join(operations)}"
    require(all(map(nexusrpc.get_operation, methods)), what, f"{answer!r} for {[*found]}", "class")
    return found


def answering(name: str, done: Callable[[nh.StartOperationContext, Any], str], *operations: str) -> Any:
    """A handler whose operations all do the same.

    Args:
        name: The service's name.
        done: What they do.
        operations: Their names.
    """

    def operation(name: str) -> Any:
        async def run(self: object, ctx: nh.StartOperationContext, given: Any) -> str:
            return done(ctx, given)

        run.__name__ = name
        return nh.sync_operation(run)

    types = dict.fromkeys(operations, nexusrpc.Operation[Any, str])
    contract: Any = nexusrpc.service(type(name, (), {"__annotations__": types}))
    handler: Any = type(name, (), {each: operation(each) for each in operations})
    return nh.service_handler(service=contract)(handler)()


class Teams(Watch):
    """Both teams, and what becomes of all calls that come to them.

    Attributes:
        down: Whether nobody answers. Calls wait for as long as they may.
        reason: Why the teams refuse calls; empty while they refuse none.
    """

    down, reason = False, ""

    async def comes(self, input: tw.ExecuteNexusOperationStartInput) -> None:
        """See base class."""
        while self.down:
            await asyncio.sleep(0.05)
        if self.reason:
            raise RuntimeError(self.reason)


@contextlib.asynccontextmanager
async def _taken_over(
    ws: Workshop, teams: Teams, code: ModuleType, sample: tuple[str, dict[str, Any]], **changes: Any
) -> AsyncIterator[None]:
    """Answer a team's calls, while the block runs. ``sample`` is one that it takes: the operation, and its input."""
    before = (await ws.endpoints()).get(code.ENDPOINT, (code.NAMESPACE, code.TASK_QUEUE))
    queue, settings = ws.id("check"), {**code.WORKER, **SETTINGS, **changes}
    settings["workflows"] = [*settings["workflows"], CallOperation]
    connection = {"namespace": code.NAMESPACE, "interceptors": [teams], "data_converter": pydantic_data_converter}
    await ws.endpoint(code.ENDPOINT, namespace=code.NAMESPACE, task_queue=queue)
    try:
        async with worker(ws, queue, connection, **settings) as client:
            teams.reason, limit, failure = _TEST, _CALL_LIMIT, ""
            while _TEST not in failure:  # the server takes a moment to follow a change of an endpoint
                call = await Caller(ws, client, queue, code.ENDPOINT).start(*sample, limit)
                _, failure, _ = await ended(call)
                limit *= 2  # on a slow machine
            teams.reason = ""
            yield
    finally:
        await ws.endpoint(code.ENDPOINT, namespace=before[0], task_queue=before[1])


@contextlib.asynccontextmanager
async def other_teams(ws: Workshop, **changes: Any) -> AsyncIterator[Teams]:
    """Finance and IT behind their endpoints, while the block runs.

    Args:
        ws: The workshop.
        changes: What Finance's Worker has other than the team's own.
    """
    teams = Teams()
    finance, it = ("Finance.stock_price", {"ticker": "ACME"}), ("IT.jira_metrics", {"project": "PAY"})
    async with _taken_over(ws, teams, team_finance, finance, **changes), _taken_over(ws, teams, team_it, it):
        yield teams
