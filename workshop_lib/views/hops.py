"""``hops``: who called whom, and how often, as boxes and arrows."""

from __future__ import annotations

from collections.abc import Mapping

from workshop_lib.evidence.messages import Display
from workshop_lib.views import svg

_BOX = 118
_ROW = 54
_HIGH = 32


def hops(title: str, calls: Mapping[tuple[str, str], int]) -> None:
    """Draw calls as arrows from left to right. What was not called is not drawn.

    Args:
        title: What the picture shows.
        calls: How often whom was called by whom: ``{("caller", "called"): times}``.
    """
    made = {call: times for call, times in calls.items() if times}
    columns = _columns(made)
    places = {
        name: (column, row)
        for column in sorted(set(columns.values()))
        for row, name in enumerate(each for each in columns if columns[each] == column)
    }
    rows = 1.5 + max((row for _, row in places.values()), default=0)
    step = (svg.WIDTH - _BOX - 2) / max(1, max(columns.values(), default=1))
    step = min(step, 2 * _BOX)
    # Every other column stands half a row lower, so that an arrow past one column runs between its boxes.
    spots = {name: (1 + column * step, 34 + (row + column % 2 / 2) * _ROW) for name, (column, row) in places.items()}
    shapes = [svg.text(0, 14, f"{title}: {sum(made.values())} hops", bold=True)]
    for caller, called in made:
        shapes += _arrow(spots[caller], spots[called])
    for name, (x, y) in spots.items():
        label = " + ".join(f"{times}×" for (_, called), times in made.items() if called == name)
        shapes.append(svg.text(x - 6, y + _HIGH / 2 - 7, label, text_anchor="end"))
        shapes.append(svg.rect(x, y, _BOX, _HIGH, fill="var(--jp-layout-color1,#fff)", stroke=svg.WORK))
        shapes.append(svg.text(x + _BOX / 2, y + 21, name, room=_BOX - 2, text_anchor="middle"))
    lines = [f"  {caller} → {called}: {times}" for (caller, called), times in made.items()]
    picture = svg.picture(title, 34 + rows * _ROW, shapes)
    Display().show(picture, "\n".join([f"{title}: {sum(made.values())} hops", *lines]))


def _columns(calls: Mapping[tuple[str, str], int]) -> dict[str, int]:
    """How far right each box stands: one further than the furthest of its callers."""
    names = list(dict.fromkeys(name for call in calls for name in call))
    columns = dict.fromkeys(names, 0)
    for _ in names:  # as many rounds as the longest way can have; a circle ends with them, too
        for caller, called in calls:
            columns[called] = min(max(columns[called], columns[caller] + 1), len(names) - 1)
    return columns


def _arrow(start: tuple[float, float], end: tuple[float, float]) -> list[str]:
    (x1, y1), (x2, y2) = (start[0] + _BOX, start[1] + _HIGH / 2), (end[0], end[1] + _HIGH / 2)
    middle = (x1 + x2) / 2
    line = svg.path(
        f"M{x1:.0f},{y1:.0f} C{middle:.0f},{y1:.0f} {middle:.0f},{y2:.0f} {x2 - 6:.0f},{y2:.0f}",
        stroke=svg.INK,
        stroke_opacity=0.45,
    )
    head = svg.path(f"M{x2 - 8:.0f},{y2 - 4:.0f} L{x2 - 1:.0f},{y2:.0f} L{x2 - 8:.0f},{y2 + 4:.0f}", stroke=svg.INK)
    return [line, head]
