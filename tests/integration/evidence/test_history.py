"""A history as plain objects, against workflows that did these very things."""

import flows
import pytest
from temporalio.client import Client, WorkflowUpdateFailedError
from temporalio.worker import Worker
from waits import until

from workshop_lib.evidence.history import History, Link, history
from workshop_lib.workshop import Workshop


@pytest.fixture(scope="module")
async def queue(ws: Workshop, client: Client) -> str:
    name = ws.id("queue")
    workflows = [flows.Steps, flows.Echo, flows.Stubborn, flows.OneActivity]
    ws.run(Worker, client, task_queue=name, workflows=workflows, activities=[flows.shaky, flows.slow])
    return name


def outline(read: History) -> list[tuple[str, str, str, int]]:
    return [(step.kind, step.name, step.status, step.attempts) for step in read.steps]


async def test_timers_activities_and_children(ws: Workshop, client: Client, queue: str) -> None:
    handle = await client.start_workflow(flows.Steps.run, queue, id=ws.id("steps"), task_queue=queue)
    assert await handle.result() == "finished"
    read = await history(handle)
    assert read.sdk == "temporal-python"
    assert outline(read) == [
        ("timer", "1", "completed", 1),
        ("activity", "shaky", "completed", 3),
        ("child workflow", "Echo", "completed", 1),
        ("activity", "shaky", "failed", 3),
        ("timer", "2", "completed", 1),
        ("timer", "3", "cancelled", 1),
    ]
    assert read.status == "completed"
    assert read.attempts("shaky") == 6
    assert "no luck in attempt 2" in read.steps[1].failure, "the last failure before it went well"
    assert "no luck in attempt 3" in read.steps[3].failure
    (link,) = read.steps[2].links
    child = await history(client.get_workflow_handle(link.workflow_id, run_id=link.run_id))
    assert child.links == [Link("default", handle.id, str(handle.result_run_id))]


async def test_updates_and_signals(ws: Workshop, client: Client, queue: str) -> None:
    handle = await client.start_workflow(flows.Stubborn.run, id=ws.id("s"), task_queue=queue)
    assert await handle.execute_update(flows.Stubborn.add, 1) == 2
    for wrong in (-1, 101):
        with pytest.raises(WorkflowUpdateFailedError):
            await handle.execute_update(flows.Stubborn.add, wrong)
    await handle.signal(flows.Stubborn.proceed)
    await handle.result()
    read = await history(handle)
    assert [step[:3] for step in outline(read)] == [
        ("update", "add", "completed"),
        ("update", "add", "failed"),  # the third was refused by its validator, which leaves no trace
        ("signal", "proceed", "completed"),
    ]
    assert "no negative numbers" in read.steps[1].failure


@pytest.mark.parametrize(
    ("name", "argument", "expected"), [("slow", 30, "running"), ("shaky", 77, "waiting"), ("nothing", None, "waiting")]
)
async def test_what_is_open(
    ws: Workshop, client: Client, queue: str, name: str, argument: int | None, expected: str
) -> None:
    elsewhere = "nobody" if name == "nothing" else None
    start, arguments = flows.OneActivity.run, [name, argument, elsewhere]
    handle = await client.start_workflow(start, args=arguments, id=ws.id("open"), task_queue=queue)
    tried = {"slow": 1, "shaky": 1, "nothing": 0}[name]

    async def as_expected() -> bool:
        return [(step.status, step.attempts) for step in (await history(handle)).steps] == [(expected, tried)]

    await until(as_expected)
    read = await history(handle)
    (step,) = read.steps
    assert read.status == "running"
    assert read.duration is None
    assert step.duration is None
    assert ("no luck in attempt 1" in step.failure) == (name == "shaky")
    await handle.terminate(reason="enough")
    read = await history(handle)
    assert read.status == "terminated"
    assert read.steps[0].status == "abandoned"
