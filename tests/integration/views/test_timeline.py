"""The timeline: drawn from histories alone, live, and readable without color."""

from __future__ import annotations

import asyncio
import os
import re
import xml.etree.ElementTree as ET
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import flows
import pytest
from kernels import kernel
from temporalio.client import Client
from temporalio.worker import Worker

from workshop_lib.evidence.history import history
from workshop_lib.views.timeline import draw, timeline
from workshop_lib.workshop import Workshop

pytestmark = pytest.mark.anyio
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
async def queue(ws: Workshop, client: Client) -> AsyncIterator[str]:
    """Callers in ``default``, the handler and its workflow in ``sums``."""
    name = ws.id("queue")
    there = await Client.connect(**await ws.connection("sums"))
    workflows = [flows.Steps, flows.Echo, flows.Stubborn, flows.Caller, flows.OneActivity]
    callers = ws.run(Worker, client, task_queue=name, workflows=workflows, activities=[flows.shaky, flows.slow])
    handler = ws.run(
        Worker, there, task_queue=name, workflows=[flows.Echo], nexus_service_handlers=[flows.SumsHandler()]
    )
    yield name
    await ws.stop(callers, handler)


async def drawn(handle: Any) -> tuple[ET.Element, list[str], str]:
    """The picture of an execution now: its root, its texts, and its twin in plain text."""
    told = await history(handle, follow=True)
    root = ET.fromstring(draw(told))
    texts = ["".join(each.itertext()) for each in root.iter(f"{SVG}text")]
    return root, texts, repr(told)


def has(texts: list[str], part: str) -> bool:
    return any(part in text for text in texts)


async def test_what_it_called_is_followed_into_another_namespace(ws: Workshop, client: Client, queue: str) -> None:
    endpoint = await ws.endpoint("sums-view", namespace="sums", task_queue=queue)
    text = ws.id("t")
    handle = await client.start_workflow(flows.Caller.run, args=[endpoint, text], id=ws.id("c"), task_queue=queue)
    await handle.result()
    _, texts, twin = await drawn(handle)
    callee = f"Echo echo-{text}-2"
    labels = [each for each in texts if "operation" in each or "Echo" in each]
    assert labels == ["nexus operation add", "nexus operation slowly", f"└ sums · {callee}"], "under what called it"
    assert f"└ in namespace sums: {callee}: completed" in twin
    there = await Client.connect(**await ws.connection("sums"))
    _, texts, _ = await drawn(there.get_workflow_handle(f"echo-{text}-2"))
    assert f"called by {handle.id} in namespace default" in texts


async def test_attempts_failures_and_a_child(ws: Workshop, client: Client, queue: str) -> None:
    handle = await client.start_workflow(flows.Steps.run, queue, id=ws.id("steps"), task_queue=queue)
    await handle.result()
    root, texts, _ = await drawn(handle)
    assert {"↻ last failure: RuntimeError: no luck in attempt 2", "✗ RuntimeError: no luck in attempt 3"} <= set(texts)
    assert f"└ default · Echo {handle.id}-child" in texts
    for part in (", 3 attempts", "timer of 50 ms", "cut short after", "✗ did not complete"):
        assert has(texts, part)
    crosses = [each for each in root.iter(f"{SVG}path") if "l10 10m0" in each.get("d", "")]
    assert len(crosses) == 1, "what failed is crossed, not only red; what was retried or cut short is not"


async def test_without_a_worker_it_waits_hollow_and_then_fills(ws: Workshop, client: Client, queue: str) -> None:
    nowhere = ws.id("nowhere")
    handle = await client.start_workflow(flows.Echo.run, "hello", id=ws.id("echo"), task_queue=nowhere)
    root, texts, _ = await drawn(handle)
    assert "running, no worker yet" in texts
    (box,) = root.iter(f"{SVG}rect")
    assert box.get("fill") == "none"
    assert box.get("stroke-dasharray"), "hollow and dashed, for those who see no colors"
    worker = ws.run(Worker, client, task_queue=nowhere, workflows=[flows.Echo])
    await handle.result()
    await ws.stop(worker)
    root, texts, _ = await drawn(handle)
    assert not has(texts, "no worker yet")
    hollow, filled = root.iter(f"{SVG}rect")
    assert (hollow.get("fill") == "none", filled.get("fill") == "none") == (True, False)
    assert float(filled.get("x", 0)) == pytest.approx(float(hollow.get("x", 0)) + float(hollow.get("width", 0)), abs=2)


async def test_what_is_open_says_what_it_waits_for_and_text_is_only_text(
    ws: Workshop, client: Client, queue: str
) -> None:
    days, hostile = f"slow:{timedelta(days=3).total_seconds()}", "<script>alert(1)</script> & <b>"
    for run, args, shown in (
        (flows.Echo.run, [days], ("timer of 3 days", "fires in ")),
        (flows.OneActivity.run, [hostile, None, "nobody"], ("<script>", "waiting")),
    ):
        limit: Any = {"id": ws.id("open"), "task_queue": queue, "execution_timeout": timedelta(days=9)}
        handle: Any = await client.start_workflow(run, args=args, **limit)
        async with asyncio.timeout(60):
            while not (await history(handle)).steps:
                await asyncio.sleep(0.01)
        root, texts, _ = await drawn(handle)
        await handle.terminate()
        assert all(has(texts, part) for part in shown)
        assert not list(root.iter(f"{SVG}script")) + list(root.iter("script"))


async def test_it_follows_for_its_seconds_or_to_the_end_and_raises_nothing(
    ws: Workshop, client: Client, queue: str, capsys: pytest.CaptureFixture[str]
) -> None:
    handle = await client.start_workflow(flows.Stubborn.run, id=ws.id("s"), task_queue=queue)
    async with asyncio.timeout(60):
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
