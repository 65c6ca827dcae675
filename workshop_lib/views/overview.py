"""``overview()``: the notebooks of this workshop, read from their files, with what you have done so far."""

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

import ipywidgets

from workshop_lib.evidence.messages import Display, WorkshopError, in_notebook
from workshop_lib.evidence.progress import progress
from workshop_lib.views.chat.controls import show

WAYS = ("2 hours", "4 hours", "6 hours")
_EVERYTHING = "everything"
_CHECK = r'^await check\("([\d.]+)"'
_HEADING = r"^## (.+)"
_OWN = "On your own"
_FOLDER = Path(__file__).resolve().parents[2] / "notebooks"


@dataclass(frozen=True)
class Section:
    """One section of a notebook.

    Attributes:
        title: Its heading.
        link: The notebook's file, and the anchor that JupyterLab gives the heading.
        minutes: How long it takes; 0 if it is not on the main path.
        ways: The ways through the workshop that it belongs to.
        exercises: The numbers of its exercises.
    """

    title: str
    link: str
    minutes: int
    ways: tuple[str, ...]
    exercises: tuple[str, ...]


@dataclass(frozen=True)
class Notebook:
    """One notebook of the workshop.

    Attributes:
        file: Its file's name.
        title: What one does in it.
        minutes: How long its main path takes.
        sections: Its sections, in order.
    """

    file: str
    title: str
    minutes: int
    sections: tuple[Section, ...]


def notebooks(folder: Path = _FOLDER) -> list[Notebook]:
    """The notebooks of a folder, in order.

    Args:
        folder: Where they are.

    Raises:
        WorkshopError: There are none: the workshop is not run from its checkout.
    """
    if found := [_read(path) for path in sorted(folder.glob("[0-9]*.ipynb"))]:
        return found
    raise WorkshopError(f"There are no notebooks in {folder}.", then="Run the workshop from its checkout.")


def parts(cells: list[Any]) -> list[list[Any]]:
    """A notebook's cells in parts: its title, then each section from the Markdown cell that has its heading.

    Args:
        cells: As they are in the notebook's file.
    """
    found = [cells[:1]]
    for cell in cells[1:]:
        if cell["cell_type"] == "markdown" and re.search(_HEADING, "".join(cell["source"]), re.M):
            found.append([])
        found[-1].append(cell)
    return found


def only(cells: list[Any], wanted: Callable[[Any], bool]) -> list[Any]:
    """The cells of a notebook's title, and of some of its sections.

    Args:
        cells: All, as they are in the notebook's file.
        wanted: Given the cell that has a section's heading, says whether to keep the section.
    """
    title, *sections = parts(cells)
    return title + [cell for section in sections if wanted(section[0]) for cell in section]


def anchor(heading: str) -> str:
    """The address that JupyterLab gives a heading within its notebook."""
    return "#" + quote(re.sub(r"[`*]", "", heading).replace(" ", "-"), safe=":,")


def _read(path: Path) -> Notebook:
    title, *others = parts(json.loads(path.read_text(encoding="utf-8"))["cells"])
    name, minutes = (re.search(pattern, _text(title), re.M) for pattern in (r"^# (.+)", r"(\d+) minutes"))
    sections = tuple(_section(path.name, part) for part in others)
    return Notebook(path.name, name[1] if name else path.stem, int(minutes[1]) if minutes else 0, sections)


def _section(file: str, cells: list[Any]) -> Section:
    (title, *_), tags = re.findall(_HEADING, _text(cells), re.M), cells[0].get("metadata", {})
    exercises = tuple(dict.fromkeys(re.findall(_CHECK, _text(cells), re.M)))
    return Section(title, file + anchor(title), tags.get("minutes", 0), tuple(tags.get("ways", ())), exercises)


def _text(cells: list[Any]) -> str:
    return "\n".join("".join(cell["source"]) for cell in cells)


def overview(way: str = _EVERYTHING) -> None:
    """Draw the way through the notebooks, their exercises, and which of them you have passed.

    In a notebook, buttons above it ask how much time you have.

    Args:
        way: The one to begin with: ``2 hours``, ``4 hours``, ``6 hours`` or ``everything``.
    """
    display = Display()
    if in_notebook():
        choice = ipywidgets.ToggleButtons(options=[*WAYS, _EVERYTHING], value=way, style={"button_width": "auto"})
        choice.observe(lambda change: display.show(*_drawn(change["new"])), "value")
        show(choice)
    display.show(*_drawn(way))


def _drawn(way: str) -> tuple[str, str]:
    done = {number for number, record in progress().items() if record.passed}
    lines: list[str] = []
    items: list[str] = []
    coming: Section | None = None
    for each in notebooks():
        chosen = [section for section in each.sections if way in (_EVERYTHING, *section.ways)]
        open_ = (section for section in chosen if section.minutes and not done.issuperset(section.exercises))
        coming = coming or next(open_, None)
        said = f"{sum(section.minutes for section in chosen)} minutes"
        marks = _marks(chosen, done)
        if chosen:
            lines.append(f"{each.file[:2]}  {each.title}, {said}. {marks}")
            items.append(
                f'<li value="{int(each.file[:2])}"><a href="{escape(each.file)}">{escape(each.title)}</a> · '
                f"{said}<br><small>{marks}</small></li>"
            )
    key, page = "✓ passed   ○ still to do   (optional, on your own: for those who want more)", ""
    if coming:
        lines.append(f"Your next exercise: {coming.title} ({coming.link})")
        page = f'Your next exercise: <a href="{escape(coming.link)}">{escape(coming.title)}</a><br>'
    if way in WAYS:
        file = f"way_{way.replace(' ', '_')}.ipynb"
        lines.append(f"What to run, and what to skip: {file}")
        page += f'<a href="{file}">What to run, and what to skip</a><br>'
    style = "font-size:var(--jp-content-font-size1,14px);line-height:1.6"
    markup = f'<ol style="{style}">{"".join(items)}</ol><div style="{style}">{page}<small>{key}</small></div>'
    return markup, "\n".join([*lines, key])


def _marks(sections: Iterable[Section], done: set[str]) -> str:
    found: dict[str, list[str]] = {}
    for section in sections:
        label = "optional: " if section.title.startswith("Optional") else ""
        label = "on your own: " if section.title == _OWN else label
        found.setdefault(label, []).extend(f"{'✓' if each in done else '○'} {each}" for each in section.exercises)
    return " · ".join(label + " ".join(marks) for label, marks in found.items() if marks)
