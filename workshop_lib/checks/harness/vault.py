"""A Nexus service with a learner's interceptor before it, and the ways in which others try to get in."""

# No `from __future__ import annotations`: the SDK reads the operations' types from the annotations.

import contextlib
import inspect
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import nexusrpc
import temporalio.worker as tw
from nexusrpc import HandlerError, HandlerErrorType, Link
from nexusrpc.handler import StartOperationContext, StartOperationResultSync, service_handler, sync_operation
from temporalio.client import Client, WorkflowHandle
from temporalio.worker import Interceptor, Worker

from workshop_lib.checks.exercise import NOT_SOLVED
from workshop_lib.checks.harness.calling import Calling
from workshop_lib.checks.harness.handled import Watch, in_time
from workshop_lib.checks.harness.trial import NAMESPACE, end, ended, worker
from workshop_lib.workers.in_process import InProcessWorker
from workshop_lib.workshop import Workshop

ENDPOINT = "check-vault"
EVENT = "temporal.api.common.v1.Link.WorkflowEvent"
_SECONDS = 60.0  # a guard: one call takes hundredths of one
_ATTEMPTS = 3  # of one call: Nexus calls again after its own limit of 10 s, and no error is tried again here
_LINK = r'<([^>]*)>; type="([^"]*)"'
_MADE_UP = "check-"  # before the names of headers that take the place of what the server sends


@nexusrpc.service
class Vault:
    """Two operations that have rules, and one that has none."""

    stock_price: nexusrpc.Operation[str, str]
    calculate_roi: nexusrpc.Operation[str, str]
    list_customers: nexusrpc.Operation[str, str]


@dataclass(frozen=True)
class Attempt:
    """What became of one call.

    Attributes:
        answer: The operation's; None if there was none.
        raised: What the interceptor raised; None if nothing.
        returned: What the interceptor returned; None if nothing.
        ran: Whether the operation itself has run.
        headers: What the caller's history shows of the call's headers.
    """

    answer: str | None
    raised: Exception | None
    returned: Any
    ran: bool
    headers: Mapping[str, str]


class _Watch(Watch):
    def answered(self, request: str, answer: Any) -> None:  # a learner's may be anything
        super().answered(request, answer)
        if inspect.iscoroutine(answer):
            answer.close()  # else Python tells of it, later
        if not isinstance(answer, StartOperationResultSync):  # Nexus would call again, until the caller's time is up
            raise HandlerError("no answer", type=HandlerErrorType.INTERNAL, retryable_override=False)


class _MadeUp(Interceptor):
    """Puts what a request makes up in the place of what the server sent."""

    def intercept_nexus_operation(
        self, next: tw.NexusOperationInboundInterceptor
    ) -> tw.NexusOperationInboundInterceptor:
        """See base class."""
        return _MakingUp(next)


class _MakingUp(tw.NexusOperationInboundInterceptor):
    async def execute_nexus_operation_start(self, input: tw.ExecuteNexusOperationStartInput) -> Any:
        ctx = input.ctx
        made_up = {k.removeprefix(_MADE_UP): v for k, v in ctx.headers.items() if k.startswith(_MADE_UP)}
        if made_up:
            links = [Link(url=url, type=kind) for url, kind in re.findall(_LINK, made_up.pop("nexus-link"))]
            request_id = made_up.pop("nexus-request-id")
            input.ctx = replace(ctx, inbound_links=links, request_id=request_id, headers=made_up)
        return await super().execute_nexus_operation_start(input)


class Guarded:
    """The service behind its endpoint.

    Args:
        ws: The workshop.
        endpoint: The endpoint's real name.
        stranger: A client of whoever makes up whole requests.
    """

    def __init__(self, ws: Workshop, endpoint: str, stranger: Client) -> None:
        self._ws, self._endpoint, self._stranger = ws, endpoint, stranger
        self._callers: dict[Client, InProcessWorker] = {}
        self.watch, self.ran = _Watch(), list[str]()

    async def ask(self, client: Client, operation: str, headers: Mapping[str, str] | None = None) -> Attempt:
        """Call an operation from a workflow of some namespace.

        Args:
            client: Of that namespace.
            operation: Its name.
            headers: The caller's own.

        Raises:
            WorkflowFailureError: It is only that the exercise is not solved yet.
            Wrong: The interceptor never decides.
            WorkshopError: It was not over in time.
        """
        queue = f"{ENDPOINT}-{id(client)}"
        if client not in self._callers:
            self._callers[client] = self._ws.run(Worker, client, task_queue=queue, workflows=[Calling])
        before = self._marks()
        handle = await client.start_workflow(
            Calling.run,
            args=[self._endpoint, Vault.__name__, operation, "ACME", _SECONDS, dict(headers or {})],
            id=self._ws.id("check-call"),
            task_queue=queue,
        )
        try:
            answer, _, told = await ended(handle, attempts=_ATTEMPTS)
            in_time(told)
        finally:
            await end(handle)
        return self._attempt(answer, before, await _headers(handle))

    call = ask

    async def post(self, operation: str, request_id: str, headers: Mapping[str, str]) -> Attempt:
        """Call an operation as somebody who makes up the whole request, its links and its id, too.

        A server's HTTP port takes such requests. Not every service has one that we reach, so the harness puts these
        links and this id in the place of the real ones, before the interceptor sees them.

        Args:
            operation: Its name.
            request_id: Of the request. Nexus tries a request again under the same id.
            headers: As the attacker likes.

        Raises:
            As ``ask``.
        """
        made_up = {"nexus-request-id": request_id, "nexus-link": "", **headers}
        return await self.ask(self._stranger, operation, {_MADE_UP + name: value for name, value in made_up.items()})

    async def end(self) -> None:
        """Stop the callers' Workers."""
        await self._ws.stop(*self._callers.values())

    def who(self, client: Client) -> str:
        """The namespace of a client, by the workshop's own name, which the rules use.

        Args:
            client: Of a caller.
        """
        return self._ws.own_name(client.namespace)

    def _marks(self) -> tuple[int, int, int]:
        return len(self.watch.errors), len(self.watch.answers), len(self.ran)

    def _attempt(
        self, answer: str | None, before: tuple[int, int, int], headers: Mapping[str, str] | None = None
    ) -> Attempt:
        errors, answers = self.watch.errors[before[0] :], self.watch.answers[before[1] :]
        if any(NOT_SOLVED in str(error) for error in errors):
            raise RuntimeError(NOT_SOLVED)
        raised, returned = errors[0] if errors else None, answers[0] if answers else None
        ran = len(self.ran) > before[2]
        return Attempt(answer, raised, returned, ran, headers or {})


async def _headers(handle: WorkflowHandle[Any, Any]) -> dict[str, str]:
    async for event in handle.fetch_history_events():
        if event.HasField("nexus_operation_scheduled_event_attributes"):
            return dict(event.nexus_operation_scheduled_event_attributes.nexus_header)
    return {}


def link(namespace: str, kind: str = EVENT) -> dict[str, str]:
    """The header that says that a call comes from a namespace.

    Args:
        namespace: Which.
        kind: The link's type.
    """
    return {"nexus-link": f'<temporal:///namespaces/{namespace}/workflows/w/r/history>; type="{kind}"'}


@contextlib.asynccontextmanager
async def guarded(ws: Workshop, interceptor: Interceptor) -> AsyncIterator[Guarded]:
    """The service with an interceptor before it, while the block runs.

    Args:
        ws: The workshop.
        interceptor: The learner's.
    """
    name = await ws.endpoint(ENDPOINT, namespace=NAMESPACE, task_queue=ENDPOINT)
    client = await Client.connect(**await ws.connection(NAMESPACE))
    made = Guarded(ws, name, client)

    @service_handler(service=Vault)
    class Handler:
        @sync_operation
        async def stock_price(self, ctx: StartOperationContext, name: str) -> str:
            made.ran.append("stock_price")
            return "120"

        @sync_operation
        async def calculate_roi(self, ctx: StartOperationContext, name: str) -> str:
            made.ran.append("calculate_roi")
            return "25 %"

        @sync_operation
        async def list_customers(self, ctx: StartOperationContext, name: str) -> str:
            made.ran.append("list_customers")
            return "Ann, Bob"

    settings: dict[str, Any] = {"interceptors": [_MadeUp(), interceptor], "nexus_service_handlers": [Handler()]}
    async with worker(ws, ENDPOINT, client_interceptors=[made.watch], **settings):
        try:
            yield made
        finally:
            await made.end()
