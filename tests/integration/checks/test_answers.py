"""Right answers pass their check, wrong ones are refused with advice for that mistake, a stub is not solved."""

from pathlib import Path

import pytest
from answers import Answer, made, read

from workshop_lib.checks.exercise import check
from workshop_lib.evidence.progress import progress

pytestmark = [pytest.mark.full, pytest.mark.usefixtures("own_progress", "with_model")]
ANSWERS = {
    (path.stem[8:], number): answers
    for path in sorted(Path(__file__).parent.glob("answers_nb*.txt"))
    for number, answers in read(path).items()
}


@pytest.mark.parametrize(
    ("number", "answer"),
    [
        pytest.param(number, answer, id=f"{notebook} {number} {answer.name}")
        for (notebook, number), answers in ANSWERS.items()
        for answer in answers
    ],
)
async def test_a_right_answer_passes_and_a_wrong_one_is_refused_with_advice(
    number: str, answer: Answer, capsys: pytest.CaptureFixture[str]
) -> None:
    await check(number, made(number, answer))
    said = capsys.readouterr().out
    assert f"✗ Exercise {number}" in said if answer.says else f"✓ Exercise {number} passed" in said, said
    assert answer.says in said
    assert progress()[number].passed is not bool(answer.says)


@pytest.mark.parametrize(
    "number",
    [
        pytest.param(number, id=f"{notebook} {number} stub")
        for notebook, number in ANSWERS
        if number != "12.3"  # it asks for the answer to 12.2 first
    ],
)
async def test_a_stub_is_not_solved_yet(number: str, capsys: pytest.CaptureFixture[str]) -> None:
    await check(number, made(number, folder="notebooks"))
    said = capsys.readouterr().out
    assert f"○ Exercise {number} is not solved yet" in said
    assert "happened 0 times" not in said
    assert not progress()[number].passed
