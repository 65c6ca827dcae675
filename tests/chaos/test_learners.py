"""A class on one stock server that somebody else runs: each learner has a prefix, and meets nobody else's work.

By hand a few; `make chaos` takes 40. It reports the 95th percentile and the CPU of a turn, beside the bare SDK's.
"""

import asyncio
import os
import statistics
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any

import bare_agents
import psutil
import pytest
from runs import priced
from somebodys import somebodys_server
from temporalio.client import Client
from temporalio.worker import Worker
from turns import price
from waits import until

from workshop_lib.agents.conversation import Chat
from workshop_lib.agents.model.settings import model
from workshop_lib.demos import litellm_temporal as demo
from workshop_lib.demos import local
from workshop_lib.evidence.state import StateFolder
from workshop_lib.server.connections import Connections
from workshop_lib.server.outside import OutsideService
from workshop_lib.teams.finance import worker as finance
from workshop_lib.teams.it import worker as it

MANY = 40 if "WORKSHOP_CHAOS" in os.environ else 6
CHAT = Chat("offline", model_seconds=600, tool_seconds=600)  # guards: the defaults are for somebody who waits
AGENTS: dict[str, tuple[Any, str, list[Chat]]] = {
    "demo 1": (demo.AGENT.run, local.TASK_QUEUE, [CHAT]),
    "the bare SDK": (bare_agents.BareAgent.run, "bare", []),
}
PRICES = 3  # in each conversation


async def talk(client: Client, number: int, agent: str, workflow_id: str) -> list[float]:
    """Five turns, whose answers are nobody else's. Returns how long each took, in seconds."""
    run, task_queue, given = AGENTS[agent]
    name = f"Bo{'abcde'[number // 8]}{'klmnopqr'[number % 8]}"
    lines = [(f"My name is {name}.", name), *(price(number + n) for n in range(PRICES)), ("What's my name?", name)]
    handle: Any = await client.start_workflow(run, args=given, id=workflow_id, task_queue=task_queue)
    took = []
    for said, wanted in lines:
        began = time.perf_counter()
        reply = await handle.execute_update("send_message", said)
        took.append(time.perf_counter() - began)
        assert wanted in str(reply), (name, said, reply)
    await handle.terminate()
    return took


@pytest.fixture
def stock() -> Iterator[str]:
    with somebodys_server({}) as address:
        yield address


@pytest.mark.usefixtures("with_model")
async def test_a_class_shares_a_server_and_nothing_else(
    stock: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bare_agents.MODEL.update(model("offline"))
    (server,) = [each for each in psutil.Process().children() if stock.rpartition(":")[2] in each.cmdline()]
    async with AsyncExitStack() as running:
        learners = []
        for number in range(MANY):
            folder, connect = StateFolder(tmp_path / str(number)), {"target_host": stock}
            own = Connections(OutsideService(folder, "the class's", connect, f"learner{number}x-"), list)
            for team in (demo, it, finance):
                await running.enter_async_context(await team.worker(own))
            bare = await Client.connect(stock, namespace=(await own.connection(local.NAMESPACE))["namespace"])
            settings: dict[str, Any] = {"workflows": [bare_agents.BareAgent], "activities": [bare_agents.ask]}
            await running.enter_async_context(Worker(bare, task_queue="bare", **settings))
            learners.append(own)
        # Quiet: nothing but the server decides how long something may take.
        clients = [await Client.connect(**await own.connection(local.NAMESPACE, quiet=True)) for own in learners]
        rounds = list(AGENTS) * 2  # in turns, so that both meet the same noise
        turns: dict[str, list[float]] = {agent: [] for agent in AGENTS}
        busy = dict.fromkeys(AGENTS, 0.0)
        for number, agent in enumerate(rounds):
            before = seconds(server, psutil.Process())
            talks = [talk(client, learner, agent, f"chat-{number}") for learner, client in enumerate(clients)]
            turns[agent] += [each for took in await asyncio.gather(*talks) for each in took]
            busy[agent] += seconds(server, psutil.Process()) - before
        used = server.memory_info().rss >> 20
        for own in learners:
            assert await until(partial(priced, own)) == PRICES * len(rounds), "each Finance was asked by its own agent"
            assert sorted(await own.namespaces()) == ["default", "finance", "it"]
            assert sorted(await own.endpoints()) == ["finance", "it"]
        for client in clients:
            await client.start_workflow("X", id="left", task_queue="nobody")
        await until(lambda: left(learners, [1] * MANY))
        await learners[0].terminate(await learners[0].open_executions(), "a reset")
        await until(lambda: left(learners, [0] + [1] * (MANY - 1)))
    with capsys.disabled():
        print(f"\n{MANY} learners, {used} MB of the server:")
        for agent, took in turns.items():
            p95 = statistics.quantiles(took, n=20)[-1]
            print(f"{agent}: 95 % of turns within {p95:.2f} s; {1000 * busy[agent] / len(took):.0f} ms of CPU a turn")


def seconds(*processes: psutil.Process) -> float:
    """How long they have been busy, in seconds."""
    return sum(sum(process.cpu_times()[:2]) for process in processes)


async def left(learners: list[Connections], counts: list[int]) -> bool:
    """Whether so many workflows of each are open."""
    return [len(await own.open_executions()) for own in learners] == counts
