"""How a call starts outside a workflow: as a standalone operation, or from a Workflow where those are switched off."""

import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.client import Client, NexusClient, NexusOperationHandle, WorkflowHandle
from temporalio.common import NexusOperationIDReusePolicy, WorkflowIDReusePolicy
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import Worker

_QUEUE = "mcp-gateway"
Handle = NexusOperationHandle[Any] | WorkflowHandle[Any, Any]
"""The handle of a call. Both kinds have ``result``, ``describe`` and ``cancel``."""


@workflow.defn
class CallOperation:
    """Make one call of a Nexus operation."""

    @workflow.run
    async def run(self, endpoint: str, service: str, operation: str, given: Any, seconds: float) -> Any:
        """Return what the operation returns.

        Args:
            endpoint: The endpoint's name.
            service: The service's name.
            operation: The operation's name.
            given: Its input.
            seconds: How long it may take, including retries.
        """
        nexus: workflow.NexusClient[Any] = workflow.create_nexus_client(service=service, endpoint=endpoint)
        return await nexus.execute_operation(operation, given, schedule_to_close_timeout=timedelta(seconds=seconds))


def is_off(error: Exception) -> bool:
    """Whether a call failed because the service has standalone operations switched off.

    Args:
        error: What it failed with.
    """
    return isinstance(error, RPCError) and error.status == RPCStatusCode.UNIMPLEMENTED


@contextlib.asynccontextmanager
async def caller(client: Client) -> AsyncIterator[None]:
    """While the block runs, run the Worker that calls need where standalone operations are switched off.

    Args:
        client: A client of the namespace that calls.
    """
    try:
        async for _ in client.list_nexus_operations("", limit=1):
            break
    except RPCError as error:
        if not is_off(error):
            raise
        async with Worker(client, task_queue=_QUEUE, workflows=[CallOperation]):
            yield
    else:
        yield


async def start(
    client: Client, call: tuple[str, str, str, Any], id: str, limit: timedelta, summary: str, result_type: Any = None
) -> Handle:
    """Start a call.

    Args:
        client: A client of the namespace that calls.
        call: The names of the endpoint, the service and the operation, and the operation's input.
        id: The id of the operation, or of the Workflow. It can be used once.
        limit: How long the call may take, including retries.
        summary: A line for Temporal's UI.
        result_type: The type of the answer.

    Raises:
        NexusOperationAlreadyStartedError: The id was used before.
        WorkflowAlreadyStartedError: The same, where standalone operations are off.
        RPCError: Temporal does not answer, or refuses the call.
    """
    endpoint, service, operation, given = call
    nexus: NexusClient[Any] = client.create_nexus_client(service, endpoint)
    # A running operation with this id is not joined here: the answer would not say so, and the calls not be compared.
    once: Any = {"id": id, "result_type": result_type, "id_reuse_policy": NexusOperationIDReusePolicy.REJECT_DUPLICATE}
    try:
        return await nexus.start_operation(operation, given, schedule_to_close_timeout=limit, summary=summary, **once)
    except RPCError as error:
        if not is_off(error):
            raise
    once |= {"task_queue": _QUEUE, "id_reuse_policy": WorkflowIDReusePolicy.REJECT_DUPLICATE}
    arguments = [*call, limit.total_seconds()]
    return await client.start_workflow("CallOperation", args=arguments, static_summary=summary, **once)
