"""What people read is plain English: the phrases of a translation stay away."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[3]
INSTEAD = {
    r"\banew\b": "again",
    r"\bmend(s|ed|ing)?\b": "fix",
    r"\bstands? in\b": "is recorded in, is in",
    r"with all attempts": "including retries",
    r"\bof (its|your|their|our) own\b": "its own, your own (before the noun)",
    r"\btold\b(?!`)": "says, shows, reports",
    r"did not run to its end": "raised an error",
    r"had not ended after": "did not finish within",
    r"You handed in": "X is not a Y",
    r"\b(is|are) (away|gone)\b": "is down, has stopped",
    r"takes the new way": "takes the new branch",
    r"\bin peace\b": "normally",
    r"whoever reaches": "anyone who can reach",
    r"the people of": "the … team",
    r"a sentence for (a|the) user": "a message for the user",
    r"\b(is|are) no (Workflow|JSON|exercise|agent)\b": "is not a",
    r"\bany more\b": "anymore",
}


def read(path: Path) -> str:
    if path.suffix != ".ipynb":
        return path.read_text(encoding="utf-8")
    cells = nbformat.read(path, as_version=4).cells
    return "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


@pytest.mark.parametrize(
    "path",
    [
        *sorted((ROOT / "solutions").glob("*.ipynb")),
        ROOT / "README.md",
        *sorted((ROOT / "workshop_lib" / "checks").glob("*.toml")),
    ],
    ids=lambda path: path.stem,
)
def test_it_reads_like_plain_english(path: Path) -> None:
    text = read(path)
    found = [
        (text[max(0, m.start() - 30) : m.end() + 20], say)
        for bad, say in INSTEAD.items()
        for m in re.finditer(bad, text)
    ]
    assert not found
