"""Which code a demo is made of, found from its source: what its module names, what that names, and so on."""

import ast
import inspect
import textwrap
from collections.abc import Iterator
from importlib import import_module
from types import FunctionType, ModuleType
from typing import Any

from workshop_lib.agents.conversation import Conversation
from workshop_lib.demos.demo import Demo

_AGENTS = ("workshop_lib.agents", "workshop_lib.demos", "workshop_lib.nexus_mcp")
_TEAMS = ("workshop_lib.teams",)


def lines(demo: Demo) -> tuple[str, list[str]]:
    """How many lines of code an agent and Finance's computer have, and of which parts, the largest first.

    Args:
        demo: The demo's module.
    """
    shared, team = parts(Conversation), parts(import_module(demo.COMPUTERS["finance"]), of=_TEAMS)
    agent = {name: count for name, count in parts(demo.AGENT, demo.connect, demo.worker).items() if name not in shared}
    counted = f"besides Conversation, {sum(shared.values())} lines, which all agents share"
    largest = sorted((agent | team).items(), key=lambda part: -part[1])
    each = [f"{name.removeprefix('workshop_lib.')}: {count}" for name, count in largest]
    return f"{sum(agent.values())} and {sum(team.values())}", [counted, *each]


def parts(*things: Any, of: tuple[str, ...] = _AGENTS) -> dict[str, int]:
    """The functions and classes of the workshop that an agent is made of, and how many lines of code each has.

    A statement is a line, however it is wrapped. Comments, docstrings and imports are none, nor are the constants of
    modules. What the SDKs bring is not counted.

    Args:
        things: Where to begin: functions, classes and modules.
        of: The packages whose code counts.
    """
    found: dict[str, int] = {}
    waiting = list(things)
    while waiting:
        thing = inspect.unwrap(waiting.pop())
        module = inspect.getmodule(thing)
        name = f"{module.__name__}.{getattr(thing, '__qualname__', '')}".rstrip(".") if module else ""
        if name not in found and name.startswith(of) and (isinstance(thing, type | FunctionType) or thing in things):
            tree = ast.parse(textwrap.dedent(inspect.getsource(thing)))
            found[name] = _lines(tree)
            waiting += _named(tree, vars(module))
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
            owner = known.get(node.value.id)
            yield getattr(owner, node.attr, None) if isinstance(owner, ModuleType) else None
