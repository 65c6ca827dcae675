"""A workflow that speaks MCP with a team over Nexus. For the tests of ``nexus_mcp.transport``."""

from datetime import timedelta
from typing import Any

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from mcp.shared.exceptions import MCPError

    from workshop_lib.nexus_mcp.transport import session


@workflow.defn
class Speaker:
    """Lists the tools of an endpoint, and calls some of them one after another."""

    @workflow.run
    async def run(self, endpoint: str, calls: list[tuple[str, dict[str, Any]]]) -> list[str]:
        async with session(endpoint, timedelta(seconds=60)) as mcp:
            said = [tool.name for tool in (await mcp.list_tools()).tools]
            for name, arguments in calls:
                try:
                    result = await mcp.call_tool(name, arguments)
                except MCPError as error:
                    said.append(f"refused: {error}")
                else:
                    said.append(f"{'error' if result.is_error else 'fine'}: {result.content[0].text}")  # type: ignore[union-attr]
        return said
