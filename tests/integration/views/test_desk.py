"""The approver's desk: what waits is shown, and decided by code or with a button, in the approver's own namespace."""

from collections.abc import AsyncIterator

import pytest
import refunds
from owned import LARGE, Owned, owned
from waits import until

from workshop_lib.views.desk import desk
from workshop_lib.workshop import Workshop


@pytest.fixture(scope="module")
async def world(ws: Workshop) -> AsyncIterator[Owned]:
    async with owned(ws) as made, made.owner():
        await made.rules(LARGE)
        yield made


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
