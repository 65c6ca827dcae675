"""Every right answer passes its check, every wrong one is refused with advice for that mistake, a stub is not solved.

The answers are in ``answers_nbNN.py`` beside this file, in three tables by exercise: ``RIGHT`` (name: answer),
``WRONG`` (name: answer and a part of what the check says) and ``STUBS``.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest

from workshop_lib.checks.exercise import check
from workshop_lib.evidence.progress import progress

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("own_progress", "with_model")]


def cases(table: str) -> list[Any]:
    """What the tables of this name hold, each with its exercise's number."""
    found = []
    for path in sorted(Path(__file__).parent.glob("answers_nb*.py")):
        rows = getattr(importlib.import_module(path.stem), table, {})
        for number, row in rows.items():
            each = row if isinstance(row, dict) else {"stub": row}
            found += [pytest.param(number, case, id=f"{path.stem[8:]} {number} {name}") for name, case in each.items()]
    return found


@pytest.mark.full  # the notebooks themselves are run with one of each
@pytest.mark.parametrize(("number", "answer"), cases("RIGHT"))
async def test_a_right_answer_passes(number: str, answer: Any, capsys: pytest.CaptureFixture[str]) -> None:
    await check(number, answer)
    assert progress()[number].passed, capsys.readouterr().out


@pytest.mark.full
@pytest.mark.parametrize(("number", "case"), cases("WRONG"))
async def test_a_wrong_answer_is_refused(number: str, case: Any, capsys: pytest.CaptureFixture[str]) -> None:
    answer, advice = case
    await check(number, answer)
    said = capsys.readouterr().out
    assert f"✗ Exercise {number} is not right yet" in said
    assert advice in said
    assert not progress()[number].passed


@pytest.mark.parametrize(("number", "stub"), cases("STUBS"))
async def test_a_stub_is_not_solved_yet(number: str, stub: Any, capsys: pytest.CaptureFixture[str]) -> None:
    await check(number, stub)
    assert f"○ Exercise {number} is not solved yet" in capsys.readouterr().out
    assert not progress()[number].passed
