"""A Nexus service with a learner's interceptor before it, and the ways in which others try to get in."""

# No `from __future__ import annotations`: the SDK reads the operations' types from the annotations.

import asyncio
import contextlib
import inspect
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import nexusrpc
from nexusrpc import HandlerError, HandlerErrorType
from nexusrpc.handler import StartOperationContext, StartOperationResultSync, service_handler, sync_operation
from temporalio.api.operatorservice.v1 import ListNexusEndpointsRequest
from temporalio.client import Client, NexusOperationFailureError, WorkflowHandle
from temporalio.worker import Interceptor, Worker

from workshop_lib.checks.exercise import NOT_SOLVED, Wrong
from workshop_lib.checks.harness.calling import Calling
from workshop_lib.checks.harness.handled import Watch, in_time
from workshop_lib.checks.harness.trial import NAMESPACE, end, ended, worker
from workshop_lib.evidence.messages import WorkshopError
from workshop_lib.workshop import Workshop

ENDPOINT = "check-vault"
EVENT = "temporal.api.common.v1.Link.WorkflowEvent"
_SECONDS = 60.0  # a guard: one call takes hundredths of one
_PAUSE = 0.25  # seconds between two looks
_ATTEMPTS = 3  # of one call: Nexus calls again after its own limit of 10 s, and no error is tried again here


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


class Guarded:
    """The service behind its endpoint.

    Args:
        ws: The workshop.
        endpoint_id: The endpoint's, for its address.
    """

    def __init__(self, ws: Workshop, endpoint_id: str) -> None:
        self._ws, self._endpoint_id = ws, endpoint_id
        self.watch, self.ran = _Watch(), list[str]()

    async def ask(self, client: Client, operation: str) -> Attempt:
        """Call an operation from a workflow of some namespace.

        Args:
            client: Of that namespace.
            operation: Its name.

        Raises:
            WorkflowFailureError: It is only that the exercise is not solved yet.
            Wrong: The interceptor never decides.
            WorkshopError: It was not over in time.
        """
        before = self._marks()
        running = self._ws.run(Worker, client, task_queue=ENDPOINT, workflows=[Calling])
        try:
            handle = await client.start_workflow(
                Calling.run,
                args=[self._ws.namespace(ENDPOINT), Vault.__name__, operation, "ACME", _SECONDS],
                id=self._ws.id("check-call"),
                task_queue=ENDPOINT,
            )
            try:
                answer, _, told = await ended(handle, attempts=_ATTEMPTS)
                in_time(told)
            finally:
                await end(handle)
        finally:
            await self._ws.stop(running)
        return self._attempt(answer, before, await _headers(handle))

    async def call(self, client: Client, operation: str, headers: Mapping[str, str] | None = None) -> Attempt:
        """Call an operation as a client of some namespace, without a workflow.

        Args:
            client: Of that namespace.
            operation: Its name.
            headers: The caller's own.

        Raises:
            Wrong: The interceptor never decides.
        """
        vault: Any = client.create_nexus_client(Vault, self._ws.namespace(ENDPOINT))
        answer = None
        before = self._marks()
        handle = await vault.start_operation(operation, "ACME", id=self._ws.id("check-call"), headers=headers)
        ending = asyncio.ensure_future(handle.result())
        try:
            while not ending.done():
                await asyncio.wait([ending], timeout=_PAUSE)
                if not ending.done() and (await handle.describe()).attempt > _ATTEMPTS:
                    what = f"{operation} was called, and your code has not decided, although Nexus called it again."
                    raise Wrong(what, "What does it wait for?")
            answer = ending.result()
        except NexusOperationFailureError:
            pass  # the interceptor raised something
        finally:
            if not ending.done():
                ending.cancel()
                await handle.terminate()
        return self._attempt(answer, before)

    async def post(self, operation: str, request_id: str, headers: Mapping[str, str]) -> Attempt:
        """Call an operation at the server's HTTP port, which believes each header.

        Args:
            operation: Its name.
            request_id: Of the request. Nexus tries a request again under the same id.
            headers: As the attacker likes.

        Raises:
            WorkshopError: There was no response.
        """
        url = f"{self._ws.server.http_url}/nexus/endpoints/{self._endpoint_id}/services/Vault/{operation}"
        before = self._marks()
        async with httpx.AsyncClient(timeout=_SECONDS) as http:
            try:
                told = await http.post(url, json="ACME", headers={"nexus-request-id": request_id, **headers})
            except httpx.TimeoutException as error:
                what = f"A request for {operation} was not answered within {_SECONDS:.0f} s."
                raise WorkshopError(what, then="Does your code wait for something? If not, check again.") from error
        return self._attempt(told.json() if told.is_success else None, before)

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
    (found,) = (await client.operator_service.list_nexus_endpoints(ListNexusEndpointsRequest(name=name))).endpoints
    made = Guarded(ws, found.id)

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

    settings: dict[str, Any] = {"interceptors": [interceptor], "nexus_service_handlers": [Handler()]}
    async with worker(ws, ENDPOINT, client_interceptors=[made.watch], **settings):
        yield made
