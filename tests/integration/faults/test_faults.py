"""Failures by name: each happens for real, as often as it was asked for, and is over with its with-block."""

import asyncio
import contextlib
import json
import sqlite3
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import flows
import orders
import pytest
from temporalio.api.enums.v1 import PendingActivityState, TimeoutType
from temporalio.api.history.v1 import ActivityTaskStartedEventAttributes
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.client import Client, WorkflowHandle
from temporalio.worker import Worker
from waits import GUARD, printed, until

from workshop_lib.evidence.messages import WorkshopError
from workshop_lib.faults.fault import CHECKING
from workshop_lib.faults.interceptor import Faults
from workshop_lib.faults.kinds import JUNK, KINDS
from workshop_lib.faults.plain import breakable
from workshop_lib.teams.orders.data import Order, store
from workshop_lib.workers.spawned import SpawnedWorker
from workshop_lib.workshop import Workshop

Capsys = pytest.CaptureFixture[str]
Handle = WorkflowHandle[Any, Any]
FAILING = [("fails", 2, 1, "apart"), ("fails_after_effect", 2, 3, "within")]
FAILING += [("times_out", 1, 2, "apart"), ("is_slow", 1, 1, "within")]
QUICKLY = timedelta(milliseconds=200)


def settings(queue: str) -> dict[str, Any]:
    return {
        "task_queue": queue,
        "workflows": [orders.ProcessOrder, orders.Pack],
        "activities": [*orders.STEPS, orders.pack],
        "activity_executor": ThreadPoolExecutor(20),
        "sticky_queue_schedule_to_start_timeout": QUICKLY,
    }


async def spawn(ws: Workshop, client: Client, queue: str) -> SpawnedWorker:
    return await ws.spawn(Worker, client, **settings(queue))


@pytest.fixture(scope="module")
async def apart(ws: Workshop, client: Client) -> str:
    """The task queue of a worker in a process of its own, for tests that let it live."""
    queue = ws.id("apart")
    await spawn(ws, client, queue)
    return queue


@pytest.fixture(scope="module")
async def within(ws: Workshop, client: Client) -> str:
    queue = ws.id("within")
    ws.run(Worker, client, **settings(queue))
    return queue


async def place(ws: Workshop, client: Client, queue: str, patience: float = 30.0) -> tuple[str, Handle]:
    """Start an order. A step is given up, and tried again, after ``patience`` seconds."""
    order = Order(id=ws.id("order"))
    # A worker that dies with a workflow task in its hands is missed after the task's timeout, 10 s by default.
    where: dict[str, Any] = {"id": order.id, "task_queue": queue, "task_timeout": timedelta(seconds=1)}
    return order.id, await client.start_workflow(orders.ProcessOrder.run, args=[order, patience], **where)


async def effects(ws: Workshop, order: str, handle: Handle) -> list[int]:
    """How often an order that has come to its end was checked, prepared, charged and shipped."""
    async with asyncio.timeout(GUARD):
        await handle.result()
    return [ws.ledger.count(effect, order=order) for effect in ("check", "prepare", "charge", "ship")]


async def pending(handle: Handle) -> Sequence[PendingActivityInfo]:
    return (await handle.describe()).raw_description.pending_activities


async def step(handle: Handle, name: str) -> tuple[ActivityTaskStartedEventAttributes, timedelta]:
    """Of a step that has ended: how its last attempt started (after which failure), and how long that took."""
    events = (await handle.fetch_history()).events
    scheduled = next(e for e in events if e.activity_task_scheduled_event_attributes.activity_type.name == name)
    first = next(e for e in events if e.activity_task_started_event_attributes.scheduled_event_id == scheduled.event_id)
    last = [e for e in events if e.activity_task_completed_event_attributes.scheduled_event_id == scheduled.event_id]
    took = last[0].event_time.ToDatetime() - first.event_time.ToDatetime()
    return first.activity_task_started_event_attributes, took


def timeout_of(started: ActivityTaskStartedEventAttributes) -> TimeoutType.ValueType:
    return started.last_failure.timeout_failure_info.timeout_type


@pytest.mark.parametrize(("kind", "times", "charged", "where"), FAILING)
async def test_an_activity_fails_as_the_faults_name_says(
    ws: Workshop, client: Client, apart: str, within: str, kind: str, times: int, charged: int, where: str
) -> None:
    queue, too_late = {"apart": apart, "within": within}[where], kind == "times_out"
    with ws.fault(f"charge_customer.{kind}", times=times, seconds=0.5) as fault:
        order, handle = await place(ws, client, queue, patience=2 if too_late else 30)
        assert await effects(ws, order, handle) == [1, 1, charged, 1]
    assert fault.fired == times
    started, took = await step(handle, "charge_customer")
    if kind == "is_slow":
        assert (started.attempt, took >= timedelta(seconds=0.5)) == (1, True)
    else:
        assert started.attempt == times + 1
        assert (timeout_of(started) == TimeoutType.TIMEOUT_TYPE_START_TO_CLOSE) == too_late
    order, handle = await place(ws, client, queue)
    assert await effects(ws, order, handle) == [1, 1, 1, 1], "it is over"


async def test_one_of_a_check_says_so_once(ws: Workshop, client: Client, within: str, capsys: Capsys) -> None:
    checking = CHECKING.set(set())
    for _ in range(2):
        with ws.fault("charge_customer.fails"):
            await effects(ws, *await place(ws, client, within))
    with ws.fault("charge_customer.fails"):
        pass  # the verdict of a check says what did not happen
    CHECKING.reset(checking)
    assert capsys.readouterr().out == "Fault: charge_customer.fails, switched on by the check\n"


async def test_it_happens_exactly_so_often_in_all_processes_together(
    ws: Workshop, client: Client, apart: str, capsys: Capsys
) -> None:
    other = await spawn(ws, client, apart)
    with ws.fault("charge_customer.fails_after_effect", times=7) as fault:
        placed = [await place(ws, client, apart) for _ in range(12)]
        charged = [(await effects(ws, *each))[2] for each in placed]
    assert (fault.fired, sum(charged)) == (7, 12 + 7)
    assert "Fault charge_customer.fails_after_effect: happened 7 times.\n" in capsys.readouterr().out
    await ws.stop(other)
    with ws.fault("crowded.fails", times=20) as fault:
        takers = [Faults(fault.file.parent, may_die=False) for _ in range(8)]
        with ThreadPoolExecutor(8) as pool:
            taken = list(pool.map(lambda n: takers[n % 8].take("crowded", "fails"), range(80)))
    assert (fault.fired, sum(map(bool, taken))) == (20, 20)


async def test_an_attempt_that_hangs_is_missed_by_its_heartbeat_and_stops_with_its_worker(
    ws: Workshop, client: Client
) -> None:
    queue = ws.id("queue")
    worker = ws.run(Worker, client, **settings(queue))
    order = Order(id=ws.id("order"))
    with ws.fault("pack.hangs") as fault:
        packing = await client.start_workflow(orders.Pack.run, order, id=order.id, task_queue=queue)
        await packing.result()
        assert fault.fired == 1
    started, _ = await step(packing, "pack")
    assert (started.attempt, timeout_of(started)) == (2, TimeoutType.TIMEOUT_TYPE_HEARTBEAT)
    with ws.fault("check_fraud.hangs") as fault:  # a `def` activity
        _, handle = await place(ws, client, queue)
        await until(lambda: fault.fired > 0)
        await ws.stop(worker)
    (left,) = await pending(handle)
    assert left.state == PendingActivityState.PENDING_ACTIVITY_STATE_SCHEDULED, "it has ended, and waits for a Worker"
    await handle.terminate()


@pytest.mark.parametrize(
    ("kind", "charged", "attempts"),
    [("dies_before_effect", 1, 2), ("dies_after_effect", 2, 2), ("dies_after_report", 1, 1)],
)
async def test_a_worker_process_really_dies_and_another_completes_the_order(
    ws: Workshop, client: Client, kind: str, charged: int, attempts: int, capsys: Capsys
) -> None:
    queue = ws.id("queue")
    workers = [await spawn(ws, client, queue), await spawn(ws, client, queue)]
    with ws.fault(f"charge_customer.{kind}"):
        order, handle = await place(ws, client, queue, patience=2)
        assert await effects(ws, order, handle) == [1, 1, charged, 1]
    assert [worker.running for worker in workers].count(True) == 1
    started, _ = await step(handle, "charge_customer")
    assert started.attempt == attempts
    text = await printed(capsys, f"has ended: killed by the fault charge_customer.{kind}")
    assert "No running Worker" not in text
    await ws.stop(*workers)


async def test_a_database_is_really_locked(ws: Workshop, client: Client, apart: str) -> None:
    with store() as database:
        path = database.execute("PRAGMA database_list").fetchone()[2]
    with ws.fault("orders.db.locked", seconds=3600) as fault:
        other = sqlite3.connect(path, timeout=0)
        with pytest.raises(sqlite3.OperationalError, match="database is locked"):
            other.execute("BEGIN IMMEDIATE")
        order, handle = await place(ws, client, apart)

        async def tried_again() -> bool:  # a step waits two seconds for the database, and fails
            return any(each.attempt > 1 for each in await pending(handle))

        await until(tried_again)
        assert "database is locked" in (await pending(handle))[0].last_failure.message
    assert fault.fired == 1
    assert await effects(ws, order, handle) == [1, 1, 1, 1]
    other.execute("BEGIN IMMEDIATE")
    other.close()


async def test_a_flooded_queue_is_emptied_again(ws: Workshop, client: Client, within: str) -> None:
    async def waiting(count: int) -> bool:  # the server's list follows what happens by a moment
        return len(await ws.open_executions(["Junk"])) == count

    with ws.fault(f"{within}.flooded", seconds=3600) as fault:
        await until(lambda: waiting(JUNK))
        order, handle = await place(ws, client, within)
        assert await effects(ws, order, handle) == [1, 1, 1, 1]
    assert fault.fired == 1
    await until(lambda: waiting(0))


async def test_a_name_or_target_that_is_not_there_is_told(ws: Workshop, within: str, capsys: Capsys) -> None:
    for name in ("charge_customer.burns", "charge_customer", "server.fails", "orders.dies"):
        with pytest.raises(WorkshopError, match=r"(?s)There are:.*charge_customer|ACTIVITY.fails: ") as raised:
            ws.fault(name)
    assert all(line in str(raised.value) for line in KINDS.values())
    with ws.fault("chrge_customer.fails"):
        text = capsys.readouterr().out
        assert "No running Worker has an activity 'chrge_customer'" in text
        assert "charge_customer, check_fraud" in text
    assert "Fault chrge_customer.fails: happened 0 times." in capsys.readouterr().out
    with pytest.raises(WorkshopError, match=r"no database .*none\.db"):
        ws.fault("none.db.locked")
    assert not (ws._folder.path / "none.db").exists()
    with pytest.raises(WorkshopError, match="No service is called 'billing'"):
        ws.fault("billing.drops")


async def test_a_fault_ends_with_its_block_or_the_next_start(ws: Workshop, client: Client, within: str) -> None:
    with pytest.raises(KeyboardInterrupt), ws.fault("charge_customer.fails") as fault:
        raise KeyboardInterrupt
    assert json.loads(fault.file.read_text()) == {}
    left = ws.fault("charge_customer.fails", times=100)
    left.__enter__()
    assert "charge_customer.fails" in left.file.read_text()
    await Workshop.start()
    assert json.loads(left.file.read_text()) == {}
    order, handle = await place(ws, client, within)
    assert await effects(ws, order, handle) == [1, 1, 1, 1]
    with contextlib.suppress(WorkshopError):
        left.__exit__()


async def test_a_fault_does_not_kill_the_kernel(ws: Workshop, client: Client, capsys: Capsys) -> None:
    worker = ws.run(Worker, client, task_queue=ws.id("queue"), activities=[flows.slow])
    with pytest.raises(WorkshopError, match=r"slow\.dies_after_effect does not happen(.|\n)*await ws\.spawn\("):
        ws.fault("slow.dies_after_effect")
    await ws.stop(worker)
    with ws.fault("slow.dies_after_effect") as fault:  # nobody knows yet where the activity will run
        assert not Faults(fault.file.parent, may_die=False).take("slow", "dies_after_effect")
    assert fault.fired == 0
    assert "slow.dies_after_effect does not happen." in capsys.readouterr().out
    with ws.fault("len.times_out") as fault:
        assert breakable(len)("four") == 4
    assert fault.fired == 0, "a plain function has no timeout"
