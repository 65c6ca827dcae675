"""``lines``: how numbers change over time, drawn, and as a table in plain text."""

from collections.abc import Mapping, Sequence

from workshop_lib.evidence.messages import Display
from workshop_lib.views.grid import FAINT, GRID, INK, WAIT, WORK, at, box, curve, figure, text, ticks

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

    ups = {1 - value / highest: f"{value:g}" for value in ticks(highest, 6)}
    rights = {value / widest: f"{value:g}" for value in ticks(widest, 6)}
    drawn = [curve(f"M0 {up:.4f}H1", GRID) for up in ups]
    legend = []
    for (name, ((first_x, first_y), *others)), look in zip(series.items(), _LOOKS, strict=False):
        steps = "".join(f"H{right / widest:.4f}V{1 - up / highest:.4f}" for right, up in others)
        drawn.append(curve(f"M{first_x / widest:.4f} {1 - first_y / highest:.4f}{steps}", *look, width=2))
        sample = box(curve("M0 .5H1", *look, width=2), position="relative", width="36px", margin_right="8px")
        legend.append(box(sample, text(name), display="flex"))
    faint = {"position": "relative", "color": FAINT}
    left = {"position": "absolute", "right": "8px", "transform": "translateY(-50%)"}
    parts = [
        text(title, grid_column="1/-1", font_weight="600"),
        text(y, grid_column="1/-1", color=FAINT, margin_bottom="8px"),
        box(*(box(value, top=f"{up:.2%}", **left) for up, value in ups.items()), **faint),
        box(*drawn, position="relative", height="200px"),
        box(*legend, margin_left="16px"),
        box(),
        box(*(at(right, value, transform="translateX(-50%)") for right, value in rights.items()), **faint),
        text(x, color=FAINT, margin_left="16px"),
    ]
    picture = figure(title, *parts, columns="48px minmax(10em,512px) 1fr", line_height="22px")
    Display().show(picture, _table(title, series, x, y))


def _table(title: str, series: Mapping[str, Sequence[tuple[float, float]]], x: str, y: str) -> str:
    rows = [title]
    for name, line in series.items():
        some = line[:: max(1, len(line) // 6)]
        rows.append(f"  {name}: " + ", ".join(f"{up:.3g} at {right:.2f}" for right, up in some))
    return "\n".join([*rows, f"  ({y}, at {x})"])
