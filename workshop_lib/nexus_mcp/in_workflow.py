"""A workflow's two requests to a team: the list of its tools, and the call of one."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.exceptions import NexusOperationError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from .calls import failure, operation_input, problems
    from .contract import Directory, Tool


class CallFailed(Exception):
    """A call failed. The message is a text for the model."""


async def listed(endpoint: str, limit: timedelta) -> list[Tool]:
    """Ask a directory for its tools.

    Args:
        endpoint: The name of the Nexus endpoint.
        limit: How long it may take, including retries.

    Raises:
        NexusOperationError: It did not answer in time, or refused.
    """
    nexus = workflow.create_nexus_client(service=Directory, endpoint=endpoint)
    return await nexus.execute_operation(Directory.tools, None, schedule_to_close_timeout=limit)


async def call(endpoint: str, tool: Tool, arguments: Mapping[str, Any], limit: timedelta) -> Any:
    """Call a tool, and return what its operation returns.

    Args:
        endpoint: The name of the Nexus endpoint.
        tool: The tool.
        arguments: The model's arguments.
        limit: How long it may take, including retries, where the team sets no limit.

    Raises:
        CallFailed: The arguments are wrong, or the operation failed.
        NexusOperationError: It was cancelled, because the workflow was.
    """
    if wrong := problems(tool, arguments):
        raise CallFailed(wrong)
    nexus: workflow.NexusClient[Any] = workflow.create_nexus_client(service=tool.service, endpoint=endpoint)
    try:
        return await nexus.execute_operation(
            tool.operation, operation_input(tool, arguments), schedule_to_close_timeout=tool.limit(limit)
        )
    except NexusOperationError as error:
        task = asyncio.current_task()
        if is_cancelled_exception(error) and task and task.cancelling():
            raise  # the workflow itself was cancelled: that is not a failure of the tool
        raise CallFailed(failure(tool, error)) from error
