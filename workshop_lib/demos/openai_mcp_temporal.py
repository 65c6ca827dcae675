"""Demo 3: an agent of the OpenAI Agents SDK. Its tools are those of two teams' MCP servers, and activities of its own.

The agent asks the servers in each turn what they offer: a tool that a team adds is used in the next one. A server is
an HTTP service that acts as a client of Temporal. What it starts is durable; the call to it is not.
"""

# No `from __future__ import annotations`: see workshop_lib/agents/conversation.py.

import asyncio
import ssl
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from functools import cache
from typing import Any

from temporalio import workflow
from temporalio.client import Client
from temporalio.common import RetryPolicy
from temporalio.exceptions import FailureError
from temporalio.worker import Worker
from temporalio.workflow import ActivityConfig

with workflow.unsafe.imports_passed_through():
    import httpx2
    import jsonschema  # noqa: F401  # an MCP client would import it with its first call, and not heartbeat meanwhile
    from agents import Agent, FunctionTool, Tool
    from agents.mcp import MCPServer, MCPServerStreamableHttp, MCPToolMetaContext, MCPUtil
    from mcp import Tool as McpTool
    from temporalio.openai_agents.workflow import activity_as_tool, temporal_mcp_server

    from workshop_lib.agents.conversation import Answer, Chat, Message
    from workshop_lib.agents.openai_agents import AgentConversation, plugin
    from workshop_lib.demos import local
    from workshop_lib.evidence.failures import cancelled
    from workshop_lib.evidence.state import service_address
    from workshop_lib.server.connections import Connections
    from workshop_lib.workers import takeover

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


KEY = "workshop.example/idempotency-key"  # of a call's `_meta`
_LISTING_SECONDS = 3.0  # for a server to say which tools it has
_LISTING = ActivityConfig(
    schedule_to_close_timeout=timedelta(seconds=_LISTING_SECONDS),
    heartbeat_timeout=timedelta(seconds=1),
    # If our Worker dies, another one may ask. A server that refuses would do so again, and the user waits.
    retry_policy=RetryPolicy(
        initial_interval=timedelta(milliseconds=100),
        non_retryable_error_types=["UserError", "MCPProtocolError", "WorkshopError"],
    ),
)


def key(call: MCPToolMetaContext) -> dict[str, str]:
    """What goes with a call as ``_meta``: a key that names it.

    The SDK asks in the workflow, once for each use of a tool, and the activity has it among its arguments: it is the
    same in each attempt, and in a replay. The teams' servers do not look at it.

    Args:
        call: What the SDK knows of it.
    """
    return {KEY: str(workflow.uuid4())}


def servers(chat: Chat) -> list[MCPServer]:
    """The MCP servers whose tools the model may call. A call is an activity of the plugin.

    Args:
        chat: Says how long one use of a tool may take.
    """
    options: dict[str, Any] = {
        "activity_config": takeover.limits(timedelta(seconds=chat.tool_seconds)),
        "factory_argument": chat.tool_seconds,
        "tool_meta_resolver": key,
        "use_structured_content": True,
    }
    return [temporal_mcp_server("finance", **options), temporal_mcp_server("it", **options)]


class McpConversation(AgentConversation):
    """The base of a workflow class whose agent has MCP servers. It asks them in each turn what they offer.

    Args:
        chat: As for ``Conversation``.
    """

    @workflow.init
    def __init__(self, chat: Chat) -> None:
        super().__init__(chat)
        self._offered: dict[str, list[McpTool]] = {}  # by each MCP server, when it was last asked

    async def ready(self) -> Agent[None]:
        """See base class."""
        agent = self.agent()
        # The SDK would ask all MCP servers before each model call, one after another, and one that is down would end
        # the turn. Each is asked once a turn here, all at the same time.
        await asyncio.gather(*(self._ask_for_tools(server) for server in agent.mcp_servers))
        # The first of each name: a server cannot take the place of a tool of ours with one of its own.
        tools: dict[str, Tool] = {t.name: t for server in reversed(agent.mcp_servers) for t in self._tools_of(server)}
        tools |= {tool.name: tool for tool in agent.tools}
        return replace(agent, tools=list(tools.values()), mcp_servers=[])

    async def answer(self, messages: list[Message]) -> Answer:
        """See base class."""
        answer = await super().answer(messages)
        unknown = [server.name for server in self.agent().mcp_servers if server.name not in self._offered]
        why = "".join(f" The MCP server {name!r} cannot be reached, so I do not know its tools." for name in unknown)
        return replace(answer, text=answer.text + why)

    async def _ask_for_tools(self, server: MCPServer) -> None:
        """Learn which tools an MCP server has now. If it is down, what it had before stands: it may be back in time."""
        asked = temporal_mcp_server(server.name, activity_config=_LISTING, factory_argument=_LISTING_SECONDS)
        try:
            self._offered[server.name] = await asked.list_tools()
        except FailureError as error:
            if cancelled(error):
                raise

    def _tools_of(self, server: MCPServer) -> list[FunctionTool]:
        """What the model may call there. Failures are raised, for ``_use`` to put into words."""
        offered = self._offered.get(server.name, [])
        return [MCPUtil.to_function_tool(tool, server, False, failure_error_function=None) for tool in offered]


@workflow.defn
class McpAgent(McpConversation):
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
                activity_as_tool(each, **takeover.limits(timedelta(seconds=self.chat.tool_seconds)))
                for each in local.TOOLS
            ],
            mcp_servers=servers(self.chat),
            model=self.chat.model,
        )


def over_http(service: str, address: Callable[[str], str] = service_address) -> Callable[[float], MCPServer]:
    """How a Worker reaches an MCP server over HTTP: a function of the ``factory_argument``.

    Each call has a connection of its own. One that is shared lets one call through at a time, so that a slow tool
    would hold up all conversations.

    Args:
        service: Its name, as ``ws.serve`` has it.
        address: Where a service of a name listens.
    """

    def connect(seconds: float) -> MCPServer:
        patience = seconds + 1  # a little more than the activity's limit, which is the one that counts
        url = f"{address(service)}/mcp"
        return MCPServerStreamableHttp(
            {"url": url, "sse_read_timeout": patience, "httpx_client_factory": _client},
            name=service,
            client_session_timeout_seconds=patience,
        )

    return connect


def _client(headers: dict[str, str] | None = None, timeout: Any = None, auth: Any = None) -> httpx2.AsyncClient:
    # To read the certificates again would take 25 ms for each call.
    return httpx2.AsyncClient(headers=headers, timeout=timeout, auth=auth, verify=_certificates())


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
    **takeover.QUICK_TAKEOVER,
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
