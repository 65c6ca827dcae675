"""Exercises: a check runs the learner's code and says what it saw; hints come in steps.

A check never raises: what goes wrong in it is shown as "not passed". In CI the variable ``WORKSHOP_STRICT=1`` turns a
check that does not pass into an error.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import importlib
import os
import tomllib
import warnings
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from workshop_lib.evidence.failures import describe
from workshop_lib.evidence.messages import WorkshopError, say
from workshop_lib.evidence.progress import Record, remember
from workshop_lib.workshop import Workshop

CHECK_SECONDS = 300.0  # only a guard against hanging: it says nothing about the answer
NOT_SOLVED = "not solved yet"


class Wrong(Exception):
    """What a proof raises when an answer is not right.

    Args:
        saw: What happened when the answer ran.
        advice: What to change, for this very mistake.
    """

    def __init__(self, saw: str, advice: str) -> None:
        super().__init__(saw)
        self.saw, self.advice = saw, advice


_READ_AGAIN = "Read the exercise's text again, or ask for a hint."


def expected(what: str, saw: object, advice: str = _READ_AGAIN) -> Wrong:
    """What to say of a mistake that has no name.

    Args:
        what: What was expected.
        saw: What was there instead.
        advice: What to change.
    """
    return Wrong(f"Expected {what}; saw {saw}.", advice)


def require(right: object, what: str, saw: object, advice: str = _READ_AGAIN) -> None:
    """See to it that something is as it should be.

    Args:
        right: Whether it is.
        what: What was expected.
        saw: What was there instead.
        advice: What to change.

    Raises:
        Wrong: It is not.
    """
    if not right:
        raise expected(what, saw, advice)


Proof = Callable[[Workshop, Any], Awaitable[str]]
"""Runs an answer; returns what it saw that proves it right, or raises ``Wrong``."""


_PROOFS: dict[str, Proof] = {}


def exercise(number: str) -> Callable[[Proof], Proof]:
    """Make a coroutine function the proof of an exercise.

    Args:
        number: The exercise's number. Its three hints are in ``hints.toml``.
    """

    def register(proof: Proof) -> Proof:
        _PROOFS[number] = proof
        return proof

    return register


async def check(number: str, answer: Any) -> None:
    """Run an answer, say what happened, and remember whether it passed.

    Args:
        number: The exercise, such as ``"2.1"``.
        answer: What the exercise asks for: a workflow class, an activity, a value.

    Raises:
        WorkshopError: Only with ``WORKSHOP_STRICT=1``, when the answer does not pass.
    """
    refused = await _judge(number, answer)
    with warnings.catch_warnings(action="ignore"):
        # A coroutine that nobody awaited is let go of here. Found later, while the sandbox of another Worker imports
        # its modules, Python's warning about it would make that Worker fail.
        gc.collect()
    if refused and os.environ.get("WORKSHOP_STRICT") == "1":
        raise WorkshopError(refused)


async def _judge(number: str, answer: Any) -> str:
    """Run an answer, and say what happened: what was said if it has not passed."""
    error = ""
    try:
        saw = await _prove(number, answer)
        say(f"✓ Exercise {number} passed. {saw}", "good")
        _remember(number, passed=True, checks=1, error="", saw=saw)
        return ""
    except Wrong as wrong:
        text = f"✗ Exercise {number} is not right yet. {wrong.saw}\n→ {wrong.advice}"
    except WorkshopError as refused:
        text = f"✗ Exercise {number} was not checked. {refused}"
    except Exception as unexpected:
        lines = describe(unexpected)
        if NOT_SOLVED in lines[-1]:
            text = (
                f'○ Exercise {number} is not solved yet.\n→ `await hint("{number}")` gives a hint, up to three times.'
            )
        else:
            error = lines[-1].strip()
            text = f"✗ Exercise {number}: your code raised an error.\n" + "\n".join(lines)
    say(text, "warn")
    _remember(number, checks=1, error=error)
    return text


async def hint(number: str) -> None:
    """Show the next hint of an exercise; after the third, all three.

    Args:
        number: The exercise, such as ``"2.1"``.
    """
    hints = _hints(number)
    shown = min(_remember(number, hints=1).hints, len(hints))
    lines = [f"Hint {i} of {len(hints)}. {text}" for i, text in enumerate(hints[:shown], 1)]
    lines += ["There are no more hints."] if shown == len(hints) else []
    say("\n".join(lines))


async def _prove(number: str, answer: Any) -> str:
    ws = _workshop()
    ws.refuse_if_red(answer)
    proof = asyncio.ensure_future(_find(number)(ws, answer))
    try:
        await asyncio.wait([proof], timeout=CHECK_SECONDS)
    finally:
        # Not waited for: what it stops may be what hangs.
        proof.cancel()
        with contextlib.suppress(WorkshopError):  # a server that the check has killed keeps them until the next check
            await ws.remove_endpoints("check-")
    if not proof.done():
        raise WorkshopError(
            f"The check could not be finished within {CHECK_SECONDS:.0f} s.",
            "That says nothing about your answer: something keeps it from coming to an end, or this machine is busy.",
            "Look in the Web UI, namespace `checks`, for what is still running. Then check again.",
        )
    return proof.result()


def _remember(number: str, **changes: Any) -> Record:
    try:
        return remember(number, **changes)
    except OSError as error:
        say(f"Your progress could not be saved ({error}). The exercise itself is not affected.", "warn")
        return Record(hints=3)


def _hints(number: Any) -> list[str]:
    _find(number)
    hints: dict[str, list[str]] = tomllib.loads((Path(__file__).parent / "hints.toml").read_text(encoding="utf-8"))
    return hints[number]


def _find(number: Any) -> Proof:
    if not isinstance(number, str):
        raise WorkshopError(f"{number!r} is not the number of an exercise.", then=f'The number is a text: "{number}".')
    for path in sorted(Path(__file__).parent.glob(f"nb{number.partition('.')[0]:0>2}_*.py")):
        importlib.import_module(f"workshop_lib.checks.{path.stem}")
    if number not in _PROOFS:
        known = ", ".join(sorted(_PROOFS)) or "none"
        raise WorkshopError(f"There is no exercise {number}.", then=f"Known in this notebook: {known}.")
    return _PROOFS[number]


def _workshop() -> Workshop:
    if Workshop.current is None:
        raise WorkshopError("The workshop is not started.", then="Run the set-up cell first: `await Workshop.start()`.")
    return Workshop.current
