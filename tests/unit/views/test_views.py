"""The way through the notebooks and the chart: what they say, and that README says the same."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from workshop_lib.agents.openai_agents import AgentConversation
from workshop_lib.evidence import messages
from workshop_lib.evidence.messages import WorkshopError
from workshop_lib.evidence.progress import remember
from workshop_lib.teams.finance.contract import StockQuery
from workshop_lib.views.chart import lines
from workshop_lib.views.overview import notebooks, overview
from workshop_lib.views.source import code, source
from workshop_lib.views.table import table

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def own_progress(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKSHOP_HOME", str(tmp_path))


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The HTML of what is shown."""
    found: list[str] = []
    monkeypatch.setattr(messages.Display, "show", lambda self, markup, text: found.extend([markup, text]))
    return found


def notebook(path: Path, *cells: tuple[str, str]) -> None:
    path.write_text(json.dumps({"cells": [{"cell_type": kind, "source": [text]} for kind, text in cells]}))


def test_a_notebook_is_read_from_its_file(tmp_path: Path) -> None:
    notebook(
        tmp_path / "07_demo.ipynb",
        ("markdown", "# call a <tool>\n\n## What you'll need\n\n`06`. 25 minutes."),
        ("code", 'await check("7.1", answer)'),
        ("code", '# await check("7.9", answer)'),
        ("markdown", "## On your own\n\nMore."),
        ("code", 'await check("7.2", answer)\nawait check("7.2", answer)'),
    )
    (made,) = notebooks(tmp_path)
    assert (made.title, made.minutes, made.main, made.further) == ("call a <tool>", 25, ("7.1",), ("7.2",))


def test_without_notebooks_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(WorkshopError, match="There are no notebooks"):
        notebooks(tmp_path)


@pytest.mark.usefixtures("own_progress")
def test_what_was_passed_is_marked(shown: list[str]) -> None:
    overview()
    assert "✓ 0.1" not in shown[0] + shown[1]
    remember("0.1", passed=True)
    overview()
    markup, text = shown[2:]
    assert "✓ 0.1" in markup
    assert "✓ 0.1 ○" not in text
    assert re.search(r"00  check your set-up, \d+ minutes\. ✓ 0\.1\n", text)
    assert re.search(r"01  .*○ 1\.1 ○ 1\.2", text)
    assert 'href="01_plain_workflow.ipynb"' in markup


def test_readme_lists_the_notebooks_as_they_are() -> None:
    listed = re.findall(r"^\| `(\S+)` \| (.*) \| (\d+) \|$", (ROOT / "README.md").read_text(), re.M)
    assert [(name, minutes) for name, _, minutes in listed] == [
        (each.file.removesuffix(".ipynb"), str(each.minutes)) for each in notebooks()
    ]
    assert all(words.startswith(each.title) for (_, words, _), each in zip(listed, notebooks(), strict=True))


def test_each_line_ends_where_its_last_value_is_and_has_a_dash_of_its_own(shown: list[str]) -> None:
    lines("backlog", {"<one>": [(0, 12), (2, 6), (4, 0)], "two": [(0, 12), (2, 0)]}, x="seconds", y="orders")
    svg = "{http://www.w3.org/2000/svg}"
    root = ET.fromstring(shown[0])
    drawn = [path.get("d", "") for path in root.iter(f"{svg}path") if path.get("stroke-width") == "2"]
    first, _, second, _ = drawn  # each line, and its key
    assert first.endswith("H560.0V248.0"), "the longest reaches the right edge, at nothing left"
    assert second.endswith("H304.0V248.0"), "half the time is half the way"
    dashes = {path.get("stroke-dasharray") for path in root.iter(f"{svg}path") if path.get("stroke-width") == "2"}
    assert len(dashes) == 2
    assert "<one>: 12 at 0.00, 6 at 2.00, 0 at 4.00" in shown[1]
    ticks = [text.text for text in root.iter(f"{svg}text")]
    assert ticks[2:9] == ["0", "2", "4", "6", "8", "10", "12"], "round numbers"


def test_a_table_says_the_same_in_markup_and_in_text(shown: list[str]) -> None:
    table("Day <1>", ["before", "after"], {"price": [1, "a & b"], "long": ["word " * 20, ""]})
    markup, text = shown
    root = ET.fromstring(markup)
    assert [cell.text for cell in root.iter("td")] == ["1", "a & b", "word " * 20, None]
    assert [cell.text for cell in root.iter("th")] == [None, "before", "after", "price", "long"]
    first, head, *lines_of_text = text.splitlines()
    assert first == "Day <1>"
    assert head.split() == ["before", "after"]
    assert lines_of_text[0].split(maxsplit=2) == ["price", "1", "a & b"]
    assert lines_of_text[0].index("1") == head.index("before"), "columns stand below their headings"
    assert sum(line.count("word") for line in lines_of_text) == 20
    assert max(map(len, lines_of_text)) < 60, "long values are wrapped"


def test_code_is_shown_without_its_docstrings() -> None:
    shown = code(code)
    assert shown.startswith("def code(thing: Any) -> str:\n    text = textwrap.dedent")
    assert "Has source in a file" not in shown
    assert "# of a contract's types, a model reads it" in shown


def test_what_has_nothing_but_a_docstring_keeps_a_body() -> None:
    assert "def agent(self) -> Agent[None]:\n        ...\n" in code(AgentConversation)


def test_of_a_class_the_first_line_is_shown_for_a_model_reads_it() -> None:
    begin = (
        '@dataclass(frozen=True)\nclass StockQuery:\n    """The price of a stock right now, in dollars."""\n\n    __pyd'
    )
    assert code(StockQuery).startswith(begin)
    assert "Attributes" not in code(StockQuery)


def test_where_code_stands_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    source(StockQuery, code)
    said = capsys.readouterr().out
    assert "# workshop_lib/teams/finance/contract.py, line" in said
    assert "# workshop_lib/views/source.py, line" in said
