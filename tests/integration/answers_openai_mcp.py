"""Demo 3's agent, cured of the second workflow: each use of a tool has a key of its own. The sandbox imports it."""

# No `from __future__ import annotations`: see workshop_lib/conversation.py.

from dataclasses import replace

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from agents import Agent
    from agents.mcp import MCPToolMetaContext
    from keyed_finance import KEY as KEY

    from workshop_lib.conversation import Chat
    from workshop_lib.demos.openai_mcp_temporal import McpAgent, McpConversation, servers


def key(call: MCPToolMetaContext) -> dict[str, str]:
    """What goes with a call as ``_meta``.

    The SDK asks in the workflow, once for each use of a tool, and the activity has it among its arguments: it is the
    same in each of its attempts, and in a replay.
    """
    return {KEY: str(workflow.uuid4())}


@workflow.defn
class KeyedAgent(McpConversation):
    """Tells a server which calls are one and the same."""

    @workflow.run
    async def run(self, chat: Chat) -> int:
        """See ``McpAgent``."""
        return await self.converse()

    def agent(self) -> Agent[None]:
        """See base class."""
        return replace(McpAgent.agent(self), mcp_servers=servers(self.chat, tool_meta_resolver=key))  # type: ignore[arg-type]
