"""A demo whose Workers run beside the tests, and conversations with its agent."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from importlib import import_module
from typing import Any

from temporalio.client import Client, WorkflowHandle
from temporalio.worker import Interceptor, Worker
from waits import until

from workshop_lib.agents.conversation import Chat, Conversation, Line, Reply
from workshop_lib.agents.discovery import DiscoveringConversation
from workshop_lib.agents.openai_agents import AgentConversation
from workshop_lib.demos import local
from workshop_lib.evidence.history import Step, history
from workshop_lib.nexus_mcp.contract import Directory
from workshop_lib.teams.offering import offered
from workshop_lib.workers.spawned import HttpService
from workshop_lib.workshop import Workshop

MODEL_SECONDS = 15.0  # for one answer of the model; on a slow machine, too
Handle = WorkflowHandle[Conversation, int]


@dataclass(frozen=True)
class Demo:
    ws: Workshop
    module: Any
    client: Client
    servers: dict[str, HttpService] = field(default_factory=dict)

    @property
    def over_mcp(self) -> bool:
        """Whether other teams' tools are MCP servers', so that no history leads to a team's."""
        return bool(self.module.SERVERS)

    @property
    def discovers(self) -> bool:
        """Whether it learns in each turn which tools other teams have."""
        return issubclass(self.module.AGENT, DiscoveringConversation)

    @property
    def by_sdk(self) -> bool:
        """Whether the OpenAI Agents SDK runs its loop."""
        return issubclass(self.module.AGENT, AgentConversation)

    async def begin(self, agent: Any = None, **limits: Any) -> Handle:
        return await begin(self.ws, self.client, agent or self.module.AGENT, **limits)


async def begin(ws: Workshop, client: Client, agent: Any, task_queue: str = local.TASK_QUEUE, **limits: Any) -> Handle:
    """Begin a conversation with an agent; its limits are those of ``Chat``."""
    chat = Chat(**{"model": "offline", "model_seconds": MODEL_SECONDS, **limits})
    settings: dict[str, Any] = {"task_queue": task_queue, "execution_timeout": timedelta(hours=1)}
    made: Handle = await client.start_workflow(agent.run, chat, id=ws.id("chat"), **settings)
    return made


async def run_team(demo: Demo, name: str, *interceptors: Interceptor, **settings: Any) -> None:
    """Start a team's computer, or what is gone of it. It replaces what runs of its Worker."""
    team = import_module(f"workshop_lib.teams.{name}.worker")
    client, usual = await offered(demo.ws, team.ENDPOINT, team.NAMESPACE, team.WORKER)
    demo.ws.run(Worker, client, **{**usual, "interceptors": [*usual["interceptors"], *interceptors], **settings})
    server = f"{name}-mcp"
    if demo.over_mcp and not (server in demo.servers and demo.servers[server].running):
        demo.servers[server] = await demo.ws.serve(server, demo.module.SERVERS[server])


async def ask(handle: Handle, text: str) -> Reply:
    return await handle.execute_update(Conversation.send_message, text)


async def said(handle: Handle, *kinds: str) -> list[Line]:
    return [entry for entry in await handle.query(Conversation.transcript) if entry.kind in kinds]


async def greets(handle: Handle) -> None:
    """It says hello, whoever is down or slow."""
    assert (await ask(handle, "hello")).text == "Hello! What can I do for you?"


async def goes_on(handle: Handle) -> None:
    """The conversation does, with a tool."""
    reply = await ask(handle, "What is 6 * 7?")
    assert (reply.problem, "42" in reply.text) == ("", True), reply


async def calls(handle: Handle, tool: str) -> None:
    async def called() -> bool:
        return tool in [line.tool for line in await said(handle, "call")]

    await until(called)


async def team_calls(handle: Handle, wanted: Callable[[list[Step]], bool] = bool) -> list[Step]:
    """The steps of a conversation that use another team's tool, once they are as wanted."""
    found: list[Step] = []

    async def as_wanted() -> bool:
        found[:] = [
            step
            for step in (await history(handle, follow=True)).steps
            if "call-tool" in step.name or (step.kind == "nexus operation" and step.name != Directory.tools.name)
        ]
        return wanted(found)

    await until(as_wanted)
    return found
