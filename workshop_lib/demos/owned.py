"""Which code a demo is made of, found from its source: what its module names, what that names, and so on."""

import ast
import importlib
import inspect
import sys
import textwrap
from collections.abc import Iterator
from typing import Any

from workshop_lib.agents.conversation import Conversation
from workshop_lib.demos.demo import Demo

_AGENTS = ("workshop_lib.agents", "workshop_lib.demos", "workshop_lib.nexus_mcp")
_TEAMS = "workshop_lib.teams"


def lines(demo: Demo) -> tuple[str, list[str]]:
    """How many lines of code an agent and Finance's computer have, and of which parts, the largest first.

    Args:
        demo: The demo's module.
    """
    shared, team = parts(Conversation), modules(demo.COMPUTERS["finance"])
    agent = parts(demo.AGENT, demo.connect, demo.worker)
    agent = {name: count for name, count in agent.items() if name not in shared}
    counted = f"besides Conversation, {sum(shared.values())} lines, which all agents share"
    largest = sorted((agent | team).items(), key=lambda part: -part[1])
    each = [f"{name.removeprefix('workshop_lib.')}: {count}" for name, count in largest]
    return f"{sum(agent.values())} and {sum(team.values())}", [counted, *each]


def parts(*things: Any) -> dict[str, int]:
    """The functions and classes of the workshop that an agent is made of, and how many lines of code each has.

    A statement is a line, however it is wrapped. Comments, docstrings, imports and constants are none. What teams and
    the SDKs bring is not counted.

    Args:
        things: Where to begin: functions and classes.
    """
    found: dict[str, int] = {}
    waiting = list(things)
    while waiting:
        thing = inspect.unwrap(waiting.pop())
        name = f"{getattr(thing, '__module__', '')}.{getattr(thing, '__qualname__', '')}"
        if name not in found and name.startswith(_AGENTS) and (inspect.isclass(thing) or inspect.isfunction(thing)):
            tree = ast.parse(textwrap.dedent(inspect.getsource(thing)))
            found[name] = _lines(tree)
            waiting += _named(tree, vars(sys.modules[thing.__module__]))
    return found


def modules(name: str) -> dict[str, int]:
    """The modules of teams that a team's computer is made of, and how many lines of code each has, as ``parts`` counts.

    Args:
        name: The computer's module.
    """
    found: dict[str, int] = {}
    waiting = [name]
    while waiting:
        name = waiting.pop()
        if name in found or not name.startswith(f"{_TEAMS}."):
            continue
        tree = ast.parse(inspect.getsource(importlib.import_module(name)))
        imported = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
        names = [str(node.module) for node in imported]
        names += [f"{node.module}.{alias.name}" for node in imported for alias in node.names]
        waiting += [each for each in names if each in sys.modules]
        found[name] = _lines(tree)
    return found


def _lines(tree: ast.Module) -> int:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) is not None else node.body
            body = [each for each in body if not isinstance(each, ast.Import | ast.ImportFrom)]
            node.body = body or [ast.Pass()]
    return len([line for line in ast.unparse(tree).splitlines() if line.strip()])


def _named(tree: ast.Module, known: dict[str, Any]) -> Iterator[Any]:
    """What code names: in its own module, or of a module that it imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            yield known.get(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            yield getattr(known.get(node.value.id), node.attr, None)
