"""What people read is plain English: proselint's rules, and those of this workshop."""

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import nbformat
from proselint.checks import __register__ as builtin
from proselint.config import DEFAULT
from proselint.registry import CheckRegistry
from proselint.registry.checks import Check, types

ROOT = Path(__file__).resolve().parents[3]
INSTEAD = {
    "a sentence for (a|the) user": "a message for the user",
    "anew": "again",
    "any more": "anymore",
    "(did|does) not run to its end": "raised an error",
    "had not ended after": "did not finish within",
    "in peace": "normally",
    "(is|are) (away|gone)": "is down, has stopped",
    "(is|are) no (Workflow|JSON|agent)": "is not a",
    "mend(s|ed|ing)?": "fix",
    "of (its|your|their|our) own": "its own, your own (before the noun)",
    "stands? in": "is recorded in, is in",
    "takes the new way": "takes the new branch",
    "the people of": "the … team",
    "told": "says, shows, reports",
    "whoever reaches": "anyone who can reach",
    "with all attempts": "including retries",
    "you handed in": "X is not a Y",
}
OURS = Check(types.PreferredForms(INSTEAD), path="workshop", message="Say '{}' instead of '{}'.")
# Straight quotes are for code, and a paragraph may begin with "But".
ENABLED = {"misc.but": False, "workshop": True} | DEFAULT["checks"] | {"typography": False}
_CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)
PAGES = [
    *(ROOT / "solutions").glob("*.ipynb"),
    *(path for folder in (".", "solutions/pages", "instructor") for path in (ROOT / folder).glob("*.md")),
    *(path for room in ("checks", "evidence", "views") for path in (ROOT / "workshop_lib" / room).glob("*.toml")),
]
LIBRARY = [path for path in (ROOT / "workshop_lib").rglob("*.py") if "node_modules" not in path.parts]
NO_PROSE = {"planner.py"}  # it reads what people type


def passages(path: Path) -> Iterator[str]:
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        yield from (cell.source for cell in nbformat.reads(text, as_version=4).cells if cell.cell_type == "markdown")
    elif path.suffix == ".py":
        strings = (node.value for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Constant))
        for string in strings:
            if isinstance(string, str) and " " in string:  # no name, and below, no name of an argument
                yield re.sub(r"^ +\w+: ", "", string, flags=re.MULTILINE)
    else:
        yield text


def found(checks: Iterable[Check], path: Path) -> list[str]:
    text = "\n\n".join(_CODE.sub("¶", passage) for passage in passages(path))
    text = re.sub(r"\n\s*\n", "\n\n¶\n\n", text)  # a word that ends a paragraph and begins the next is no fault
    results = [result for check in checks for result in check.check_with_flags(text)]
    said = [(result.message, text[max(0, result.span[0] - 30) : result.span[1]]) for result in results]
    return [f"{path.name}: {message} … {where}" for message, where in said]


def test_pages_read_like_plain_english() -> None:
    registry = CheckRegistry()
    registry.register_many((*builtin, OURS))
    checks = registry.get_all_enabled(ENABLED)
    assert not "\n".join(each for path in PAGES for each in found(checks, path))


def test_messages_and_docstrings_read_like_plain_english() -> None:
    assert not "\n".join(each for path in LIBRARY if path.name not in NO_PROSE for each in found([OURS], path))
