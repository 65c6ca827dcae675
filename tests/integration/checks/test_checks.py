"""The exercise machinery, with the exercise of notebook 00."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from temporalio import activity
from temporalio.exceptions import ApplicationError

from workshop_lib.checks import exercise
from workshop_lib.checks.exercise import Wrong, check, hint
from workshop_lib.evidence.messages import WorkshopError
from workshop_lib.evidence.progress import progress
from workshop_lib.workshop import Workshop

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def own_progress(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ws: Workshop) -> None:
    monkeypatch.setenv("WORKSHOP_HOME", str(tmp_path))


def answer(value: Any, asynchronous: bool = True) -> Any:
    """An activity `greet` that gives a value, or what a function makes of the name."""

    @activity.defn(name="greet")
    async def greet(name: str) -> Any:
        result = value(name) if callable(value) else value
        if isinstance(result, Exception):
            raise result
        return result

    return greet


@activity.defn(name="greet")
def plain(name: str) -> str:
    return f"Hello, {name}!"


RIGHT = {
    "a plain def": plain,
    "an f-string": answer(lambda name: f"Hello, {name}!"),
    "a sum": answer(lambda name: "Hello, " + name + "!"),
    "format": answer("Hello, {}!".format),
}

WRONG = {
    "nothing returned": (answer(lambda name: None), "Does your code say `return`?"),
    "a fixed name": (answer("Hello, Ann!"), "Use the argument `name` instead of a fixed name."),
    "other words": (answer(lambda name: f"Hi {name}"), "capitals, comma and exclamation mark count"),
    "no text": (answer(42), "Give back a string."),
    "an error": (answer(lambda name: ValueError("oops")), "ValueError: oops"),
    "no activity": (lambda name: f"Hello, {name}!", "Keep `@activity.defn`"),
    "the stub": (answer(lambda name: ApplicationError("not solved yet", non_retryable=True)), 'await hint("0.1")'),
    "a call": ("Hello, Ann!", "Hand in the function itself, without a call"),
    "a forgotten f": (answer("Hello, {name}!"), "Put an `f` before the quotation mark"),
}


@pytest.mark.parametrize("name", RIGHT)
async def test_right_answers_pass(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    await check("0.1", RIGHT[name])
    assert "✓ Exercise 0.1 passed" in capsys.readouterr().out
    assert progress()["0.1"].passed


@pytest.mark.parametrize("name", WRONG)
async def test_wrong_answers_are_refused_with_their_own_advice(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    wrong, advice = WRONG[name]
    await check("0.1", wrong)
    text = capsys.readouterr().out
    assert "passed" not in text
    assert advice in text
    assert not progress()["0.1"].passed


async def test_a_pass_is_not_lost_by_a_later_mistake() -> None:
    await check("0.1", RIGHT["a sum"])
    await check("0.1", WRONG["no text"][0])
    assert progress()["0.1"].passed
    assert progress()["0.1"].checks == 2


async def test_strictly_a_wrong_answer_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKSHOP_STRICT", "1")
    await check("0.1", RIGHT["a sum"])
    with pytest.raises(WorkshopError, match="not right yet"):
        await check("0.1", WRONG["no text"][0])


async def test_an_answer_that_never_ends_is_given_up(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(exercise, "CHECK_SECONDS", 0.5)

    @activity.defn(name="greet")
    async def for_ever(name: str) -> str:
        await asyncio.sleep(60)
        return name

    await check("0.1", for_ever)
    assert "had not ended after" in capsys.readouterr().out


async def test_an_answer_that_blocks_its_loop_is_given_up(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(exercise, "CHECK_SECONDS", 0.5)
    release = threading.Event()

    @activity.defn(name="greet")
    async def blocks(name: str) -> str:
        release.wait(30)
        return name

    began = time.monotonic()
    await check("0.1", blocks)
    assert time.monotonic() - began < 5
    assert "had not ended after" in capsys.readouterr().out
    release.set()


async def test_progress_that_cannot_be_kept_is_no_failure(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "progress.json").write_text("{ spoilt")
    await check("0.1", RIGHT["a sum"])
    assert progress()["0.1"].passed
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("WORKSHOP_HOME", str(tmp_path / "file"))
    await check("0.1", RIGHT["a sum"])
    text = capsys.readouterr().out
    assert text.count("✓ Exercise 0.1 passed") == 2
    assert "could not be saved" in text
    await hint("0.1")


async def test_a_proof_that_breaks_is_no_pass_and_is_remembered(capsys: pytest.CaptureFixture[str]) -> None:
    @exercise.exercise("0.99", hints=("a", "b", "c"))
    async def broken(ws: Workshop, answer: Any) -> str:
        raise KeyError("the proof's own mistake")

    await check("0.99", None)
    assert "did not run to its end" in capsys.readouterr().out
    assert "KeyError" in progress()["0.99"].error
    del exercise._EXERCISES["0.99"]


async def test_hints_come_in_three_steps(capsys: pytest.CaptureFixture[str]) -> None:
    for shown in (1, 2, 3, 3):
        await hint("0.1")
        text = capsys.readouterr().out
        assert text.count("Hint ") == shown
        assert ("no more hints" in text) == (shown == 3)
    assert "return" in text


async def test_an_unknown_exercise_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(WorkshopError, match=r"(?s)no exercise 0.7.*Known in this notebook: 0.1"):
        await hint("0.7")
    await check("0.7", None)
    assert "There is no exercise 0.7" in capsys.readouterr().out
    await check(0.1, None)  # type: ignore[arg-type]
    assert 'The number is a text: "0.1"' in capsys.readouterr().out


def test_wrong_carries_what_was_seen_and_advice() -> None:
    wrong = Wrong("It did this.", "Do that.")
    assert (wrong.saw, wrong.advice) == ("It did this.", "Do that.")
