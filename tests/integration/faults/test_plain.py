"""Faults of plain functions, in a program without Temporal."""

from __future__ import annotations

import pytest

from workshop_lib.evidence.ledger import note
from workshop_lib.faults.plain import breakable
from workshop_lib.workshop import Workshop

pytestmark = pytest.mark.anyio

PROGRAM = """
import sys

from workshop_lib.evidence.ledger import note
from workshop_lib.faults.plain import breakable


@breakable
def post(letter):
    note("posted", letter=letter)


if __name__ == "__main__":
    post(sys.argv[1])
    note("went on", letter=sys.argv[1])
"""


async def test_a_plain_function_fails_as_often_as_it_is_told(ws: Workshop) -> None:
    letter = ws.id("letter")

    def post(letter: str) -> None:
        note("posted", letter=letter)

    broken = breakable(post)
    with ws.fault("post.fails", times=2) as fault:
        for _ in range(2):
            with pytest.raises(RuntimeError, match=r"post\.fails"):
                broken(letter)
        broken(letter)
    assert (fault.fired, ws.ledger.count("posted", letter=letter)) == (2, 1)


async def test_a_program_dies_when_its_work_is_done(ws: Workshop) -> None:
    (ws._folder.cells / "posting.py").write_text(PROGRAM)
    letter = ws.id("letter")
    with ws.fault("post.dies_after_effect") as fault:
        for _ in range(2):
            program = ws.launch("posting", letter)
            await program.wait(300)
    assert (fault.fired, ws.ledger.count("posted", letter=letter), ws.ledger.count("went on", letter=letter)) == (
        1,
        2,
        1,
    )
