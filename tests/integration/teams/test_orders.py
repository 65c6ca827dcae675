"""The orders team's steps: each may be repeated, and repeated or undone it leaves what it should."""

import pytest

from workshop_lib.teams.orders.activities import prepare_shipment, release_shipment, ship_order
from workshop_lib.teams.orders.data import Order, store
from workshop_lib.workshop import Workshop

pytestmark = [pytest.mark.usefixtures("ws")]


def stock(item: str) -> int:
    with store() as database:
        return int(database.execute("SELECT quantity FROM stock WHERE item = ?", (item,)).fetchone()[0])


@pytest.fixture
def order(ws: Workshop) -> Order:
    return Order(ws.id("order"), quantity=3)


def noted(ws: Workshop, order: Order) -> list[str]:
    return [entry.effect for entry in ws.ledger.entries(order=order.id)]


async def test_steps_that_are_repeated_have_one_effect(ws: Workshop, order: Order) -> None:
    before = stock("kettle")
    assert prepare_shipment(order) == prepare_shipment(order)
    assert ship_order(order) == ship_order(order)
    release_shipment(order)  # it is on its way
    assert stock("kettle") == before - 3
    assert noted(ws, order) == ["prepare", "ship"]


async def test_released_goods_are_back_once_and_stay(ws: Workshop, order: Order) -> None:
    before = stock("kettle")
    release_shipment(order)  # nothing to release yet
    prepare_shipment(order)
    release_shipment(order)
    release_shipment(order)
    assert stock("kettle") == before
    assert noted(ws, order) == ["prepare", "release"]
