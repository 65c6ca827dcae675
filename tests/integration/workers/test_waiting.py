"""Nobody waits without a bound, or for long without a notice that says why."""

import asyncio
import contextlib
import os
import shutil
import signal
from collections.abc import Awaitable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import flows
import pytest
from temporalio.client import Client, WorkflowUpdateRPCTimeoutOrCancelledError, WorkflowUpdateStage
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import Worker
from waits import printed, until

from workshop_lib.evidence import messages
from workshop_lib.evidence.history import history
from workshop_lib.evidence.messages import WorkshopError
from workshop_lib.workers import waiting
from workshop_lib.workers.reasons import Reasons
from workshop_lib.workshop import Workshop

Capsys = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
async def queue(ws: Workshop, client: Client) -> str:
    """A task queue with a worker."""
    name = ws.id("queue")
    workflows = [flows.OneActivity, flows.OneChild, flows.Broken, flows.Stubborn, flows.Echo, flows.Caller]
    ws.run(Worker, client, task_queue=name, workflows=workflows, activities=[flows.buggy, flows.shaky])
    return name


async def notice(waits: Awaitable[Any], capsys: Capsys, said: str) -> None:
    """Wait for something that does not end by itself until this is said about it."""
    task = asyncio.ensure_future(waits)
    await printed(capsys, said)
    await end(task)


async def end(task: asyncio.Future[Any]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError, RPCError, WorkflowUpdateRPCTimeoutOrCancelledError):
        await task


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("Elsewhere", [], "No Worker of this notebook polls task queue 'nobody'"),
        ("OneActivity", ["shaky", 0, "nobody"], "polls task queue 'nobody' in namespace 'default', where its activity"),
        ("OneActivity", ["shaky", 0, "lame"], "waits on task queue 'lame', and the Worker there has no activities"),
        ("Broken", [], "AttributeError: module 'temporalio.workflow' has no attribute 'nonsense'"),
        ("OneChild", ["Broken", None], "nonsense"),
        ("OneActivity", ["buggy", None, None], "NameError: name 'ordr' is not defined"),
        ("Caller", ["deserted", "x"], "Nexus operation Sums.add on endpoint 'deserted'"),
    ],
)
async def test_a_workflow_that_goes_nowhere(
    ws: Workshop, client: Client, queue: str, capsys: Capsys, name: str, arguments: Any, said: str
) -> None:
    await ws.endpoint("deserted", namespace="default", task_queue="deserted")
    ws.run(Worker, client, task_queue="lame", workflows=[flows.Echo])
    where = "nobody" if name == "Elsewhere" else queue
    await notice(client.execute_workflow(name, args=arguments, id=ws.id("order"), task_queue=where), capsys, said)


async def test_questions_to_a_workflow_whose_worker_has_stopped(ws: Workshop, client: Client, capsys: Capsys) -> None:
    queue = ws.id("queue")
    worker = ws.run(Worker, client, task_queue=queue, workflows=[flows.Stubborn])
    handle = await client.start_workflow(flows.Stubborn.run, id=ws.id("stubborn"), task_queue=queue)
    accepted = await handle.start_update(flows.Stubborn.after_go, wait_for_stage=WorkflowUpdateStage.ACCEPTED)
    await ws.stop(worker)
    asked: list[Awaitable[Any]] = [
        accepted.result(),
        handle.query(flows.Stubborn.state),
        handle.execute_update(flows.Stubborn.add, 1),
    ]
    for question in asked:
        await notice(question, capsys, f"polls task queue {queue!r}")
    worker = ws.run(Worker, client, task_queue=queue, workflows=[flows.Stubborn])
    await handle.signal(flows.Stubborn.proceed)
    assert await accepted.result() == "gone"
    await handle.result()
    await ws.stop(worker)
    # A closed one needs it, too.
    await notice(handle.query(flows.Stubborn.state), capsys, f"polls task queue {queue!r}")


@pytest.mark.full
async def test_questions_to_a_workflow_whose_code_fails(ws: Workshop, client: Client, capsys: Capsys) -> None:
    """The server passes none on: the code is wrong, or takes a busy machine longer than the SDK allows."""
    queue = ws.id("queue")
    ws.run(Worker, client, task_queue=queue, workflows=[flows.Unfinished])
    handle = await client.start_workflow(flows.Stubborn.run, id=ws.id("stubborn"), task_queue=queue)

    async def failing() -> bool:
        return (await handle.describe()).raw_description.pending_workflow_task.attempt >= 3

    await until(failing)
    asked = asyncio.gather(handle.execute_update(flows.Stubborn.add, 1), handle.query(flows.Stubborn.state))
    await printed(capsys, "no attribute 'nonsense'")
    ws.run(Worker, client, task_queue=queue, workflows=[flows.Stubborn])
    assert list(await asked) == [2, False]


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ("context deadline exceeded", RPCStatusCode.DEADLINE_EXCEEDED),
        ("Timeout expired", RPCStatusCode.DEADLINE_EXCEEDED),  # the SDK's own word
        ("workflow update was aborted", RPCStatusCode.UNAVAILABLE),
    ],
)
async def test_an_update_that_a_busy_machine_gives_up_is_sent_again_and_stays_one(
    ws: Workshop, client: Client, queue: str, monkeypatch: pytest.MonkeyPatch, said: str, status: RPCStatusCode
) -> None:
    send, lost = client.workflow_service.update_workflow_execution, list[Any]()

    async def gives_up(*given: Any, **more: Any) -> Any:
        answer = await send(*given, **more)
        if lost:
            return answer
        lost.append(answer)
        raise RPCError(said, status, b"")

    monkeypatch.setattr(client.workflow_service, "update_workflow_execution", gives_up)
    handle = await client.start_workflow(flows.Stubborn.run, id=ws.id("stubborn"), task_queue=queue)
    assert await handle.execute_update(flows.Stubborn.add, 1) == 2
    assert len(lost) == len([step for step in (await history(handle)).steps if step.kind == "update"]) == 1


async def test_an_update_that_waits_ends_with_its_workflow(ws: Workshop, client: Client, capsys: Capsys) -> None:
    handle = await client.start_workflow("X", id=ws.id("x"), task_queue="nobody")
    asked = asyncio.ensure_future(handle.execute_update("never"))
    await printed(capsys, "where its question waits")
    await handle.terminate()
    with pytest.raises(RPCError, match="aborted by closing workflow"):
        await asked


async def test_healthy_waits_are_left_alone(
    ws: Workshop, client: Client, queue: str, capsys: Capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long activity, a retry, a long Nexus operation, a patient workflow, a Worker that is not the workshop's."""
    looked: list[str | None] = []
    find = Reasons.find

    async def recorded(self: Reasons, workflow_id: str, run_id: str | None, *, asks: bool) -> str | None:
        looked.append(await find(self, workflow_id, run_id, asks=asks))
        return looked[-1]

    monkeypatch.setattr(Reasons, "find", recorded)
    endpoint = await ws.endpoint("patient", namespace="default", task_queue="patient")
    settings: dict[str, Any] = {"workflows": [flows.Echo], "nexus_service_handlers": [flows.SumsHandler()]}
    ws.run(Worker, client, task_queue="patient", **settings)
    async with Worker(client, task_queue="plain", activities=[flows.slow]):
        waiters = [
            client.execute_workflow(name, args=arguments, id=ws.id("o"), task_queue=queue)
            for name, arguments in (
                ("OneActivity", ["slow", 600, "plain"]),
                ("OneActivity", ["shaky", 77, None]),
                ("Caller", [endpoint, "slow:600"]),
                ("Stubborn", []),
            )
        ]
        tasks = [asyncio.ensure_future(waits) for waits in waiters]
        await until(lambda: len(looked) >= 2 * len(tasks))
        for task in tasks:
            await end(task)
        assert not any(looked)
        assert capsys.readouterr().out == ""
        await ws.terminate(await ws.open_executions(["OneActivity", "Caller", "Stubborn", "Echo"]), "over")


async def test_a_server_that_is_down(
    ws: Workshop, client: Client, capsys: Capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    handle = await client.start_workflow("X", id=ws.id("x"), task_queue="nobody")
    await ws.server.kill()
    try:
        await notice(handle.result(), capsys, "ws.server.restart()")
        await notice(client.start_workflow("X", id="x", task_queue="q"), capsys, "ws.server.restart()")
        monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=0))  # on which a server ends
        await notice(handle.result(), capsys, "Only 0 MB are free there.\n→ Set WORKSHOP_HOME")
        monkeypatch.undo()
    finally:
        await ws.server.restart()


async def test_a_server_that_is_only_slow_is_not_called_down(ws: Workshop, client: Client, capsys: Capsys) -> None:
    handle = await client.start_workflow("X", id=ws.id("x"), task_queue="nobody")
    waits = asyncio.ensure_future(handle.result())
    assert ws.server.pid is not None
    os.kill(ws.server.pid, signal.SIGSTOP)
    try:
        await asyncio.sleep(6)  # longer than it may take until a server that is down is named
    finally:
        os.kill(ws.server.pid, signal.SIGCONT)
    assert "does not answer" not in await printed(capsys, "polls task queue 'nobody'")
    await end(waits)


async def test_every_wait_has_a_limit(ws: Workshop, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    for given, expected in ((None, waiting.EXECUTION_TIMEOUT), (timedelta(days=3), timedelta(days=3))):
        handle = await client.start_workflow("X", id=ws.id("x"), task_queue="nobody", execution_timeout=given)
        config = (await handle.describe()).raw_description.execution_config
        assert config.workflow_execution_timeout.ToTimedelta() == expected
    handle = await client.start_workflow("X", id="forever", task_queue="nobody")
    monkeypatch.setattr(waiting, "LONGEST_WAIT", 0.3)
    with pytest.raises(WorkshopError, match="Stopped waiting") as raised:
        await handle.result()
    assert "client.get_workflow_handle('forever')" in str(raised.value)
    sums = client.create_nexus_client(flows.Sums, await ws.endpoint("silent", namespace="default", task_queue="nobody"))
    with pytest.raises(WorkshopError, match="Stopped waiting for Nexus operation op after"):
        await sums.execute_operation(flows.Sums.add, 1, id="op")


async def test_one_notice_counts_those_who_wait_for_the_same_until_they_do_not(
    ws: Workshop, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: dict[int, str] = {}  # what each output says last
    # A wait is one, however often the server answers it with nothing; by default, it does so every 20 s.
    await ws.server.restart(dynamic_config={"history.longPollExpirationInterval": '"1s"'})
    monkeypatch.setattr(messages.Display, "show", lambda self, markup, text: shown.update({id(self): text}))
    nowhere = ws.id("nowhere")
    handles = [await client.start_workflow(flows.Echo.run, "", id=ws.id("w"), task_queue=nowhere) for _ in range(3)]
    waits = [asyncio.ensure_future(handle.result()) for handle in handles]
    await until(lambda: any(" and 2 more." in text for text in shown.values()))
    assert len(shown) == 1
    await end(waits.pop())  # an interrupted cell's advice stays
    assert "→" in str(shown)
    ws.run(Worker, client, task_queue=nowhere, workflows=[flows.Echo])
    await asyncio.gather(*waits)
    (text,) = shown.values()
    assert text.startswith("No longer waiting for")
    assert "→" not in text, "what is over is not advised any more"
    await ws.server.restart(dynamic_config={})
