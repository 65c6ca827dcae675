"""Nexus operations as tools of an agent.

A caller needs the contract and the name of the endpoint, and nothing else from the team that handles the operation.
"""

from datetime import timedelta
from typing import Any

from nexusrpc import Operation
from temporalio import workflow

from workshop_lib.agents.loop import Tool, summary


def operation_tool(operation: Operation[Any, Any], service: type, endpoint: str, limit: timedelta) -> Tool:
    """A tool that runs a Nexus operation. Its schema comes from the contract.

    Args:
        operation: One of the contract. The docstring of its input type is the tool's description.
        service: The contract.
        endpoint: The endpoint's name.
        limit: How long it may take, including retries.
    """
    assert operation.input_type is not None, f"{operation.name} has no input"

    async def call(given: Any) -> Any:
        client: workflow.NexusClient[Any] = workflow.create_nexus_client(service=service, endpoint=endpoint)
        return await client.execute_operation(operation, given, schedule_to_close_timeout=limit)

    return Tool(operation.name, summary(operation.input_type), operation.input_type, call)
