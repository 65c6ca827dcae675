"""Nobody waits without a bound, or for longer than five seconds without being told why."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable
from typing import Any

import flows
import pytest
from temporalio.client import (
    Client,
    WorkflowHandle,
    WorkflowUpdateRPCTimeoutOrCancelledError,
    WorkflowUpdateStage,
)
from temporalio.service import RPCError
from temporalio.worker import Worker

from workshop_lib.evidence.messages import WorkshopError
from workshop_lib.workers import waiting
from workshop_lib.workshop import Workshop

pytestmark = pytest.mark.anyio


@pytest.fixture
async def queue(ws: Workshop, client: Client) -> AsyncIterator[str]:
    """A task queue with a worker."""
    name = ws.id("queue")
    worker = ws.run(
        Worker,
        client,
        task_queue=name,
        workflows=[flows.OneActivity, flows.OneChild, flows.Broken, flows.Stubborn, flows.Echo, flows.Caller],
        activities=[flows.buggy, flows.slow, flows.shaky],
    )
    yield name
    await ws.stop(worker)


async def told(waits: Awaitable[Any], capsys: pytest.CaptureFixture[str]) -> str:
    """What is said within five seconds of a wait that does not end by itself."""
    task = asyncio.ensure_future(waits)
    text = ""
    deadline = time.monotonic() + 5
    while not text and time.monotonic() < deadline and not task.done():
        await asyncio.sleep(0.05)
        text = capsys.readouterr().out
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError, RPCError, WorkflowUpdateRPCTimeoutOrCancelledError):
        await task
    return text


async def test_a_queue_that_nobody_polls(ws: Workshop, client: Client, capsys: pytest.CaptureFixture[str]) -> None:
    text = await told(client.execute_workflow("Order", id=ws.id("order"), task_queue="nobody"), capsys)
    assert "No Worker of this notebook polls task queue 'nobody'" in text
    assert "`task_queue='nobody'`" in text


async def test_an_activity_on_a_queue_that_nobody_polls(
    ws: Workshop, client: Client, queue: str, capsys: pytest.CaptureFixture[str]
) -> None:
    start = client.execute_workflow(
        flows.OneActivity.run, args=["shaky", 0, "nobody"], id=ws.id("order"), task_queue=queue
    )
    text = await told(start, capsys)
    assert "polls task queue 'nobody'" in text
    assert "activity 'shaky'" in text


async def test_a_typo_in_a_workflow(
    ws: Workshop, client: Client, queue: str, capsys: pytest.CaptureFixture[str]
) -> None:
    text = await told(client.execute_workflow(flows.Broken.run, id=ws.id("order"), task_queue=queue), capsys)
    assert "AttributeError: module 'temporalio.workflow' has no attribute 'nonsense'" in text


async def test_a_workflow_that_the_worker_does_not_know(
    ws: Workshop, client: Client, queue: str, capsys: pytest.CaptureFixture[str]
) -> None:
    text = await told(client.execute_workflow("Unheard", id=ws.id("order"), task_queue=queue), capsys)
    assert "Workflow class Unheard is not registered on this worker" in text


@pytest.mark.parametrize(
    ("name", "said"),
    [("buggy", "NameError: name 'ordr' is not defined"), ("unheard", "Activity function unheard for workflow")],
)
async def test_an_activity_that_trying_again_does_not_mend(
    ws: Workshop, client: Client, queue: str, capsys: pytest.CaptureFixture[str], name: str, said: str
) -> None:
    start = client.execute_workflow(flows.OneActivity.run, args=[name, None, None], id=ws.id("order"), task_queue=queue)
    assert said in await told(start, capsys)


async def test_a_child_that_is_stuck(
    ws: Workshop, client: Client, queue: str, capsys: pytest.CaptureFixture[str]
) -> None:
    start = client.execute_workflow(flows.OneChild.run, args=["Broken", queue], id=ws.id("order"), task_queue=queue)
    assert "nonsense" in await told(start, capsys)


async def test_a_nexus_operation_without_a_handler(
    ws: Workshop, client: Client, queue: str, capsys: pytest.CaptureFixture[str]
) -> None:
    endpoint = await ws.endpoint("deserted", namespace="default", task_queue="deserted")
    start = client.execute_workflow(flows.Caller.run, args=[endpoint, "x"], id=ws.id("order"), task_queue=queue)
    text = await told(start, capsys)
    assert "Nexus operation Sums.add on endpoint 'deserted'" in text


@pytest.mark.parametrize("call", ["query", "update"])
async def test_a_question_to_a_workflow_whose_worker_is_gone(
    ws: Workshop, client: Client, capsys: pytest.CaptureFixture[str], call: str
) -> None:
    queue = ws.id("queue")
    worker = ws.run(Worker, client, task_queue=queue, workflows=[flows.Stubborn])
    handle: WorkflowHandle[Any, Any] = await client.start_workflow(
        flows.Stubborn.run, id=ws.id("stubborn"), task_queue=queue
    )
    assert await handle.query(flows.Stubborn.state) is False
    await ws.stop(worker)
    asked = handle.query(flows.Stubborn.state) if call == "query" else handle.execute_update(flows.Stubborn.add, 1)
    assert f"polls task queue {queue!r}" in await told(asked, capsys)
    await handle.terminate()


async def test_an_accepted_update_whose_worker_is_gone(
    ws: Workshop, client: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    queue = ws.id("queue")
    worker = ws.run(Worker, client, task_queue=queue, workflows=[flows.Stubborn])
    handle = await client.start_workflow(flows.Stubborn.run, id=ws.id("stubborn"), task_queue=queue)
    update = await handle.start_update(flows.Stubborn.after_go, wait_for_stage=WorkflowUpdateStage.ACCEPTED)
    await ws.stop(worker)
    assert f"polls task queue {queue!r}" in await told(update.result(), capsys)
    worker = ws.run(Worker, client, task_queue=queue, workflows=[flows.Stubborn])
    await handle.signal(flows.Stubborn.proceed)
    assert await update.result() == "gone"
    await ws.stop(worker)


async def test_a_question_to_a_closed_workflow_without_a_worker(
    ws: Workshop, client: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    queue = ws.id("queue")
    worker = ws.run(Worker, client, task_queue=queue, workflows=[flows.Stubborn])
    handle = await client.start_workflow(flows.Stubborn.run, id=ws.id("stubborn"), task_queue=queue)
    await handle.signal(flows.Stubborn.proceed)
    await handle.result()
    await ws.stop(worker)
    assert f"polls task queue {queue!r}" in await told(handle.query(flows.Stubborn.state), capsys)


async def test_a_worker_without_the_activities(
    ws: Workshop, client: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    queue = ws.id("queue")
    worker = ws.run(Worker, client, task_queue=queue, workflows=[flows.OneActivity])
    start = flows.OneActivity.run
    text = await told(client.execute_workflow(start, args=["slow", 1, None], id=ws.id("o"), task_queue=queue), capsys)
    assert f"The Worker on task queue {queue!r} takes no activities" in text
    await ws.stop(worker)


async def test_a_worker_that_the_workshop_did_not_start_is_no_reason_to_complain(
    ws: Workshop, client: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    settings: dict[str, Any] = {"workflows": [flows.OneActivity], "activities": [flows.slow]}
    async with Worker(client, task_queue="plain", **settings):
        start = flows.OneActivity.run
        waits = client.execute_workflow(start, args=["slow", 4.5, None], id=ws.id("o"), task_queue="plain")
        assert await told(waits, capsys) == ""


async def test_a_long_nexus_operation_is_no_reason_to_complain(
    ws: Workshop, client: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    endpoint = await ws.endpoint("patient", namespace="default", task_queue="patient")
    handlers: dict[str, Any] = {"nexus_service_handlers": [flows.SumsHandler()]}
    settings = {"workflows": [flows.Caller, flows.Echo], **handlers}
    worker = ws.run(Worker, client, task_queue="patient", **settings)
    start = client.execute_workflow(flows.Caller.run, args=[endpoint, "slow:4"], id=ws.id("c"), task_queue="patient")
    assert await told(start, capsys) == ""
    await ws.stop(worker)


async def test_a_start_without_a_server(ws: Workshop, client: Client, capsys: pytest.CaptureFixture[str]) -> None:
    await ws.server.kill()
    try:
        assert "ws.server.restart()" in await told(client.start_workflow("X", id="x", task_queue="q"), capsys)
    finally:
        await ws.server.restart()


async def test_healthy_waits_are_left_in_peace(
    ws: Workshop, client: Client, queue: str, capsys: pytest.CaptureFixture[str]
) -> None:
    long = client.execute_workflow(flows.OneActivity.run, args=["slow", 20, None], id=ws.id("o"), task_queue=queue)
    retried = client.execute_workflow(flows.OneActivity.run, args=["shaky", 99, None], id=ws.id("o"), task_queue=queue)
    backoff = client.execute_workflow(flows.OneActivity.run, args=["shaky", 77, None], id=ws.id("o"), task_queue=queue)
    patient = client.execute_workflow(flows.Stubborn.run, id=ws.id("o"), task_queue=queue)
    texts = await asyncio.gather(*(told(waits, capsys) for waits in (long, retried, backoff, patient)))
    assert texts == ["", "", "", ""]


async def test_a_workflow_gets_an_execution_timeout_unless_it_has_one(ws: Workshop, client: Client) -> None:
    from datetime import timedelta

    for given, expected in ((None, waiting.EXECUTION_TIMEOUT), (timedelta(days=3), timedelta(days=3))):
        handle = await client.start_workflow("X", id=ws.id("x"), task_queue="nobody", execution_timeout=given)
        described = await handle.describe()
        config = described.raw_description.execution_config
        assert config.workflow_execution_timeout.ToTimedelta() == expected
        await handle.terminate()


async def test_no_wait_is_longer_than_the_longest(
    ws: Workshop, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "LONGEST_WAIT", 0.3)
    with pytest.raises(WorkshopError, match="Stopped waiting") as raised:
        await client.execute_workflow("X", id="forever", task_queue="nobody")
    assert "client.get_workflow_handle('forever')" in str(raised.value)
    await client.get_workflow_handle("forever").terminate()


async def test_a_server_that_is_down(ws: Workshop, client: Client, capsys: pytest.CaptureFixture[str]) -> None:
    handle = await client.start_workflow("X", id=ws.id("x"), task_queue="nobody")
    await ws.server.kill()
    try:
        assert "ws.server.restart()" in await told(handle.result(), capsys)
    finally:
        await ws.server.restart()
    await handle.terminate()
