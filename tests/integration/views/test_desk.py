"""The approver's desk: what waits is shown, and decided by code or with a button, in the approver's own namespace."""

from collections.abc import AsyncIterator

import pytest
import refunds
from owned import LARGE, Owned, owned
from temporalio.client import WorkflowFailureError
from waits import until

from workshop_lib.evidence.failures import reason
from workshop_lib.views.desk import desk
from workshop_lib.workshop import Workshop


@pytest.fixture(scope="module")
async def world(ws: Workshop) -> AsyncIterator[Owned]:
    async with owned(ws) as made, made.owner():
        await made.rules(LARGE)
        yield made


async def test_who_asks_for_what_is_shown_and_decided_by_code(world: Owned, capsys: pytest.CaptureFixture[str]) -> None:
    orders = {amount: world.ws.id("order") for amount in (500, 900)}
    asked = [await world.start("sales", refunds.Pay, "pay", refunds.Refund(orders[each], each)) for each in orders]
    office = await desk(world.clients["leads"], refunds.ENDPOINT, calls=2)
    said = capsys.readouterr().out
    for part in ("2 calls wait for leads", "sales asks for Refunds.pay", '"amount": 500', "'large'", "left"):
        assert part in said
    ids = {each.input["amount"]: each.id for each in office.waiting}
    other = await desk(world.clients["mallory"], refunds.ENDPOINT)
    assert other.waiting == []
    with pytest.raises(WorkflowFailureError) as caught:
        await other.approve(ids[500], "mine")
    assert "waits for mallory" in reason(caught.value)
    await office.approve(ids[500], "fine")
    await office.refuse(ids[900], "too much")
    assert "Nothing waits for leads" in capsys.readouterr().out
    assert [await world.outcome(each) for each in asked] == ["paid 500", "Refused: Refused by leads: too much."]
    assert [world.paid(order) for order in orders.values()] == [1, 0]


async def test_with_the_keyboard(world: Owned, capsys: pytest.CaptureFixture[str]) -> None:
    order = world.ws.id("order")
    asked = await world.start("sales", refunds.Pay, "pay", refunds.Refund(order, 700))
    office = await desk(world.clients["leads"], refunds.ENDPOINT, calls=1)
    said, approve, refuse = office._row(1, office.waiting[0]).children
    assert [approve.description, refuse.description] == ["Approve", "Refuse"]
    said.value = "the customer called"
    approve.click()
    assert said.disabled
    await until(lambda: not office.waiting)
    assert (await world.outcome(asked), world.paid(order)) == ("paid 700", 1)
    refuse.click()  # too late
    await until(lambda: not office._tasks)
    assert "No call" in capsys.readouterr().out
