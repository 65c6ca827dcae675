"""The panel of failures: orders keep coming, failures go on and off, and in the end all is told and nothing is on."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from temporalio.client import Client
from temporalio.worker import Worker
from waits import until

from workshop_lib.teams.orders import activities as steps
from workshop_lib.teams.orders import cards
from workshop_lib.teams.orders.data import Order
from workshop_lib.teams.orders.safe_order import SafeOrder
from workshop_lib.views.panel import panel
from workshop_lib.workshop import Workshop


@pytest.fixture
async def place(ws: Workshop, client: Client) -> AsyncIterator[Any]:
    """What places an order, with a worker that processes it."""
    payments = await ws.serve("payments", "workshop_lib.teams.orders.payments")
    queue = ws.id("queue")
    activities: list[Any] = [steps.check_fraud, steps.prepare_shipment, cards.charge_once, steps.ship_order]
    activities += [steps.release_shipment, cards.refund_customer]
    worker = ws.run(
        Worker,
        client,
        task_queue=queue,
        workflows=[SafeOrder],
        activities=activities,
        activity_executor=ThreadPoolExecutor(8),
    )
    items = iter(["anvil"])

    async def start() -> Any:
        order = Order(ws.id("order"), item=next(items, "kettle"))
        short = timedelta(seconds=1)
        return await client.start_workflow(SafeOrder.run, order, id=order.id, task_queue=queue, task_timeout=short)

    yield start
    await ws.stop(worker)
    await payments.stop()


def faults_that_are_on(ws: Workshop) -> Any:
    return json.loads(ws._faults.file.read_text())


async def test_failures_come_and_go_and_every_order_ends(
    ws: Workshop, place: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ["payments.answers_503", "charge_once.fails_after_effect", "server.dies"]
    await panel(place, names, script=[*names[:2], names[0], names[2]], seconds=3.5)
    text = capsys.readouterr().out
    words = ("placed", "completed", "undone", "on their way", "charged twice", "lost")
    pattern = " · ".join(rf"{word} (\d+)" for word in words)
    told = re.findall(pattern, text)
    placed, completed, undone, on_their_way, twice, lost = map(int, told[-1])
    assert placed >= 4
    assert (undone, on_their_way, twice, lost) == (1, 0, 0, 0), "the anvil cannot be shipped"
    assert completed == placed - 1
    counts = [int(count[1]) for count in told]
    assert counts == sorted(counts), "it is drawn while orders come"
    assert len(told) >= 3
    assert all(re.search(rf"{re.escape(name)} [1-6]×", text) for name in names)
    assert not faults_that_are_on(ws)


async def test_interrupted_it_switches_everything_off(ws: Workshop, place: Any) -> None:
    running = asyncio.create_task(panel(place, ["charge_once.is_slow"], script=["charge_once.is_slow"], seconds=30))
    await until(lambda: faults_that_are_on(ws) or running.done())
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert not faults_that_are_on(ws)
    others = [task for task in asyncio.all_tasks() if "keep_coming" in repr(task)]
    assert not [task for task in others if not task.cancelling()]
    for execution in await ws.open_executions(["SafeOrder"]):
        await ws.terminate([execution], "the test is over")
