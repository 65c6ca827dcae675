"""The topology: what the server has, who polls, where endpoints lead, and what is down; in the picture and in words."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable

import flows
import pytest
from drawings import Drawn
from temporalio.client import Client
from temporalio.worker import Worker

from workshop_lib.evidence import messages
from workshop_lib.views.topology import topology
from workshop_lib.workshop import Workshop

BOTH = "polls: workflows, activities"


class Seen:
    """The last picture, and its twin in plain text."""

    def __init__(self, ws: Workshop) -> None:
        self.ws = ws
        self.markup = self.text = ""

    async def look(self, until: Callable[[], object] = lambda: True) -> None:
        """Look again and again: the server's lists follow a moment later."""
        async with asyncio.timeout(120):
            await topology(self.ws)
            while not until():
                await topology(self.ws)

    def take(self, markup: str, text: str) -> None:
        self.markup, self.text = markup, text

    def of(self, head: str) -> list[str]:
        """What the text says below a line."""
        found = re.search(rf"^( *){re.escape(head)}\n((\1 +.*\n?)*)", self.text, re.M)
        return [line.strip() for line in found[2].splitlines()] if found else []

    @property
    def texts(self) -> set[str]:
        return set(Drawn(self.markup).texts)

    @property
    def down(self) -> tuple[int, int]:
        picture = Drawn(self.markup)
        return picture.texts.count("✗"), len(picture.styled("border:1px dashed"))


@pytest.fixture
async def seen(ws: Workshop, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Seen]:
    """Takes what is shown, and leaves no worker behind."""
    view = Seen(ws)
    monkeypatch.setattr(messages.Display, "show", lambda self, markup, text: view.take(markup, text))
    before = ws.workers
    yield view
    await ws.stop(*(worker for worker in ws.workers if worker not in before))


async def has_polled(ws: Workshop, client: Client, queue: str, seen: Seen) -> list[str]:
    """What there is to say of a queue when the server has seen a poll of it, and no workflow is open on it."""
    await client.execute_workflow(flows.Echo.run, "", id=ws.id("w"), task_queue=queue)
    await seen.look(lambda: "open workflows: 1" not in seen.of(f"task queue {queue}"))
    return seen.of(f"task queue {queue}")


async def test_a_killed_process_is_down_at_once_until_another_polls(ws: Workshop, client: Client, seen: Seen) -> None:
    queue = ws.id("queue")
    settings = {"task_queue": queue, "workflows": [flows.Echo], "activities": [flows.slow]}
    first = await ws.spawn(Worker, client, **settings)
    assert await has_polled(ws, client, queue, seen) == [f"● process {first.pid}", BOTH]
    crosses, dashed = seen.down
    first.kill()
    await seen.look()
    assert seen.of(f"task queue {queue}") == ["✗ nobody polls", f"stopped: process {first.pid}"]
    assert seen.down == (crosses + 1, dashed + 1), "not by color alone"
    await ws.stop(first)
    await seen.look()
    assert seen.of(f"task queue {queue}")[1:] == [f"stopped: process {first.pid}"], "the server alone knows of it now"
    ws.run(Worker, client, **settings)
    await seen.look()
    assert seen.down == (crosses, dashed)


async def test_an_endpoint_leads_from_its_callers_to_a_queue(ws: Workshop, client: Client, seen: Seen) -> None:
    callers, handlers = ws.id("callers"), ws.id("handlers")
    there = await Client.connect(**await ws.connection("sums"))
    ws.run(Worker, client, task_queue=callers, workflows=[flows.Caller])
    ws.run(Worker, there, task_queue=handlers, workflows=[flows.Echo])
    endpoint = await ws.endpoint("sums-" + handlers, namespace="sums", task_queue=handlers)
    await seen.look()
    assert seen.of(f"task queue {handlers}")[1:] == ["polls: workflows", "✗ nobody polls for Nexus"]
    assert {endpoint, "endpoint, ✗ nobody polls"} <= seen.texts
    handler: dict[str, list[object]] = {"nexus_service_handlers": [flows.SumsHandler()]}
    ws.run(Worker, there, task_queue=handlers, workflows=[flows.Echo], **handler)
    await client.execute_workflow(flows.Caller.run, args=[endpoint, handlers], id=ws.id("c"), task_queue=callers)
    nexus = client.create_nexus_client(service=flows.Sums, endpoint=endpoint)
    await nexus.execute_operation(flows.Sums.add, 1, id=ws.id("operation"))
    await seen.look(lambda: len(seen.of(f"endpoint {endpoint}")) == 3)
    assert seen.of(f"endpoint {endpoint}") == [
        f"target: task queue {handlers} in namespace sums",
        "called from clients, without a workflow in namespace default",
        f"called from task queue {callers} in namespace default",
    ]
    assert len(list(Drawn(seen.markup).root.iter("path"))) >= 3
