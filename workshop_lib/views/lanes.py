"""``await lanes(handle)``: the log of a chain of workflows as swim lanes, one for each namespace."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from temporalio.client import WorkflowHandle

from workshop_lib.evidence.history import CALLS, NO_RIGHT, History, Link, Step, spoken
from workshop_lib.evidence.log import UnifiedLog, unified_log
from workshop_lib.evidence.messages import Display
from workshop_lib.views.grid import CROSS, FAILED, FAINT, GRID, INK, WORK, box, figure, head, mark, text
from workshop_lib.views.where import page, page_of

_WIDE, _NARROW, _FEW = "7px 9px", "3px 4px", 4  # a bar and room beside it; how many bars of a lane are wide
_MOST = 3  # lines of a text
_TOGETHER = timedelta(milliseconds=250)  # a call that arrives within this time is drawn in the row of its caller
_LEGEND = (
    "Bar: a Workflow; hollow: none, or not read. Solid arrow: call; dashed: answer. ✓ completed, and how long it took. "
    "✗ did not complete. ⌄\N{NO-BREAK SPACE}still open. From top to bottom in the order of time, not to scale."
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
    column: int = 0


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
    """The picture of a log as HTML.

    Args:
        log: From ``unified_log``.
    """
    return _Drawing(_Chain(log)).whole()


class _Drawing:
    """Moments in rows from top to bottom, below the lanes' heads, and in lanes from left to right, beside the times.

    The columns of a lane: room at its left edge, a bar and room for arrows as often as needed, and its texts.
    """

    def __init__(self, chain: _Chain) -> None:
        self._chain = chain
        self._rows = _rows(chain.moments)
        self._foot = len(self._rows) + 2  # the row below them
        self._bars = list(dict.fromkeys(moment.bar for moment in chain.moments))
        self._lanes: dict[str, tuple[int, int]] = {}  # the first and the last column
        self._columns, first = "max-content", 2
        for name in dict.fromkeys(bar.lane for bar in self._bars):
            slots = _place([bar for bar in self._bars if bar.lane == name], first + 1, self._foot)
            self._columns += f" 8px repeat({slots},{_WIDE if slots <= _FEW else _NARROW}) minmax(0,1fr)"
            self._lanes[name] = first, first + 2 * slots + 1
            first += 2 * slots + 2

    def whole(self) -> str:
        """The whole picture."""
        parts = [part for name in self._lanes for part in self._lane(name)]
        parts += [part for bar in self._bars for part in self._bar(bar)]
        parts += [_arrow(moment, moment.after) for moment in self._chain.moments if moment.after]
        begin = self._chain.log.histories[0].started
        for number, row in enumerate(self._rows, 2):
            since = f"+{spoken(row[0].when - begin)}"
            parts.append(box(since, grid_area=f"{number}/1", margin="0 8px", text_align="right", color=FAINT))
            parts += [part for moment in row for part in self._texts(moment)]
        notes = f"{_LEGEND} Times count from {begin:%H:%M:%S} UTC."
        parts.append(box(notes, grid_area=f"{self._foot + 1}/1/auto/-1", margin_top="4px", color=FAINT))
        return figure(f"Log of {', '.join(self._lanes)}", *parts, columns=self._columns, line_height="15px")

    def _lane(self, name: str) -> Iterator[str]:
        """A lane's frame and head, dashed and shaded if it is closed to this reader."""
        log = self._chain.log
        refused = any(link.namespace == name and why == NO_RIGHT for link, why in log.unread.items())
        closed = refused and not any(record.namespace == name for record in log.histories)
        look = {"border": f"1px solid {GRID}"}
        if closed:
            look = {"border": f"1px dashed {INK}", "background": "var(--jp-layout-color2,#8882)"}
        first, last = self._lanes[name]
        yield box(grid_area=f"1/{first}/{self._foot}/{last + 1}", **look)
        # The namespace behind an endpoint is known only if a workflow answered.
        kind, href = ("Nexus endpoint", page("nexus")) if " " in name else ("namespace", page("namespaces", name))
        head = (text(name, href=href, font_weight="600"), text(f"closed: {NO_RIGHT}" if closed else kind))
        yield box(*head, grid_area=f"1/{first}/auto/{last + 1}", margin="6px 8px 10px")

    def _bar(self, bar: _Bar) -> Iterator[str]:
        look = {"border": f"1px dashed {INK}"}
        if bar.record:
            look = {"background": FAILED if mark(bar.record.status) == CROSS else WORK}
        last = self._foot if bar.open else bar.rows[-1] + 1
        yield box(grid_area=f"{bar.rows[0]}/{bar.column}/{last}", margin_bottom="5px", border_radius="2px", **look)
        if bar.open:
            yield box("⌄", grid_area=f"{self._foot}/{bar.column}", font_weight="700")

    def _texts(self, moment: _Moment) -> Iterator[str]:
        """A moment's texts, and a thin line from its bar to them if other bars are between."""
        bar, texts = moment.bar, self._lanes[moment.bar.lane][1]
        if moment.lines and texts > bar.column + 2:
            place = f"{moment.row}/{bar.column + 1}/auto/{texts}"
            yield box(grid_area=place, height="7px", border_bottom=f"1px solid {GRID}")
        head = {"href": page_of(bar.record), "font_weight": "600"} if bar.record and moment is bar.head else {}
        lines = (text(line, _MOST, **head) for line in moment.lines)
        yield box(*lines, grid_area=f"{moment.row}/{texts}", margin="0 8px 13px 0")


def _arrow(moment: _Moment, after: _Moment) -> str:
    """An arrow below the texts of its row. If it began in a row above, it runs down beside that bar first."""
    start, end = after.bar.column, moment.bar.column
    right = start < end
    line = f"1px {'dashed' if moment.answer else 'solid'} {INK}"
    look = {"border_bottom": line, "margin_bottom": "6px", "position": "relative"}
    if after.row < moment.row:
        look |= {"border_left" if right else "border_right": line, "margin_top": "-7px"}
    place = f"{min(after.row + 1, moment.row)}/{min(start, end) + 1}/{moment.row + 1}/{max(start, end)}"
    return box(head(right), grid_area=place, **look)


def _rows(moments: list[_Moment]) -> list[list[_Moment]]:
    """The rows of moments: each has its own, but an arrow that arrives at once ends in the row where it starts."""
    rows: list[list[_Moment]] = []
    for moment in moments:
        last = rows[-1][-1] if rows else moment
        at_once = moment.after is last and moment.when - last.when < _TOGETHER
        if not at_once or moment.bar.lane == last.bar.lane:
            rows.append([])
        rows[-1].append(moment)
        moment.row = len(rows) + 1  # the first row is that of the lanes' heads
        moment.bar.rows.append(moment.row)
    return rows


def _place(bars: list[_Bar], column: int, foot: int) -> int:
    """Place bars that overlap in time side by side, in every second column. Returns how many these are."""
    until: list[int] = []  # the last row of the bars in each column
    for bar in bars:
        slot = next((number for number, row in enumerate(until) if row < bar.rows[0]), len(until))
        until[slot : slot + 1] = [foot if bar.open else bar.rows[-1]]
        bar.column = column + 2 * slot
    return len(until)
