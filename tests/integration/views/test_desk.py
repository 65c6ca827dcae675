"""The approver's desk: what waits is shown, and decided by code or with a button, in the approver's own namespace."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from refunds import CALLERS, ENDPOINT, Pay, PayRefund, Refund, RefundsHandler, pay_back
from temporalio.client import Client, WorkflowFailureError
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Worker
from waits import until

from workshop_lib.evidence.failures import reason
from workshop_lib.governance.policy.guard import WORKFLOWS, ApprovalsHandler, PolicyGuard, deploy
from workshop_lib.governance.policy.keeper import KEEPER
from workshop_lib.governance.policy.rules import Policy, Rule
from workshop_lib.views.desk import desk
from workshop_lib.workshop import Workshop

pytestmark = pytest.mark.anyio

Ask = Callable[[str, float], Awaitable[Any]]


@pytest.fixture
async def ask(ws: Workshop) -> AsyncIterator[Ask]:
    """Asks for a refund from the namespace ``sales``; each waits for ``finance``."""
    owner = await Client.connect(**await ws.connection("support", data_converter=pydantic_data_converter))
    sales = await Client.connect(**await ws.connection("sales"))
    await ws.endpoint(ENDPOINT, namespace="support", task_queue=ENDPOINT)
    handlers = [RefundsHandler(), ApprovalsHandler()]
    serving = ws.run(
        Worker,
        owner,
        task_queue=ENDPOINT,
        nexus_service_handlers=handlers,
        workflows=[PayRefund, *WORKFLOWS],
        activities=[pay_back],
        activity_executor=ThreadPoolExecutor(4),
        interceptors=[PolicyGuard()],
    )
    calling = ws.run(Worker, sales, task_queue=ENDPOINT, workflows=CALLERS)
    await deploy(owner, Policy([Rule("all", "hold", approvers=["finance"], hours=48)]), task_queue=ENDPOINT)

    async def start(order: str, amount: float) -> Any:
        refund = Refund(order, amount)
        return await sales.start_workflow(Pay.run, args=["pay", refund, 0.0, {}], id=ws.id("pay"), task_queue=ENDPOINT)

    yield start
    await owner.get_workflow_handle(KEEPER).terminate()
    await ws.stop(serving, calling)


async def test_who_asks_for_what_is_shown_and_decided_by_code(
    ws: Workshop, ask: Ask, capsys: pytest.CaptureFixture[str]
) -> None:
    order = ws.id("order")
    paid, refused = await ask(order, 500), await ask(order, 900)
    finance, marketing = [await Client.connect(**await ws.connection(name)) for name in ("finance", "marketing")]
    office = await desk(finance, ENDPOINT, calls=2)
    said = capsys.readouterr().out
    for part in ("2 calls wait for finance", "sales asks for Refunds.pay", '"amount": 500', "'all'", "left"):
        assert part in said
    ids = {each.input["amount"]: each.id for each in office.waiting}
    other = await desk(marketing, ENDPOINT)
    assert other.waiting == []
    with pytest.raises(WorkflowFailureError) as caught:
        await other.approve(ids[500], "mine")
    assert "waits for marketing" in reason(caught.value)
    await office.approve(ids[500], "fine")
    await office.refuse(ids[900], "too much")
    assert "Nothing waits for finance" in capsys.readouterr().out
    await paid.result()
    with pytest.raises(WorkflowFailureError) as caught:
        await refused.result()
    assert "too much" in reason(caught.value)
    assert [each.details["amount"] for each in ws.ledger.entries("refund", order=order)] == [500]


async def test_with_the_keyboard(ws: Workshop, ask: Ask, capsys: pytest.CaptureFixture[str]) -> None:
    order = ws.id("order")
    asked = await ask(order, 700)
    finance = await Client.connect(**await ws.connection("finance"))
    office = await desk(finance, ENDPOINT, calls=1)
    said, approve, refuse = office._row(1, office.waiting[0]).children
    assert [approve.description, refuse.description] == ["Approve", "Refuse"]
    said.value = "the customer called"
    approve.click()
    assert said.disabled
    await until(lambda: not office.waiting)
    await asked.result()
    assert ws.ledger.count("refund", order=order) == 1
    refuse.click()  # too late
    await until(lambda: not office._tasks)
    assert "No call" in capsys.readouterr().out
