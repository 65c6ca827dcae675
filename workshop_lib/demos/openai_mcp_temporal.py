"""Demo 3: an agent of the OpenAI Agents SDK. Its tools are those of two teams' MCP servers, and its own activities.

In each turn, the agent asks the servers what they offer: a tool that a team adds is used in the next turn. A server is
an HTTP service and a client of Temporal. The workflow that it starts is durable; the call to the server is not.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

from temporalio import workflow
from temporalio.client import Client
from temporalio.worker import Worker

with workflow.unsafe.imports_passed_through():
    import httpx2
    import jsonschema  # noqa: F401  # else an MCP client imports it with its first call, and does not heartbeat meanwhile
    from agents import Agent, FunctionTool
    from agents.mcp import MCPServer, MCPServerStreamableHttp, MCPToolMetaContext, MCPUtil
    from mcp import Tool as McpTool
    from temporalio.openai_agents.workflow import temporal_mcp_server

    from workshop_lib.agents.conversation import Chat
    from workshop_lib.agents.discovery import DiscoveringConversation
    from workshop_lib.agents.openai_agents import activity_tool, plugin
    from workshop_lib.demos import local, modules
    from workshop_lib.evidence.state import certificates, service_address
    from workshop_lib.server.connections import Connections
    from workshop_lib.workers import takeover

COMPUTERS = modules(3)
"""The modules that run on each computer. Those of the teams also run an MCP server."""
SERVERS = {"it-mcp": "workshop_lib.teams.it.mcp_server", "finance-mcp": "workshop_lib.teams.finance.mcp_server"}
"""The MCP servers alone, for ``ws.serve``, where the Workers run beside the notebook."""
KEY = "workshop.example/idempotency-key"  # in a call's `_meta`
# A call that is repeated starts a second workflow, so a Worker that is only slow must not be taken for dead.
_HEARTBEAT = timedelta(seconds=10)
_REFUSED = ["UserError", "MCPProtocolError", "WorkshopError"]  # the server is down: the next attempt would fail, too


def key(call: MCPToolMetaContext) -> dict[str, str]:
    """Make the ``_meta`` of a call: a key that names the call.

    The SDK calls this in the workflow, once for each use of a tool, and passes it to the activity as an argument. So
    the key is the same in each attempt, and in a replay. The teams' servers ignore it.

    Args:
        call: The SDK's description of the call.
    """
    return {KEY: str(workflow.uuid4())}


def servers(chat: Chat) -> list[MCPServer]:
    """The MCP servers whose tools the model may call. A call is an activity of the plugin.

    Args:
        chat: The settings: how long one use of a tool may take.
    """
    options: dict[str, Any] = {
        "activity_config": _limits(chat),
        "factory_argument": chat.tool_seconds,
        "tool_meta_resolver": key,
        "use_structured_content": True,
    }
    return [temporal_mcp_server("finance", **options), temporal_mcp_server("it", **options)]


def _limits(chat: Chat) -> dict[str, Any]:
    return takeover.limits(timedelta(seconds=chat.tool_seconds)) | {"heartbeat_timeout": _HEARTBEAT}


class McpConversation(DiscoveringConversation):
    """The base of a workflow class whose agent has MCP servers. It asks them in each turn what they offer."""

    def teams(self) -> Sequence[str]:
        """See base class."""
        return [server.name for server in self.agent().mcp_servers]

    async def offered(self, team: str) -> list[dict[str, Any]]:
        """See base class."""
        # If our Worker dies, another one may ask.
        retry = replace(takeover.QUICK_RETRY, non_retryable_error_types=_REFUSED)
        limits: Any = _limits(self.chat) | {"retry_policy": retry}
        server = temporal_mcp_server(team, activity_config=limits, factory_argument=self.chat.tool_seconds)
        return [tool.model_dump(by_alias=True, exclude_none=True, mode="json") for tool in await server.list_tools()]

    def tool(self, team: str, described: dict[str, Any]) -> FunctionTool:
        """See base class."""
        server = next(server for server in self.agent().mcp_servers if server.name == team)
        # Failures are raised, for `_use` to put into words.
        return MCPUtil.to_function_tool(McpTool.model_validate(described), server, False, failure_error_function=None)


@workflow.defn
class McpAgent(McpConversation):
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
        return Agent(
            "assistant",
            instructions=local.INSTRUCTIONS,
            tools=own,
            mcp_servers=servers(self.chat),
            model=self.chat.model,
        )


def over_http(service: str, address: Callable[[str], str] = service_address) -> Callable[[float], MCPServer]:
    """Return how a Worker reaches an MCP server over HTTP: a function of the ``factory_argument``.

    Each call has its own connection. A shared connection lets one call through at a time, so that a slow tool would
    hold up all conversations.

    Args:
        service: The name of the service.
        address: Returns the address of a service.
    """

    def connect(seconds: float) -> MCPServer:
        patience = seconds + 1  # a little more than the activity's limit, which must end first
        client = partial(httpx2.AsyncClient, verify=certificates())
        how: Any = {"url": f"{address(service)}/mcp", "sse_read_timeout": patience, "httpx_client_factory": client}
        return MCPServerStreamableHttp(how, name=service, client_session_timeout_seconds=patience)

    return connect


MCP_SERVERS = {"finance": over_http("finance-mcp"), "it": over_http("it-mcp")}
"""How a Worker reaches the servers: the plugin's ``mcp_servers``."""
AGENT: type[Any] = McpAgent
WORKER = local.settings(McpAgent)


async def connect(ws: Connections) -> Client:
    """The orchestrator's client. Its plugin is the Worker's, too.

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
