"""A Nexus service with a learner's interceptor before it, and the ways in which others try to get in."""

# No `from __future__ import annotations`: the SDK reads the operations' types from the annotations.

import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
import nexusrpc
from nexusrpc.handler import StartOperationContext, service_handler, sync_operation
from temporalio.api.operatorservice.v1 import ListNexusEndpointsRequest
from temporalio.client import Client, NexusOperationFailureError
from temporalio.worker import Interceptor

from workshop_lib.checks.exercise import NOT_SOLVED, Wrong
from workshop_lib.checks.harness.handled import Handled, Watch, handled
from workshop_lib.evidence.messages import WorkshopError
from workshop_lib.workshop import Workshop

ENDPOINT = "check-vault"
EVENT = "temporal.api.common.v1.Link.WorkflowEvent"
_GUARD = timedelta(seconds=60)  # against hanging: a call takes hundredths of a second
_ATTEMPTS = 3  # of Nexus, without a decision: ten seconds each


@nexusrpc.service
class Vault:
    """Two operations that have rules, and one that has none."""

    stock_price: nexusrpc.Operation[str, str]
    calculate_roi: nexusrpc.Operation[str, str]
    list_customers: nexusrpc.Operation[str, str]


@service_handler(service=Vault)
class _Handler:
    def __init__(self) -> None:
        self.ran: list[str] = []

    @sync_operation
    async def stock_price(self, ctx: StartOperationContext, name: str) -> str:
        return self._run(ctx)

    @sync_operation
    async def calculate_roi(self, ctx: StartOperationContext, name: str) -> str:
        return self._run(ctx)

    @sync_operation
    async def list_customers(self, ctx: StartOperationContext, name: str) -> str:
        return self._run(ctx)

    def _run(self, ctx: StartOperationContext) -> str:
        self.ran.append(ctx.operation)
        return "done"


@dataclass(frozen=True)
class Attempt:
    """What became of one call.

    Attributes:
        answer: What the caller got; None if there was nothing.
        raised: What the interceptor raised; None if nothing.
        returned: What the interceptor returned; None if nothing.
        ran: Whether the operation itself has run.
    """

    answer: Any
    raised: Exception | None
    returned: Any
    ran: bool


@dataclass(frozen=True)
class Guarded:
    """The service behind its endpoint.

    Attributes:
        there: Its Worker.
        ran: The operations that have run.
        url: The address of its operations at the server's HTTP port.
    """

    there: Handled
    ran: list[str]
    url: str

    async def ask(self, client: Client, operation: str) -> Attempt:
        """Call an operation from a workflow of some namespace.

        Args:
            client: Of that namespace.
            operation: Its name.
        """
        self._forget()
        return self._attempt(operation, (await self.there.ask(operation, "ACME", client))[0])

    async def call(self, client: Client, operation: str, headers: Mapping[str, str] | None = None) -> Attempt:
        """Call an operation as a client of some namespace, without a workflow.

        Args:
            client: Of that namespace.
            operation: Its name.
            headers: The caller's own.
        """
        self._forget()
        ws, answer = self.there.ws, None
        vault: Any = client.create_nexus_client(Vault, ws.namespace(ENDPOINT))
        with contextlib.suppress(NexusOperationFailureError):
            answer = await vault.execute_operation(
                operation, "ACME", id=ws.id("check-call"), headers=headers, schedule_to_close_timeout=_GUARD
            )
        return self._attempt(operation, answer)

    async def post(self, operation: str, request_id: str, headers: Mapping[str, str]) -> Attempt:
        """Call an operation at the server's HTTP port, which believes each header.

        Args:
            operation: Its name.
            request_id: Of the request. Nexus tries a request again under the same id.
            headers: As the attacker likes.
        """
        self._forget()
        async with httpx.AsyncClient(timeout=_GUARD.total_seconds()) as http:
            sent = {"nexus-request-id": request_id, **headers}
            response = await http.post(f"{self.url}/{operation}", json="ACME", headers=sent)
        return self._attempt(operation, response.json() if response.is_success else None)

    def _forget(self) -> None:
        watch = self.there.watch
        for seen in (watch.requests, watch.errors, watch.answers, self.ran):
            seen.clear()

    def _attempt(self, operation: str, answer: Any) -> Attempt:
        watch = self.there.watch
        if any(NOT_SOLVED in str(error) for error in watch.errors):
            raise RuntimeError(NOT_SOLVED)
        if not (watch.errors or watch.answers):
            what = f"{operation} was called, and your code did not decide"
            if len(watch.requests) >= _ATTEMPTS:
                raise Wrong(f"{what}, although Nexus called {len(watch.requests)} times.", "What does it wait for?")
            raise WorkshopError(f"{what} in time.", then="If it waits for nothing, stop what else runs. Check again.")
        raised, returned = next(iter(watch.errors), None), next(iter(watch.answers), None)
        return Attempt(answer, raised, returned, bool(self.ran))


def link(*namespaces: str, kind: str = EVENT) -> dict[str, str]:
    """The header that says where a call comes from.

    Args:
        namespaces: Where.
        kind: The links' type.
    """
    links = [f'<temporal:///namespaces/{each}/workflows/w/r/history>; type="{kind}"' for each in namespaces]
    return {"nexus-link": ", ".join(links)}


@contextlib.asynccontextmanager
async def guarded(ws: Workshop, interceptor: Interceptor) -> AsyncIterator[Guarded]:
    """The service with an interceptor before it, while the block runs.

    Args:
        ws: The workshop.
        interceptor: The learner's.
    """
    handler = _Handler()
    async with handled(ws, handler, ENDPOINT, Watch(), [interceptor]) as there:
        asked = ListNexusEndpointsRequest(name=ws.namespace(ENDPOINT))
        (found,) = (await there.client.operator_service.list_nexus_endpoints(asked)).endpoints
        url = f"{ws.server.http_url}/nexus/endpoints/{found.id}/services/{there.service}"
        yield Guarded(there, handler.ran, url)
