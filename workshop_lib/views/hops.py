"""``hops``: who called whom, and how often, as boxes and arrows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from workshop_lib.views.svg import WIDTH, WORK, Picture

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
    step = min((WIDTH - _BOX - 2) / max(1, max(columns.values(), default=1)), 2 * _BOX)
    rows: dict[int, int] = defaultdict(int)  # how many boxes each column has so far
    spots: dict[str, tuple[float, float]] = {}
    for name, column in columns.items():
        # Every other column stands half a row lower, so that an arrow past one column runs between its boxes.
        spots[name] = (1 + column * step, 34 + (rows[column] + column % 2 / 2) * _ROW)
        rows[column] += 1
    heading = f"{title}: {sum(made.values())} hops"
    picture = Picture(title)
    picture.text(0, 14, heading, bold=True)
    for caller, called in made:
        (x1, y1), (x2, y2) = spots[caller], spots[called]
        picture.arrow((x1 + _BOX, y1 + _HIGH / 2), (x2, y2 + _HIGH / 2), stroke_opacity=0.45)
    for name, (x, y) in spots.items():
        label = " + ".join(f"{times}×" for (_, called), times in made.items() if called == name)
        picture.text(x - 6, y + _HIGH / 2 - 7, label, text_anchor="end")
        picture.rect(x, y, _BOX, _HIGH, fill="var(--jp-layout-color1,#fff)", stroke=WORK)
        picture.text(x + _BOX / 2, y + 21, name, room=_BOX - 2, text_anchor="middle")
    lines = [f"  {caller} → {called}: {times}" for (caller, called), times in made.items()]
    picture.show(34 + (max(rows.values(), default=1) + 0.5) * _ROW, "\n".join([heading, *lines]))


def _columns(calls: Mapping[tuple[str, str], int]) -> dict[str, int]:
    """How far right each box stands: one further than the furthest of its callers."""
    names = list(dict.fromkeys(name for call in calls for name in call))
    columns = dict.fromkeys(names, 0)
    for _ in names:  # as many rounds as the longest way can have; a circle ends with them, too
        for caller, called in calls:
            columns[called] = min(max(columns[called], columns[caller] + 1), len(names) - 1)
    return columns
