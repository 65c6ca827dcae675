"""The few shapes that the views draw with, in colours that follow JupyterLab's theme.

No shape means anything by its colour alone: hollow, filled, dashed and crossed tell them apart in print, too.
"""

from __future__ import annotations

from html import escape
from typing import Any

WIDTH = 900  # units; scaled to the width of the output
INK = "var(--jp-content-font-color1,currentColor)"
GRID = "var(--jp-border-color2,#9e9e9e)"
WORK = "var(--jp-brand-color1,#1976d2)"
FAILED = "var(--jp-error-color1,#d32f2f)"
WAIT = "var(--jp-warn-color1,#f57c00)"


def text(x: float, y: float, content: str, *, room: float = 0, bold: bool = False, **attributes: Any) -> str:
    """One line of text; what is longer than ``room`` units is cut, and shown whole when pointed at."""
    shown = content
    if room and len(content) * 6.6 > room:
        shown = content[: max(1, int(room / 6.6) - 1)] + "…"
    weight = ' font-weight="600"' if bold else ""
    whole = f"<title>{escape(content)}</title>" if shown != content else ""
    return f'<text x="{x:.1f}" y="{y:.1f}"{weight}{_written(attributes)}>{escape(shown)}{whole}</text>'


def line(x: float, y: float, content: str, *, room: float, bold: bool = False) -> str:
    """A line of text that never leaves its room: wide letters may need more than is reckoned with."""
    inner = text(0, 14, content, room=room * (0.84 if bold else 1), bold=bold)
    return f'<svg x="{x:.1f}" y="{y - 14:.1f}" width="{room:.1f}" height="20">{inner}</svg>'


def rect(x: float, y: float, width: float, height: float, **attributes: Any) -> str:
    """A box, at least two units wide, so that what took no time is seen as well."""
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 2):.1f}" height="{height:.1f}" rx="2"'
        f"{_written(attributes)}/>"
    )


def path(points: str, **attributes: Any) -> str:
    """A line through points, in SVG's own notation."""
    return f'<path d="{points}" fill="none"{_written(attributes)}/>'


def picture(title: str, height: float, shapes: list[str]) -> str:
    """A whole picture.

    Args:
        title: What it shows, for those who cannot see it.
        height: In the same units as ``WIDTH``.
        shapes: From the functions above.
    """
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{escape(title)}" '
        f'viewBox="0 0 {WIDTH} {height:.0f}" style="width:100%;max-width:{WIDTH}px;height:auto;'
        f'font-family:var(--jp-ui-font-family,sans-serif);font-size:12.5px" fill="{INK}">{"".join(shapes)}</svg>'
    )


def _written(attributes: dict[str, Any]) -> str:
    return "".join(f' {name.replace("_", "-")}="{escape(str(value))}"' for name, value in attributes.items())
