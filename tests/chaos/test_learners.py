"""A class on one stock server that somebody else runs: each learner has a prefix, and meets nobody else's work.

By hand a few; `make chaos` takes 40, and reports the 95th percentile of a turn, and what the server took.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import psutil
import pytest
from runs import priced
from somebodys import somebodys_server
from temporalio.client import Client
from waits import until

from workshop_lib.agents.conversation import Chat, Conversation
from workshop_lib.demos import litellm_temporal as demo
from workshop_lib.demos import local
from workshop_lib.evidence.state import StateFolder
from workshop_lib.server.connections import Connections
from workshop_lib.server.outside import OutsideService
from workshop_lib.teams.finance import worker as finance
from workshop_lib.teams.it import worker as it
from workshop_lib.workshop import Workshop

pytestmark = [pytest.mark.anyio, pytest.mark.full]

MANY = 40 if "WORKSHOP_CHAOS" in os.environ else 6


async def talk(client: Client, number: int) -> list[float]:
    """Five turns, whose answers are nobody else's. Returns how long each took, in seconds."""
    name = f"Bo{'abcde'[number // 8]}{'klmnopqr'[number % 8]}"
    lines = {
        f"My name is {name}.": name,
        "What's the stock price of ACME?": "120.6",
        f"What is {number} * 7?": str(number * 7),
        "What is the IP address of web-1?": "192.0.2.11",
        "What's my name?": name,
    }
    chat = Chat("offline", model_seconds=600, tool_seconds=600)  # guards: the defaults are for somebody who waits
    handle = await client.start_workflow(demo.AGENT.run, chat, id="chat", task_queue=local.TASK_QUEUE)
    took = []
    for said, wanted in lines.items():
        began = time.perf_counter()
        reply = await handle.execute_update(Conversation.send_message, said)
        took.append(time.perf_counter() - began)
        assert wanted in reply.text, (name, said, reply)
    await handle.signal(Conversation.end_chat)
    return took


@pytest.fixture
def stock() -> Iterator[str]:
    with somebodys_server({}) as address:
        yield address


async def test_a_class_shares_a_server_and_nothing_else(
    ws: Workshop, with_model: None, stock: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (server,) = [each for each in psutil.Process().children() if stock.rpartition(":")[2] in each.cmdline()]
    async with AsyncExitStack() as running:
        learners = []
        for number in range(MANY):
            folder, connect = StateFolder(tmp_path / str(number)), {"target_host": stock}
            own = Connections(OutsideService(folder, "the class's", connect, f"learner{number}x-"), list)
            for team in (demo, it, finance):
                await running.enter_async_context(await team.worker(own))
            learners.append(own)
        # Quiet: nothing but the server decides how long something may take.
        clients = [await Client.connect(**await own.connection(local.NAMESPACE, quiet=True)) for own in learners]
        before = server.cpu_times()
        turns = [each for took in await asyncio.gather(*map(talk, clients, range(MANY))) for each in took]
        after, used = server.cpu_times(), server.memory_info().rss >> 20
        for own in learners:
            assert await until(partial(priced, own)) == 1, "each Finance was asked by its own agent"
        for own in learners:
            assert sorted(await own.namespaces()) == ["default", "finance", "it"]
            assert sorted(await own.endpoints()) == ["finance", "it"]
        for client in clients:
            await client.start_workflow("X", id="left", task_queue="nobody")
        await until(lambda: left(learners, [1] * MANY))
        await learners[0].terminate(await learners[0].open_executions(), "a reset")
        await until(lambda: left(learners, [0] + [1] * (MANY - 1)))
    busy = after.user + after.system - before.user - before.system
    with capsys.disabled():
        p95 = statistics.quantiles(turns, n=20)[-1]
        print(f"\n{MANY} learners: 95 % of turns within {p95:.2f} s; the server took {busy:.1f} s of CPU, {used} MB")


async def left(learners: list[Connections], counts: list[int]) -> bool:
    """Whether so many workflows of each are open."""
    return [len(await own.open_executions()) for own in learners] == counts
