"""``await timeline(handle)``: what an execution did, and what it called, drawn over time from its history."""

from __future__ import annotations

import asyncio
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from temporalio.client import WorkflowHandle

from workshop_lib.evidence.history import History, Step, history, spoken
from workshop_lib.evidence.messages import Display
from workshop_lib.views.patience import LOOK_EVERY, patiently
from workshop_lib.views.svg import CROSS, FAILED, GRID, LINE, WAIT, WIDTH, WORK, Picture, mark

_LABEL, _BARS, _NOTE = 8, 290, 690  # where the three columns begin
_ROW = 24  # height
_STEPS = [timedelta(milliseconds=n) for n in (1, 2, 5, 10, 20, 50, 100, 200, 500)] + [
    timedelta(seconds=n) for n in (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600, 86400, 604800)
]
_AGAIN = "↻"


async def timeline(handle: WorkflowHandle[Any, Any], *, seconds: float = 30) -> None:
    """Draw an execution, and follow it while it runs. The last picture stays in the notebook.

    Everything in it comes from the histories on the server: those of the execution and, through their links, of the
    child workflows and Nexus operations that it called.

    Args:
        handle: From ``client.start_workflow`` or ``client.get_workflow_handle``.
        seconds: How long to follow it at most; 0 draws it once, as it is now.

    Raises:
        temporalio.service.RPCError: There is no such execution, or the server does not answer.
    """
    record = await history(handle, follow=True)
    shown = Display()
    shown.show(draw(record), repr(record))
    if record.closed or not seconds:
        return
    ending = asyncio.ensure_future(handle.result())  # says, after a while, what it waits for in vain
    try:
        async with asyncio.timeout(seconds):
            while not record.closed:
                await asyncio.wait([ending], timeout=LOOK_EVERY)
                record = await patiently(partial(history, handle, follow=True))
                shown.show(draw(record), repr(record))
    except TimeoutError:
        pass  # the picture says that it still runs
    finally:
        ending.cancel()
        await asyncio.gather(ending, return_exceptions=True)


@dataclass
class _Row:
    """One line of the picture: an execution or a step, ``depth`` calls below the first execution."""

    depth: int
    shape: str
    label: str
    note: str
    asked: datetime
    begun: datetime | None
    ended: datetime | None
    bad: bool
    remarks: list[str]


def draw(record: History) -> str:
    """The picture of an execution, as SVG.

    Args:
        record: From ``history``.
    """
    rows = list(_rows(record, 0))
    height = _ROW if len(rows) <= 20 else _ROW * 0.75
    remarks = [[line for remark in row.remarks for line in textwrap.wrap(remark, 118)[:3]] for row in rows]
    tops, y = [], 34.0
    for row, lines in zip(rows, remarks, strict=True):
        tops.append(y + (4 if row.shape == "workflow" and row.depth else 0))
        y = tops[-1] + height + LINE * len(lines) + (4 if lines else 0)
    drawing = _Drawing(record, rows)
    drawing.axis(y)
    for row, lines, top in zip(rows, remarks, tops, strict=True):
        drawing.row(row, top)
        for number, line in enumerate(lines):
            drawing.text(_LABEL + 16 + 16 * row.depth, top + height + 3 + LINE * number, line)
    drawing.notes(_LABEL, y + 18, _legend(rows))
    return drawing.svg(y + 26)


def _rows(record: History, depth: int) -> Iterator[_Row]:
    where = f"└ {record.namespace} · " if depth else ""
    took = f" in {spoken(record.duration)}" if record.duration is not None else ""
    note = f"{record.status}{took}, {record.events} events" if record.taken else f"{record.status}, no worker yet"
    failure = record.failed_tasks[-1] if record.failed_tasks and not record.closed else record.failure
    shown = failure and failure not in [step.failure for step in record.steps]  # once is enough
    remarks = [f"{CROSS} {failure}"] if shown else []
    if not depth:
        remarks = [f"called by {link.workflow_id} in namespace {link.namespace}" for link in record.links] + remarks
    label, bad = f"{where}{record.workflow_type} {record.workflow_id}", mark(record.status) == CROSS
    yield _Row(depth, "workflow", label, note, record.started, record.taken, record.closed, bad, remarks)
    for step in record.steps:
        yield _step(step, record, depth)
        for call in step.calls:
            yield from _rows(call, depth + 1)


def _step(step: Step, record: History, depth: int) -> _Row:
    cut_short = step.due is not None and step.status == "cancelled"  # a timer's end as it should be
    bad = mark(step.status) == CROSS and not cut_short
    failure = f"{CROSS} {step.failure}" if bad else f"{_AGAIN} last failure: {step.failure}"
    ended = record.closed if step.status == "abandoned" else step.closed
    shape = {"timer": "timer", "signal": "mark", "update": "mark"}.get(step.kind, "work")
    if step.kind == "update" and (step.duration is None or step.duration > timedelta(milliseconds=50)):
        shape = "work"
    note = step.outcome
    if step.due and step.status == "waiting":
        note = f"fires in {spoken(max(step.due - datetime.now(UTC), timedelta()))}"
    remarks = [failure] if step.failure else []
    return _Row(depth, shape, step.title, note, step.scheduled, step.started, ended, bad, remarks)


class _Drawing(Picture):
    """Rows of bars over time.

    Args:
        record: The execution that is drawn.
        rows: Of it, and of what it called.
    """

    def __init__(self, record: History, rows: list[_Row]) -> None:
        super().__init__(f"{record.workflow_type} {record.workflow_id}: {record.status}")
        until = max(row.ended or row.begun or row.asked for row in rows)
        if any(row.ended is None for row in rows):
            until = max(until, datetime.now(UTC))
        self._start = record.started
        self._length = max(until - record.started, timedelta(milliseconds=1))

    def _x(self, moment: datetime) -> float:
        share = (moment - self._start) / self._length
        return _BARS + min(max(share, 0.0), 1.0) * (_NOTE - _BARS - 24)

    def axis(self, bottom: float) -> None:
        """Draw the times above, and lines down from them."""
        step = next((step for step in _STEPS if self._length / step <= 5), self._length)
        for number in range(int(self._length / step) + 1):
            x = self._x(self._start + number * step)
            self.text(x, 14, spoken(number * step) if number else "0", text_anchor="middle", opacity=0.75)
            self.path(f"M{x:.1f} 20V{bottom:.1f}", stroke=GRID, stroke_width=0.5)

    def row(self, row: _Row, y: float) -> None:
        """Draw a row: its label, its bar or mark, and its note."""
        first = row.shape == "workflow"
        indent = _LABEL + 16 * row.depth + (0 if first else 16)
        self.text(indent, y + 4, row.label, room=_BARS - 8 - indent, bold=first)
        self.text(_NOTE, y + 4, row.note, room=WIDTH - _NOTE)
        left, right = self._x(row.asked), self._x(row.ended or self._start + self._length)
        color = FAILED if row.bad else WORK
        if row.shape == "mark":
            self.path(f"M{left:.1f} {y - 6}l6 6l-6 6l-6 -6z", stroke=color, stroke_width=2)
            return
        if row.shape == "timer":
            self.path(f"M{left:.1f} {y}H{right:.1f}", stroke=WAIT, stroke_width=3, stroke_dasharray="3 4")
        else:
            height = 6 if first else 12
            taken = self._x(row.begun) if row.begun else right
            if taken - left > 1 or not row.begun:
                self.rect(left, y - height / 2, taken - left, height, stroke=WAIT, stroke_dasharray="4 2")
            if row.begun:
                self.rect(taken, y - height / 2, right - taken, height, fill=color)
        if row.bad:
            self.cross(right, y)
        elif row.ended is None:
            self.path(f"M{right + 3:.1f} {y - 5}l6 5l-6 5", stroke_width=2)


def _legend(rows: list[_Row]) -> str:
    shapes = {row.shape for row in rows}
    again = any(remark.startswith(_AGAIN) for row in rows for remark in row.remarks)
    parts = {
        "hollow: waits" + (", and attempts before the last" if again else ""): True,
        "filled: runs": True,
        "dotted: timer": "timer" in shapes,
        "◇ sent from outside": "mark" in shapes,
        f"{CROSS} did not complete": any(row.bad for row in rows),
        "›  still open": any(row.ended is None for row in rows),
    }
    return " · ".join(part for part, seen in parts.items() if seen)
