"""Demo 3: an agent of the OpenAI Agents SDK. Its tools are those of two teams' MCP servers, and activities of its own.

The agent asks the servers in each turn what they offer: a tool that a team adds is used in the next one. A server is
an HTTP service that acts as a client of Temporal. What it starts is durable; the call to it is not.
"""

# No `from __future__ import annotations`: see workshop_lib/conversation.py.

import ssl
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import cache
from typing import Any

from temporalio import workflow
from temporalio.client import Client
from temporalio.worker import Worker

with workflow.unsafe.imports_passed_through():
    import httpx2
    from agents import Agent
    from agents.mcp import MCPServer, MCPServerStreamableHttp
    from temporalio.openai_agents.workflow import activity_as_tool, temporal_mcp_server

    from workshop_lib.agent import QUICK_TAKEOVER
    from workshop_lib.connections import Connections
    from workshop_lib.conversation import Chat
    from workshop_lib.demos import local
    from workshop_lib.demos.openai_agents import AgentConversation, plugin
    from workshop_lib.state import service_address

COMPUTERS = {
    "orchestrator": "workshop_lib.demos.openai_mcp_temporal",
    "it": "workshop_lib.teams.it.computer",
    "finance": "workshop_lib.teams.finance.computer",
}
"""Which module runs on which computer: each has ``worker(ws)``, and those of the teams an MCP server beside it."""
SERVERS = {
    "it-mcp": "workshop_lib.teams.it.mcp_server",
    "finance-mcp": "workshop_lib.teams.finance.mcp_server",
}
"""The MCP servers on their own, for ``ws.serve``, where the Workers run beside the notebook."""


def servers(chat: Chat, **options: Any) -> list[MCPServer]:
    """The MCP servers whose tools the model may call. A call is an activity of the plugin.

    Args:
        chat: Says how long one use of a tool may take.
        options: Further ones of ``temporal_mcp_server``, such as ``tool_meta_resolver``.
    """
    limit = timedelta(seconds=chat.tool_seconds)
    options = {"activity_config": local.limits(limit), "factory_argument": chat.tool_seconds, **options}
    return [temporal_mcp_server(name, **options, use_structured_content=True) for name in ("finance", "it")]


@workflow.defn
class McpAgent(AgentConversation):
    """Talks to a person, and asks two other teams for what it does not know."""

    @workflow.run
    async def run(self, chat: Chat) -> int:
        """Talk, until the chat is ended.

        Args:
            chat: As in ``Conversation``.

        Returns:
            How many messages were answered.
        """
        return await self.converse()

    def agent(self) -> Agent[None]:
        """See base class."""
        return Agent(
            "assistant",
            instructions=local.INSTRUCTIONS,
            tools=[
                activity_as_tool(each, **local.limits(timedelta(seconds=self.chat.tool_seconds)))
                for each in local.TOOLS
            ],
            mcp_servers=servers(self.chat),
            model=self.chat.model,
        )


def over_http(service: str) -> Callable[[float], MCPServer]:
    """How a Worker reaches an MCP server over HTTP: a function of the ``factory_argument``.

    Each call has a connection of its own. One that is shared lets one call through at a time, so that a slow tool
    would hold up all conversations.

    Args:
        service: Its name, as ``ws.serve`` has it.
    """

    def connect(seconds: float) -> MCPServer:
        patience = seconds + 1  # a little more than the activity's limit, which is the one that counts
        url = f"{service_address(service)}/mcp"
        return MCPServerStreamableHttp(
            {"url": url, "sse_read_timeout": patience, "httpx_client_factory": _client},
            name=service,
            client_session_timeout_seconds=patience,
        )

    return connect


def _client(headers: dict[str, str] | None = None, timeout: Any = None, auth: Any = None) -> httpx2.AsyncClient:
    # To read the certificates and the environment's proxies anew would take 25 ms for each call.
    return httpx2.AsyncClient(headers=headers, timeout=timeout, auth=auth, verify=_certificates(), trust_env=False)


@cache
def _certificates() -> ssl.SSLContext:
    return ssl.create_default_context()


MCP_SERVERS = {"finance": over_http("finance-mcp"), "it": over_http("it-mcp")}
"""How a Worker reaches what ``servers`` names: the plugin's ``mcp_servers``."""
AGENT = McpAgent
WORKER: dict[str, Any] = {
    "task_queue": local.TASK_QUEUE,
    "workflows": [McpAgent],
    "activities": local.TOOLS,
    **QUICK_TAKEOVER,
}


async def connect(ws: Connections) -> Client:
    """The orchestrator's client. The plugin on it is also that of the Worker.

    Args:
        ws: How to reach the service.
    """
    plugins = [plugin(mcp_servers=MCP_SERVERS)]
    return await Client.connect(**await ws.connection(local.NAMESPACE, plugins=plugins))


async def worker(ws: Connections) -> Worker:
    """The orchestrator's Worker, not yet running.

    Args:
        ws: How to reach the service.
    """
    return Worker(await connect(ws), **WORKER, activity_executor=ThreadPoolExecutor(20))
