"""Exercises: a check runs the learner's code and says what it saw; hints come in steps.

A proof is code: it runs an answer, and says what it expected and what it saw. What a learner is advised to do then is
data: ``advice.toml`` has what is said of each exercise, and ``hints.toml`` its three hints.

A check never raises: what goes wrong in it is shown as "not passed". In CI the variable ``WORKSHOP_STRICT=1`` turns a
check that does not pass into an error.
"""

import asyncio
import contextlib
import contextvars
import gc
import importlib
import os
import re
import tomllib
import warnings
from collections.abc import Callable, Coroutine, Iterator
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

from workshop_lib.evidence.failures import advice as known_advice
from workshop_lib.evidence.failures import describe, kind, reason
from workshop_lib.evidence.messages import WorkshopError, say
from workshop_lib.evidence.progress import Record, remember
from workshop_lib.faults.fault import CHECKING
from workshop_lib.room.tell import tell
from workshop_lib.workshop import Workshop

CHECK_SECONDS = 300.0  # only a guard against hanging: it says nothing about the answer
_ENDING_SECONDS = 60.0  # for an interrupted check to end; what it stops may be what hangs
NOT_SOLVED = "not solved yet"
_OTHER = "another mistake"  # one without a name
# Files of others; in the SDK's, a learner may have called what is not its own machinery.
_THEIRS = r"[/\\]((site|dist)-packages[/\\](?!temporalio(?!.*_workflow_instance))|workshop_lib[/\\]checks[/\\])"
_NEVER_AWAITED = r"coroutine '(?:.*\.)?(\w+)' was never awaited"


class Wrong(Exception):
    """What a proof raises when an answer is not right.

    Args:
        saw: What happened when the answer ran.
        advice: What to change, or the name that this has in ``advice.toml``.
    """

    def __init__(self, saw: str, advice: str = "default") -> None:
        super().__init__(saw)
        self.saw, self.advice = saw, advice


def expected(what: str, saw: object, advice: str = "default") -> Wrong:
    """What to say of an answer that does something else than it should.

    Args:
        what: What was expected.
        saw: What was there instead.
        advice: As for ``Wrong``.
    """
    return Wrong(f"Expected {what}; saw {str(saw).removesuffix('.')}.", advice)


def require(right: object, what: str, saw: object, advice: str = "default") -> None:
    """See to it that something is as it should be.

    Args:
        right: Whether it is.
        what: What was expected.
        saw: What was there instead.
        advice: As for ``Wrong``.

    Raises:
        Wrong: It is not.
    """
    if not right:
        raise expected(what, saw, advice)


@contextlib.contextmanager
def expecting(what: str, advice: str, *errors: type[Exception]) -> Iterator[None]:
    """See to it that a block raises none of some errors.

    Args:
        what: What was expected.
        advice: As for ``Wrong``.
        errors: The errors.

    Raises:
        Wrong: It does. What was seen is the error.
    """
    try:
        yield
    except errors as error:
        raise expected(what, error if isinstance(error, Wrong) else reason(error), advice) from error


Proof = Callable[[Workshop, Any], Coroutine[Any, Any, str | None]]
"""Runs an answer. It raises ``Wrong``, or returns what to add to what ``advice.toml`` says of an answer that passed."""


_PROOFS: dict[str, Proof] = {}
_ending: set[asyncio.Task[Any]] = set()  # proofs that were interrupted, and still put things back


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
    with warnings.catch_warnings(record=True) as warned:
        # A coroutine that nobody awaited is found when it is let go of. Later, while the sandbox of another Worker
        # imports its modules, Python's warning about it would make that Worker fail.
        warnings.filterwarnings("always", message=_NEVER_AWAITED)
        said, advice, error, mistake = await _judge(number, answer)
        gc.collect()
    forgotten = [name for each in warned if (name := _never_awaited(each))]
    if forgotten and said.startswith("✗"):
        advice = f"Is an `await` missing? `{forgotten[0]}` was called, and nobody waited for it."
    passed = {"passed": True, "saw": said.partition("passed. ")[2]} if said.startswith("✓") else {}
    said = f"{said}\n→ {advice}" if advice else said
    say(said, "good" if passed else "warn")
    if number in [*_PROOFS]:  # whatever else was given is no exercise
        _remember(number, checks=1, error=error, **passed)
    if passed or mistake:
        tell(number, passed=bool(passed), mistake=mistake)
    if not passed and os.environ.get("WORKSHOP_STRICT") == "1":
        raise WorkshopError(said)


class _Verdict(NamedTuple):
    """What came of an answer.

    Attributes:
        said: What to say of it.
        advice: What to advise.
        error: The error that it raised.
        mistake: What the class's board calls the mistake; empty without a verdict.
    """

    said: str
    advice: str = ""
    error: str = ""
    mistake: str = ""


async def _judge(number: str, answer: Any) -> _Verdict:
    try:
        saw = await _prove(number, answer)
    except Exception as error:
        return _failed(number, error)
    passed = _texts("advice").get(number, {}).get("passed", "")
    return _Verdict(" ".join(part for part in (f"✓ Exercise {number} passed.", passed, saw) if part))


def _failed(number: str, error: Exception) -> _Verdict:
    lines = describe(error)
    if NOT_SOLVED in f"{error} {lines[-1]}":
        more = f'`await hint("{number}")` gives a hint, up to three times.'
        return _Verdict(f"○ Exercise {number} is not solved yet.", more)
    if isinstance(error, WorkshopError):
        return _Verdict(f"✗ Exercise {number} was not checked. {error}")
    if isinstance(error, Wrong):
        mistake, advice = _advice(number, error)
        return _Verdict(f"✗ Exercise {number} is not right yet. {error.saw}", advice, mistake=mistake)
    said = "\n".join([f"✗ Exercise {number}: your code raised an error.", *lines])
    _, advice = _advice(number, Wrong(lines[-1]))
    return _Verdict(said, advice, lines[-1].strip(), kind(error))


def _never_awaited(warned: warnings.WarningMessage) -> str:
    """The coroutine that a warning is about, if a learner may have made it; what other libraries leave is theirs."""
    found, code = re.search(_NEVER_AWAITED, str(warned.message)), getattr(warned.source, "cr_code", None)
    theirs = code is None or re.search(_THEIRS, code.co_filename)
    return found[1] if found and not theirs and not found[1].startswith("_") else ""


def _advice(number: str, wrong: Wrong) -> tuple[str, str]:
    """The name of a mistake, and its advice: of one that names a part of what was seen, or that the proof names."""
    texts = _texts("advice").get(number, {})
    said = re.sub(r" \(cell \".*?`\)", "", wrong.saw, flags=re.DOTALL)  # without the line that it quotes
    for name, each in texts.items():
        if isinstance(each, dict) and re.search(each["seen"], said):
            return name, str(each["say"])
    general = known_advice(said) or f'Which line of your code makes the difference? `await hint("{number}")` helps.'
    named = texts.get(wrong.advice, general if wrong.advice == "default" else wrong.advice)
    known = wrong.advice in texts and wrong.advice != "default"
    return wrong.advice if known else _OTHER, str(named["say"] if isinstance(named, dict) else named)


async def hint(number: str) -> None:
    """Show the next hint of an exercise; after the third, all three.

    Args:
        number: The exercise, such as ``"2.1"``.
    """
    _find(number)
    hints = _texts("hints")[number]
    shown = min(_remember(number, hints=1).hints, len(hints))
    lines = [f"Hint {i} of {len(hints)}. {text}" for i, text in enumerate(hints[:shown], 1)]
    lines += ["There are no more hints."] if shown == len(hints) else []
    say("\n".join(lines))


async def _prove(number: str, answer: Any) -> str | None:
    ws = Workshop.started()
    ws.refuse_if_red(answer)
    if _ending:  # else that one would give an endpoint back in the middle of this one
        await asyncio.wait(_ending, timeout=_ENDING_SECONDS)
        _ending.clear()
    context = contextvars.copy_context()
    context.run(CHECKING.set, set())
    proof = asyncio.get_running_loop().create_task(_find(number)(ws, answer), context=context)
    try:
        finished, _ = await asyncio.wait([proof], timeout=CHECK_SECONDS)
    finally:
        if not proof.done():  # not waited for: whoever interrupts wants to go on
            _ending.add(proof)
            proof.add_done_callback(_ending.discard)
            proof.cancel()
        with contextlib.suppress(WorkshopError):  # a server that the check has killed keeps them until the next check
            await ws.remove_endpoints("check-")
    if not finished:  # it may be by now, cancelled
        raise WorkshopError(
            f"The check could not be finished within {CHECK_SECONDS:.0f} s.",
            "That says nothing about your answer: something keeps it from coming to an end, or this machine is busy.",
            "Look in the Web UI, namespace `checks`, for what is still running. Then check again.",
        )
    if proof.exception():
        await ws.version()  # raises if the Temporal Service does not answer: that is no answer's mistake
    return proof.result()


def _remember(number: str, **changes: Any) -> Record:
    try:
        return remember(number, **changes)
    except OSError as error:
        say(f"Your progress could not be saved ({error}). The exercise itself is not affected.", "warn")
        return Record(hints=3)


@cache
def _texts(name: str) -> dict[str, Any]:
    """What a file beside this one has, by exercise."""
    return tomllib.loads(files(__package__).joinpath(f"{name}.toml").read_text(encoding="utf-8"))


def _find(number: Any) -> Proof:
    if not isinstance(number, str):
        raise WorkshopError(f"{number!r} is not the number of an exercise.", then=f'The number is a text: "{number}".')
    for path in sorted(Path(__file__).parent.glob(f"nb{number.partition('.')[0]:0>2}_*.py")):
        importlib.import_module(f"workshop_lib.checks.{path.stem}")
    if number not in _PROOFS:
        known = ", ".join(sorted(_PROOFS)) or "none"
        raise WorkshopError(f"There is no exercise {number}.", then=f"Known in this notebook: {known}.")
    return _PROOFS[number]
