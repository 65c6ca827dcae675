"""Pictures of rows and columns, as HTML: the browser measures, places and breaks their texts.

Their colors follow JupyterLab's theme. Elsewhere, as in VS Code, a page may be dark, and its texts light. So what is
behind a text is see-through there, or text and background both have the system's colors. No shape means anything by its
color alone: hollow, filled, dashed and crossed tell them apart in print, too.
"""

import math
import re
from html import escape

INK = "var(--jp-content-font-color1,currentColor)"
FAINT = "var(--jp-content-font-color2,inherit)"
LINK = "var(--jp-content-link-color,#1976d2)"
GRID = "var(--jp-border-color2,#9e9e9e)"
WORK = "var(--jp-brand-color1,#1976d2)"
FAILED = "var(--jp-error-color1,#d32f2f)"
WAIT = "var(--jp-warn-color1,#f57c00)"
DOWN = f"1px dashed {FAILED}"  # a border
CROSS = "✗"
_MARKS = {"completed": "✓", "continued as new": "✓", "running": "·", "waiting": "·", "paused": "·"}


def mark(status: str) -> str:
    """The sign for what became of a workflow or a step: ✓ completed, · still open, ✗ did not complete.

    Args:
        status: As in its history.
    """
    return _MARKS.get(status, CROSS)


def figure(title: str, *parts: str, columns: str, **style: str) -> str:
    """A whole picture.

    Args:
        title: What it shows, for those who cannot see it.
        parts: What is in it, row by row.
        columns: Their widths, as in CSS.
        style: As for ``box``.
    """
    font = {"font_family": "var(--jp-ui-font-family,sans-serif)", "font_size": "var(--jp-ui-font-size1,13px)"}
    look = {"display": "grid", "grid_template_columns": columns, "max_width": "900px", "color": INK}
    look |= {"print_color_adjust": "exact"} | font | style  # otherwise the bars, as backgrounds, are not printed
    return f'<div role="figure" aria-label="{escape(title)}" style="{_css(look)}">{"".join(parts)}</div>'


def box(*parts: str, **style: str) -> str:
    """A part that has parts. Its style is CSS, with _ in place of -."""
    return f'<div style="{_css(style)}">{"".join(parts)}</div>'


def framed(*parts: str, border: str, **style: str) -> str:
    """A box with room for lines of text within a border."""
    return box(*parts, border=border, padding="7px 9px", border_radius="2px", box_sizing="border-box", **style)


def text(content: str, most: int = 1, *, href: str = "", **style: str) -> str:
    """A text or a link, on so many lines at most; what does not fit is cut, and shown whole when pointed at."""
    shown = re.sub(r"(?<=\d) (?=m?s\b)", "\N{NO-BREAK SPACE}", escape(content))  # a number stays with its unit
    if href:
        look = f"color:{LINK};text-decoration:underline"
        shown = f'<a href="{escape(href)}" target="_blank" style="{look}">{shown}</a>'
    lines = {"display": "-webkit-box", "_webkit_box_orient": "vertical", "_webkit_line_clamp": str(most)}
    breaks = {"word_break": "break-all" if most == 1 else "normal", "overflow_wrap": "anywhere", "overflow": "hidden"}
    return f'<div title="{escape(content)}" style="{_css(lines | breaks | style)}">{shown}</div>'


def at(share: float, content: str = "", **style: str) -> str:
    """A shape or a short text at this share of the width of a box with ``position="relative"``."""
    return box(escape(content), position="absolute", left=f"{share:.2%}", white_space="nowrap", **style)


def bar(left: float, right: float, height: float, **style: str) -> str:
    """A bar in the middle of such a box, at least two pixels wide, so that what took no time is seen as well.

    Args:
        left: The share of the width at which it begins.
        right: The share at which it ends.
        height: In pixels.
        style: Its look.
    """
    size = {"width": f"{right - left:.2%}", "min_width": "2px", "height": f"{height}px", "box_sizing": "border-box"}
    return at(left, top=f"calc(50% - {height / 2}px)", **size, border_radius="2px", **style)


def curve(path: str, stroke: str = INK, dashes: str = "none", width: int = 1) -> str:
    """A line that fills a box, as SVG.

    Args:
        path: In SVG's own notation, from 0 0 at the top left to 1 1 at the bottom right.
        stroke: Its color.
        dashes: The lengths of its dashes and gaps, in pixels.
        width: In pixels.
    """
    look = f"fill:none;stroke:{stroke};stroke-width:{width};stroke-dasharray:{dashes};vector-effect:non-scaling-stroke"
    size = "position:absolute;inset:0;width:100%;height:100%;overflow:visible"
    return f'<svg viewBox="0 0 1 1" preserveAspectRatio="none" style="{size}"><path d="{path}" style="{look}"/></svg>'


def arrow(start: tuple[int, int], end: tuple[int, int], dashes: str = "none", **style: str) -> str:
    """A curved arrow.

    Args:
        start: The lines between rows and between columns where it begins.
        end: Those where it ends.
        dashes: As for ``curve``.
        style: As for ``box``.
    """
    (top, bottom), (left, right) = sorted([start[0], end[0]]), sorted([start[1], end[1]])
    x1, x2 = (0, 1) if end[1] == right else (1, 0)
    y1, y2 = (int(each[0] > top) for each in (start, end))
    place = {"grid_area": f"{top}/{left}/{bottom}/{right}", "position": "relative"}
    place |= {"height": "1px"} if top == bottom else {}
    drawn = curve(f"M{x1} {y1}C.5 {y1} .5 {y2} {x2} {y2}", dashes=dashes)
    return box(drawn, head(x2 > x1, "bottom" if y2 else "top"), **place, **style)


def head(right: bool, edge: str = "bottom") -> str:
    """The head of an arrow to the right or to the left, at this end of the line at an edge of its box."""
    side, turn = ("right", "45deg") if right else ("left", "-135deg")
    size = {"width": "6px", "height": "6px", "border_style": "solid", "border_width": "1px 1px 0 0"}
    return box(position="absolute", transform=f"rotate({turn})", **{side: "0", edge: "-4px"}, **size)


def ticks(highest: float, most: int) -> list[float]:
    """Round numbers from 0 up.

    Args:
        highest: More than 0.
        most: How many there may be beside 0.
    """
    size = 10.0 ** math.floor(math.log10(highest / most))
    step = next(size * factor for factor in (1, 2, 5, 10) if size * factor >= highest / most)
    return [round(number * step, 9) for number in range(int(highest / step) + 1)]


def _css(style: dict[str, str]) -> str:
    return ";".join(f"{name.replace('_', '-')}:{value}" for name, value in style.items())
