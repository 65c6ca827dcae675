"""Answers to the exercises: the notebook's own solution, with a part of its text changed.

Each ``answers_nbNN.txt`` beside this file has the answers to a notebook's exercises. The right ones begin with ``+``,
the wrong ones with ``-``, and have a part of what the check says of them. Below that is what an answer has other than
the notebook: ``old → new``; ``body:``, in the place of the solution or of its last part; and ``imports:``, besides what
every answer may use. ``as`` names an answer whose body and imports it has, too.
"""

import ast
import importlib
import itertools
import re
import sys
import tempfile
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat

_ROOT = Path(__file__).resolve().parents[3]
_SOLUTION = re.compile(r"^( *)### BEGIN SOLUTION\n.*?### END SOLUTION", re.DOTALL | re.MULTILINE)
FOLDER = Path(tempfile.mkdtemp(prefix="answers-"))  # of their modules: the sandbox, and other processes, import them
sys.path.append(str(FOLDER))
_count = itertools.count(1)
_ALWAYS = """
import asyncio
from uuid import uuid4
from temporalio.client import WorkflowFailureError
from temporalio.common import WorkflowIDConflictPolicy
"""
Change = tuple[str, str]


@dataclass(frozen=True)
class Answer:
    """An answer to an exercise; ``says`` is empty if it is right."""

    name: str = "the solution"
    says: str = ""
    changes: tuple[Change, ...] = ()
    body: str = ""
    imports: str = ""


def read(path: Path) -> dict[str, list[Answer]]:
    """The answers in a file, by exercise."""
    found: dict[str, list[Answer]] = {}
    for exercise in re.split(r"^# ", path.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        top, *parts = re.split(r"^(?=[+-] )", exercise, flags=re.MULTILINE)
        number, _, shared = top.partition("\n")
        answers = found[number] = list[Answer]()
        for part in parts:
            head, _, below = part[2:].partition("\n")
            name, _, says = head.partition(" | ")
            answers.append(_answer(name, says, f"{shared}  changes:\n{below}", answers))
    return found


def _answer(name: str, says: str, text: str, others: list[Answer]) -> Answer:
    lines: dict[str, list[str]] = {"changes": [], "imports": [], "body": []}
    kind = "changes"
    for line in text.splitlines():
        if line.startswith("  as "):
            (other,) = (each for each in others if each.name == line[5:])
            lines["imports"], lines["body"] = [other.imports], [other.body]
        elif line[2:].removesuffix(":") in lines:
            kind = line[2:-1]
        else:
            lines[kind].append(line[4:])
    pairs = (line.replace("\\n", "\n").partition(" →") for line in lines["changes"] if line)
    changes = tuple((old, new.removeprefix(" ")) for old, _, new in pairs)
    return Answer(name, says, changes, "\n".join(lines["body"]).strip(), "\n".join(lines["imports"]).strip())


def made(number: str, answer: Answer = Answer(), folder: str = "solutions") -> Any:
    """Import an answer to an exercise."""
    (path,) = (_ROOT / "solutions").glob(f"{number.partition('.')[0]:0>2}_*.ipynb")
    cells = _code(path)
    checked = rf'"{number}", \(?(\w+)(?:, (\w+)\))?'  # one thing, or two
    found, at = next((each, at) for at, cell in enumerate(cells) if (each := re.search(checked, cell)))
    at = max(each for each in range(at) if _SOLUTION.search(cells[each]))
    given = _code(_ROOT / folder / path.name)
    text = given[at]
    if answer.body:
        last = list(_SOLUTION.finditer(text))[-1]
        body = textwrap.indent(textwrap.dedent(answer.body).strip(), last[1])
        text = text[: last.start()] + body + text[last.end() :]
    text = re.sub(r" *### (?:BEGIN|END) SOLUTION\n?", "", text)
    modules = {
        each[1]: cell.partition("\n")[2] for cell in given[:at] if (each := re.match(r"%%workflow (\w+)\n", cell))
    }
    for old, new in answer.changes:
        changed = next((each for each in modules if old in modules[each]), "") if old not in text else ""
        assert changed or old in text, f"the solution of {number} has no {old!r}"
        if changed:
            modules[changed] = modules[changed].replace(old, new)
        text = text if changed else text.replace(old, new)
    if not text.startswith("%%workflow"):
        text = "\n".join(["%%", *_imports(cells[:at]), text])
    for name_, source in modules.items():
        file = FOLDER / f"{name_}.py"
        if not file.exists() or file.read_text(encoding="utf-8") != source:
            file.write_text(source, encoding="utf-8")
            sys.modules.pop(name_, None)
    module_name = f"answer_{number.replace('.', '_')}_{next(_count)}"
    text = f"{_ALWAYS}{answer.imports}\n{text.partition(chr(10))[2]}"
    (FOLDER / f"{module_name}.py").write_text(text, encoding="utf-8")
    importlib.invalidate_caches()
    module = importlib.import_module(module_name)
    return (getattr(module, found[1]), getattr(module, found[2])) if found[2] else getattr(module, found[1])


def _code(path: Path) -> list[str]:
    return [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]


def _imports(cells: list[str]) -> list[str]:
    """What ordinary cells import: a solution in an ordinary cell uses it, too."""
    flags = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    trees = [compile(cell, "a cell", "exec", flags) for cell in cells if not cell.startswith("%")]
    return [ast.unparse(each) for tree in trees for each in tree.body if isinstance(each, ast.Import | ast.ImportFrom)]
