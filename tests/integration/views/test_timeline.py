"""The timeline follows an execution, and what it called, while it runs."""

from __future__ import annotations

import asyncio
import os
import re
from pathlib import Path

import flows
import pytest
from kernels import kernel
from temporalio.client import Client

from workshop_lib.views.timeline import timeline
from workshop_lib.workshop import Workshop

pytestmark = pytest.mark.anyio


async def test_it_follows_for_its_seconds_or_to_the_end_and_raises_nothing(
    ws: Workshop, client: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    handle = await client.start_workflow(flows.Stubborn.run, id=ws.id("s"), task_queue=ws.id("nowhere"))
    async with asyncio.timeout(120):
        await timeline(handle, seconds=0.5)
        await timeline(handle, seconds=0)
        assert f"Stubborn {handle.id}: running" in capsys.readouterr().out
        following = asyncio.create_task(timeline(handle, seconds=3600))
        await asyncio.sleep(0)
        await handle.terminate(reason="enough")
        await following
    assert f"Stubborn {handle.id}: terminated" in capsys.readouterr().out


START = """import asyncio
import flows
from temporalio.client import Client
from temporalio.worker import Worker
from workshop_lib import Workshop, timeline
ws = await Workshop.start()
client = await Client.connect(**await ws.connection("default"))
ws.run(Worker, client, task_queue="q", workflows=[flows.Stubborn])
handle = await client.start_workflow(flows.Stubborn.run, id=ws.id("stubborn"), task_queue="q")"""
WATCH = """import sys
view, first = sys.modules["workshop_lib.views.timeline"], asyncio.Event()
def draw(told, draw=view.draw):
    first.set()
    return draw(told)
view.draw = draw
watching = asyncio.create_task(timeline(handle, seconds=3600))
await first.wait()
await ws.server.kill()
await ws.server.restart()
await handle.signal("proceed")
await watching"""


def test_in_a_notebook_one_picture_changes_also_while_the_server_dies_and_comes_back(tmp_path: Path) -> None:
    paths = [str(Path(flows.__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    with kernel(tmp_path, PYTHONPATH=os.pathsep.join(paths)) as k:
        k.ok(START)
        output = k.run(WATCH)
    assert not output.error, output.text
    pictures = re.findall(r"<svg.*?</svg>", output.html)
    assert output.displays < len(pictures), "updated in place"
    assert "signal proceed" not in pictures[0]
    assert "signal proceed" in pictures[-1]
    assert re.search(r"Stubborn stubborn-1: completed.*\n  1\. signal proceed: completed", output.text)
