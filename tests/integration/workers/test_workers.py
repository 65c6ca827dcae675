"""Workers in this process and in their own: replaced, bounded, really killed."""

import asyncio
import contextlib
import gc
import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import blocking
import flows
import pytest
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Worker
from waits import printed, until

from workshop_lib.evidence.messages import WorkshopError
from workshop_lib.workers import in_process, spawned
from workshop_lib.workers.in_process import InProcessWorker
from workshop_lib.workers.spawned import Spawned
from workshop_lib.workshop import Workshop


async def test_an_activity_that_blocks_stalls_nobody_else_and_is_named_when_its_worker_is_stopped(
    ws: Workshop, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue, executor = ws.id("queue"), ThreadPoolExecutor(1)
    activities = [blocking.blocks, blocking.blocks_its_loop]
    settings = {"workflows": [flows.OneActivity], "activities": activities, "activity_executor": executor}
    stalled = ws.run(Worker, client, task_queue=queue, **settings)
    other = ws.run(Worker, client, task_queue="other", workflows=[flows.Echo])
    monkeypatch.setattr(in_process, "STOP_SECONDS", 0.3)
    for name in ("blocks_its_loop", "blocks"):
        blocking.release.clear()
        blocking.entered.clear()
        start = flows.OneActivity.run
        blocked = await client.start_workflow(start, args=[name, None, None], id=ws.id("b"), task_queue=queue)
        assert await asyncio.to_thread(blocking.entered.wait, 60)
        assert await client.execute_workflow(flows.Echo.run, "x", id=ws.id("e"), task_queue="other") == "x"
        if name == "blocks":
            with pytest.raises(WorkshopError, match="blocks and cannot be cancelled"):
                await ws.stop(stalled)
        blocking.release.set()
        await blocked.terminate()
    monkeypatch.undo()
    await ws.stop(stalled, other)
    await ws.stop(stalled)  # as when a cell that stops it is run again
    assert not stalled.running
    executor.shutdown()


async def test_an_interrupted_start_leaves_the_task_queue_to_the_next(ws: Workshop, client: Client) -> None:
    queue, built = ws.id("queue"), threading.Event()

    def build() -> Worker:
        built.set()
        return Worker(client, task_queue=queue, workflows=[flows.Echo], build_id="workshop")

    start = asyncio.ensure_future(InProcessWorker(build, client, queue, set()).start())
    assert await asyncio.to_thread(built.wait, 60)
    start.cancel()
    await asyncio.wait([start])

    def free() -> bool:
        with contextlib.suppress(WorkshopError):  # until the first has shut down
            return ws.run(Worker, client, task_queue=queue, workflows=[flows.Echo]).running
        return False

    await until(free)
    await ws.stop(*ws.workers)


async def test_an_interrupted_spawn_ends_its_process_and_says_nothing_later(ws: Workshop) -> None:
    loop, said, others = asyncio.get_running_loop(), list[Any](), {*threading.enumerate()}
    loop.set_exception_handler(lambda _, context: said.append(context))
    process = Spawned(lambda: ws._launcher.command(["sleep", "600"], "slow"), "slow")
    start = asyncio.ensure_future(process.start())
    await asyncio.sleep(0)  # it waits for the process
    start.cancel()
    await asyncio.wait([start])
    del start
    await until(lambda: not process.running and "(_forward)" not in repr({*threading.enumerate()} - others))
    gc.collect()
    loop.set_exception_handler(None)
    assert not said


async def test_a_worker_without_a_server_can_be_started_later(ws: Workshop, client: Client) -> None:
    queue = ws.id("queue")
    await ws.server.kill()
    try:
        with pytest.raises(WorkshopError, match="the Temporal Server does not answer"):
            ws.run(Worker, client, task_queue=queue, workflows=[flows.Echo])
    finally:
        await ws.server.restart()
    worker = ws.run(Worker, client, task_queue=queue, workflows=[flows.Echo])
    assert await client.execute_workflow(flows.Echo.run, "x", id=ws.id("e"), task_queue=queue) == "x"
    await ws.stop(worker)


async def test_a_spawned_worker_is_reached_killed_and_stopped(
    ws: Workshop, client: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    queue = ws.id("queue")
    process = await ws.spawn(Worker, client, task_queue=queue, workflows=[flows.Echo])
    assert process.polls == [("default", queue, "workflow")]
    assert await client.execute_workflow(flows.Echo.run, "x", id=ws.id("e"), task_queue=queue) == "x"
    former, renewal = process.pid, asyncio.ensure_future(ws._pool._renew({"flows"}))
    await asyncio.sleep(0)  # it waits until the process has ended
    renewal.cancel()
    await asyncio.wait([renewal])
    await ws._pool._renew({"flows"})
    assert process.pid != former, "what an interrupt has prevented, the next try does"
    renewed = str(process)
    process.kill()
    await ws.stop(process)
    assert not process.running
    assert not any(polled[1] == queue for polled in ws._pool.polled())
    assert capsys.readouterr().out == f"The {renewed} has the new code.\n"
    process = await ws.spawn(Worker, client, task_queue=ws.id("queue"), workflows=[flows.Echo])
    os.kill(process.pid, signal.SIGKILL)  # not by us: as the system does when memory runs out
    await printed(capsys, "has ended")


async def test_a_spawned_worker_converts_data_as_its_client_does(ws: Workshop) -> None:
    client = await Client.connect(**await ws.connection(data_converter=pydantic_data_converter))
    queue, two = ws.id("queue"), blocking.Amount(value=2)
    await ws.spawn(Worker, client, task_queue=queue, workflows=[blocking.Doubles])
    answer = await client.execute_workflow(blocking.Doubles.run, two, id=ws.id("m"), task_queue=queue)
    assert answer == blocking.Amount(value=4)


async def test_a_module_can_be_spawned_by_name_and_is_waited_for(
    ws: Workshop, client: Client, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(spawned, "_PATIENCE_SECONDS", 0.01)
    process = await ws.spawn("workshop_lib.teams.it.worker")
    said = capsys.readouterr().out
    assert f"Waiting for {process.name}: its process {process.pid} is starting" in said
    assert said.endswith(f"its process {process.pid} is ready.\n")
    assert ("it", "it", "nexus") in process.polls
    with pytest.raises(WorkshopError, match="No module named 'missing_module'"):
        await ws.spawn("missing_module")
    with pytest.raises(WorkshopError, match="cannot be sent to another process"):
        await ws.spawn(Worker, client, task_queue="q", workflows=[flows.Echo], on_fatal_error=lambda error: error)
