"""A notebook's names on a service that many people share.

Code says ``endpoint="finance"``, as on the embedded server, and a prefix is added to the name of each endpoint that is
called. Namespaces are shown under their real names. On Temporal Cloud, these also end with the account's.
"""

from collections.abc import Callable
from typing import Any

import temporalio.client as tc
import temporalio.worker as tw


class OwnNames(tc.Interceptor, tw.Interceptor):
    """Adds the prefix to the endpoints that are called.

    A connection has it twice, because all other interceptors must see real names: the first of a Client's interceptors
    sees a call first, but the last of a Worker's does.

    Args:
        real: Gives an endpoint's real name.
    """

    def __init__(self, real: Callable[[str], str]) -> None:
        self._real = real

    def intercept_client(self, next: tc.OutboundInterceptor) -> tc.OutboundInterceptor:
        """See base class."""
        own = self

        class Calls(tc.OutboundInterceptor):
            async def start_nexus_operation(self, input: tc.StartNexusOperationInput) -> tc.NexusOperationHandle[Any]:
                input.endpoint = own._real(input.endpoint)
                return await super().start_nexus_operation(input)

        return Calls(next)

    def workflow_interceptor_class(
        self, input: tw.WorkflowInterceptorClassInput
    ) -> type[tw.WorkflowInboundInterceptor]:
        """See base class."""
        own = self

        class Calls(tw.WorkflowOutboundInterceptor):
            async def start_nexus_operation(self, input: tw.StartNexusOperationInput[Any, Any]) -> Any:
                input.endpoint = own._real(input.endpoint)
                return await super().start_nexus_operation(input)

        class Inbound(tw.WorkflowInboundInterceptor):
            def init(self, outbound: tw.WorkflowOutboundInterceptor) -> None:
                super().init(Calls(outbound))

        return Inbound
