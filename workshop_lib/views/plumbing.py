"""Business logic and plumbing, counted by one rule for every version of the same program, and drawn.

The rule: a statement is business logic if it names one of the business's own things (its steps, its data), and
plumbing if not. Of a compound statement (``if``, ``for``, ``try``, ``def`` …) the head is counted by itself. Imports,
comments, docstrings and blank lines are not counted. What counts are the lines that a statement takes.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from workshop_lib.views.chart import bars


def plumbing(title: str, versions: Mapping[str, Any], names: Iterable[str]) -> None:
    """Draw how much of each version is business logic, and how much is plumbing.

    Args:
        title: What the picture shows.
        versions: What to call each version, and the version: a class, a function, a list of them, or source code.
        names: The names of the business's own things.
    """
    counted = {name: count(_source(version), names) for name, version in versions.items()}
    bars(title, counted, parts=("business logic", "plumbing"), unit="lines")


def count(source: str, names: Iterable[str]) -> tuple[int, int]:
    """How many lines of business logic and of plumbing a program has.

    Args:
        source: The program.
        names: The names of the business's own things.
    """
    business = frozenset(names)
    lines: dict[bool, set[int]] = {True: set(), False: set()}
    for first, last, used in _statements(ast.parse(source)):
        lines[bool(used & business)].update(range(first, last + 1))
    return len(lines[True]), len(lines[False] - lines[True])


def _source(version: Any) -> str:
    if isinstance(version, str):
        return version
    parts = version if isinstance(version, list | tuple) else [version]
    return "\n".join(textwrap.dedent(inspect.getsource(part)) for part in parts)


def _statements(tree: ast.AST) -> Iterator[tuple[int, int, set[str]]]:
    """Each statement's first and last line, and the names in it; of a compound one, the head's."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.stmt | ast.excepthandler) or _is_silent(node):
            continue
        body = [child for child in ast.iter_child_nodes(node) if isinstance(child, ast.stmt | ast.excepthandler)]
        head = [child for child in ast.iter_child_nodes(node) if child not in body]
        first = min([node.lineno, *(each.lineno for each in getattr(node, "decorator_list", []))])
        last = max([first, *(_last(child) for child in head)]) if body else node.end_lineno or node.lineno
        used = {_name(part) for child in head for part in ast.walk(child)} | {getattr(node, "name", "") or ""}
        yield first, max(last, node.lineno), used


def _is_silent(node: ast.AST) -> bool:
    is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    return is_text or isinstance(node, ast.Import | ast.ImportFrom)


def _last(node: ast.AST) -> int:
    return max((getattr(part, "end_lineno", 0) or 0 for part in ast.walk(node)), default=0)


def _name(node: ast.AST) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.arg if isinstance(node, ast.arg) else ""
