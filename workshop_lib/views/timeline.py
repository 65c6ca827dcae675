"""``await timeline(handle)``: draw what an execution and the executions that it called did over time."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from temporalio.client import WorkflowHandle

from workshop_lib.evidence.history import History, Step, history, spoken
from workshop_lib.evidence.messages import Display
from workshop_lib.views.patience import LOOK_EVERY, patiently
from workshop_lib.views.svg import CROSS, FAILED, GRID, LINE, WAIT, WIDTH, WORK, Picture, mark, ticks, width, wrapped
from workshop_lib.views.where import page_of

_LABEL, _LABELS, _NOTES = 8, 440, 320  # where the labels begin; the most room for labels, for notes
_ROW = 24  # height
_MANY = 24  # rows; of a longer conversation, the last turns are drawn
_IDLE = timedelta(seconds=1)  # a longer time in which nothing ran, until something came from outside, is left out
_NEVER = datetime.max.replace(tzinfo=UTC)
_UNITS = (86400, 3600, 60, 1)  # seconds
_AGAIN = "↻"


async def timeline(handle: WorkflowHandle[Any, Any], *, seconds: float = 30) -> None:
    """Draw an execution, and follow it while it runs. The last picture stays in the notebook.

    The picture comes from the history of the execution and, through its links, from those of the child workflows and
    Nexus operations that it called.

    Args:
        handle: From ``client.start_workflow`` or ``client.get_workflow_handle``.
        seconds: How long to follow it at most; 0 draws it once.

    Raises:
        temporalio.service.RPCError: There is no such execution, or the server does not answer.
    """
    record = await history(handle, follow=True)
    shown = Display()
    shown.show(draw(record), repr(record))
    if record.closed or not seconds:
        return
    ending = asyncio.ensure_future(handle.result())  # this also explains a wait for a stuck workflow
    try:
        async with asyncio.timeout(seconds):
            while not record.closed:
                await asyncio.wait([ending], timeout=LOOK_EVERY)
                record = await patiently(partial(history, handle, follow=True))
                shown.show(draw(record), repr(record))
    except TimeoutError:
        pass  # the picture shows that it is open
    finally:
        ending.cancel()
        await asyncio.gather(ending, return_exceptions=True)


@dataclass
class _Row:
    """A row of the picture: an execution or a step, ``depth`` calls below the first execution."""

    depth: int
    kind: str
    label: str
    note: str
    asked: datetime
    begun: datetime | None
    ended: datetime | None
    bad: bool
    remarks: list[str]
    href: str = ""

    @property
    def indent(self) -> float:
        return _LABEL + 16 * self.depth + (0 if self.kind == "workflow" else 16)

    @property
    def is_mark(self) -> bool:
        """Whether it is a signal, or an update that took no time."""
        done = self.ended and self.ended - self.asked < timedelta(milliseconds=50)
        return self.kind == "signal" or bool(self.kind == "update" and done)


def draw(record: History) -> str:
    """The picture of an execution as SVG.

    Args:
        record: From ``history``.
    """
    rows = list(_rows(record, 0))
    turns = [number for number, row in enumerate(rows) if row.kind == "update" and not row.depth]
    start = record.started
    if len(rows) > _MANY and turns[1:]:
        first = next((number for number in turns if len(rows) - number < _MANY), turns[-1])
        start, drawn = rows[first].asked, len(turns) - turns.index(first)
        since = spoken(start - record.started)
        rows[0].remarks.append(f"Shown: the last {drawn} of {len(turns)} updates, from {since} after the start.")
        rows[1:first] = []
    height = _ROW if len(rows) <= _MANY else _ROW * 0.75
    places, y = [], 34.0
    for row in rows:
        y += 4 if row.kind == "workflow" and row.depth else 0
        x = row.indent + (16 if row.kind == "workflow" else 0)
        lines = [line for remark in row.remarks for line in wrapped(remark, WIDTH - x, 3)]
        places.append((row, y, x, lines))
        y += height + LINE * len(lines) + (4 if lines else 0)
    drawing = _Drawing(record, rows, start)
    drawing.axis(y)
    for row, top, x, lines in places:
        drawing.row(row, top)
        for number, line in enumerate(lines):
            drawing.text(x, top + height + 3 + LINE * number, line, room=WIDTH - x)
    drawing.notes(_LABEL, y + 18, _legend(rows, drawing.gaps))
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
    times = (record.started, record.taken, record.closed)
    yield _Row(depth, "workflow", label, note, *times, bad, remarks, page_of(record))
    for step in record.steps:
        yield _step(step, record, depth)
        for call in step.calls:
            yield from _rows(call, depth + 1)


def _step(step: Step, record: History, depth: int) -> _Row:
    cut_short = step.due is not None and step.status == "cancelled"  # a normal end for a timer
    bad = mark(step.status) == CROSS and not cut_short
    failure = f"{CROSS} {step.failure}" if bad else f"{_AGAIN} last failure: {step.failure}"
    ended = record.closed if step.status == "abandoned" else step.closed
    note = step.outcome
    if step.due and step.status == "waiting":
        note = f"fires in {spoken(max(step.due - datetime.now(UTC), timedelta()))}"
    remarks = [failure] if step.failure else []
    begun = step.started or (step.scheduled if step.status == "completed" else None)  # at once
    return _Row(depth, step.kind, step.title, note, step.scheduled, begun, ended, bad, remarks)


class _Drawing(Picture):
    """Rows of bars over time.

    Args:
        record: The execution.
        rows: Its rows, and those of the executions that it called.
        start: The time at which the axis begins.

    Attributes:
        gaps: The periods that are left out, from and to.
    """

    def __init__(self, record: History, rows: list[_Row], start: datetime) -> None:
        super().__init__(f"{record.workflow_type} {record.workflow_id}: {record.status}")
        self._bars = min(_LABELS, max(row.indent + width(row.label, row.kind == "workflow") for row in rows)) + 20
        self._notes = WIDTH - min(_NOTES, max(width(row.note) for row in rows) + 1)
        self._start = start
        self.gaps: list[tuple[datetime, datetime]] = []
        until = max(start, rows[0].begun or _NEVER)
        for row in rows[1:]:
            if row.kind in ("signal", "update") and row.asked - until > _IDLE:
                self.gaps.append((until, row.asked))
            until = max(until, row.ended or _NEVER)
        waits = any(row.ended is None for row in rows[1:]) or not (record.closed or (record.resting and record.taken))
        last = max(row.ended or row.begun or row.asked for row in rows)
        self._end = max(last, datetime.now(UTC)) if waits else last
        self._length = max(self._since(self._end), timedelta(milliseconds=1))

    def _since(self, moment: datetime) -> timedelta:
        left_out = (min(max(moment, begin), end) - begin for begin, end in self.gaps)
        return moment - self._start - sum(left_out, timedelta())

    def _x(self, share: float) -> float:
        return self._bars + min(max(share, 0.0), 1.0) * (self._notes - self._bars - 24)

    def _at(self, moment: datetime) -> float:
        return self._x(self._since(moment) / self._length)

    def axis(self, bottom: float) -> None:
        """Draw the times, vertical lines below them, and marks where time is left out."""
        length = self._length.total_seconds()
        unit = next((unit for unit in _UNITS if length >= 2 * unit), 1)
        for seconds in (unit * number for number in ticks(length / unit, 4)):
            x = self._x(seconds / length)
            said = spoken(timedelta(seconds=seconds)) if seconds else "0"
            self.text(x, 14, said, text_anchor="middle", opacity=0.75)
            self.path(f"M{x:.1f} 20V{bottom:.1f}", stroke=GRID, stroke_width=0.5)
        for _, end in self.gaps:
            x = self._at(end)
            self.path(f"M{x - 6:.1f} {bottom:.1f}l4 -8m0 8l4 -8M{x:.1f} 20V{bottom - 8:.1f}", stroke_dasharray="1 3")

    def row(self, row: _Row, y: float) -> None:
        """Draw a row: its label, its bar or mark, and its note."""
        first = row.kind == "workflow"
        room = self._bars - 12 - row.indent
        self.text(row.indent, y + 4, row.label, room=room, bold=first, href=row.href)
        self.text(self._notes, y + 4, row.note, room=WIDTH - self._notes)
        left, right = self._at(row.asked), self._at(row.ended or self._end)
        color = FAILED if row.bad else WORK
        if row.is_mark:
            self.path(f"M{left:.1f} {y - 6}l6 6l-6 6l-6 -6z", stroke=color, stroke_width=2)
            return
        if row.kind == "timer":
            self.path(f"M{left:.1f} {y}H{right:.1f}", stroke=WAIT, stroke_width=3, stroke_dasharray="3 4")
        else:
            height = 6 if first else 12
            taken = self._at(row.begun) if row.begun else right
            if taken - left > 1 or not row.begun:
                self.rect(left, y - height / 2, taken - left, height, stroke=WAIT, stroke_dasharray="4 2")
            if row.begun:
                self.rect(taken, y - height / 2, right - taken, height, fill=color)
        if row.bad:
            self.cross(right, y)
        elif row.ended is None:
            self.path(f"M{right + 3:.1f} {y - 5}l6 5l-6 5", stroke_width=2)


def _legend(rows: list[_Row], gaps: list[tuple[datetime, datetime]]) -> str:
    again = any(remark.startswith(_AGAIN) for row in rows for remark in row.remarks)
    parts = {
        "hollow: waits" + (", and attempts before the last" if again else ""): True,
        "filled: runs": True,
        "dotted: timer": any(row.kind == "timer" for row in rows),
        "◇ sent from outside": any(row.is_mark for row in rows),
        f"{CROSS} did not complete": any(row.bad for row in rows),
        "›  still open": any(row.ended is None for row in rows),
        "// idle, left out: " + ", ".join(spoken(end - begin) for begin, end in gaps): gaps,
    }
    return " · ".join(part for part, seen in parts.items() if seen)
