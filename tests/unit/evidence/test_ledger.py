"""The ledger counts what every process did."""

import multiprocessing
from multiprocessing.synchronize import Barrier
from pathlib import Path

from workshop_lib.evidence.ledger import Ledger


def test_counts_by_effect_and_details_and_an_effect_with_a_name_once(tmp_path: Path) -> None:
    book = Ledger(tmp_path / "ledger.db")
    book.note("charge", order="order-1", amount=30, once="charge-1")
    book.note("charge", order="order-2", amount=30, tags=["a", "b"])
    book.note("refund", order="order-1")
    book.note("charge", order="order-3", once="charge-1")
    assert book.count() == 3
    assert book.count("charge") == 2
    assert book.count("charge", order="order-1") == 1, "the first note stays"
    assert book.count("charge", tags=("a", "b")) == 1
    assert book.count("charge", missing=None) == 0


def _work(path: Path, together: Barrier) -> None:
    together.wait()
    book = Ledger(path)  # who is first makes the file, while the others open it
    for _ in range(50):
        book.note("charge", order=f"order-{book.next_id('order')}")


def test_several_processes_lose_nothing_and_share_no_id(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    context = multiprocessing.get_context("spawn")
    together = context.Barrier(4, timeout=600)
    workers = [context.Process(target=_work, args=(path, together)) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(600)
    assert [worker.exitcode for worker in workers] == [0] * 4
    entries = Ledger(path).entries("charge")
    assert len(entries) == 200
    assert len({entry.details["order"] for entry in entries}) == 200
    assert len({entry.process for entry in entries}) == 4
    Ledger(path).clear()
    assert (Ledger(path).count(), Ledger(path).next_id("order")) == (0, 201), "no id is given twice"
