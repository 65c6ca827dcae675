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


async def offered(endpoint: str, limit: timedelta) -> list[dict[str, Any]]:
    """Ask a directory for its tools.

    Args:
        endpoint: The name of the Nexus endpoint.
        limit: How long it may take, including retries.

    Returns:
        The fields of each ``Tool`` as JSON, which a workflow can keep over a continue-as-new.

    Raises:
        NexusOperationError: It did not answer in time, or refused.
    """
    return [asdict(tool) for tool in await listed(endpoint, limit)]


def agent_tool(endpoint: str, described: dict[str, Any], limit: timedelta) -> FunctionTool:
    """Make a tool for the agent.

    Args:
        endpoint: The name of the Nexus endpoint.
        described: One of the tools that ``offered`` returned.
        limit: How long one call may take, including retries, where the team sets no limit.

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
            value = await call(endpoint, tool, arguments, limit)
        except CallFailed as failed:
            return str(failed)
        return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)

    return FunctionTool(tool.name, tool.description, tool.input_schema, invoke, strict_json_schema=False)
