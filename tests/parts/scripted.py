"""Demos 1 and 2 talking with a scripted provider, over a real server."""

import asyncio
import os
from collections import deque
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from guarded import wire_money
from strict_provider import FINE, StrictProvider
from temporalio.client import Client, WorkflowHandle
from temporalio.worker import Worker

from workshop_lib.agents.conversation import Chat, Conversation, Line, Reply
from workshop_lib.agents.openai_agents import AgentConversation, plugin
from workshop_lib.checks.harness.serving import serving
from workshop_lib.demos import computers, local
from workshop_lib.evidence.messages import valid_text
from workshop_lib.teams.it.contract import ENDPOINT
from workshop_lib.teams.it.worker import NAMESPACE, WORKER
from workshop_lib.teams.offering import offered
from workshop_lib.workshop import Workshop

SECONDS = 120  # only against hanging
Handle = WorkflowHandle[Conversation, int]


@dataclass(frozen=True)
class Scripted:
    """A demo whose model says what a test wants it to say."""

    ws: Workshop
    number: int
    module: Any
    client: Client
    provider: StrictProvider
    workflows: tuple[Any, ...] = ()  # besides the demo's own

    async def begin(self, agent: Any = None) -> Handle:
        made: Handle = await self.client.start_workflow(
            (agent or self.module.AGENT).run,
            Chat(model="openai/strict"),
            id=self.ws.id("chat"),
            task_queue=local.TASK_QUEUE,
            execution_timeout=timedelta(hours=1),
        )
        return made

    async def say(self, handle: Handle, text: str, *answers: Any) -> tuple[Reply, list[Line]]:
        """Send a message that the model answers so: the reply, and the transcript's lines of this turn."""
        before = len(await handle.query(Conversation.transcript))
        reply = await self.send(handle, text, *answers)
        return reply, (await handle.query(Conversation.transcript))[before:]

    async def send(self, handle: Handle, text: str, *answers: Any) -> Reply:
        """Send a message that the model answers so."""
        self.provider.script[valid_text(text)] = deque(answers)
        async with asyncio.timeout(SECONDS):
            return await handle.execute_update(Conversation.send_message, text)

    async def goes_on(self, handle: Handle, text: str = "And now?") -> None:
        """The conversation does, and nothing that was remembered is refused."""
        reply = await self.send(handle, text)
        assert self.provider.refused == []
        assert (reply.text, reply.problem) == (FINE, "")


@asynccontextmanager
async def scripted(ws: Workshop, number: int, *more: Any) -> AsyncIterator[Scripted]:
    """A demo, with the IT team behind its endpoint, while the block runs."""
    provider, module = StrictProvider(), computers.demo(number)
    plugins = [plugin(60.0)] if issubclass(module.AGENT, AgentConversation) else []
    async with serving(provider.app) as url:
        os.environ |= {"OPENAI_API_BASE": f"{url}/v1", "OPENAI_API_KEY": "key"}
        client = await Client.connect(**await ws.connection(local.NAMESPACE, plugins=plugins))
        settings = {
            **module.WORKER,
            "workflows": [*module.WORKER["workflows"], *more],
            "activities": [*module.WORKER["activities"], wire_money],
        }
        team, usual = await offered(ws, ENDPOINT, NAMESPACE, WORKER)
        workers = [
            ws.run(Worker, client, **settings, activity_executor=ThreadPoolExecutor(20)),
            ws.run(Worker, team, **usual),
        ]
        yield Scripted(ws, number, module, client, provider, more)
        await ws.stop(*workers)
