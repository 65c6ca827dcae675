"""``lines``: how numbers change over time, drawn, and as a table in plain text."""

from collections.abc import Mapping, Sequence

from workshop_lib.views.svg import GRID, INK, WAIT, WORK, Picture, ticks

_LEFT, _RIGHT, _TOP, _HEIGHT = 48, 560, 48, 200
_LOOKS = ((WORK, "none"), (WAIT, "8 4"), (INK, "2 3"), ("var(--jp-success-color1,#388e3c)", "10 3 2 3"))


def lines(title: str, series: Mapping[str, Sequence[tuple[float, float]]], *, x: str, y: str) -> None:
    """Draw lines as steps: each value holds until the next point.

    Args:
        title: What the picture shows.
        series: A line's name, and its points (x, y) in the order of x; at most four lines.
        x: The meaning and unit of the horizontal axis.
        y: The meaning of the vertical axis.
    """
    points = [point for line in series.values() for point in line]
    widest = max(1e-9, *(right for right, _ in points))
    highest = max(1e-9, *(up for _, up in points))

    def across(value: float) -> float:
        return _LEFT + value / widest * (_RIGHT - _LEFT)

    def down(value: float) -> float:
        return _TOP + (1 - value / highest) * _HEIGHT

    picture = Picture(title)
    picture.text(8, 18, title, bold=True)
    picture.notes(8, _TOP - 12, y)
    for value in ticks(highest, 6):
        picture.path(f"M{_LEFT} {down(value):.1f}H{_RIGHT}", stroke=GRID, stroke_width=0.5)
        picture.text(_LEFT - 8, down(value) + 4, f"{value:g}", text_anchor="end", opacity=0.75)
    for value in ticks(widest, 6):
        picture.text(across(value), _TOP + _HEIGHT + 18, f"{value:g}", text_anchor="middle", opacity=0.75)
    picture.notes(_RIGHT + 16, _TOP + _HEIGHT + 18, x)
    for number, (name, ((first_x, first_y), *others)) in enumerate(series.items()):
        steps = "".join(f"H{across(right):.1f}V{down(up):.1f}" for right, up in others)
        key, (color, dashes) = _TOP + 8 + 22 * number, _LOOKS[number]
        for drawn in (f"M{across(first_x):.1f} {down(first_y):.1f}{steps}", f"M{_RIGHT + 16} {key}h36"):
            picture.path(drawn, stroke=color, stroke_width=2, stroke_dasharray=dashes)
        picture.text(_RIGHT + 60, key + 4, name)
    picture.show(_TOP + _HEIGHT + 28, _table(title, series, x, y))


def _table(title: str, series: Mapping[str, Sequence[tuple[float, float]]], x: str, y: str) -> str:
    rows = [title]
    for name, line in series.items():
        some = line[:: max(1, len(line) // 6)]
        rows.append(f"  {name}: " + ", ".join(f"{up:.3g} at {right:.2f}" for right, up in some))
    return "\n".join([*rows, f"  ({y}, at {x})"])
