"""The topology: what the server has, who polls, where endpoints lead, and what is down; in the picture and in words."""

from __future__ import annotations

import asyncio
import os
import xml.etree.ElementTree as ET
from collections.abc import AsyncIterator

import flows
import pytest
from temporalio.client import Client
from temporalio.worker import Worker

from workshop_lib.evidence import messages
from workshop_lib.views.topology import topology
from workshop_lib.workshop import Workshop

pytestmark = pytest.mark.anyio
SVG = "{http://www.w3.org/2000/svg}"
BOTH = "polls: workflows, activities"


class Seen:
    """The last picture, and its twin in plain text."""

    def __init__(self, ws: Workshop) -> None:
        self.ws = ws
        self.markup = self.text = ""

    async def look(self) -> None:
        await topology(self.ws)

    def take(self, markup: str, text: str) -> None:
        self.markup, self.text = markup, text

    def of(self, head: str) -> list[str]:
        """What the text says below a line."""
        lines = self.text.splitlines()
        indents = [len(line) - len(line.lstrip()) for line in lines]
        (first,) = (number for number, line in enumerate(lines) if line.strip() == head)
        below = range(first + 1, len(lines))
        last = next((number for number in below if indents[number] <= indents[first]), len(lines))
        return [lines[number].strip() for number in range(first + 1, last)]

    @property
    def texts(self) -> list[str]:
        """What the picture says; whole where it is cut."""
        found = []
        for each in ET.fromstring(self.markup).iter(f"{SVG}text"):
            title = each.find(f"{SVG}title")
            found.append((title.text if title is not None else each.text) or "")
        return found

    def shapes(self, kind: str, **wanted: str) -> int:
        """How many shapes of this kind have attributes that contain these words."""
        found = ET.fromstring(self.markup).iter(SVG + kind)
        return sum(all(part in each.get(name.replace("_", "-"), "") for name, part in wanted.items()) for each in found)

    @property
    def crosses(self) -> int:
        return self.shapes("path", d="l10 10m0 -10l-10 10")


@pytest.fixture
async def seen(ws: Workshop, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Seen]:
    """Takes what is shown, and leaves no worker behind."""
    view = Seen(ws)
    monkeypatch.setattr(messages.Display, "show", lambda self, markup, text: view.take(markup, text))
    before = ws.workers
    yield view
    await ws.stop(*(worker for worker in ws.workers if worker not in before))


async def connected(ws: Workshop, namespace: str) -> Client:
    return await Client.connect(**await ws.connection(namespace))


async def has_polled(ws: Workshop, client: Client, queue: str, seen: Seen) -> None:
    """Wait until the server has seen a poll of this queue, which may be after its worker runs, and until it is idle."""
    await client.execute_workflow(flows.Echo.run, "", id=ws.id("w"), task_queue=queue)
    async with asyncio.timeout(5):
        await seen.look()
        while "open workflows: 1" in seen.of(f"task queue {queue}"):  # the list follows a moment later
            await seen.look()


async def test_a_worker_in_this_process_until_it_stops(ws: Workshop, client: Client, seen: Seen) -> None:
    queue = ws.id("queue")
    worker = ws.run(Worker, client, task_queue=queue, workflows=[flows.Echo], activities=[flows.slow])
    here = f"this notebook, process {worker.pid}"
    await has_polled(ws, client, queue, seen)
    assert seen.of(f"task queue {queue}") == [f"● {here}", BOTH]
    assert {"namespace default", f"task queue {queue}", f"● {here}", BOTH} <= set(seen.texts)
    await ws.stop(worker)
    await seen.look()
    assert seen.of(f"task queue {queue}") == ["✗ nobody polls", f"stopped: {here}"]
    ws.run(Worker, client, task_queue=queue, workflows=[flows.Echo])
    await seen.look()
    assert seen.of(f"task queue {queue}") == [f"● {here}", "polls: workflows"], "built anew with less: nothing is down"


async def test_a_killed_process_is_down_at_once_and_its_replacement_is_up(
    ws: Workshop, client: Client, seen: Seen
) -> None:
    queue = ws.id("queue")
    settings = {"task_queue": queue, "workflows": [flows.Echo], "activities": [flows.slow]}
    first = await ws.spawn(Worker, client, **settings)
    await has_polled(ws, client, queue, seen)
    assert seen.of(f"task queue {queue}") == [f"● process {first.pid}", BOTH]
    crosses, dashed = seen.crosses, seen.shapes("rect", stroke_dasharray="6 4")
    first.kill()
    await seen.look()
    assert seen.of(f"task queue {queue}") == ["✗ nobody polls", f"gone: process {first.pid}"]
    assert "✗ nobody polls" in seen.texts
    assert (seen.crosses, seen.shapes("rect", stroke_dasharray="6 4")) == (crosses + 1, dashed + 1), (
        "not by colour alone"
    )
    second = await ws.spawn(Worker, client, **settings)
    await seen.look()
    assert seen.of(f"task queue {queue}") == [f"● process {second.pid}", BOTH]
    assert seen.crosses == crosses
    await has_polled(ws, client, queue, seen)
    await ws.stop(first, second)
    await seen.look()
    assert sorted(seen.of(f"task queue {queue}")) == sorted(
        ["✗ nobody polls", f"gone: process {first.pid}", f"gone: process {second.pid}"]
    ), "the server alone knows of them now"


async def test_an_endpoint_leads_from_its_callers_to_a_queue(ws: Workshop, client: Client, seen: Seen) -> None:
    callers, handlers = ws.id("callers"), ws.id("handlers")
    there = await connected(ws, "sums")
    ws.run(Worker, client, task_queue=callers, workflows=[flows.Caller])
    handler = await ws.spawn(
        Worker, there, task_queue=handlers, workflows=[flows.Echo], nexus_service_handlers=[flows.SumsHandler()]
    )
    endpoint = await ws.endpoint(handlers, namespace="sums", task_queue=handlers)
    await seen.look()
    leads = f"leads to task queue {handlers} in namespace sums"
    assert seen.of(f"endpoint {endpoint}") == [leads]
    assert seen.of(f"task queue {handlers}") == [f"● process {handler.pid}", "polls: workflows, Nexus"]
    arrows = seen.shapes("path", d="C")
    await client.execute_workflow(flows.Caller.run, args=[endpoint, handlers], id=ws.id("c"), task_queue=callers)
    await client.create_nexus_client(service=flows.Sums, endpoint=endpoint).execute_operation(
        flows.Sums.add, 1, id=ws.id("operation")
    )
    async with asyncio.timeout(5):  # lists follow a moment later
        while len(seen.of(f"endpoint {endpoint}")) < 3:
            await seen.look()
    assert seen.of(f"endpoint {endpoint}") == [
        leads,
        "called from clients, without a workflow in namespace default",
        f"called from task queue {callers} in namespace default",
    ]
    assert seen.shapes("path", d="C") == arrows + 2
    handler.kill()
    await seen.look()
    assert seen.of(f"endpoint {endpoint}, ✗ nobody polls")[0] == leads
    assert seen.of(f"task queue {handlers}") == ["✗ nobody polls", f"gone: process {handler.pid}"]
    assert {endpoint, "endpoint, ✗ nobody polls"} <= set(seen.texts)


async def test_a_queue_that_an_endpoint_leads_to_and_that_is_polled_for_other_things(
    ws: Workshop, client: Client, seen: Seen
) -> None:
    queue = ws.id("queue")
    endpoint = await ws.endpoint(queue, namespace="default", task_queue=queue)
    await seen.look()
    assert seen.of(f"task queue {queue}") == ["✗ nobody polls"]
    ws.run(Worker, client, task_queue=queue, workflows=[flows.Echo])
    await seen.look()
    assert seen.of(f"task queue {queue}")[1:] == ["polls: workflows", "✗ nobody polls for Nexus"]
    assert f"endpoint {endpoint}, ✗ nobody polls" in seen.text


async def test_what_waits_for_a_queue_that_nobody_polls(ws: Workshop, client: Client, seen: Seen) -> None:
    queue, typo = ws.id("queue"), ws.id("typo")
    handle = await client.start_workflow(flows.OneActivity.run, args=["slow", 0, typo], id=ws.id("w"), task_queue=queue)
    async with asyncio.timeout(5):
        while f"task queue {queue}" not in seen.text:
            await seen.look()
    assert seen.of(f"task queue {queue}") == ["✗ nobody polls", "open workflows: 1"]
    worker = ws.run(Worker, client, task_queue=queue, workflows=[flows.OneActivity])
    async with asyncio.timeout(5):
        while f"task queue {typo}" not in seen.text:
            await seen.look()
    assert seen.of(f"task queue {typo}") == ["✗ nobody polls", "activities that wait: 1"]
    assert seen.of(f"task queue {queue}")[-1] == "open workflows: 1"
    await handle.terminate()
    await ws.stop(worker)
    async with asyncio.timeout(5):
        while f"task queue {typo}" in seen.text:
            await seen.look()


async def test_other_processes_and_other_names(ws: Workshop, seen: Seen) -> None:
    hostile = "<script>alert(1)</script> & <b>"
    client = await Client.connect(**await ws.connection("hostile", identity=hostile))
    ws.run(Worker, client, task_queue=hostile, workflows=[flows.Echo])
    ws.run(Worker, await connected(ws, "checks"), task_queue=ws.id("check"), workflows=[flows.Echo])
    await seen.look()
    here = f"● this notebook, process {os.getpid()}"
    assert seen.of(f"task queue {hostile}") == [here, "polls: workflows"], "it is known, whatever it calls itself"
    assert f"task queue {hostile}" in seen.texts
    assert not seen.shapes("script")
    assert "namespace checks" not in seen.text
    assert "temporal-system" not in seen.text
    queue = ws.id("queue")
    async with Worker(client, task_queue=queue, workflows=[flows.Echo]):  # not one of the workshop's
        async with asyncio.timeout(5):
            handle = await client.start_workflow(flows.Echo.run, "", id=ws.id("w"), task_queue=queue)
            await handle.result()
            while f"task queue {queue}" not in seen.text:
                await seen.look()
    assert seen.of(f"task queue {queue}") == [f"● {hostile}", "polls: workflows"]
