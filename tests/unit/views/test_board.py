"""The class's board, drawn from standings made by hand."""

import re

from workshop_lib.room.learner import Standing, Tally
from workshop_lib.views.board import drawn, exercises, headline, learners, text

NOW = 1_700_000_000.0
ANN = Standing("Ann", "k", 3, "2.2", NOW - 200, {"1.1": Tally(True), "2.2": Tally(False, {"no key": 2})})
BOB = Standing("<Bob>", "k", 2, "10.1", NOW, {"2.2": Tally(True, {"no key": 1, "call": 1}), "10.1": Tally(True)})
CID = Standing("Cid", "k", 6, "2.a", NOW, {"2.a": Tally(False, {"One charge": 5})})


def test_who_is_where_and_what_fails_most() -> None:
    assert headline([ANN, BOB]) == "2 learners. Exercise 2.2 fails most. Wrong answers: 4, of these 3 “no key”."
    assert list(exercises([ANN, BOB]).items()) == [
        ("1.1", ["1", "0", ""]),
        ("2.2", ["1", "1", "no key ×3, call ×1"]),
        ("10.1", ["1", "0", ""]),
    ]
    assert list(learners([BOB, ANN], NOW).items()) == [
        ("Ann", ["✗ 2.2 no key ×2", "1", "3 min ago"]),
        ("<Bob>", ["✓ 10.1", "2", "0 min ago"]),
    ]
    assert "no key ×3, call ×1" in text([ANN, BOB], NOW)


def test_an_empty_class_is_no_error() -> None:
    assert headline([]) == "0 learners. No wrong answers so far."
    assert "0 learners" in text([], NOW)
    assert "0 learners" in drawn([], NOW)


def test_the_page_asks_nobody_for_anything() -> None:
    page = drawn([ANN, BOB], NOW)
    assert "<Bob>" not in page
    assert "&lt;Bob&gt;" in page
    assert not re.search(r"https?:|//|\bsrc=|\bhref=|url\(|@import", page)


def test_predictions_have_their_own_table_and_are_no_exercises() -> None:
    assert exercises([ANN, CID], predicted=True) == {"2.a": ["0", "1", "One charge ×5"]}
    assert "2.a" not in exercises([ANN, CID])
    assert headline([ANN, CID]) == "2 learners. Exercise 2.2 fails most. Wrong answers: 2, of these 2 “no key”."
    assert learners([CID], NOW)["Cid"] == ["✗ 2.a One charge ×5", "0", "0 min ago"]
    assert all("One charge ×5" in board([CID], NOW) for board in (text, drawn))
