"""Predictions: each question has its place and its explanations; a choice is explained, kept and reported."""

import re
from itertools import pairwise
from pathlib import Path

import ipywidgets
import nbformat
import pytest

from workshop_lib.evidence.messages import WorkshopError
from workshop_lib.evidence.progress import progress
from workshop_lib.room.learner import LONGEST
from workshop_lib.views import predict as module
from workshop_lib.views.predict import predict, predictions

SOLUTIONS = Path(__file__).resolve().parents[3] / "solutions"


def test_each_question_is_asked_once_before_a_cell_that_answers_it() -> None:
    asked = []
    for path in sorted(SOLUTIONS.glob("[0-9]*.ipynb")):
        cells = nbformat.read(path, as_version=4).cells
        for cell, following in pairwise(cells):
            ids = re.findall(r'^predict\("(.+)"\)$', cell.source, re.M) if cell.cell_type == "code" else []
            assert not ids or (following.cell_type == "code" and ids[0].split(".")[0] == str(int(path.name[:2])))
            asked += ids
    assert asked == list(predictions())


def test_each_choice_has_an_explanation_and_one_is_right() -> None:
    for id, found in predictions().items():
        assert re.fullmatch(r"\d+\.[a-z]", id), "the class's board tells it from an exercise by its letter"
        assert found.right in found.choices, id
        texts, explanations = zip(*found.choices.values(), strict=True)
        assert 2 < len(texts) == len({*texts}), id
        assert all(text and len(text) <= LONGEST for text in texts), id
        assert all(why.endswith(".") for why in explanations), id


@pytest.mark.parametrize("unattended", ["", "CI", "WORKSHOP_STRICT"])
def test_where_nobody_sits_it_answers_itself(
    unattended: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("WORKSHOP_HOME", str(tmp_path))
    if unattended:
        monkeypatch.setattr(module, "in_notebook", lambda: True)
        monkeypatch.setenv(unattended, "1")
    predict("2.a")
    said = capsys.readouterr().out
    assert "How many charges" in said
    assert "C. One: the call that raised an error had no effect." in said
    assert "B is right. The first call had its effect" in said
    assert not progress()
    with pytest.raises(WorkshopError, match=r"no prediction '2.z'"):
        predict("2.z")


def test_a_choice_is_explained_kept_and_shown_again(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shown: list[ipywidgets.ToggleButtons] = []
    reports: list[tuple[str, bool, str]] = []
    monkeypatch.setenv("WORKSHOP_HOME", str(tmp_path))
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setattr(module, "in_notebook", lambda: True)
    monkeypatch.setattr(module, "show", shown.append)
    monkeypatch.setattr(module, "tell", lambda id, passed, mistake, aloud: reports.append((id, passed, mistake)))
    predict("2.a")
    assert "is right" not in capsys.readouterr().out
    shown[0].value = "A"
    assert "✗ A is not right. It could know" in capsys.readouterr().out
    shown[0].value = "B"
    assert "✓ B is right. The first call had its effect" in capsys.readouterr().out
    assert reports == [("2.a", False, "One: the payment service knows the order.")], "what was chosen first"
    predict("2.a")
    assert shown[1].value == "B"
    assert "✓ B is right" in capsys.readouterr().out
