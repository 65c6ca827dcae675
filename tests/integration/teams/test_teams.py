"""The teams behind Nexus: right answers, errors that keep their reason, and whatever is killed, done once."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from temporalio.client import Client, NexusOperationFailureError
from temporalio.worker import Worker
from waits import until

from workshop_lib.evidence.failures import describe
from workshop_lib.evidence.history import history
from workshop_lib.nexus_mcp.by_workflow import CallOperation
from workshop_lib.teams.it.contract import IT, HostAddress, HostQuery, JiraMetrics, ProjectQuery
from workshop_lib.workers.spawned import SpawnedWorker
from workshop_lib.workers.takeover import QUICK_TAKEOVER
from workshop_lib.workshop import Workshop

LIMIT = timedelta(seconds=60)
FINANCE, TEAM_IT = "workshop_lib.teams.finance.worker", "workshop_lib.teams.it.worker"


@pytest.fixture(scope="module")
async def teams(ws: Workshop) -> AsyncIterator[list[SpawnedWorker]]:
    """Two Workers of Finance, for one to be killed, and one of IT."""
    made = list(await asyncio.gather(ws.spawn(FINANCE), ws.spawn(FINANCE), ws.spawn(TEAM_IT)))
    yield made
    await ws.stop(*made)


@pytest.mark.usefixtures("teams")
async def test_its_operations_answer_and_an_error_is_told_at_once(ws: Workshop, client: Client) -> None:
    """Finance's are compared with those in JavaScript: see test_javascript.py."""
    it: Any = client.create_nexus_client(IT, "it")

    async def call(operation: Any, given: Any) -> Any:
        return await it.execute_operation(operation, given, id=ws.id("operation"), schedule_to_close_timeout=LIMIT)

    assert await call(IT.jira_metrics, ProjectQuery("PAY")) == JiraMetrics("PAY", 4, 3, 1.0)
    assert await call(IT.get_ip, HostQuery("DB-1")) == HostAddress("db-1", "192.0.2.21")
    for operation, given, reason in (
        (IT.jira_metrics, ProjectQuery("NOPE"), "UnknownProject: There is no project NOPE in Jira."),
        (IT.get_ip, HostQuery("nope"), "UnknownHost: IT knows no host nope."),
    ):
        with pytest.raises(NexusOperationFailureError) as caught:  # not that its time was up, after attempts in vain
            await call(operation, given)
        assert reason in "\n".join(describe(caught.value))


async def test_callers_worker_handlers_worker_and_server_killed_one_after_another(
    ws: Workshop, client: Client, teams: list[SpawnedWorker]
) -> None:
    finance = await Client.connect(**await ws.connection("finance"))
    calling = {"task_queue": "callers", "workflows": [CallOperation], **QUICK_TAKEOVER}
    callers = [await ws.spawn(Worker, client, **calling) for _ in range(2)]
    handlers = [worker for worker in teams if worker.name == FINANCE]
    while sum(worker.running for worker in handlers) < 2:
        handlers.append(await ws.spawn(FINANCE))
        teams.append(handlers[-1])
    before = {execution.id async for execution in finance.list_workflows('WorkflowType = "PriceStock"')}
    try:
        slow, death = ws.fault("read_quote.is_slow", times=2, seconds=2), ws.fault("read_quote.dies_after_effect")
        with slow, death:
            handle = await client.start_workflow(
                CallOperation.run,
                args=["finance", "Finance", "stock_price", {"ticker": "HOOLI"}, 120],
                id=ws.id("caller"),
                task_queue="callers",
                task_timeout=timedelta(seconds=2),
            )
            async with asyncio.timeout(120):
                await until(lambda: tried(handle))  # the handler's Worker has died in the first attempt
                callers[0].kill()
                await ws.server.kill()
                await ws.server.restart()
                answer = await handle.result()
        assert death.fired == 1
        assert answer == {"ticker": "HOOLI", "price": 311.75}
    finally:
        await ws.stop(*callers)
    told = await history(handle, follow=True)
    (step,) = [step for step in told.steps if step.kind == "nexus operation"]
    assert [called.workflow_type for called in step.calls] == ["PriceStock"]
    new = await until(lambda: started(finance, before))  # the list follows a moment later
    assert new == {step.calls[0].workflow_id}
    assert sum(worker.running for worker in handlers) == 1


async def started(finance: Client, before: set[str]) -> set[str]:
    found = finance.list_workflows('WorkflowType = "PriceStock"')
    return {execution.id async for execution in found} - before


async def tried(handle: Any) -> bool:
    told = await history(handle, follow=True)
    return any(inner.attempts >= 2 for step in told.steps for called in step.calls for inner in called.steps)
