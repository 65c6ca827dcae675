"""The tools of Nexus endpoints for an agent of the OpenAI Agents SDK that runs in a workflow.

The list and each call are Nexus operations, so both are recorded in the workflow's history and done once. It is not an
MCP server class for the Agents SDK: its Temporal plugin accepts only its own class, which calls servers by activities.
"""

import json
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from agents import FunctionTool, RunContextWrapper

    from .contract import Tool
    from .in_workflow import CallFailed, call, listed


class NexusTools:
    """Makes tools for an agent from the directories behind Nexus endpoints.

    Args:
        limit: How long a directory may take, and one call of a tool whose team sets no limit, including retries.
    """

    def __init__(self, limit: timedelta) -> None:
        self._limit = limit

    async def offered(self, endpoint: str) -> list[dict[str, Any]]:
        """Ask a directory for its tools.

        Args:
            endpoint: The name of the Nexus endpoint.

        Returns:
            The fields of each ``Tool`` as JSON, which a workflow can keep over a continue-as-new.

        Raises:
            NexusOperationError: It did not answer in time, or refused.
        """
        return [asdict(tool) for tool in await listed(endpoint, self._limit)]

    def tool(self, endpoint: str, described: dict[str, Any]) -> FunctionTool:
        """Make a tool for the agent.

        Args:
            endpoint: The name of the Nexus endpoint.
            described: One of the tools that ``offered`` returned.

        Returns:
            A tool that does not raise where the model makes a mistake or the team fails: its result says what is wrong.
        """
        tool = Tool(**described)

        async def invoke(context: RunContextWrapper[Any], text: str) -> str:
            try:
                arguments = json.loads(text or "{}")
            except (ValueError, RecursionError) as error:
                return f"Invalid arguments for {tool.name}: they are not valid JSON. {error}"
            try:
                value = await call(endpoint, tool, arguments, self._limit)
            except CallFailed as failed:
                return str(failed)
            return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)

        return FunctionTool(tool.name, tool.description, tool.input_schema, invoke, strict_json_schema=False)
