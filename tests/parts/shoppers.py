"""A workflow that uses tools as an agent would, and one that is an agent. For the tests of ``nexus_mcp.tools``."""

# No `from __future__ import annotations`: see workshop_lib/agents/conversation.py.

import asyncio
from datetime import timedelta
from typing import Any

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from agents import Agent, FunctionTool

    from workshop_lib.agents.conversation import Answer, Chat, Message
    from workshop_lib.agents.openai_agents import AgentConversation
    from workshop_lib.nexus_mcp.tools import NexusTools


@workflow.defn
class Shopper:
    """Lists the tools and calls some of them, by name and with the arguments as text."""

    @workflow.run
    async def run(self, endpoints: list[str], calls: list[tuple[str, str]], seconds: float) -> list[str]:
        tools: dict[str, FunctionTool] = {}
        for tool in await NexusTools(endpoints, timedelta(seconds=seconds)).listed():
            tools[tool.name] = tool
        said = [tools[name].on_invoke_tool(None, text) for name, text in calls]  # type: ignore[arg-type]
        return [*tools, *map(str, await asyncio.gather(*said))]


@workflow.defn
class Assistant(AgentConversation):
    """An agent whose tools are asked for before each answer."""

    @workflow.init
    def __init__(self, chat: Chat) -> None:
        super().__init__(chat)
        self.nexus = NexusTools(["parts", "finance"], timedelta(seconds=chat.tool_seconds))
        self.tools: list[Any] = []

    @workflow.run
    async def run(self, chat: Chat) -> int:
        return await self.converse()

    async def answer(self, messages: list[Message]) -> Answer:
        self.tools = await self.nexus.listed()
        return await super().answer(messages)

    def agent(self) -> Agent[None]:
        return Agent("assistant", instructions="Use your tools.", tools=self.tools, model=self.chat.model)
