"""The teams behind Nexus: right answers, errors that keep their reason, and whatever is killed, done once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from tellers import Teller
from temporalio.client import Client, NexusOperationFailureError, WorkflowFailureError
from temporalio.worker import Worker
from waits import until

from workshop_lib.evidence.failures import describe
from workshop_lib.evidence.history import history
from workshop_lib.teams.finance.contract import Finance, Roi, RoiQuery, StockPrice, StockQuery
from workshop_lib.teams.it.contract import IT, HostAddress, HostQuery, JiraMetrics, ProjectQuery
from workshop_lib.workers.spawned import SpawnedWorker
from workshop_lib.workshop import Workshop

pytestmark = pytest.mark.anyio

FINANCE, TEAM_IT = "workshop_lib.teams.finance.worker", "workshop_lib.teams.it.worker"


@pytest.fixture(scope="module")
async def teams(ws: Workshop) -> AsyncIterator[list[SpawnedWorker]]:
    """Two Workers of Finance, for one to be killed, and one of IT."""
    made = list(await asyncio.gather(ws.spawn(FINANCE), ws.spawn(FINANCE), ws.spawn(TEAM_IT)))
    yield made
    await ws.stop(*made)


async def call(ws: Workshop, client: Client, operation: Any, given: Any) -> Any:
    service, endpoint = (Finance, "finance") if hasattr(Finance, operation.name) else (IT, "it")
    nexus: Any = client.create_nexus_client(service, endpoint)
    return await nexus.execute_operation(
        operation, given, id=ws.id("operation"), schedule_to_close_timeout=timedelta(seconds=60)
    )


@pytest.mark.usefixtures("teams")
@pytest.mark.parametrize(
    ("operation", "given", "answer"),
    [
        (Finance.stock_price, StockQuery("acme"), StockPrice("ACME", 120.6)),
        (Finance.calculate_roi, RoiQuery(1000, 1250), Roi(25.0, 250.0)),
        (IT.jira_metrics, ProjectQuery("PAY"), JiraMetrics("PAY", 4, 3, 1.0)),
        (IT.get_ip, HostQuery("DB-1"), HostAddress("db-1", "192.0.2.21")),
    ],
)
async def test_each_operation_answers(ws: Workshop, client: Client, operation: Any, given: Any, answer: Any) -> None:
    assert await call(ws, client, operation, given) == answer


@pytest.mark.usefixtures("teams")
@pytest.mark.parametrize(
    ("operation", "given", "reason"),
    [
        (Finance.stock_price, StockQuery("NOPE"), "UnknownTicker: No stock NOPE is traded."),
        (Finance.calculate_roi, RoiQuery(0, 10), "Input should be greater than 0"),
        (IT.jira_metrics, ProjectQuery("NOPE"), "UnknownProject: There is no project NOPE in Jira."),
        (IT.get_ip, HostQuery("nope"), "UnknownHost: IT knows no host nope."),
    ],
)
async def test_an_error_is_told_at_once(ws: Workshop, client: Client, operation: Any, given: Any, reason: str) -> None:
    with pytest.raises(NexusOperationFailureError) as caught:  # not that its time was up, after attempts in vain
        await call(ws, client, operation, given)
    told = "\n".join(describe(caught.value))
    assert reason in told
    assert "https://" not in told


async def ask(ws: Workshop, client: Client, ticker: str) -> Any:
    """Start a caller's workflow that asks Finance for a price."""
    return await client.start_workflow(
        Teller.run,
        ticker,
        id=ws.id("teller"),
        task_queue="tellers",
        task_timeout=timedelta(seconds=2),
    )


@pytest.mark.parametrize("bug", ["stock_price", "calculate_roi"])
async def test_a_bug_is_told_at_once(ws: Workshop, client: Client, bug: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the workflow behind an operation, and in a handler that answers itself. See ``buggy.py``."""
    worker = await ws.spawn("buggy")
    try:
        given = StockQuery("ACME") if bug == "stock_price" else RoiQuery(1, 2)
        nexus: Any = client.create_nexus_client(Finance, "buggy")
        limit = timedelta(seconds=60)
        with pytest.raises(NexusOperationFailureError) as caught:
            await nexus.execute_operation(bug, given, id=ws.id("operation"), schedule_to_close_timeout=limit)
    finally:
        await ws.stop(worker)
    told = describe(caught.value)
    assert any("ZeroDivisionError" in line for line in told), told
    assert not any("timed out" in line for line in told)


async def test_callers_worker_handlers_worker_and_server_killed_one_after_another(
    ws: Workshop, client: Client, teams: list[SpawnedWorker]
) -> None:
    """One operation: done once, and answered right."""
    finance = await Client.connect(**await ws.connection("finance"))
    callers = list(await asyncio.gather(ws.spawn("tellers"), ws.spawn("tellers")))
    handlers = [worker for worker in teams if worker.name == FINANCE]
    while sum(worker.running for worker in handlers) < 2:
        handlers.append(await ws.spawn(FINANCE))
        teams.append(handlers[-1])
    before = {execution.id async for execution in finance.list_workflows('WorkflowType = "PriceStock"')}
    try:
        slow, death = ws.fault("read_quote.is_slow", times=2, seconds=2), ws.fault("read_quote.dies_after_effect")
        with slow, death:
            handle = await ask(ws, client, "HOOLI")
            async with asyncio.timeout(120):
                await until(lambda: tried(handle))  # the handler's Worker has died in the first attempt
                callers[0].kill()
                await ws.server.kill()
                await ws.server.restart()
                price = await handle.result()
        assert death.fired == 1
        assert price == 311.75
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
    """Whether the workflow behind the operation has begun its activity a second time."""
    told = await history(handle, follow=True)
    return any(inner.attempts >= 2 for step in told.steps for called in step.calls for inner in called.steps)


@pytest.mark.usefixtures("teams")
async def test_a_caller_without_the_teams_code_sees_the_reason(ws: Workshop, client: Client) -> None:
    worker = ws.run(Worker, client, task_queue="tellers", workflows=[Teller])
    try:
        handle = await ask(ws, client, "NOPE")
        with pytest.raises(WorkflowFailureError) as caught:
            await handle.result()
    finally:
        await ws.stop(worker)
    assert describe(caught.value)[-1].strip() == "↳ UnknownTicker: No stock NOPE is traded."
