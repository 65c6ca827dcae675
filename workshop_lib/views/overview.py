"""``overview()``: the notebooks of this workshop, read from their files, with what you have done so far."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from html import escape
from pathlib import Path

from workshop_lib.evidence.messages import Display, WorkshopError
from workshop_lib.evidence.progress import progress

_CHECK = r'^await check\("([\d.]+)"'
_FOLDER = Path(__file__).resolve().parents[2] / "notebooks"


@dataclass(frozen=True)
class Notebook:
    """One notebook of the workshop.

    Attributes:
        file: Its file's name.
        title: What one does in it.
        minutes: How long it takes.
        main: The numbers of its exercises on the main path.
        further: Those under *On your own*.
    """

    file: str
    title: str
    minutes: int
    main: tuple[str, ...]
    further: tuple[str, ...]


def notebooks(folder: Path = _FOLDER) -> list[Notebook]:
    """The notebooks of a folder, in order.

    Args:
        folder: Where they stand.

    Raises:
        WorkshopError: There are none: the workshop is not run from its checkout.
    """
    if found := [_read(path) for path in sorted(folder.glob("[0-9]*.ipynb"))]:
        return found
    raise WorkshopError(f"There are no notebooks in {folder}.", then="Run the workshop from its checkout.")


def _read(path: Path) -> Notebook:
    texts = ["".join(cell["source"]) for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]]
    title, minutes = (re.search(pattern, texts[0], re.M) for pattern in (r"^# (.+)", r"(\d+) minutes"))
    before, _, own = "\n".join(texts).partition("\n## On your own")
    main, further = (tuple(dict.fromkeys(re.findall(_CHECK, part, re.M))) for part in (before, own))
    return Notebook(path.name, title[1] if title else path.stem, int(minutes[1]) if minutes else 0, main, further)


def overview() -> None:
    """Draw the way through the notebooks, their exercises, and which of them you have passed."""
    done = {number for number, record in progress().items() if record.passed}
    route = notebooks()
    lines = [f"{each.file[:2]}  {each.title}, {each.minutes} minutes. {_exercises(each, done)}" for each in route]
    key = "✓ passed   ○ still to do   (on your own: for those who want more)"
    items = "".join(
        f'<li value="{int(each.file[:2])}"><a href="{escape(each.file)}">{escape(each.title)}</a> · '
        f"{each.minutes} minutes<br><small>{_exercises(each, done)}</small></li>"
        for each in route
    )
    page = f'<ol style="font-size:var(--jp-content-font-size1,14px);line-height:1.6">{items}</ol><small>{key}</small>'
    Display().show(page, "\n".join([*lines, key]))


def _exercises(notebook: Notebook, done: set[str]) -> str:
    parts = [("", notebook.main), ("on your own: ", notebook.further)]
    marks = ((label, [f"{'✓' if each in done else '○'} {each}" for each in numbers]) for label, numbers in parts)
    return " · ".join(label + " ".join(marked) for label, marked in marks if marked)
