"""``await lanes(handle)``: the log of a chain of workflows as swim lanes, one for each namespace."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from temporalio.client import WorkflowHandle

from workshop_lib.evidence.history import CALLS, NO_RIGHT, History, Link, Step, spoken
from workshop_lib.evidence.log import UnifiedLog, unified_log
from workshop_lib.evidence.messages import Display
from workshop_lib.views.svg import CROSS, FAILED, GRID, INK, WIDTH, WORK, Picture, mark, wrapped
from workshop_lib.views.where import page, page_of

_LEFT, _GUTTER, _GAP = 100, 24, 8  # widths: of the times, of the room for arrows before a lane's bars, between things
_HEAD, _LINE, _FOOT = 46, 15, 13  # heights: of a lane's head, of a line of text, of what is below a row's texts
_BARS, _MOST = 60, 3  # at most so wide are a lane's bars together; at most so many lines has a moment's text
_TOGETHER = timedelta(milliseconds=250)  # a call that arrives within this time is drawn in the row of its caller
_LEGEND = (
    "Bar: a Workflow; hollow: none, or not read. Solid arrow: call; dashed: answer. ✓ completed, and how long it took.",
    "✗ did not complete. ⌄ still open. From top to bottom in the order of time, not to scale.",
)


async def lanes(handle: WorkflowHandle[Any, Any]) -> None:
    """Draw what the workflows of a chain did, from top to bottom, in one lane for each namespace.

    It shows what the handle's client may read. A namespace in which it may read nothing is a closed lane.

    Args:
        handle: Any workflow of the chain.

    Raises:
        temporalio.service.RPCError: See ``unified_log``.
    """
    log = await unified_log(handle)
    Display().show(draw(log), "\n".join(written(log)))


@dataclass(eq=False)
class _Bar:
    """A workflow in its lane; ``record`` is None if its history could not be read."""

    lane: str
    name: str = ""
    record: History | None = None
    open: bool = False
    head: "_Moment | None" = None
    end: "_Moment | None" = None
    rows: list[int] = field(default_factory=list)
    x: float = 0
    width: float = 0


@dataclass(eq=False)
class _Moment:
    """An event of a workflow, in one row of the picture; ``after`` is the start of the arrow to it."""

    when: datetime
    bar: _Bar
    lines: list[str]
    after: "_Moment | None" = None
    answer: bool = False
    row: int = 0


class _Chain:
    """The bars and moments of a log."""

    def __init__(self, log: UnifiedLog) -> None:
        self.log = log
        self.moments: list[_Moment] = []
        self.bars = {link: _Bar(link.namespace, link.workflow_id) for link in log.unread}
        for each in log.histories:
            self.bars[each.link] = _Bar(each.namespace, each.workflow_id, each, each.closed is None)
        steps = [(step, record) for record in log.histories for step in record.steps]
        self.behind = {step.endpoint: link.namespace for step, _ in steps if step.endpoint for link in step.links}
        for record in log.histories:
            self._workflow(record, self.bars[record.link])
        for step, record in steps:
            (self._call if step.kind in CALLS else self._step)(step, self.bars[record.link])
        self.moments.sort(key=lambda moment: moment.when)

    def _add(self, *given: Any, **more: Any) -> _Moment:
        self.moments.append(_Moment(*given, **more))
        return self.moments[-1]

    def _workflow(self, record: History, bar: _Bar) -> None:
        callers = [link for link in dict.fromkeys(record.links) if link in self.log.unread]
        head = [f"{record.workflow_type} {record.workflow_id}"]
        head += [f"called by operation {by.workflow_id} in {by.namespace}" for by in record.links if by.standalone]
        asked = [self._add(record.started, self.bars[link], self._unread(link)) for link in callers]
        bar.head = self._add(record.started, bar, head, asked[0] if asked else None)
        for link in callers:
            self.bars[link].open = bar.open
        if record.closed:
            why = [record.failure] if record.failure not in ["", *(step.failure for step in record.steps)] else []
            bar.end = self._add(record.closed, bar, [f"{mark(record.status)} {record.status}", *why])
            for link in callers:
                self._add(record.closed, self.bars[link], [], bar.end, answer=True)

    def _step(self, step: Step, bar: _Bar) -> None:
        sign = "·" if step.due or step.kind == "signal" else mark(step.status)
        self._add(step.scheduled, bar, [_words(step, f"{sign} {step.title}")])

    def _call(self, step: Step, bar: _Bar) -> None:
        name = f"{f'{CROSS} ' if step.status == 'abandoned' else ''}→ {step.name}"
        asked = self._add(step.scheduled, bar, [name if step.closed else _words(step, name)])
        there = [self.bars[link] for link in dict.fromkeys(step.links) if link in self.bars]
        if not there and not step.closed:
            return  # the call has not arrived
        called = there[0] if there else _Bar(self.behind.get(step.endpoint, f"endpoint {step.endpoint}"))
        if called.head is None:
            unread = [self._unread(link) for link in step.links if link in self.log.unread]
            words = ["answered without a workflow" if step.status == "completed" else "no workflow is known"]
            called.head = self._add(step.started or step.scheduled, called, [*unread, words][0])
            called.end = self._add(step.closed, called, []) if step.closed else None
            called.open = step.closed is None
        called.head.after = called.head.after or asked
        if step.closed:
            end = called.end if called.end and called.end.when <= step.closed else None
            name = f"{'' if step.status == 'completed' else f'{CROSS} '}← {step.name}"
            self._add(step.closed, bar, [_words(step, name)], end, answer=True)

    def _unread(self, link: Link) -> list[str]:
        return [link.workflow_id, self.log.unread[link]]


def _words(step: Step, name: str) -> str:
    """A step's outcome: how long it took, or why it failed."""
    good = step.status in ("completed", "running", "waiting")
    why = f"{', last failure: ' if good else ': '}{step.failure}" if step.failure else ""
    return f"{name}: {step.outcome.removeprefix('completed in ')}{why}"


def written(log: UnifiedLog) -> Iterator[str]:
    """The content of the picture as lines of text.

    Args:
        log: From ``unified_log``.
    """
    for moment in _Chain(log).moments:
        if moment.lines:
            bar, words = moment.bar, "; ".join(moment.lines)
            name = f" · {bar.name}" if bar.name and bar.name not in words else ""
            called = f", called from {moment.after.bar.lane}" if moment.after and not moment.answer else ""
            yield f"{moment.when:%H:%M:%S.%f}"[:-3] + f"  {bar.lane}{name} · {words}{called}"


def draw(log: UnifiedLog) -> str:
    """The picture of a log as SVG.

    Args:
        log: From ``unified_log``.
    """
    return _Drawing(_Chain(log)).whole()


@dataclass
class _Lane:
    """The place of a lane: its edges, and the left edge of its texts, to the right of its bars."""

    left: float
    right: float
    texts: float


class _Drawing(Picture):
    """Moments in rows from top to bottom, in lanes from left to right."""

    def __init__(self, chain: _Chain) -> None:
        names = list(dict.fromkeys(moment.bar.lane for moment in chain.moments))
        super().__init__(f"Log of {', '.join(names)}")
        self._chain = chain
        self._rows = _rows(chain.moments)
        self._bars = list(dict.fromkeys(moment.bar for moment in chain.moments))
        width = (WIDTH - _LEFT - 2) / len(names)
        self._lanes: dict[str, _Lane] = {}
        for number, name in enumerate(names):
            left = _LEFT + number * width
            bars = [bar for bar in self._bars if bar.lane == name]
            self._lanes[name] = _Lane(left, left + width, _place(bars, left + _GUTTER, len(self._rows) - 1))
        self._lines = {
            each: [part for line in each.lines for part in wrapped(line, self._room(each), _MOST)]
            for each in chain.moments
        }
        self._tops: list[float] = []  # of rows
        self._levels: list[float] = []  # of the arrows in them
        self._bottom = float(_HEAD)
        for row in self._rows:
            self._tops.append(self._bottom)
            self._bottom = self._tops[-1] + max(len(self._lines[moment]) for moment in row) * _LINE + _FOOT
            self._levels.append(self._bottom - _FOOT + 4)

    def whole(self) -> str:
        """The whole picture as SVG."""
        begin = self._chain.log.histories[0].started
        for name, lane in self._lanes.items():
            self._lane(name, lane)
        for bar in self._bars:
            self._bar(bar)
        for number, moment in enumerate(each for each in self._chain.moments if each.after):
            self._arrow(moment, 5 + number % 5 * 3)
        for row, top in zip(self._rows, self._tops, strict=True):
            since = spoken(row[0].when - begin)
            self.text(_LEFT - _GAP, top + 11, f"+{since}", text_anchor="end", opacity=0.75)
            for moment in row:
                self._texts(moment, top)
        self.notes(1, self._bottom + 30, *_LEGEND, f"Times count from {begin:%H:%M:%S} UTC.")
        return self.svg(self._bottom + 70)

    def _room(self, moment: _Moment) -> float:
        lane = self._lanes[moment.bar.lane]
        return lane.right - _GAP - lane.texts

    def _lane(self, name: str, lane: _Lane) -> None:
        """Draw a lane's frame and head, dashed and shaded if it is closed to this reader."""
        log = self._chain.log
        refused = any(link.namespace == name and why == NO_RIGHT for link, why in log.unread.items())
        closed = refused and not any(record.namespace == name for record in log.histories)
        shade = {"fill": "var(--jp-layout-color2,#eeeeee)", "stroke": INK, "stroke_dasharray": "6 4"}
        width = lane.right - lane.left
        self.rect(lane.left, 1, width, self._bottom + 5, **(shade if closed else {"stroke": GRID}))
        # The namespace behind an endpoint is known only if a workflow answered.
        kind, href = ("Nexus endpoint", page("nexus")) if " " in name else ("namespace", page("namespaces", name))
        self.text(lane.left + _GAP, 18, name, room=width - 2 * _GAP, bold=True, href=href)
        self.text(lane.left + _GAP, 34, f"closed: {NO_RIGHT}" if closed else kind, room=width - 2 * _GAP)

    def _bar(self, bar: _Bar) -> None:
        top, bottom = self._tops[bar.rows[0]], self._bottom + 4 if bar.open else self._levels[bar.rows[-1]] + 2
        look = {"stroke": INK, "stroke_dasharray": "4 2"}
        if bar.record:
            look = {"fill": FAILED if mark(bar.record.status) == CROSS else WORK}
        self.rect(bar.x, top, bar.width, bottom - top, **look)
        if bar.open:
            self.path(f"M{bar.x + bar.width / 2 - 5:.1f} {bottom + 3:.1f}l5 5l5 -5", stroke_width=2)

    def _texts(self, moment: _Moment, top: float) -> None:
        """Draw a moment's texts, and a thin line from its bar to them if other bars are between."""
        bar, x = moment.bar, self._lanes[moment.bar.lane].texts
        if self._lines[moment] and x - bar.x - bar.width > _GAP:
            self.path(f"M{bar.x + bar.width:.1f} {top + 7:.1f}H{x - 3:.1f}", stroke=GRID)
        href = page_of(bar.record) if bar.record and moment is bar.head else ""
        for number, line in enumerate(self._lines[moment]):
            y, head = top + 11 + number * _LINE, bool(bar.record) and moment is bar.head
            self.text(x, y, line, room=max(self._room(moment), 12), bold=head, href=href)

    def _arrow(self, moment: _Moment, aside: float) -> None:
        """Draw an arrow below the texts of its rows. Between two rows, it runs down in the gap between lanes."""
        assert moment.after
        start, end = moment.after.bar, moment.bar
        begin, goal = self._lanes[start.lane], self._lanes[end.lane]
        y1, y2 = self._levels[moment.after.row], self._levels[moment.row]
        gutter = aside + (goal.right if goal.left < begin.left else goal.left)
        x1 = start.x + start.width if gutter > start.x else start.x
        x2, back = (end.x + end.width, -6) if gutter > end.x else (end.x, 6)
        dash = {"stroke_dasharray": "5 3"} if moment.answer else {}
        between = f"H{gutter:.1f}V{y2:.1f}" if moment.row != moment.after.row else ""
        self.path(f"M{x1:.1f} {y1:.1f}{between}H{x2 - back / 3:.1f}", **dash)
        self.head(x2, y2, back)


def _rows(moments: list[_Moment]) -> list[list[_Moment]]:
    """The rows of moments: each has its own, but an arrow that arrives at once ends in the row where it starts."""
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
    """Place bars that overlap in time side by side. Returns the left edge of the lane's texts."""
    until: list[int] = []  # the last row of the bars in each slot
    slots = []
    for bar in bars:
        slot = next((number for number, row in enumerate(until) if row < bar.rows[0]), len(until))
        until[slot : slot + 1] = [last if bar.open else bar.rows[-1]]
        slots.append(slot)
    pitch = min(14.0, _BARS / len(until))
    for bar, slot in zip(bars, slots, strict=True):
        bar.x, bar.width = left + slot * pitch, pitch * 0.6
    return left + len(until) * pitch + 2
