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

from workshop_lib.checks.exercise import NOT_SOLVED
from workshop_lib.checks.handled import Watch
from workshop_lib.checks.trial import NAMESPACE, worker
from workshop_lib.workshop import Workshop

ENDPOINT = "check-vault"
EVENT = "temporal.api.common.v1.Link.WorkflowEvent"
_LIMIT = timedelta(seconds=3)  # a call takes a hundredth of that
_HTTP_SECONDS = 5.0


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
    """

    answer: str | None
    raised: Exception | None
    returned: Any
    ran: bool


class Guarded:
    """The service behind its endpoint.

    Args:
        ws: The workshop.
        endpoint_id: The endpoint's, for its address.
    """

    def __init__(self, ws: Workshop, endpoint_id: str) -> None:
        self._ws, self._endpoint_id = ws, endpoint_id
        self.watch, self.ran = Watch(), list[str]()

    async def call(self, client: Client, operation: str) -> Attempt:
        """Call an operation as a client of some namespace.

        Args:
            client: Of that namespace.
            operation: Its name.
        """
        vault: Any = client.create_nexus_client(Vault, self._ws.namespace(ENDPOINT))
        call = self._ws.id("check-call")
        answer = None
        before = self._marks()
        with contextlib.suppress(NexusOperationFailureError):
            answer = await vault.execute_operation(operation, "ACME", id=call, schedule_to_close_timeout=_LIMIT)
        return self._attempt(answer, before)

    async def post(self, operation: str, request_id: str, headers: Mapping[str, str]) -> Attempt:
        """Call an operation at the server's HTTP port, which believes each header.

        Args:
            operation: Its name.
            request_id: Of the request. Nexus tries a request again under the same id.
            headers: As the attacker likes.
        """
        url = f"{self._ws.server.http_url}/nexus/endpoints/{self._endpoint_id}/services/Vault/{operation}"
        before = self._marks()
        async with httpx.AsyncClient(timeout=_HTTP_SECONDS) as http:
            told = await http.post(url, json="ACME", headers={"nexus-request-id": request_id, **headers})
        return self._attempt(told.json() if told.is_success else None, before)

    def _marks(self) -> tuple[int, int, int]:
        return len(self.watch.errors), len(self.watch.answers), len(self.ran)

    def _attempt(self, answer: str | None, before: tuple[int, int, int]) -> Attempt:
        errors, answers = self.watch.errors[before[0] :], self.watch.answers[before[1] :]
        if any(NOT_SOLVED in str(error) for error in errors):
            raise RuntimeError(NOT_SOLVED)
        returned = answers[0] if answers else None
        return Attempt(answer, errors[0] if errors else None, returned, len(self.ran) > before[2])


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
