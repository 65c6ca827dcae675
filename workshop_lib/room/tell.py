"""Tell the class's board what a check found, if ``WORKSHOP_CLASS`` says where the board is."""

import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from workshop_lib.evidence.messages import say
from workshop_lib.evidence.state import LEARNER, home

if TYPE_CHECKING:
    from workshop_lib.room.teller import Teller

VARIABLE = "WORKSHOP_CLASS"
_UNATTENDED = ("CI", "WORKSHOP_STRICT")  # set where nobody sits
_said: list[str] = []  # what keeps the board from getting reports is said once


def unattended() -> bool:
    """Whether nobody sits before this notebook."""
    return any(os.environ.get(name) for name in _UNATTENDED)


def tell(exercise: str, *, passed: bool, mistake: str = "", aloud: bool = True) -> None:
    """Report to the class's board what a check or a prediction found. Without ``WORKSHOP_CLASS``, it does nothing.

    It never raises. What keeps the board from getting reports is said once. Nothing is sent in CI.

    Args:
        exercise: See ``learner.Report``.
        passed: See ``learner.Report``.
        mistake: See ``learner.Report``.
        aloud: Whether a cell runs. After a click, nobody would see what is said.
    """
    board = os.environ.get(VARIABLE, "").strip()
    if not board or unattended():
        return
    try:
        teller = _teller(board, str(home() / "class"), os.environ.get(LEARNER, "").strip())
        teller.tell(exercise, passed=passed, mistake=mistake)
        trouble = teller.trouble
    except (OSError, ValueError) as error:
        trouble = f"{type(error).__name__}: {error}."
    if trouble and aloud and not _said:
        _said.append(trouble)
        say(f"The class's board has not got your results. {trouble} Your exercises are not affected.", "warn")


@cache
def _teller(board: str, folder: str, learner: str) -> "Teller":
    from workshop_lib.room.teller import Teller  # imports what a notebook without a class has no use for

    return Teller(board, Path(folder), learner)
