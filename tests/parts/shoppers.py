"""Workflows that use a team's tools: as an agent would, with MCP's own client, and an agent."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.exceptions import NexusOperationError

with workflow.unsafe.imports_passed_through():
    from agents import Agent, FunctionTool
    from mcp.shared.exceptions import MCPError

    from workshop_lib.agents.conversation import Chat
    from workshop_lib.demos.nexus_mcp_temporal import NexusMcpAgent
    from workshop_lib.nexus_mcp.tools import agent_tool, offered
    from workshop_lib.nexus_mcp.transport import session


@workflow.defn
class Shopper:
    """Lists the tools and calls some of them, by name and with the arguments as text."""

    @workflow.run
    async def run(self, endpoints: list[str], calls: list[tuple[str, str]], seconds: float) -> list[str]:
        limit, tools = timedelta(seconds=seconds), dict[str, FunctionTool]()
        for endpoint in endpoints:
            with suppress(NexusOperationError):
                tools |= {each["name"]: agent_tool(endpoint, each, limit) for each in await offered(endpoint, limit)}
        said = [tools[name].on_invoke_tool(None, text) for name, text in calls]  # type: ignore[arg-type]
        return [*tools, *map(str, await asyncio.gather(*said))]


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


@workflow.defn
class Assistant(NexusMcpAgent):
    @workflow.run
    async def run(self, chat: Chat) -> int:
        return await self.converse()

    def teams(self) -> Sequence[str]:
        return ["parts", "finance"]

    def agent(self) -> Agent[None]:
        return Agent("assistant", instructions="Use your tools.", model=self.chat.model)
