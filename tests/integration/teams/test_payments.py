"""An HTTP service in a process of its own: the payment service, its faults and its death."""

import asyncio
import ssl
from pathlib import Path
from typing import Any

import httpx
import pytest
from kernels import kernel
from temporalio.exceptions import ApplicationError

from workshop_lib.evidence.messages import WorkshopError
from workshop_lib.evidence.state import certificates, service_address
from workshop_lib.teams.orders.cards import charge_card, charge_once, refund_customer
from workshop_lib.teams.orders.data import Order
from workshop_lib.workers import spawned
from workshop_lib.workers.spawned import HttpService
from workshop_lib.workshop import Workshop

CUT = httpx.RemoteProtocolError
MODULE = "workshop_lib.teams.orders.payments"


@pytest.fixture(scope="module", autouse=True)
async def payments(ws: Workshop) -> HttpService:
    return await ws.serve("payments", MODULE)


@pytest.fixture
def order(ws: Workshop) -> Order:
    return Order(ws.id("order"))


def counts(ws: Workshop, order: Order) -> tuple[int, int]:
    return ws.ledger.count("charge", order=order.id), ws.ledger.count("refund", order=order.id)


async def test_only_a_key_makes_two_charges_one(ws: Workshop, order: Order, monkeypatch: pytest.MonkeyPatch) -> None:
    other = Order(ws.id("order"))
    certificates()
    monkeypatch.setattr(ssl, "create_default_context", None)  # on a busy machine, to read them each time takes too long
    charges = [await asyncio.to_thread(charge_card, order) for _ in range(2)]
    keyed = await asyncio.gather(*(asyncio.to_thread(charge_once, other) for _ in range(8)))
    assert len({*charges, *keyed}) == 3
    assert (counts(ws, order), counts(ws, other)) == ((2, 0), (1, 0))


async def test_a_refund_is_whole_single_and_final(ws: Workshop, order: Order) -> None:
    for _ in range(2):
        await asyncio.to_thread(charge_card, order)
    assert [await asyncio.to_thread(refund_customer, order) for _ in range(2)] == [6000, 6000]
    assert counts(ws, order) == (2, 1)
    with pytest.raises(ApplicationError, match="was refunded") as raised:  # an attempt that comes late
        await asyncio.to_thread(charge_once, order)
    assert raised.value.type == "Refunded"
    assert counts(ws, order) == (2, 1)
    assert await asyncio.to_thread(refund_customer, Order(ws.id("order"))) == 0


async def test_each_fault_is_an_error_but_not_each_leaves_no_charge(ws: Workshop) -> None:
    faults: dict[str, tuple[Any, int]] = {
        "answers_500": (httpx.HTTPStatusError, 0),
        "drops": (CUT, 0),
        "drops_answer": (CUT, 1),
        "delays": (httpx.ReadTimeout, 1),
    }
    for fault, (error, charged) in faults.items():
        order = Order(ws.id("order"))
        with ws.fault(f"payments.{fault}") as made, pytest.raises(error) as raised:
            await asyncio.to_thread(charge_card, order)
        assert error is not CUT or "without sending a response" in str(raised.value), "not even its status came"
        assert (made.fired, counts(ws, order)) == (1, (charged, 0)), fault
        await asyncio.to_thread(charge_card, order)


async def test_a_large_request_on_a_connection_that_stays_open_meets_a_fault_too(ws: Workshop, order: Order) -> None:
    body = {"order": order.id, "customer": "Ann" * 3_000_000, "amount": 1}  # more than a loopback connection holds
    async with httpx.AsyncClient(timeout=120) as client:
        with ws.fault("payments.answers_503", times=2) as fault:
            answers = [await client.post(f"{service_address('payments')}/charges", json=body) for _ in range(3)]
    assert ([answer.status_code for answer in answers], fault.fired) == ([503, 503, 200], 2)


async def test_killed_it_is_unreachable_and_served_again_it_remembers(
    ws: Workshop,
    payments: HttpService,
    order: Order,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    first = await asyncio.to_thread(charge_once, order)
    payments.kill()
    with pytest.raises(httpx.TransportError):
        await asyncio.to_thread(charge_once, order)
    with pytest.raises(WorkshopError, match="no_such_module"):  # a mistake
        await ws.serve("payments", "no_such_module")
    monkeypatch.setattr(spawned, "_PATIENCE_SECONDS", 0.0)  # as on a slow machine: that it starts is no failure
    again = await ws.serve("payments", MODULE)
    assert "is starting and importing modules" in capsys.readouterr().out
    assert (await asyncio.to_thread(charge_once, order), again.url) == (first, payments.url)


async def test_a_service_that_was_not_started_is_named(ws: Workshop) -> None:
    with pytest.raises(WorkshopError, match=r"(?s)'billing' does not run.*ws.serve\(\"billing\""):
        service_address("billing")
    with pytest.raises(WorkshopError, match=r"(?s)billing ended before it was ready.*no_such_module"):
        await ws.serve("billing", "no_such_module")
    (ws._folder.cells / "talkative.py").write_text("raise OSError('The beginning\\n' + 900 * 'x' + '\\nThe reason\\n')")
    with pytest.raises(WorkshopError, match=r"OSError: The beginning x+ … x+ The reason"):
        await ws.serve("billing", "talkative")


@pytest.mark.full
async def test_after_a_restart_of_the_kernel_a_service_is_not_taken_to_run(tmp_path: Path) -> None:
    start = "from workshop_lib import Workshop\nws = await Workshop.start()"
    with kernel(tmp_path, JPY_SESSION_NAME="/class/nb.ipynb") as k:
        k.ok(f'{start}\nawait ws.serve("payments", "{MODULE}")')
        k.restart()
        output = k.run(f'{start}\nfrom workshop_lib.evidence.state import service_address\nservice_address("payments")')
    assert "The service 'payments' does not run." in output.text
