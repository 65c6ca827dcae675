"""``source(thing)``: the code of functions and classes, with short docstrings."""

import ast
import inspect
import sys
import textwrap
from html import escape
from pathlib import Path
from typing import Any

from jupyterlab_pygments import JupyterStyle
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from workshop_lib.evidence.messages import Display

_LOOK = HtmlFormatter(style=JupyterStyle, noclasses=True, nowrap=True)  # the colors of JupyterLab's editor


def source(*things: Any) -> None:
    """Show functions and classes: the place and the code of each.

    Args:
        things: What to show, in this order.
    """
    shown = [(_place(thing), code(thing)) for thing in things]
    markup = "".join(f"<div><code>{escape(place)}</code></div>{_colored(text)}" for place, text in shown)
    Display().show(markup, "\n\n".join(f"# {place}\n{text}" for place, text in shown))


def _colored(text: str) -> str:
    # Scrolled, because JupyterLab would break long lines inside words.
    style = "white-space:pre;overflow-x:auto;padding:4px 0 8px 16px"
    return f'<pre style="{style}">{highlight(text, PythonLexer(), _LOOK)}</pre>'


def code(thing: Any) -> str:
    """The code of a function or a class, without docstrings except for the first line of a class's.

    Args:
        thing: The function or class.
    """
    text = textwrap.dedent(inspect.getsource(thing))
    lines: list[str | None] = [*text.splitlines()]
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and ast.get_docstring(node):
            said = node.body[0]
            first, last = said.lineno - 1, said.end_lineno or said.lineno
            if isinstance(node, ast.ClassDef):  # a model reads the first line in a contract's schema
                lines[first] = (lines[first] or "").removesuffix('"""') + '"""'
                first += 1
            elif len(node.body) == 1:
                lines[first] = f"{' ' * said.col_offset}..."
                first += 1
            elif lines[last : last + 1] == [""]:
                last += 1
            lines[first:last] = [None] * (last - first)
    return "\n".join(line for line in lines if line is not None).strip()


def _place(thing: Any) -> str:
    # Decorators may have replaced the function; its module is still the one that defines it.
    path = Path(inspect.getsourcefile(inspect.unwrap(thing)) or sys.modules[thing.__module__].__file__ or "")
    root = Path(__file__).resolve().parents[2]
    shown = path.relative_to(root) if path.is_relative_to(root) else path.name
    return f"{shown}, line {inspect.getsourcelines(thing)[1]}"
