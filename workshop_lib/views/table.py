"""``table``: facts side by side, as HTML and as aligned text."""

import textwrap
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from workshop_lib.evidence.messages import Display
from workshop_lib.views.grid import GRID


def table(title: str, columns: Sequence[str], rows: Mapping[str, Sequence[Any]]) -> None:
    """Show facts side by side.

    Args:
        title: What they are about.
        columns: The heading of each column but the first.
        rows: A row's name, and what is in each column.
    """
    Display().show(markup(title, columns, rows), aligned(title, columns, rows))


def markup(title: str, columns: Sequence[str], rows: Mapping[str, Sequence[Any]], *, html: bool = False) -> str:
    """A table as HTML.

    Args:
        title: See ``table``.
        columns: See ``table``.
        rows: See ``table``.
        html: Whether what is in the columns is HTML, for columns that are equally wide.
    """
    cell = f"text-align:left;vertical-align:top;padding:4px 14px 4px 0;border-bottom:1px solid {GRID}"
    wrap = "normal" if html else "nowrap"  # a long text in a column would leave a name hardly any room
    cell += ";overflow-wrap:anywhere" if html else ""
    head = "".join(f'<th scope="col" style="{cell}">{escape(column)}</th>' for column in ["", *columns])
    body = "".join(
        f'<tr style="background:none"><th scope="row" style="{cell};white-space:{wrap}">{escape(name)}</th>'
        + "".join(f'<td style="{cell}">{value if html else escape(str(value))}</td>' for value in values)
        + "</tr>"
        for name, values in rows.items()
    )
    style = "border-collapse:collapse;font-size:var(--jp-content-font-size1,14px)"
    style += ";table-layout:fixed;width:100%" if html else ""
    caption = title and f'<caption style="text-align:left;font-weight:600;padding-bottom:4px">{escape(title)}</caption>'
    return f'<table style="{style}">{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


def page(title: str, body: str, refresh: int = 0) -> str:
    """A page that asks nobody for anything.

    Args:
        title: Its title.
        body: What is on it, as HTML.
        refresh: After how many seconds the browser reads it again; 0 for never.
    """
    again = f'<meta http-equiv="refresh" content="{refresh}">' if refresh else ""
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8">{again}<title>{escape(title)}</title>'
        "<style>:root{color-scheme:light dark}body{font:15px/1.5 system-ui,sans-serif;margin:2em auto;max-width:80em;"
        "padding:0 1em}</style>"
        f"{body}</html>"
    )


def aligned(title: str, columns: Sequence[str], rows: Mapping[str, Sequence[Any]], width: int = 40) -> str:
    """A table in plain text.

    Args:
        title: See ``table``.
        columns: See ``table``.
        rows: See ``table``.
        width: How many characters a column has.
    """
    lines, first = [title], min(width, max(map(len, rows), default=0)) + 2
    for name, values in {"": columns, **rows}.items():
        begin, *wrapped = [textwrap.wrap(str(value), width) or [""] for value in [name, *values]]
        for line in range(max(map(len, [begin, *wrapped]))):
            head, *parts = [part[line] if line < len(part) else "" for part in [begin, *wrapped]]
            lines.append("  " + head.ljust(first) + "  ".join(part.ljust(width) for part in parts).rstrip())
    return "\n".join(line.rstrip() for line in lines)
