"""The tools of Nexus endpoints for an agent of the OpenAI Agents SDK that runs in a workflow.

They are asked for and called through Nexus, so both stand in the workflow's history, and neither is done twice.
(An MCP server in a workflow would be called by activities; the SDK's plugin refuses a server class of one's own.)
"""

# No `from __future__ import annotations`: this module is imported by workflows.

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
        return [asdict(tool) for tool in await listed(endpoint, self._limit)]

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
            try:
                arguments = json.loads(text or "{}")
            except (ValueError, RecursionError) as error:
                return f"Invalid arguments for {tool.name}: they are no JSON. {error}"
            try:
                value = await call(endpoint, tool, arguments, self._limit)
            except CallFailed as failed:
                return str(failed)
            return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)

        return FunctionTool(tool.name, tool.description, tool.input_schema, invoke, strict_json_schema=False)
