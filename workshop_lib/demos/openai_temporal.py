"""Demo 2: an agent of the OpenAI Agents SDK. Its tools are Nexus operations of two teams, and its own activities.

The SDK runs the loop, and Temporal's plugin makes each model call an activity. There is no MCP server.
"""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.client import Client
from temporalio.worker import Worker

with workflow.unsafe.imports_passed_through():
    from agents import Agent, Tool

    from workshop_lib.agents.conversation import Chat
    from workshop_lib.agents.openai_agents import AgentConversation, activity_tool, operation_tool, plugin
    from workshop_lib.demos import local, modules
    from workshop_lib.server.connections import Connections
    from workshop_lib.teams.finance.contract import ENDPOINT as FINANCE_ENDPOINT
    from workshop_lib.teams.finance.contract import Finance
    from workshop_lib.teams.it.contract import ENDPOINT as IT_ENDPOINT
    from workshop_lib.teams.it.contract import IT

COMPUTERS = modules(2)
"""The modules that run on each computer."""
SERVERS: dict[str, str] = {}
"""No MCP servers."""


def tools(chat: Chat) -> list[Tool]:
    """The tools that the model may call: operations of other teams, from their contracts, and our own activities.

    Args:
        chat: The settings: how long one use of a tool may take.
    """
    limit = timedelta(seconds=chat.tool_seconds)
    return [
        operation_tool(Finance.stock_price, Finance, FINANCE_ENDPOINT, limit),
        operation_tool(Finance.calculate_roi, Finance, FINANCE_ENDPOINT, limit),
        operation_tool(IT.jira_metrics, IT, IT_ENDPOINT, limit),
        operation_tool(IT.get_ip, IT, IT_ENDPOINT, limit),
        *(activity_tool(each, limit) for each in local.TOOLS),
    ]


@workflow.defn
class OpenaiAgent(AgentConversation):
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
        return Agent("assistant", instructions=local.INSTRUCTIONS, tools=tools(self.chat), model=self.chat.model)


AGENT: type[Any] = OpenaiAgent
WORKER = local.settings(OpenaiAgent)


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
