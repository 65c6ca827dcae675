"""What the tests of exercises have in common: tables of answers, and what a check must say of each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from workshop_lib.checks.exercise import check
from workshop_lib.evidence.progress import progress


def cases(table: Mapping[str, Mapping[str, Any]]) -> list[Any]:
    """The answers of a table, by exercise and name, each with the exercise's number."""
    return [
        pytest.param(number, answer, id=f"{number} {name}")
        for number, row in table.items()
        for name, answer in row.items()
    ]


async def passes(number: str, answer: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """It passes, and that is remembered."""
    await check(number, answer)
    assert progress()[number].passed, capsys.readouterr().out


async def is_told(number: str, answer: Any, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """It does not pass, and the check says these words."""
    await check(number, answer)
    said = capsys.readouterr().out
    assert [word for word in words if word not in said] == [], said
    assert not progress()[number].passed
