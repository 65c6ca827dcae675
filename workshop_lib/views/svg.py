"""The few shapes that the views draw with, in colors that follow JupyterLab's theme.

No shape means anything by its color alone: hollow, filled, dashed and crossed tell them apart in print, too.
"""

import math
from html import escape
from typing import Any

from workshop_lib.evidence.messages import Display

WIDTH = 900  # units; scaled to the width of the output
LINE = 16  # the height of a line of text
INK = "var(--jp-content-font-color1,currentColor)"
LINK = "var(--jp-content-link-color,#1976d2)"
GRID = "var(--jp-border-color2,#9e9e9e)"
WORK = "var(--jp-brand-color1,#1976d2)"
FAILED = "var(--jp-error-color1,#d32f2f)"
WAIT = "var(--jp-warn-color1,#f57c00)"
CROSS = "✗"
_MARKS = {"completed": "✓", "continued as new": "✓", "running": "·", "waiting": "·", "paused": "·"}
DOWN: dict[str, Any] = {"stroke": FAILED, "stroke_dasharray": "6 4"}
_WIDTHS = dict.fromkeys(" .,:;'!|()[]-·›ijltfr", 4.4) | dict.fromkeys("mwMW%@…→←✓✗", 11.2)  # units

Point = tuple[float, float]


def mark(status: str) -> str:
    """The sign for what became of a workflow or a step: ✓ completed, · still open, ✗ did not complete.

    Args:
        status: As in its history.
    """
    return _MARKS.get(status, CROSS)


class Picture:
    """A picture, as SVG: shapes are put into it one after another.

    What its methods take as ``look`` are attributes of SVG, such as ``stroke_width=2``.

    Args:
        title: What it shows, for those who cannot see it.
    """

    def __init__(self, title: str) -> None:
        self.title = title
        self._shapes: list[str] = []

    def text(
        self, x: float, y: float, content: str, *, room: float = 0, bold: bool = False, href: str = "", **look: Any
    ) -> None:
        """One line of text, or a link; what is longer than ``room`` is cut, and shown whole when pointed at."""
        shown = cut(content, room, bold) if room else content
        weight = ' font-weight="600"' if bold else ""
        whole = f"<title>{escape(content)}</title>" if shown != content else ""
        look |= {"fill": LINK, "style": "text-decoration:underline"} if href else {}
        text = f'<text x="{x:.1f}" y="{y:.1f}"{weight}{_attributes(look)}>{escape(shown)}{whole}</text>'
        self._shapes.append(f'<a href="{escape(href)}" target="_blank">{text}</a>' if href else text)

    def rect(self, x: float, y: float, width: float, height: float, *, fill: str = "none", **look: Any) -> None:
        """A box, at least two units wide, so that what took no time is seen as well."""
        size = f'width="{max(width, 2):.1f}" height="{height:.1f}"'
        self._shapes.append(f'<rect x="{x:.1f}" y="{y:.1f}" {size} rx="2" fill="{fill}"{_attributes(look)}/>')

    def path(self, points: str, *, stroke: str = INK, **look: Any) -> None:
        """A line through points, in SVG's own notation."""
        self._shapes.append(f'<path d="{points}" fill="none" stroke="{stroke}"{_attributes(look)}/>')

    def cross(self, x: float, y: float) -> None:
        """The mark of what failed or is down."""
        self.path(f"M{x - 5:.1f} {y - 5:.1f}l10 10m0 -10l-10 10", stroke_width=2)

    def head(self, x: float, y: float, back: float) -> None:
        """The head of an arrow that ends here, and comes from ``back`` units to the left, or right if negative."""
        self.path(f"M{x - back:.1f} {y - 4:.1f}L{x:.1f} {y:.1f}L{x - back:.1f} {y + 4:.1f}")

    def arrow(self, start: Point, end: Point, **look: Any) -> None:
        """An arrow from one box to another beside it, as a curve."""
        (x1, y1), (x2, y2) = start, end
        middle, back = (x1 + x2) / 2, 7 if x2 > x1 else -7
        bend = f"C{middle:.1f} {y1:.1f} {middle:.1f} {y2:.1f}"
        self.path(f"M{x1:.1f} {y1:.1f}{bend} {x2 - back:.1f} {y2:.1f}", **look)
        self.head(x2, y2, back)

    def notes(self, x: float, y: float, *lines: str) -> None:
        """Lines that explain the picture, in the background."""
        for number, content in enumerate(lines):
            self.text(x, y + number * LINE, content, opacity=0.75)

    def svg(self, height: float) -> str:
        """The whole picture.

        Args:
            height: In the same units as ``WIDTH``.
        """
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" role="figure" aria-label="{escape(self.title)}" '
            f'viewBox="0 0 {WIDTH} {height:.0f}" style="width:100%;max-width:{WIDTH}px;height:auto;'
            f'font-family:var(--jp-ui-font-family,sans-serif);font-size:12.5px" fill="{INK}">'
            f"{''.join(self._shapes)}</svg>"
        )

    def show(self, height: float, text: str) -> None:
        """Show it under the cell that runs.

        Args:
            height: In the same units as ``WIDTH``.
            text: The same in plain text.
        """
        Display().show(self.svg(height), text)


def width(content: str, bold: bool = False) -> float:
    """The units that a text takes, in a wide font.

    Args:
        content: One line.
        bold: Whether it is bold.
    """
    letters = sum(_WIDTHS.get(each, 8.8 if each.isupper() else 8 if each.isdigit() else 7.6) for each in content)
    return letters * (1.1 if bold else 1)


def cut(content: str, room: float, bold: bool = False) -> str:
    """A text, with … in place of what does not fit into so many units."""
    content = content if width(content[: int(room)], bold) <= room else content[: int(room)] + "…"
    while width(content, bold) > room and len(content) > 2:
        content = content[:-2] + "…"
    return content


def ticks(highest: float, most: int) -> list[float]:
    """Round numbers from 0 up.

    Args:
        highest: More than 0.
        most: How many there may be beside 0.
    """
    size = 10.0 ** math.floor(math.log10(highest / most))
    step = next(size * factor for factor in (1, 2, 5, 10) if size * factor >= highest / most)
    return [round(number * step, 9) for number in range(int(highest / step) + 1)]


def _attributes(look: dict[str, Any]) -> str:
    return "".join(f' {name.replace("_", "-")}="{escape(str(value))}"' for name, value in look.items())
