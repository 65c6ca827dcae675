"""Many conversations at once, on a machine that is busy: every answer is right, and each price is asked for once.

By hand a few; `make chaos` takes 40 conversations of 5 messages, with two busy processes beside them. It reports how
long a turn takes, and what the server needs for it.
"""

import asyncio
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import psutil
import pytest
from demo_talks import ask, begin
from runs import priced
from temporalio.client import Client

from workshop_lib.demos import computers, local
from workshop_lib.workshop import Workshop

MANY = 40 if "WORKSHOP_CHAOS" in os.environ else 8
TALK = {
    "What's the stock price of ACME?": "120.6",
    "What is the IP address of web-1?": "192.0.2.11",
    "What's the stock price of HOOLI?": "311.75",
    "What is 6 * 7?": "42",
    "What's the stock price of PIED?": "77.38",
}


@pytest.fixture
def busy() -> Iterator[None]:
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2)]
    yield
    for loop in loops:
        loop.kill()
        loop.wait()


@pytest.mark.usefixtures("busy")
@pytest.mark.parametrize("number", [1, 2, 3, 4] if "WORKSHOP_CHAOS" in os.environ else [3])
async def test_every_answer_of_a_crowd_is_right(
    ws: Workshop, number: int, record_property: Callable[[str, Any], None]
) -> None:
    record_property("row", f"crowd     demo {number}  {MANY} at once")
    await Workshop.start(model=True)
    demo = computers.demo(number)
    await computers.start(ws, demo, processes=True)
    # Without the interceptor that limits a wait: here the server alone decides what came of it.
    client = await Client.connect(**await ws.connection(local.NAMESPACE, quiet=True))
    before, server, took = await priced(ws), psutil.Process(ws.server.pid), list[float]()
    busy = sum(server.cpu_times()[:2])

    async def talk() -> None:
        handle = await begin(ws, client, demo.AGENT, model_seconds=40)
        for text, answer in TALK.items():
            began = time.monotonic()
            reply = await ask(handle, text)
            took.append(time.monotonic() - began)
            assert answer in reply.text, (text, reply)
        await handle.terminate()

    await asyncio.gather(*(talk() for _ in range(MANY)))
    used = 1000 * (sum(server.cpu_times()[:2]) - busy) / len(took)
    p95 = statistics.quantiles(took, n=20)[-1]
    memory = server.memory_info().rss >> 20
    record_property("result", f"95 % of turns in {p95:.1f} s; the server: {used:.0f} ms of CPU a turn, {memory} MB")
    asked = MANY * sum("price" in text for text in TALK)
    assert await priced(ws, before + asked) == before + asked, "nothing was killed"
    await ws.stop(*ws.workers)
