"""Demos 1 and 2 talking with a scripted provider, over a real server."""

import asyncio
import os
from collections import deque
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from demo_talks import Demo, Handle, run_team
from guarded import wire_money
from strict_provider import FINE, StrictProvider
from temporalio.client import Client
from temporalio.worker import Worker

from workshop_lib.agents.conversation import Conversation, Line, Reply
from workshop_lib.agents.openai_agents import plugin
from workshop_lib.checks.harness.serving import serving
from workshop_lib.demos import computers, local
from workshop_lib.evidence.messages import valid_text
from workshop_lib.workshop import Workshop

MODEL_SECONDS = 60.0
SECONDS = 600  # only against hanging; the workshop's own limit of a wait is left out


@dataclass(frozen=True)
class Scripted(Demo):
    """A demo whose model says what a test wants it to say."""

    provider: StrictProvider = field(default_factory=StrictProvider)
    number: int = 1
    workflows: tuple[Any, ...] = ()  # besides the demo's own

    async def begin(self, agent: Any = None, **limits: Any) -> Handle:
        return await super().begin(agent, model="openai/strict", model_seconds=MODEL_SECONDS, **limits)

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
    async with serving(provider.app) as url:
        os.environ |= {"OPENAI_API_BASE": f"{url}/v1", "OPENAI_API_KEY": "key"}
        plugins = [plugin(MODEL_SECONDS)] if number == 2 else []
        client = await Client.connect(**await ws.connection(local.NAMESPACE, quiet=True, plugins=plugins))
        settings = {
            **module.WORKER,
            "workflows": [*module.WORKER["workflows"], *more],
            "activities": [*module.WORKER["activities"], wire_money],
        }
        ws.run(Worker, client, **settings, activity_executor=ThreadPoolExecutor(20))
        made = Scripted(ws, module, client, {}, provider, number, more)
        await run_team(made, "it")
        yield made
        await ws.stop(*ws.workers)
