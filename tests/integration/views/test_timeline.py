"""The timeline follows an execution, and what it called, while it runs."""

import asyncio
import re

import flows
import pytest
from temporalio.client import Client
from temporalio.worker import Worker
from waits import until

from workshop_lib.evidence import messages
from workshop_lib.views.timeline import timeline
from workshop_lib.workshop import Workshop


async def test_it_changes_also_while_the_server_dies_and_comes_back(
    ws: Workshop, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[tuple[int, str]] = []
    monkeypatch.setattr(messages.Display, "show", lambda self, markup, text: shown.append((id(self), text)))
    queue = ws.id("queue")
    worker = ws.run(Worker, client, task_queue=queue, workflows=[flows.Stubborn])
    handle = await client.start_workflow(flows.Stubborn.run, id=ws.id("stubborn"), task_queue=queue)
    following = asyncio.create_task(timeline(handle, seconds=3600))
    await until(lambda: any("Stubborn" in text for _, text in shown))
    await ws.server.kill()
    await ws.server.restart()
    await handle.signal(flows.Stubborn.proceed)
    await following
    pictures = [(place, text) for place, text in shown if text.startswith("Stubborn")]
    assert len({place for place, _ in pictures}) == 1, "one picture, which changes"
    assert "signal proceed" not in pictures[0][1]
    assert re.match(rf"Stubborn {handle.id}: completed.*\n  1\. signal proceed: received", pictures[-1][1])
    await ws.stop(worker)
