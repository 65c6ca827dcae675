"""A team whose answer to a call gets lost on its way, once: the call was taken, and the caller does not know."""

from typing import Any

from nexusrpc import HandlerError, HandlerErrorType
from temporalio.worker import ExecuteNexusOperationStartInput, Interceptor, NexusOperationInboundInterceptor


class LosesAnswer(Interceptor):
    """Fails an operation's first start after it was done, and counts them all."""

    def __init__(self, operation: str) -> None:
        self.operation, self.starts = operation, 0

    def intercept_nexus_operation(self, next: NexusOperationInboundInterceptor) -> NexusOperationInboundInterceptor:
        return _Losing(next, self)


class _Losing(NexusOperationInboundInterceptor):
    def __init__(self, next: NexusOperationInboundInterceptor, losses: LosesAnswer) -> None:
        super().__init__(next)
        self._losses = losses

    async def execute_nexus_operation_start(self, input: ExecuteNexusOperationStartInput) -> Any:
        result = await super().execute_nexus_operation_start(input)
        if input.ctx.operation != self._losses.operation:
            return result
        self._losses.starts += 1
        if self._losses.starts == 1:
            raise HandlerError("the answer got lost", type=HandlerErrorType.UNAVAILABLE)
        return result
