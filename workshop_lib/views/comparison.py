"""``await comparison(ws)``: the four demos side by side, in cells that were just observed and show their evidence."""

import contextlib
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

from temporalio.client import WorkflowHandle

from workshop_lib.demos import NAMES, computers
from workshop_lib.demos.demo import Demo
from workshop_lib.demos.measure import ROWS, Cell, measure
from workshop_lib.evidence.log import unified_log
from workshop_lib.evidence.messages import Display, WorkshopError, in_notebook, say
from workshop_lib.evidence.progress import progress
from workshop_lib.evidence.state import home
from workshop_lib.views import lanes, table
from workshop_lib.workshop import Workshop

_TITLE = "Four ways to give an agent its tools"
_WIDTH = 28  # characters of a column in a terminal


@dataclass
class Comparison:
    """What was observed.

    Attributes:
        columns: The cells of each demo by their rows; the demos by what they are called.
    """

    columns: dict[str, dict[str, Cell]] = field(default_factory=dict)

    def show(self, *rows: str) -> None:
        """Show some rows again.

        Args:
            rows: Their names; all of them if there is none.
        """
        Display().show(self.markup(rows), self.text(rows))

    def markup(self, rows: tuple[str, ...] = (), *, links: bool = True) -> str:
        """The table as HTML. A cell opens to show its evidence.

        Args:
            rows: As for ``show``.
            links: Whether the evidence leads to the Web UI, which ends with the server.
        """
        shown = {row: [self._opening(name, row, links) for name in self.columns] for row in rows or ROWS}
        return table.markup("", list(self.columns), shown, html=True)

    def _opening(self, name: str, row: str, links: bool) -> str:
        cell = self.columns[name].get(row)
        if cell is None:
            return "…"
        evidence = "".join(f"<li>{escape(each)}</li>" for each in cell.evidence)
        if cell.link and links:
            evidence += f'<li><a href="{escape(cell.link)}" target="_blank">its history in the Web UI</a></li>'
        style = "margin:4px 0;padding-left:1.2em;font-size:90%;max-height:16em;overflow-y:auto"
        summary = f"<summary>{escape(self._said(name, row))}</summary>"
        return f'<details>{summary}<ul style="{style}">{evidence}</ul></details>'

    def _said(self, name: str, row: str) -> str:
        """What a cell says; of a clock's figure, also how it compares with the first column's."""
        cell, first = self.columns[name].get(row), next(iter(self.columns.values())).get(row)
        said = cell.said if cell else "…"
        if cell and first and cell.milliseconds and first.milliseconds:
            said += f"; {cell.milliseconds / first.milliseconds:.1f} ×"
        return said

    def text(self, rows: tuple[str, ...] = ()) -> str:
        """The table in plain text, without evidence.

        Args:
            rows: As for ``show``.
        """
        said = {row: [self._said(name, row) for name in self.columns] for row in rows or ROWS}
        return table.aligned(_TITLE, list(self.columns), said, _WIDTH)

    def evidence(self, name: str) -> str:
        """The evidence of one column, in plain text.

        Args:
            name: What its demo is called.
        """
        cells = self.columns[name].items()
        return "\n".join(f"  {row}: {cell.said}\n      " + "\n      ".join(cell.evidence[:6]) for row, cell in cells)

    def page(self, more: str = "") -> str:
        """All of it as one page that asks nobody for anything.

        Args:
            more: What comes before the table, as HTML.
        """
        note = f"Observed on one machine with {os.cpu_count()} cores. Milliseconds are that machine's: compare ratios."
        return table.page(_TITLE, f"{more}<h1>{_TITLE}</h1>{self.markup(links=False)}<p>{note}</p>")

    async def report(self, file: str, title: str, exercises: str, handle: WorkflowHandle[Any, Any] | None) -> None:
        """Write such a page, with what you have done before the table, and say where it is.

        Args:
            file: Its name. It is written beside the notebook; where that may not be, into the workshop's own folder.
            title: Of what you have done.
            exercises: What the numbers of the exercises begin with whose checks are shown, such as ``"12."``.
            handle: A workflow, the log of whose chain is shown; None if there is none.
        """
        checks = {
            each: record for each, record in progress().items() if each.startswith(exercises) and not record.chosen
        }
        seen = "".join(f"<li>{number}: {escape(each.saw) or 'not solved yet'}</li>" for number, each in checks.items())
        log = lanes.draw(await unified_log(handle)) if handle else ""
        log = re.sub(r"</?a\b[^>]*>", "", log)  # links lead to a server that ends with the notebook
        path = _written(self.page(f"<h1>{escape(title)}</h1><ul>{seen}</ul>{log}"), file)
        say(f"Written to `{path}`. It needs neither this notebook nor a network: open it in a browser.")


def _written(page: str, file: str) -> Path:
    for path in (Path(file), home() / Path(file).name):
        with contextlib.suppress(OSError):
            path.write_text(page, encoding="utf-8")
            return path.resolve()
    raise WorkshopError(f"{file} cannot be written.", f"Neither here nor in {home()}.", "Give another place.")


async def comparison(ws: Workshop, demos: Mapping[str, Demo] | None = None) -> Comparison:
    """Run the demos one after another, under the same questions and the same failures, and show what they do.

    Args:
        ws: The workshop, started with ``model=True``.
        demos: The modules of what is measured, by what they are called; the four demos if it is left out.

    Returns:
        What was observed.
    """
    demos = demos or {f"{number} {name}": computers.demo(number) for number, name in NAMES.items()}
    found, display = Comparison(), Display()
    for number, (name, demo) in enumerate(demos.items(), 1):
        found.columns[name] = {}
        found.columns[name] = await measure(ws, demo, _progress(found, display, f"{number} of {len(demos)}"))
        if not in_notebook():
            print(f"{name}\n{found.evidence(name)}\n", flush=True)
    display.show(found.markup(), found.text())
    return found


def _progress(found: Comparison, display: Display, which: str) -> Callable[[str], None]:
    def say(what: str) -> None:
        line = f"Demo {which}: {what}"
        display.show(f"{found.markup()}<p>{escape(line)} …</p>", line)

    return say


async def in_terminal() -> Comparison:
    """Print the comparison, with its progress and its evidence. The server ends with it."""
    ws = await Workshop.start(model=True)
    try:
        return await comparison(ws)
    finally:
        await ws.close()
