"""``hops``: who called whom, and how often, as boxes and arrows."""

from collections.abc import Mapping

from workshop_lib.evidence.messages import Display
from workshop_lib.views.grid import WORK, arrow, figure, framed, text


def hops(title: str, calls: Mapping[tuple[str, str], int]) -> None:
    """Draw calls as arrows from left to right between boxes. Each box has the number of calls to it.

    Args:
        title: What the picture shows.
        calls: The number of calls: ``{("caller", "called"): times}``. Those with 0 are not drawn.
    """
    made = {call: times for call, times in calls.items() if times}
    columns = _columns(made)
    spots: dict[str, tuple[int, int]] = {}  # the line through a box's middle, and its column
    for number, names in enumerate(columns):
        callers = {each: [spots[a][0] for a, b in made if b == each and a in spots] for each in names}
        names.sort(key=lambda name: sum(callers[name]) / max(1, len(callers[name])))
        for row, name in enumerate(names):
            # Every second column is half a row lower, so that an arrow past a column runs between its boxes.
            spots[name] = 2 * row + number % 2 + 3, 2 * number + 1
    heading = f"{title}: {sum(made.values())} hops"
    parts = [text(heading, grid_column="1/-1", font_weight="600")]
    for caller, called in made:
        line, column = spots[caller]
        parts.append(arrow((line, column + 1), spots[called], opacity="0.45"))
    look = {"position": "relative", "margin": "10px 0", "color": "var(--jp-content-font-color1,CanvasText)"}
    look |= {"background": "var(--jp-layout-color1,Canvas)"}  # hides the arrows behind it
    for name, (line, column) in spots.items():
        count = " + ".join(f"{times}×" for (_, called), times in made.items() if called == name)
        texts = [text(each, text_align="center") for each in (name, count) if each]
        place = {"grid_area": f"{line - 1}/{column}/{line + 1}", "align_content": "center"}
        parts.append(framed(*texts, border=f"1px solid {WORK}", **place, **look))
    widths = " minmax(24px,40px) ".join(["minmax(0,max-content)"] * len(columns))
    picture = figure(title, *parts, columns=widths, grid_auto_rows="34px", line_height="16px")
    lines = [f"  {caller} → {called}: {times}" for (caller, called), times in made.items()]
    Display().show(picture, "\n".join([heading, *lines]))


def _columns(calls: Mapping[tuple[str, str], int]) -> list[list[str]]:
    """The boxes from left to right, each to the right of all its callers."""
    names = list(dict.fromkeys(name for call in calls for name in call))
    place = dict.fromkeys(names, 0)
    for _ in names:  # the longest path has so many steps; the limit also ends a circle
        for caller, called in calls:
            place[called] = min(max(place[called], place[caller] + 1), len(names) - 1)
    return [[name for name in names if place[name] == each] for each in sorted(set(place.values()))]
