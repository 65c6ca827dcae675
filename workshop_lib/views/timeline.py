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
from workshop_lib.views.grid import CROSS, FAILED, FAINT, GRID, WAIT, WORK, at, bar, box, figure, mark, text, ticks
from workshop_lib.views.patience import LOOK_EVERY, patiently
from workshop_lib.views.where import page_of

_MANY = 24  # rows; of a longer conversation, the last turns are drawn
_IDLE = timedelta(seconds=1)  # a longer time in which nothing ran, until something came from outside, is left out
_NEVER = datetime.max.replace(tzinfo=UTC)
_UNITS = (86400, 3600, 60, 1)  # seconds
_AGAIN = "↻"
_BARS = {"position": "relative", "margin": "0 28px 0 16px"}  # the room for bars


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
                await asyncio.sleep(LOOK_EVERY if ending.done() else 0)  # done means failed, after a long outage
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
    def is_mark(self) -> bool:
        """Whether it is a signal, or an update that took no time."""
        done = self.ended and self.ended - self.asked < timedelta(milliseconds=50)
        return self.kind == "signal" or bool(self.kind == "update" and done)


def draw(record: History) -> str:
    """The picture of an execution as HTML.

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
    axis = _Axis(record, rows, start)
    times = axis.times()
    said = [at(share, time, transform="translateX(-50%)") for share, time in times.items()]
    idle = [axis.share(end) for _, end in axis.gaps]
    left_out = [at(share, top="0", bottom="0", border_left="2px dotted") for share in idle]
    lines = f"repeating-linear-gradient(to right,{GRID} 0 1px,transparent 1px {list(times)[1]:.3%})"
    parts = [box(), box(*said, height="24px", color=FAINT, **_BARS), box()]
    for row in rows:
        inner = 16 * (row.depth + 1)  # pixels: the left edge of what belongs to an execution
        outer, weight = (inner - 16, "600") if row.kind == "workflow" else (inner, "400")
        parts.append(text(row.label, href=row.href, padding_left=f"{outer}px", font_weight=weight))
        parts.append(box(*left_out, *_bars(row, axis), background=lines, **_BARS))
        parts.append(text(row.note))
        place = {"grid_column": "1/-1", "margin": f"0 0 4px {inner}px"}
        parts += [text(remark, 3, line_height="16px", **place) for remark in row.remarks]
    parts += [box(), box(*(at(share, "//", translate="-50%") for share in idle), min_height="8px", **_BARS), box()]
    parts.append(box(_legend(rows, axis.gaps), grid_column="1/-1", color=FAINT))
    title = f"{record.workflow_type} {record.workflow_id}: {record.status}"
    height = "24px" if len(rows) <= _MANY else "18px"
    return figure(title, *parts, columns="fit-content(48%) minmax(8em,1fr) fit-content(36%)", line_height=height)


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


class _Axis:
    """The time from left to right.

    Args:
        record: The execution.
        rows: Its rows, and those of the executions that it called.
        start: The time at which it begins.

    Attributes:
        gaps: The periods that are left out, from and to.
        end: The time at which it ends.
    """

    def __init__(self, record: History, rows: list[_Row], start: datetime) -> None:
        self._start = start
        self.gaps: list[tuple[datetime, datetime]] = []
        until = max(start, rows[0].begun or _NEVER)
        for row in rows[1:]:
            if row.kind in ("signal", "update") and row.asked - until > _IDLE:
                self.gaps.append((until, row.asked))
            until = max(until, row.ended or _NEVER)
        waits = any(row.ended is None for row in rows[1:]) or not (record.closed or (record.resting and record.taken))
        last = max(row.ended or row.begun or row.asked for row in rows)
        self.end = max(last, datetime.now(UTC)) if waits else last
        self._length = max(self._since(self.end), timedelta(milliseconds=1))

    def _since(self, moment: datetime) -> timedelta:
        left_out = (min(max(moment, begin), end) - begin for begin, end in self.gaps)
        return moment - self._start - sum(left_out, timedelta())

    def share(self, moment: datetime) -> float:
        """The place of a moment, as a share of the width."""
        return min(max(self._since(moment) / self._length, 0.0), 1.0)

    def times(self) -> dict[float, str]:
        """Round times, by their places."""
        length = self._length.total_seconds()
        unit = next((unit for unit in _UNITS if length >= 2 * unit), 1)
        seconds = [unit * number for number in ticks(length / unit, 4)]
        return {each / length: spoken(timedelta(seconds=each)) if each else "0" for each in seconds}


def _bars(row: _Row, axis: _Axis) -> Iterator[str]:
    """A row's bar or mark."""
    left, right = axis.share(row.asked), axis.share(row.ended or axis.end)
    if row.is_mark:
        yield at(left, "◇", transform="translateX(-50%)")
    elif row.kind == "timer":
        # A dotted border looks solid at some widths.
        yield bar(left, right, 3, background=f"repeating-linear-gradient(to right,{WAIT} 0 3px,transparent 3px 6px)")
    else:
        height = 6 if row.kind == "workflow" else 12
        begun = axis.share(row.begun) if row.begun else right
        if begun > left or not row.begun:
            yield bar(left, begun, height, border=f"1px dashed {WAIT}")
        if row.begun:
            yield bar(begun, right, height, background=FAILED if row.bad else WORK)
    if row.bad or row.ended is None:
        yield at(right, CROSS if row.bad else "›", margin_left="4px", font_weight="700")


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
