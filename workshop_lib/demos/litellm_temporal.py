"""Demo 1: an agent in pure Python. Its tools are Nexus operations of two teams, and its own activities.

The loop is plain code (``loop.answer``): an activity asks the model through LiteLLM, and the workflow does what the
model asks for. There is no MCP server and no agent framework.
"""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from typing import Any

from temporalio import workflow
from temporalio.client import Client
from temporalio.worker import Worker

with workflow.unsafe.imports_passed_through():
    from workshop_lib.agents import loop
    from workshop_lib.agents.conversation import Answer, Chat, Conversation, Message
    from workshop_lib.agents.model.calls import ask_model, call_model
    from workshop_lib.agents.operations import operation_tool
    from workshop_lib.demos import local, modules
    from workshop_lib.server.connections import Connections
    from workshop_lib.teams.finance.contract import ENDPOINT as FINANCE_ENDPOINT
    from workshop_lib.teams.finance.contract import Finance
    from workshop_lib.teams.it.contract import ENDPOINT as IT_ENDPOINT
    from workshop_lib.teams.it.contract import IT
    from workshop_lib.workers import takeover

COMPUTERS = modules(1)
"""The modules that run on each computer."""
SERVERS: dict[str, str] = {}
"""No MCP servers."""


def tools(chat: Chat) -> list[loop.Tool]:
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
        *(loop.activity_tool(each, **takeover.limits(limit)) for each in local.TOOLS),
    ]


@workflow.defn
class LitellmAgent(Conversation):
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

    async def answer(self, messages: list[Message]) -> Answer:
        """See base class."""
        ask = partial(ask_model, self.chat)
        return await loop.answer(local.INSTRUCTIONS, messages, tools(self.chat), ask, self.note)


AGENT: type[Any] = LitellmAgent
WORKER = local.settings(LitellmAgent, call_model)


async def connect(ws: Connections) -> Client:
    """The orchestrator's client.

    Args:
        ws: How to reach the service.
    """
    return await Client.connect(**await ws.connection(local.NAMESPACE))


async def worker(ws: Connections) -> Worker:
    """The orchestrator's Worker, not yet running.

    Args:
        ws: How to reach the service.
    """
    return Worker(await connect(ws), **WORKER, activity_executor=ThreadPoolExecutor(20))
