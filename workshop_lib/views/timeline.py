"""``await timeline(handle)``: what an execution did, and what it called, drawn over time from its history."""

from __future__ import annotations

import asyncio
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from temporalio.client import WorkflowHandle
from temporalio.service import RPCError, RPCStatusCode

from workshop_lib.evidence.history import History, Step, history, spoken
from workshop_lib.evidence.messages import Display
from workshop_lib.views import svg

_LOOK_EVERY = 0.25  # seconds; retries leave no event to wait for
_LABEL, _BARS, _NOTE = 8, 290, 690  # where the three columns begin
_ROW, _LINE = 24, 16  # heights
_STEPS = [timedelta(milliseconds=n) for n in (1, 2, 5, 10, 20, 50, 100, 200, 500)] + [
    timedelta(seconds=n) for n in (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600, 86400, 604800)
]
_CROSS = "✗"
_BAD = ("failed", "timed out", "cancelled", "canceled", "terminated", "abandoned")


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
    told = await history(handle, follow=True)
    shown = Display()
    shown.show(draw(told), repr(told))
    if told.closed or not seconds:
        return
    ending = asyncio.ensure_future(handle.result())  # says, after a while, what it waits for in vain
    try:
        async with asyncio.timeout(seconds):
            while not told.closed:
                await asyncio.wait([ending], timeout=_LOOK_EVERY)
                try:
                    told = await history(handle, follow=True)
                except RPCError as error:
                    if error.status != RPCStatusCode.UNAVAILABLE:  # a killed server may come back
                        raise
                shown.show(draw(told), repr(told))
    except TimeoutError:
        pass  # the picture says that it still runs
    finally:
        ending.cancel()
        await asyncio.gather(ending, return_exceptions=True)


@dataclass
class _Row:
    """One line of the picture: an execution or a step, ``depth`` calls below the first execution."""

    depth: int
    label: str
    note: str
    asked: datetime
    begun: datetime | None
    ended: datetime | None
    shape: str
    bad: bool
    remarks: list[str]


def draw(told: History) -> str:
    """The picture of an execution, as SVG.

    Args:
        told: From ``history``.
    """
    rows = list(_rows(told, 0))
    until = max([row.ended or row.begun or row.asked for row in rows])
    if any(row.ended is None for row in rows):
        until = max(until, datetime.now(UTC))
    scale = _Scale(told.started, max(until - told.started, timedelta(milliseconds=1)))
    shapes: list[str] = []
    height = _ROW if len(rows) <= 20 else _ROW * 0.75
    y = 34.0
    for row in rows:
        if row.shape == "workflow" and row.depth:
            y += 4
        shapes += _row(row, y, scale)
        y += height
        for line in [line for remark in row.remarks for line in textwrap.wrap(remark, 118)[:3]]:
            shapes.append(svg.text(_LABEL + 16 + 16 * row.depth, y + 3, line))
            y += _LINE
        y += 4 if row.remarks else 0
    title = f"{told.workflow_type} {told.workflow_id}: {told.status}"
    shapes.append(svg.text(_LABEL, y + 18, _legend(rows), opacity=0.75))
    return svg.picture(title, y + 26, [*_axis(scale, y), *shapes])


def _rows(told: History, depth: int) -> Iterator[_Row]:
    where = f"└ {told.namespace} · " if depth else ""
    took = f" in {spoken(told.duration)}" if told.duration is not None else ""
    note = f"{told.status}{took}, {told.events} events" if told.taken else f"{told.status}, no worker yet"
    failure = told.failed_tasks[-1] if told.failed_tasks and not told.closed else told.failure
    shown = failure and failure not in [step.failure for step in told.steps]  # once is enough
    remarks = [f"{_CROSS} {failure}"] if shown else []
    if not depth:
        remarks = [f"called by {link.workflow_id} in namespace {link.namespace}" for link in told.links] + remarks
    yield _Row(
        depth,
        f"{where}{told.workflow_type} {told.workflow_id}",
        note,
        told.started,
        told.taken,
        told.closed,
        "workflow",
        told.status in _BAD,
        remarks,
    )
    for step in told.steps:
        yield _step(step, told, depth)
        for call in step.calls:
            yield from _rows(call, depth + 1)


def _step(step: Step, told: History, depth: int) -> _Row:
    bad = step.status in _BAD and not (step.due and step.status == "cancelled")  # a timer cut short is as it should be
    failure = f"{_CROSS} {step.failure}" if bad else f"↻ last failure: {step.failure}"
    remarks = [failure] if step.failure else []
    ended = step.closed or (told.closed if step.status == "abandoned" else None)
    shape = {"timer": "timer", "signal": "mark", "update": "mark"}.get(step.kind, "work")
    if step.kind == "update" and (step.duration is None or step.duration > timedelta(milliseconds=50)):
        shape = "work"
    return _Row(depth, step.title, _note(step), step.scheduled, step.started, ended, shape, bad, remarks)


def _note(step: Step) -> str:
    if step.kind == "signal":
        return "received"
    if step.due is not None and step.status == "waiting":
        return f"fires in {spoken(max(step.due - datetime.now(UTC), timedelta()))}"
    status = {"completed": "fired", "cancelled": "cut short"}.get(step.status, step.status) if step.due else step.status
    took = f" after {spoken(step.duration)}" if step.due and step.duration is not None else ""
    took = f" in {spoken(step.duration)}" if not step.due and step.duration is not None else took
    tries = f", {step.attempts} attempts" if step.attempts > 1 else ""
    return f"{status}{took}{tries}"


@dataclass(frozen=True)
class _Scale:
    """Where a moment stands in the picture."""

    start: datetime
    length: timedelta

    def x(self, moment: datetime) -> float:
        """Its distance from the left edge."""
        share = (moment - self.start) / self.length
        return _BARS + min(max(share, 0.0), 1.0) * (_NOTE - _BARS - 24)


def _axis(scale: _Scale, bottom: float) -> Iterator[str]:
    step = next((step for step in _STEPS if scale.length / step <= 5), scale.length)
    for number in range(int(scale.length / step) + 1):
        x = scale.x(scale.start + number * step)
        label = spoken(number * step) if number else "0"
        yield svg.text(x, 14, label, text_anchor="middle", opacity=0.75)
        yield svg.path(f"M{x:.1f} 20V{bottom:.1f}", stroke=svg.GRID, stroke_width=0.5)


def _row(row: _Row, y: float, scale: _Scale) -> Iterator[str]:
    indent = _LABEL + 16 * row.depth + (0 if row.shape == "workflow" else 16)
    first = row.shape == "workflow"
    yield svg.text(indent, y + 4, row.label, room=_BARS - 8 - indent, bold=first)
    yield svg.text(_NOTE, y + 4, row.note, room=svg.WIDTH - _NOTE)
    left, right = scale.x(row.asked), scale.x(row.ended or scale.start + scale.length)
    colour = svg.FAILED if row.bad else svg.WORK
    if row.shape == "mark":
        yield svg.path(f"M{left:.1f} {y - 6}l6 6l-6 6l-6 -6z", stroke=colour, stroke_width=2)
        return
    if row.shape == "timer":
        yield svg.path(f"M{left:.1f} {y}H{right:.1f}", stroke=svg.WAIT, stroke_width=3, stroke_dasharray="3 4")
    else:
        height = 6 if first else 12
        taken = scale.x(row.begun) if row.begun else right
        if taken - left > 1 or row.begun is None:
            yield svg.rect(
                left, y - height / 2, taken - left, height, fill="none", stroke=svg.WAIT, stroke_dasharray="4 2"
            )
        if row.begun is not None:
            yield svg.rect(taken, y - height / 2, right - taken, height, fill=colour)
    if row.bad:
        yield svg.path(f"M{right - 5:.1f} {y - 6}l10 12m0 -12l-10 12", stroke=svg.INK, stroke_width=2)
    elif row.ended is None:
        yield svg.path(f"M{right + 3:.1f} {y - 5}l6 5l-6 5", stroke=svg.INK, stroke_width=2)


def _legend(rows: list[_Row]) -> str:
    shapes = {row.shape for row in rows}
    again = any(remark.startswith("↻") for row in rows for remark in row.remarks)
    parts = ["hollow: waits" + (", and attempts before the last" if again else ""), "filled: runs"]
    parts += ["dotted: timer"] if "timer" in shapes else []
    parts += ["◇ told from outside"] if "mark" in shapes else []
    parts += [f"{_CROSS} did not complete"] if any(row.bad for row in rows) else []
    parts += ["›  still open"] if any(row.ended is None for row in rows) else []
    return " · ".join(parts)
