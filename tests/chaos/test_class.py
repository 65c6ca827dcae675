"""A class with its board open, and a server that is killed in between: nothing is lost.

By hand a few for seconds; `make chaos` takes 40 for ten minutes, with an agent on the same server, and reports the
95th percentiles of a turn of the agent and of a refresh of the board.
"""

import asyncio
import os
import statistics
import time
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from lesson import lesson
from temporalio.client import Client

from workshop_lib.agents.conversation import Chat, Conversation
from workshop_lib.demos import litellm_temporal as demo
from workshop_lib.demos import local
from workshop_lib.room import board as room
from workshop_lib.server.connections import Connections
from workshop_lib.teams.finance import worker as finance
from workshop_lib.teams.it import worker as it
from workshop_lib.workshop import Workshop

MANY, SECONDS = (40, 600.0) if "WORKSHOP_CHAOS" in os.environ else (8, 10.0)


async def test_a_class_works_while_its_board_is_open(
    ws: Workshop, with_model: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    turns: list[float] = []
    async with room.opened() as board, AsyncExitStack() as running:
        own = Connections(board.server, list)
        for team in (demo, it, finance):
            await running.enter_async_context(await team.worker(own))
        client = await Client.connect(**await own.connection(local.NAMESPACE, quiet=True))

        async def talk() -> None:
            chat = Chat("offline", model_seconds=600, tool_seconds=600)  # guards: the server is killed in between
            handle = await client.start_workflow(demo.AGENT.run, chat, id="chat", task_queue=local.TASK_QUEUE)
            while True:
                began = time.perf_counter()
                reply = await handle.execute_update(Conversation.send_message, "What's the stock price of ACME?")
                turns.append(time.perf_counter() - began)
                assert "120.6" in reply.text, reply
                await asyncio.sleep(1)

        talking = asyncio.create_task(talk())
        took = await lesson(board, tmp_path, learners=MANY, seconds=SECONDS)
        assert not talking.done(), talking.exception()
        talking.cancel()
        await asyncio.wait([talking])
    p95 = [statistics.quantiles(each, n=20)[-1] for each in (turns, took)]
    with capsys.disabled():
        what = f"{MANY} learners: 95 % of {len(turns)} turns within {p95[0]:.2f} s"
        print(f"\n{what}, of {len(took)} refreshes of the board within {p95[1]:.2f} s")
