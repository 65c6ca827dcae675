"""A Nexus service with a learner's interceptor before it, and the ways in which others try to get in."""

# No `from __future__ import annotations`: the SDK reads the operations' types from the annotations.

import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import nexusrpc
import temporalio.worker as tw
from nexusrpc import Link
from nexusrpc.handler import StartOperationContext, service_handler, sync_operation
from temporalio.client import Client
from temporalio.worker import Interceptor

from workshop_lib.checks.exercise import NOT_SOLVED
from workshop_lib.checks.harness.handled import Handled, Started, Watch, handled
from workshop_lib.governance.identity import HEADER
from workshop_lib.workshop import Workshop

ENDPOINT = "check-vault"


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


class _Forger(Interceptor):
    """Puts forged links and a forged request id in the place of the real ones, as a server's HTTP port lets anybody do.

    Attributes:
        forged: What to change in each request; nothing while it is empty.
    """

    def __init__(self) -> None:
        self.forged: dict[str, Any] = {}

    def intercept_nexus_operation(
        self, next: tw.NexusOperationInboundInterceptor
    ) -> tw.NexusOperationInboundInterceptor:
        """See base class."""
        return _Forging(next, self)


class _Forging(tw.NexusOperationInboundInterceptor):
    def __init__(self, next: tw.NexusOperationInboundInterceptor, forger: _Forger) -> None:
        super().__init__(next)
        self._forger = forger

    async def execute_nexus_operation_start(self, input: tw.ExecuteNexusOperationStartInput) -> Started:
        input.ctx = replace(input.ctx, **self._forger.forged)
        return await super().execute_nexus_operation_start(input)


@dataclass(frozen=True)
class Guarded:
    """The service behind its endpoint.

    Attributes:
        there: Its Worker.
        ran: The operations that have run.
        forger: Forges requests.
    """

    there: Handled
    ran: list[str]
    forger: _Forger

    async def ask(self, client: Client | None, operation: str, headers: Mapping[str, str] | None = None) -> Attempt:
        """Call an operation from a Workflow of some namespace.

        Args:
            client: Of that namespace; None if it does not matter.
            operation: Its name.
            headers: The caller's own.
        """
        watch = self.there.watch
        for seen in (watch.requests, watch.errors, watch.answers, self.ran):
            seen.clear()
        answer, _ = await self.there.ask(operation, "ACME", client, headers)
        if any(NOT_SOLVED in str(error) for error in watch.errors):
            raise RuntimeError(NOT_SOLVED)
        raised, returned = next(iter(watch.errors), None), next(iter(watch.answers), None)
        return Attempt(answer, raised, returned, bool(self.ran))

    async def forge(self, operation: str, request_id: str, links: list[Link], token: str = "") -> Attempt:
        """Call an operation with a forged request.

        Args:
            operation: Its name.
            request_id: Of the request. Nexus tries a request again under the same id.
            links: Where it says that it comes from.
            token: Of a signed caller.
        """
        headers = {HEADER: token} if token else {}
        self.forger.forged = {"request_id": request_id, "inbound_links": links, "headers": headers}
        try:
            return await self.ask(None, operation)
        finally:
            self.forger.forged = {}


def link(namespace: str, kind: str = "temporal.api.common.v1.Link.WorkflowEvent") -> Link:
    """Says where a call comes from.

    Args:
        namespace: Where.
        kind: The link's type.
    """
    return Link(f"temporal:///namespaces/{namespace}/workflows/w/r/history", kind)


@contextlib.asynccontextmanager
async def guarded(ws: Workshop, interceptor: Interceptor) -> AsyncIterator[Guarded]:
    """The service with an interceptor before it, while the block runs.

    Args:
        ws: The workshop.
        interceptor: The learner's.
    """
    handler, forger = _Handler(), _Forger()
    async with handled(ws, handler, ENDPOINT, Watch(), [forger, interceptor]) as there:
        yield Guarded(there, handler.ran, forger)
