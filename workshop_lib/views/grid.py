"""Pictures of rows and columns, as HTML: the browser measures, places and breaks their texts."""

import re
from html import escape

from workshop_lib.views.svg import INK, LINK, WIDTH

FAINT = "var(--jp-content-font-color2,inherit)"


def figure(title: str, *parts: str, columns: str, **style: str) -> str:
    """A whole picture.

    Args:
        title: What it shows, for those who cannot see it.
        parts: What is in it, row by row.
        columns: Their widths, as in CSS.
        style: As for ``box``.
    """
    font = {"font_family": "var(--jp-ui-font-family,sans-serif)", "font_size": "var(--jp-ui-font-size1,13px)"}
    look = {"display": "grid", "grid_template_columns": columns, "max_width": f"{WIDTH}px", "color": INK} | font | style
    return f'<div role="figure" aria-label="{escape(title)}" style="{_css(look)}">{"".join(parts)}</div>'


def box(*parts: str, **style: str) -> str:
    """A part that has parts. Its style is CSS, with _ in place of -."""
    return f'<div style="{_css(style)}">{"".join(parts)}</div>'


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


def _css(style: dict[str, str]) -> str:
    return ";".join(f"{name.replace('_', '-')}:{value}" for name, value in style.items())
