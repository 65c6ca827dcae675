"""The class's board: which exercise fails most, and who is where. In the terminal, and as a page."""

import asyncio
import os
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from temporalio.exceptions import TemporalError

from workshop_lib.cells.quiet import quieten
from workshop_lib.room import board as room
from workshop_lib.room.learner import Standing, Tally
from workshop_lib.room.tell import VARIABLE
from workshop_lib.server.devserver import HOST
from workshop_lib.views.chat.transcript import visible
from workshop_lib.views.table import aligned, markup, page

_TITLE = "The class"
_REFRESH = 2  # seconds
_COLUMN = 30  # characters of a column in a terminal
_OPEN = (
    "Everyone in the network of {} can reach the board's door. It takes reports from whoever knows the value above,\n"
    "and shows nothing. What is sent is not encrypted: names, exercises and kinds of mistakes."
)
_SILENT = "Not refreshed: the Temporal Service does not answer just now. It is started again, and nothing is lost."
_CLEAR = "\x1b[H\x1b[2J"
_EXERCISES = ["passed", "not yet", "wrong answers, most frequent first"]
_PREDICTIONS = ["right", "not right", "other choices, most frequent first"]
_LEARNERS = ["at", "passed", "last report"]


def exercises(standings: Iterable[Standing], predicted: bool = False) -> dict[str, list[str]]:
    """For each exercise: how many learners passed it, how many have not yet, and their wrong answers.

    Args:
        standings: Where each learner is.
        predicted: Whether to do the same for each prediction instead.
    """
    found = {}
    for name, tallies in _tallies(standings, predicted).items():
        passed = sum(tally.passed for tally in tallies)
        found[name] = [str(passed), str(len(tallies) - passed), _counted(_wrong(tallies))]
    return found


def learners(standings: Iterable[Standing], now: float) -> dict[str, list[str]]:
    """For each learner: the exercise they are at, with their wrong answers there, how many they passed, and since when.

    Args:
        standings: Where each learner is.
        now: The time, in seconds since 1970.
    """
    found = {}
    for each in sorted(standings, key=lambda standing: (_in_order(standing.at), standing.learner)):
        passed = sum(tally.passed for name, tally in each.exercises.items() if not _is_prediction(name))
        at = f"{_mark(each, each.at)} {each.at} {_counted(each.exercises[each.at].mistakes)}"
        found[each.learner] = [at.strip(), str(passed), f"{max(0, now - each.heard) // 60:.0f} min ago"]
    return found


def headline(standings: Sequence[Standing]) -> str:
    """How many learners there are, and the exercise with the most wrong answers.

    Args:
        standings: Where each learner is.
    """
    said = f"{len(standings)} learner{'' if len(standings) == 1 else 's'}."
    wrong = {name: _wrong(tallies) for name, tallies in _tallies(standings).items()}
    most = max(wrong, key=lambda name: wrong[name].total(), default="")
    if not most or not wrong[most]:
        return f"{said} No wrong answers so far."
    (mistake, times), *_ = wrong[most].most_common(1)
    return f"{said} Exercise {most} fails most. Wrong answers: {wrong[most].total()}, of these {times} “{mistake}”."


def _is_prediction(name: str) -> bool:
    return name[-1:].isalpha()  # such as 2.a, where an exercise is 2.1


def _tallies(standings: Iterable[Standing], predicted: bool = False) -> dict[str, list[Tally]]:
    found: dict[str, list[Tally]] = {}
    for standing in standings:
        for name, tally in standing.exercises.items():
            if _is_prediction(name) is predicted:
                found.setdefault(name, []).append(tally)
    return {name: found[name] for name in sorted(found, key=_in_order)}


def _wrong(tallies: Iterable[Tally]) -> Counter[str]:
    return sum((Counter(tally.mistakes) for tally in tallies), Counter())


def _in_order(exercise: str) -> list[tuple[int, str]]:
    return [(int(part) if part.isdecimal() else 0, part) for part in exercise.split(".")]


def _counted(mistakes: dict[str, int]) -> str:
    return ", ".join(f"{mistake} ×{times}" for mistake, times in Counter(mistakes).most_common())


def _mark(standing: Standing, exercise: str) -> str:
    tally = standing.exercises.get(exercise)
    return "" if tally is None else "✓" if tally.passed else "✗"


def text(standings: Sequence[Standing], now: float) -> str:
    """The board in plain text.

    Args:
        standings: Where each learner is.
        now: The time, in seconds since 1970.
    """
    tables = [
        aligned("Exercises", _EXERCISES, exercises(standings), _COLUMN),
        aligned("Predictions", _PREDICTIONS, exercises(standings, True), _COLUMN),
        aligned("Learners", _LEARNERS, learners(standings, now), _COLUMN),
    ]
    return visible("\n\n".join([headline(standings), *tables]))


def drawn(standings: Sequence[Standing], now: float) -> str:
    """The board as a page that the browser reads again and again. It asks nobody for anything.

    Args:
        standings: Where each learner is.
        now: The time, in seconds since 1970.
    """
    names, of = list(exercises(standings)), {standing.learner: standing for standing in standings}
    rows = {
        learner: [*row, *(_mark(of[learner], name) for name in names)]
        for learner, row in learners(standings, now).items()
    }
    body = f"<h1>{_TITLE} at {time.strftime('%H:%M:%S', time.localtime(now))}</h1><p>{escape(headline(standings))}</p>"
    body += markup("Exercises", _EXERCISES, exercises(standings))
    body += f"<br>{markup('Predictions', _PREDICTIONS, exercises(standings, True))}"
    body += f'<br><div style="overflow-x:auto">{markup("Learners", [*_LEARNERS, *names], rows)}</div>'
    return page(_TITLE, body, _REFRESH)


async def in_terminal(listen: str, file: str) -> None:
    """Run the class's board until it is interrupted.

    Args:
        listen: See ``room.board.opened``.
        file: Where to write the page; empty for the board's own folder.

    Raises:
        WorkshopError: See ``room.board.opened``.
    """
    quieten()  # the SDK logs each time that the server is started again
    async with room.opened(listen) as board:
        path = (Path(file) if file else board.folder.path / "board.html").resolve()
        here = f"Learners set, before `make lab`:  {VARIABLE}={board.variable}\nThe board as a page: {path}"
        here += "" if listen == HOST else f"\n{_OPEN.format(listen)}"
        clear = _CLEAR if sys.stdout.isatty() else ""
        shown, before = "", ""
        while True:
            try:
                standings = await board.standings()
                said = shown = text(standings, time.time())
                _write(path, drawn(standings, time.time()))
            except TemporalError:
                said = f"{shown}\n\n{_SILENT}"
            if said != before:
                print(f"{clear}{here}\n\n{said}\n", flush=True)
                before = said
            await asyncio.sleep(_REFRESH)


def _write(path: Path, content: str) -> None:
    fresh = path.with_suffix(".new")  # a browser never reads half of a page
    fresh.write_text(content, encoding="utf-8")
    os.replace(fresh, path)
