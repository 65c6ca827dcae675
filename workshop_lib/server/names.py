"""A notebook's own names on a service that many share.

Code says ``endpoint="finance"`` and ``Allowlist(["sales"])``, as on a server for one. The prefix is added where a call
leaves, and taken off the links that say who called.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import temporalio.client as tc
import temporalio.worker as tw
from nexusrpc import Link

_SYSTEM = "__temporal"  # the server's own endpoints
_FROM = "temporal:///namespaces/"  # how a link to a caller begins


def _real(prefix: str, endpoint: str) -> str:
    return endpoint if endpoint.startswith((prefix, _SYSTEM)) else prefix + endpoint


class OwnNames(tc.Interceptor, tw.Interceptor):
    """Adds the prefix to the endpoints that are called, and takes it off the links that a handler is called with.

    A connection has it twice. Of a Client's interceptors the first sees a call first, of a Worker's the last, and all
    others are to see real names.

    Args:
        prefix: Of this notebook.
    """

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix

    def intercept_client(self, next: tc.OutboundInterceptor) -> tc.OutboundInterceptor:
        """See base class."""
        return _ClientCalls(next, self._prefix)

    def workflow_interceptor_class(
        self, input: tw.WorkflowInterceptorClassInput
    ) -> type[tw.WorkflowInboundInterceptor]:
        """See base class."""
        prefix = self._prefix

        class Inbound(tw.WorkflowInboundInterceptor):
            def init(self, outbound: tw.WorkflowOutboundInterceptor) -> None:
                super().init(_WorkflowCalls(outbound, prefix))

        return Inbound

    def intercept_nexus_operation(
        self, next: tw.NexusOperationInboundInterceptor
    ) -> tw.NexusOperationInboundInterceptor:
        """See base class."""
        return _Handlers(next, self._prefix)


class _ClientCalls(tc.OutboundInterceptor):
    def __init__(self, next: tc.OutboundInterceptor, prefix: str) -> None:
        super().__init__(next)
        self._prefix = prefix

    async def start_nexus_operation(self, input: tc.StartNexusOperationInput) -> tc.NexusOperationHandle[Any]:
        input.endpoint = _real(self._prefix, input.endpoint)
        return await super().start_nexus_operation(input)


class _WorkflowCalls(tw.WorkflowOutboundInterceptor):
    def __init__(self, next: tw.WorkflowOutboundInterceptor, prefix: str) -> None:
        super().__init__(next)
        self._prefix = prefix

    async def start_nexus_operation(self, input: tw.StartNexusOperationInput[Any, Any]) -> Any:
        input.endpoint = _real(self._prefix, input.endpoint)
        return await super().start_nexus_operation(input)


class _Handlers(tw.NexusOperationInboundInterceptor):
    def __init__(self, next: tw.NexusOperationInboundInterceptor, prefix: str) -> None:
        super().__init__(next)
        self._prefix = prefix

    async def execute_nexus_operation_start(self, input: tw.ExecuteNexusOperationStartInput) -> Any:
        links = [
            Link(url=link.url.replace(_FROM + self._prefix, _FROM), type=link.type) for link in input.ctx.inbound_links
        ]
        input.ctx = replace(input.ctx, inbound_links=links)
        return await super().execute_nexus_operation_start(input)
