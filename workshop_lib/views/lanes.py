"""``await lanes(handle)``: the log of a whole chain of workflows as swim lanes, one for each namespace."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import log10
from typing import Any

from temporalio.client import WorkflowHandle

from workshop_lib.evidence.history import History, Link, Step, spoken
from workshop_lib.evidence.messages import Display
from workshop_lib.governance.log import CALLS, NO_RIGHT, UnifiedLog, link_to, outcome, unified_log
from workshop_lib.views import svg

_LEFT, _GUTTER, _GAP = 96, 24, 8  # widths: of the times, of the room for arrows before a lane's bars, between things
_HEAD, _LINE, _FOOT = 46, 15, 11  # heights: of a lane's head, of a line of text, of what is below a row's texts
_BARS = 60  # the most that the bars of a lane take of its width
_TOGETHER = timedelta(milliseconds=250)  # what follows at once stands in the same row
_CROSS, _NOTHING = "✗", "Nothing happened in that time."
# By status; of all others it is the cross.
_MARKS = {"completed": "✓", "continued as new": "✓", "running": "·", "waiting": "·"}
_LEGEND = (
    "Bar: a workflow; hollow: none, or not read. Solid arrow: call; dashed: answer. ✓ completed, and how long it took.",
    "✗ did not complete. ⌄ still open. From top to bottom in the order of time, not to scale.",
)


async def lanes(handle: WorkflowHandle[Any, Any], *, since: datetime | None = None, update: str = "") -> None:
    """Draw what the workflows of a chain did, from top to bottom, in one lane for each namespace.

    It shows what the client behind the handle may read. A namespace of which it may read nothing is a closed lane.

    Args:
        handle: Any workflow of the chain.
        since: As for ``unified_log``: what began earlier is left out.
        update: As for ``unified_log``: the id of one update, such as one message of a conversation.

    Raises:
        temporalio.service.RPCError: As for ``unified_log``.
        ValueError: As for ``unified_log``.
    """
    told = await unified_log(handle, since=since, update=update)
    Display().show(draw(told), repr(told) or _NOTHING)


@dataclass(eq=False)
class _Bar:
    """A workflow in its lane, or what stands for one that was not read."""

    lane: str
    read: bool = True
    bad: bool = False
    open: bool = False
    head: _Moment | None = None
    end: _Moment | None = None
    rows: list[int] = field(default_factory=list)
    x: float = 0
    width: float = 0


@dataclass(eq=False)
class _Moment:
    """What happened to a workflow, in one row of the picture; ``after`` is where the arrow to it comes from."""

    when: datetime
    bar: _Bar
    lines: list[str]
    after: _Moment | None = None
    answer: bool = False
    row: int = 0


class _Chain:
    """The bars and moments of a log."""

    def __init__(self, log: UnifiedLog) -> None:
        self.log = log
        self.moments: list[_Moment] = []
        self.begin, self.end = log.entries[0].when, log.entries[-1].when
        self.bars = {link_to(told): _Bar(told.namespace, bad=told.status not in _MARKS) for told in log.histories}
        self.bars |= {link: _Bar(link.namespace, read=False) for link in log.unread}
        steps = [step for told in log.histories for step in told.steps]
        self.behind = {step.endpoint: link.namespace for step in steps if step.endpoint for link in step.links}
        for told in log.histories:
            self._workflow(told, self.bars[link_to(told)])
        for told in log.histories:
            for step in told.steps:
                (self._call if step.kind in CALLS else self._step)(step, self.bars[link_to(told)])
        self.moments.sort(key=lambda moment: moment.when)

    def _add(self, *given: Any, **more: Any) -> _Moment:
        self.moments.append(_Moment(*given, **more))
        return self.moments[-1]

    def _workflow(self, told: History, bar: _Bar) -> None:
        callers = [link for link in dict.fromkeys(told.links) if link in self.log.unread]
        head = [f"{told.workflow_type} {told.workflow_id}"]
        head += ["goes on from before"] if told.started < self.begin else []
        head += [
            f"called by operation {link.workflow_id} in {link.namespace}" for link in told.links if link.standalone
        ]
        asked = [self._add(told.started, self.bars[link], self._unread(link)) for link in callers]
        bar.head = self._add(max(told.started, self.begin), bar, head, asked[0] if asked else None)
        for each in (bar, *(self.bars[link] for link in callers)):
            each.open = told.closed is None or told.closed > self.end
        if told.closed and not bar.open:
            why = [told.failure] if told.failure not in ["", *(step.failure for step in told.steps)] else []
            bar.end = self._add(told.closed, bar, [f"{_MARKS.get(told.status, _CROSS)} {told.status}", *why])
            for link in callers:
                self._add(told.closed, self.bars[link], [], bar.end, answer=True)

    def _step(self, step: Step, bar: _Bar) -> None:
        mark = "·" if step.due or step.kind == "signal" else _MARKS.get(step.status, _CROSS)
        self._add(step.scheduled, bar, [_words(step, f"{mark} {step.title}")])

    def _call(self, step: Step, bar: _Bar) -> None:
        name = f"{f'{_CROSS} ' if step.status == 'abandoned' else ''}→ {step.name}"
        asked = self._add(step.scheduled, bar, [name if step.closed else _words(step, name)])
        there = [self.bars[link] for link in dict.fromkeys(step.links) if link in self.bars]
        if not there and not step.closed:
            return  # on its way
        called = there[0] if there else _Bar(self.behind.get(step.endpoint, f"endpoint {step.endpoint}"), read=False)
        if called.head is None:
            unread = [self._unread(link) for link in step.links if link in self.log.unread]
            words = ["answered without a workflow" if step.status == "completed" else "no workflow is known"]
            called.head = self._add(step.started or step.scheduled, called, [*unread, words][0])
            called.end = self._add(step.closed, called, []) if step.closed else None
            called.open = step.closed is None
        called.head.after = called.head.after or asked
        if step.closed:
            end = called.end if called.end and called.end.when <= step.closed else None
            name = f"{'' if step.status == 'completed' else f'{_CROSS} '}← {step.name}"
            self._add(step.closed, bar, [_words(step, name)], end, answer=True)

    def _unread(self, link: Link) -> list[str]:
        return [link.workflow_id, self.log.unread[link]]


def _words(step: Step, name: str) -> str:
    """What came of a step; of one that went well, how long it took."""
    return f"{name}: {'received' if step.kind == 'signal' else outcome(step).removeprefix('completed in ')}"


def draw(log: UnifiedLog) -> str:
    """The picture of a log, as SVG.

    Args:
        log: From ``unified_log``.
    """
    if not log.entries:
        return svg.picture(_NOTHING, 24, [svg.text(1, 16, _NOTHING)])
    chain = _Chain(log)
    rows = _rows(chain.moments)
    names = list(dict.fromkeys(moment.bar.lane for moment in chain.moments))
    width = (svg.WIDTH - _LEFT - 2) / len(names)
    lefts = {name: _LEFT + number * width for number, name in enumerate(names)}
    texts = {}  # where those of each lane begin
    for name, left in lefts.items():
        bars = list(dict.fromkeys(moment.bar for moment in chain.moments if moment.bar.lane == name))
        texts[name] = _place(bars, left + _GUTTER, len(rows) - 1)
    lines = {each: _wrapped(each, lefts[each.bar.lane] + width - _GAP - texts[each.bar.lane]) for each in chain.moments}
    tops, levels, y = [], [], float(_HEAD)  # of rows, and of the arrows in them
    for number, row in enumerate(rows):
        waited = (row[0].when - rows[number - 1][-1].when).total_seconds() if number else 0
        y += min(24.0, 7 * log10(1 + max(waited, 0) * 50))
        tops.append(y)
        y += max(len(lines[moment]) for moment in row) * _LINE + _FOOT
        levels.append(y - _FOOT + 4)
    shapes = [shape for name, left in lefts.items() for shape in _lane(name, left, width, y, log)]
    for bar in dict.fromkeys(moment.bar for moment in chain.moments):
        shapes += _bar(bar, tops[bar.rows[0]], y + 4 if bar.open else levels[bar.rows[-1]] + 2)
    for number, moment in enumerate(each for each in chain.moments if each.after):
        shapes += _arrow(moment, levels, lefts, width, 5 + number % 5 * 3)
    for row, top in zip(rows, tops, strict=True):
        since = spoken(row[0].when - chain.begin)
        shapes.append(svg.text(_LEFT - _GAP, top + 11, f"+{since}", text_anchor="end", opacity=0.75))
        for each in row:
            right = lefts[each.bar.lane] + width - _GAP
            shapes += _texts(each, lines[each], texts[each.bar.lane], right, top)
    for number, line in enumerate((*_LEGEND, f"Times count from {chain.begin:%H:%M:%S} UTC.")):
        shapes.append(svg.text(1, y + 30 + number * _LINE, line, opacity=0.75))
    return svg.picture(f"Log of {', '.join(names)}", y + 68, shapes)


def _rows(moments: list[_Moment]) -> list[list[_Moment]]:
    """Moments by rows: each has its own, but an arrow that arrives at once ends in the row in which it begins."""
    rows: list[list[_Moment]] = []
    for moment in moments:
        last = rows[-1][-1] if rows else moment
        at_once = moment.after is last and moment.when - last.when < _TOGETHER
        if not at_once or moment.bar.lane == last.bar.lane:
            rows.append([])
        rows[-1].append(moment)
        moment.row = len(rows) - 1
        moment.bar.rows.append(moment.row)
    return rows


def _place(bars: list[_Bar], left: float, last: int) -> float:
    """Put a lane's bars side by side where they are at the same time. Returns where the texts may begin."""
    until: list[int] = []  # the last row of what stands in each slot
    slots = []
    for bar in bars:
        slot = next((number for number, row in enumerate(until) if row < bar.rows[0]), len(until))
        until[slot : slot + 1] = [last if bar.open else bar.rows[-1]]
        slots.append(slot)
    pitch = min(14.0, _BARS / len(until))
    for bar, slot in zip(bars, slots, strict=True):
        bar.x, bar.width = left + slot * pitch, pitch * 0.6
    return left + len(until) * pitch + 2


def _wrapped(moment: _Moment, room: float) -> list[str]:
    """A moment's lines: a name in one, which is cut where it is drawn; all else in up to four."""
    if moment is moment.bar.head and moment.bar.read:
        return moment.lines
    lines = [part for line in moment.lines for part in textwrap.wrap(line, max(8, int(room / 6.6)))]
    return [*lines[:3], " ".join(lines[3:])] if len(lines) > 4 else lines


def _texts(moment: _Moment, lines: list[str], x: float, right: float, top: float) -> Iterator[str]:
    """A moment's texts, and a thin line to them from their bar where others stand between."""
    edge = moment.bar.x + moment.bar.width
    if lines and x - edge > _GAP:
        yield svg.path(f"M{edge:.1f} {top + 7:.1f}H{x - 3:.1f}", stroke=svg.GRID)
    for number, line in enumerate(lines):
        bold = moment is moment.bar.head and moment.bar.read and not number
        yield svg.line(x, top + 11 + number * _LINE, line, room=max(right - x, 12), bold=bold)


def _lane(name: str, left: float, width: float, bottom: float, log: UnifiedLog) -> Iterator[str]:
    """A lane's frame and head; dashed and shaded if it is closed to this reader."""
    refused = any(link.namespace == name and why == NO_RIGHT for link, why in log.unread.items())
    closed = refused and not any(told.namespace == name for told in log.histories)
    look = {"fill": "var(--jp-layout-color2,#eeeeee)", "stroke": svg.INK, "stroke_dasharray": "6 4"}
    yield svg.rect(left, 1, width, bottom + 5, **(look if closed else {"fill": "none", "stroke": svg.GRID}))
    yield svg.line(left + _GAP, 18, name, room=width - 2 * _GAP, bold=True)
    kind = "namespace not told" if " " in name else "namespace"  # of an endpoint it is known where a workflow answered
    yield svg.line(left + _GAP, 34, f"closed: {NO_RIGHT}" if closed else kind, room=width - 2 * _GAP)


def _bar(bar: _Bar, top: float, bottom: float) -> Iterator[str]:
    colour = svg.FAILED if bar.bad else svg.WORK
    look = {"fill": colour} if bar.read else {"fill": "none", "stroke": svg.INK, "stroke_dasharray": "4 2"}
    yield svg.rect(bar.x, top, bar.width, bottom - top, **look)
    if bar.open:
        yield svg.path(f"M{bar.x + bar.width / 2 - 5:.1f} {bottom + 3:.1f}l5 5l5 -5", stroke=svg.INK, stroke_width=2)


def _arrow(moment: _Moment, levels: list[float], lefts: dict[str, float], width: float, aside: float) -> Iterator[str]:
    """An arrow below the texts of its rows; where these are two, it changes in the room between lanes."""
    assert moment.after
    start, end = moment.after.bar, moment.bar
    begin, goal = lefts[start.lane], lefts[end.lane]
    y1, y2 = levels[moment.after.row], levels[moment.row]
    gutter = goal + aside + (width if goal < begin else 0)
    x1 = start.x + start.width if gutter > start.x else start.x
    x2 = end.x + end.width if gutter > end.x else end.x
    head = 6 if gutter > end.x else -6
    dash = {"stroke_dasharray": "5 3"} if moment.answer else {}
    between = f"H{gutter:.1f}V{y2:.1f}" if moment.row != moment.after.row else ""
    yield svg.path(f"M{x1:.1f} {y1:.1f}{between}H{x2 + head / 3:.1f}", stroke=svg.INK, **dash)
    yield svg.path(f"M{x2 + head:.1f} {y2 - 4:.1f}L{x2:.1f} {y2:.1f}L{x2 + head:.1f} {y2 + 4:.1f}", stroke=svg.INK)
