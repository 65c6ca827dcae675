"""``hops``: who called whom, and how often, as boxes and arrows."""

from collections.abc import Mapping

from workshop_lib.views.svg import WIDTH, WORK, Picture, width

_ROW, _HIGH, _GAP = 62, 42, 64  # from one row to the next, a box, and between columns at most


def hops(title: str, calls: Mapping[tuple[str, str], int]) -> None:
    """Draw calls as arrows from left to right between boxes. Each box has the number of calls to it.

    Args:
        title: What the picture shows.
        calls: The number of calls: ``{("caller", "called"): times}``. Those with 0 are not drawn.
    """
    made = {call: times for call, times in calls.items() if times}
    columns = _columns(made)
    boxes: dict[str, tuple[float, float, float]] = {}  # left, right, middle
    left, rows = 1.0, 0
    sizes = [max(map(width, names)) + 20 for names in columns]
    shrink = min(1.0, (WIDTH - 2 - _GAP / 2 * len(sizes)) / max(1, sum(sizes)))
    gap = min(_GAP, (WIDTH - 2 - shrink * sum(sizes)) / max(1, len(sizes) - 1))
    for number, (names, size) in enumerate(zip(columns, sizes, strict=True)):
        callers = {each: [boxes[a][2] for a, b in made if b == each and a in boxes] for each in names}
        names.sort(key=lambda name: sum(callers[name]) / max(1, len(callers[name])))
        for row, name in enumerate(names):
            # Every second column is half a row lower, so that an arrow past a column runs between its boxes.
            boxes[name] = (left, left + shrink * size, 30 + (row + number % 2 / 2) * _ROW + _HIGH / 2)
        left, rows = left + shrink * size + gap, max(rows, len(names))
    heading = f"{title}: {sum(made.values())} hops"
    picture = Picture(title)
    picture.text(0, 14, heading, bold=True)
    for caller, called in made:
        picture.arrow((boxes[caller][1], boxes[caller][2]), (boxes[called][0], boxes[called][2]), stroke_opacity=0.45)
    for name, (begin, end, middle) in boxes.items():
        count = " + ".join(f"{times}×" for (_, called), times in made.items() if called == name)
        picture.rect(begin, middle - _HIGH / 2, end - begin, _HIGH, fill="var(--jp-layout-color1,#fff)", stroke=WORK)
        for y, content in ((-3, name), (13, count)) if count else ((4, name),):
            picture.text((begin + end) / 2, middle + y, content, room=end - begin - 8, text_anchor="middle")
    lines = [f"  {caller} → {called}: {times}" for (caller, called), times in made.items()]
    picture.show(36 + (rows + 0.5) * _ROW, "\n".join([heading, *lines]))


def _columns(calls: Mapping[tuple[str, str], int]) -> list[list[str]]:
    """The boxes from left to right, each to the right of all its callers."""
    names = list(dict.fromkeys(name for call in calls for name in call))
    place = dict.fromkeys(names, 0)
    for _ in names:  # the longest path has so many steps; the limit also ends a circle
        for caller, called in calls:
            place[called] = min(max(place[called], place[caller] + 1), len(names) - 1)
    return [[name for name in names if place[name] == each] for each in sorted(set(place.values()))]
