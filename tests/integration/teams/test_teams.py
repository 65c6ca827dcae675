"""A call of another team over Nexus is made once, whatever is killed."""

import asyncio
from datetime import timedelta
from typing import Any

from temporalio.client import Client
from temporalio.worker import Worker
from waits import until

from workshop_lib.evidence.history import history
from workshop_lib.nexus_mcp.by_workflow import CallOperation
from workshop_lib.workers.takeover import QUICK_TAKEOVER
from workshop_lib.workshop import Workshop

FINANCE = "workshop_lib.teams.finance.worker"


async def test_callers_worker_handlers_worker_and_server_killed_one_after_another(ws: Workshop, client: Client) -> None:
    finance = await Client.connect(**await ws.connection("finance"))
    calling = {"task_queue": "callers", "workflows": [CallOperation], **QUICK_TAKEOVER}
    callers = [await ws.spawn(Worker, client, **calling) for _ in range(2)]
    handlers = await asyncio.gather(ws.spawn(FINANCE), ws.spawn(FINANCE))
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
    await ws.stop(*handlers)


async def started(finance: Client, before: set[str]) -> set[str]:
    found = finance.list_workflows('WorkflowType = "PriceStock"')
    return {execution.id async for execution in found} - before


async def tried(handle: Any) -> bool:
    told = await history(handle, follow=True)
    return any(inner.attempts >= 2 for step in told.steps for called in step.calls for inner in called.steps)
