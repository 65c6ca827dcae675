"""Tools and results of Nexus operations in the form that MCP has for them."""

# No `from __future__ import annotations`: this module is imported by workflows.

import json
from typing import Any

from mcp_types import CallToolResult, TextContent
from mcp_types import Tool as McpTool

from .contract import Tool


def described(tool: Tool) -> McpTool:
    """A tool, as ``tools/list`` has it.

    Args:
        tool: The tool.
    """
    return McpTool(
        name=tool.name,
        description=tool.description,
        input_schema=tool.input_schema,
        output_schema=tool.output_schema,
    )


def answered(tool: Tool, value: Any) -> CallToolResult:
    """The result of a call.

    Args:
        tool: What was called.
        value: What its operation returned.
    """
    try:
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, allow_nan=False)
    except ValueError:
        return failed(
            f"Error: {tool.name} failed (NoJson). It answered with NaN or infinity, which JSON does not have."
        )
    structured = {tool.result: value} if tool.result else value
    return CallToolResult(content=[TextContent(text=text)], structured_content=structured)


def failed(text: str) -> CallToolResult:
    """The result of a call that came to nothing.

    Args:
        text: Why, in a sentence for a model.
    """
    return CallToolResult(content=[TextContent(text=text)], is_error=True)
