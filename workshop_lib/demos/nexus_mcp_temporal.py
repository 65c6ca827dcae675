"""Demo 4: an agent of the OpenAI Agents SDK. It discovers the tools of two teams and calls them, both over Nexus.

Each team has a directory of its tools behind its endpoint (``workshop_lib.nexus_mcp``). Discovery and calls are Nexus
operations, with Temporal's guarantees. MCP clients outside Temporal find the same tools at the gateway.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.client import Client
from temporalio.exceptions import NexusOperationError
from temporalio.worker import Worker

with workflow.unsafe.imports_passed_through():
    from agents import Agent, FunctionTool

    from workshop_lib.agents.conversation import Chat
    from workshop_lib.agents.discovery import DiscoveringConversation
    from workshop_lib.agents.openai_agents import activity_tool, plugin
    from workshop_lib.demos import local, modules
    from workshop_lib.nexus_mcp.calls import OFFERS_NOTHING, why
    from workshop_lib.nexus_mcp.tools import agent_tool, offered
    from workshop_lib.server.connections import Connections
    from workshop_lib.teams.finance.contract import ENDPOINT as FINANCE_ENDPOINT
    from workshop_lib.teams.it.contract import ENDPOINT as IT_ENDPOINT

COMPUTERS = modules(4)
"""The modules that run on each computer."""
SERVERS: dict[str, str] = {}
"""No MCP servers."""
GATEWAYS = {"gateway": "workshop_lib.demos.gateway"}
"""The module of the gateway, for MCP clients outside Temporal."""


@workflow.defn
class NexusMcpAgent(DiscoveringConversation):
    """Talks to a person, and asks two other teams what it does not know."""

    @workflow.run
    async def run(self, chat: Chat) -> int:
        """Talk until the chat is ended.

        Args:
            chat: See ``Conversation``.

        Returns:
            How many messages were answered.
        """
        return await self.converse()

    def agent(self) -> Agent[None]:
        """See base class."""
        own = [activity_tool(each, timedelta(seconds=self.chat.tool_seconds)) for each in local.TOOLS]
        return Agent("assistant", instructions=local.INSTRUCTIONS, tools=own, model=self.chat.model)

    def teams(self) -> Sequence[str]:
        """See base class."""
        return [FINANCE_ENDPOINT, IT_ENDPOINT]

    async def offered(self, team: str) -> list[dict[str, Any]]:
        """See base class."""
        try:
            return await offered(team, timedelta(seconds=self.chat.tool_seconds))
        except NexusOperationError as error:
            if why(error).kind in OFFERS_NOTHING:
                self.chat.offered.pop(team, None)
            raise

    def tool(self, team: str, described: dict[str, Any]) -> FunctionTool:
        """See base class."""
        return agent_tool(team, described, timedelta(seconds=self.chat.tool_seconds))


AGENT: type[Any] = NexusMcpAgent
WORKER = local.settings(NexusMcpAgent)


async def connect(ws: Connections) -> Client:
    """The orchestrator's client. Its plugin is the Worker's, too.

    Args:
        ws: How to reach the service.
    """
    return await Client.connect(**await ws.connection(local.NAMESPACE, plugins=[plugin()]))


async def worker(ws: Connections) -> Worker:
    """The orchestrator's Worker, not yet running.

    Args:
        ws: How to reach the service.
    """
    return Worker(await connect(ws), **WORKER, activity_executor=ThreadPoolExecutor(20))
