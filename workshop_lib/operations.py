"""Nexus operations, from both sides: as tools of an agent, and with errors that keep their reason.

A caller needs the contract and the endpoint's name, and nothing else of the team that handles the operation.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from nexusrpc import HandlerError, HandlerErrorType, Operation
from nexusrpc.handler import StartOperationResultAsync, StartOperationResultSync
from temporalio import workflow
from temporalio.worker import ExecuteNexusOperationStartInput, Interceptor, NexusOperationInboundInterceptor

from workshop_lib.agent import Tool, summary

BUGS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    NameError,
    NotImplementedError,
    TypeError,
    ValueError,
)
"""What tells of wrong code, and is the same at the next try. A Worker's ``workflow_failure_exception_types``."""


def operation_tool(
    operation: Operation[Any, Any], service: type, endpoint: str, schedule_to_close_timeout: timedelta
) -> Tool:
    """A tool that runs a Nexus operation. Its schema comes from the contract.

    Args:
        operation: Of the contract. The docstring of its input's type tells the model what it is for.
        service: The contract.
        endpoint: The endpoint's name.
        schedule_to_close_timeout: How long it may take, with all attempts.
    """
    assert operation.input_type is not None, f"{operation.name} has no input"

    async def call(given: Any) -> Any:
        client: workflow.NexusClient[Any] = workflow.create_nexus_client(service=service, endpoint=endpoint)
        return await client.execute_operation(operation, given, schedule_to_close_timeout=schedule_to_close_timeout)

    return Tool(operation.name, summary(operation.input_type), operation.input_type, call)


class KeepsReasons(Interceptor):
    """Lets a handler's bug fail the operation at once, with its reason.

    The SDK takes each exception for a passing one. Temporal tries again then until the operation's time is up, and all
    that the caller learns is that it timed out. What may pass (a database, a network) is still tried again.
    """

    def intercept_nexus_operation(self, next: NexusOperationInboundInterceptor) -> NexusOperationInboundInterceptor:
        """See base class."""
        return _KeepsReasons(next)


class _KeepsReasons(NexusOperationInboundInterceptor):
    async def execute_nexus_operation_start(
        self, input: ExecuteNexusOperationStartInput
    ) -> StartOperationResultSync[Any] | StartOperationResultAsync:
        try:
            return await super().execute_nexus_operation_start(input)
        except BUGS as error:
            what = f"The handler of {input.ctx.operation} has a bug. {type(error).__name__}: {error}"
            # Without the error itself: its stack trace is the handler's own, and nothing for callers.
            raise HandlerError(what, type=HandlerErrorType.INTERNAL, retryable_override=False) from None
