"""The tools of Nexus endpoints for an agent of the OpenAI Agents SDK that runs in a workflow.

They are asked for and called through Nexus, so both stand in the workflow's history, and neither is done twice.
(An MCP server in a workflow would be called by activities; the SDK's plugin refuses a server class of one's own.)
"""

# No `from __future__ import annotations`: this module is imported by workflows.

import asyncio
import json
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.exceptions import NexusOperationError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from agents import FunctionTool, RunContextWrapper

    from .calls import failure, operation_input, problems
    from .contract import Directory, Tool


class NexusTools:
    """The tools behind Nexus endpoints, for a workflow.

    Args:
        limit: How long a directory may take, and one call of a tool whose team sets no limit, including retries.
    """

    def __init__(self, limit: timedelta) -> None:
        self._limit = limit

    async def offered(self, endpoint: str) -> list[dict[str, Any]]:
        """Ask a directory.

        Args:
            endpoint: The Nexus endpoint.

        Returns:
            The tools as JSON, each to be made a ``Tool`` again. A workflow can keep them over a continue-as-new.

        Raises:
            NexusOperationError: It did not answer in time, or refused.
        """
        nexus = workflow.create_nexus_client(service=Directory, endpoint=endpoint)
        tools = await nexus.execute_operation(Directory.tools, None, schedule_to_close_timeout=self._limit)
        return [asdict(tool) for tool in tools]

    def tool(self, endpoint: str, described: dict[str, Any]) -> FunctionTool:
        """Make a tool for the agent.

        Args:
            endpoint: The Nexus endpoint.
            described: One of the tools that ``offered`` returns.

        Returns:
            A tool that never raises for what a model or a team does wrong: its text says it to the model.
        """
        tool = Tool(**described)

        async def invoke(context: RunContextWrapper[Any], text: str) -> str:
            return await self._call(endpoint, tool, text)

        return FunctionTool(tool.name, tool.description, tool.input_schema, invoke, strict_json_schema=False)

    async def _call(self, endpoint: str, tool: Tool, text: str) -> str:
        try:
            arguments = json.loads(text or "{}")
        except (ValueError, RecursionError) as error:
            return f"Invalid arguments for {tool.name}: they are no JSON. {error}"
        if wrong := problems(tool, arguments):
            return wrong
        nexus: workflow.NexusClient[Any] = workflow.create_nexus_client(service=tool.service, endpoint=endpoint)
        try:
            value: Any = await nexus.execute_operation(
                tool.operation,
                operation_input(tool, arguments),
                schedule_to_close_timeout=tool.limit(self._limit),
            )
        except NexusOperationError as error:
            _raise_if_ended(error)
            return failure(tool, error)
        return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _raise_if_ended(error: NexusOperationError) -> None:
    """What was cancelled because the workflow was is no failure to talk about."""
    task = asyncio.current_task()
    if is_cancelled_exception(error) and task is not None and task.cancelling():
        raise error
