"""The smaller views: the way through the notebooks, the chart, the hops, the table, and code."""

import asyncio
import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from types import SimpleNamespace

import ipywidgets
import pytest
from drawings import Drawn

from workshop_lib.agents.openai_agents import AgentConversation
from workshop_lib.evidence import messages
from workshop_lib.evidence.messages import WorkshopError
from workshop_lib.evidence.progress import remember
from workshop_lib.governance.policy.contract import Approval
from workshop_lib.teams.finance.contract import StockQuery
from workshop_lib.views.desk import Desk
from workshop_lib.views.hops import hops
from workshop_lib.views.overview import notebooks, overview
from workshop_lib.views.plumbing import count
from workshop_lib.views.source import code, source
from workshop_lib.views.table import table


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The HTML and the text of what is shown."""
    found: list[str] = []
    monkeypatch.setattr(messages.Display, "show", lambda self, markup, text: found.extend([markup, text]))
    return found


def test_a_notebook_is_read_from_its_file(tmp_path: Path) -> None:
    cells = (
        ("markdown", "# call a <tool>\n\n## What you'll need\n\n`06`. 25 minutes."),
        ("markdown", "That was it.\n\n## Ask: `what`, and why"),
        ("code", 'await check("7.1", answer)'),
        ("code", '# await check("7.9", answer)'),
        ("markdown", "## On your own\n\nMore."),
        ("code", 'await check("7.2", answer)\nawait check("7.2", answer)'),
    )
    content = {"cells": [{"cell_type": kind, "source": [text]} for kind, text in cells]}
    (tmp_path / "07_demo.ipynb").write_text(json.dumps(content))
    (made,) = notebooks(tmp_path)
    assert (made.title, made.minutes) == ("call a <tool>", 25)
    asking, own = made.sections
    assert (asking.link, asking.exercises) == ("07_demo.ipynb#Ask:-what,-and-why", ("7.1",))
    assert (own.title, own.exercises) == ("On your own", ("7.2",))
    with pytest.raises(WorkshopError, match="There are no notebooks"):
        notebooks(tmp_path / "elsewhere")


def test_what_was_passed_is_marked(shown: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKSHOP_HOME", str(tmp_path))
    overview()
    assert "✓ 0.1" not in shown[0] + shown[1]
    remember("0.1", passed=True)
    overview()
    markup, text = shown[2:]
    assert "✓ 0.1" in markup
    assert 'href="01_plain_workflow.ipynb"' in markup
    assert re.search(r"00  .*, \d+ minutes\. ✓ 0\.1\n01  .*○ 1\.1 · optional: ○ 1\.2", text)
    overview("2 hours")
    markup, text = shown[4:]
    assert re.search(r"02  .*○ 2\.2\n03  .* minutes\. \n", text), "what it skips is not there"
    assert "Your next exercise: Make the second attempt harmless" in text
    assert 'href="02_failure_injection.ipynb#Make-the-second-attempt-harmless"' in markup


def test_hops_count_each_call_once_and_stand_left_of_what_they_call(shown: list[str]) -> None:
    hops("one question", {("you", "agent"): 1, ("agent", "model"): 2, ("agent", "tool"): 1, ("tool", "shop"): 0})
    boxes = Drawn(shown[0]).styled("border:")
    places = {each[0].text: int(each.get("style", "").split("/")[1]) for each in boxes}  # their columns
    assert places["you"] < places["agent"] < places["model"] == places["tool"]
    assert "shop" not in places
    assert shown[1] == "one question: 4 hops\n  you → agent: 1\n  agent → model: 2\n  agent → tool: 1"


def test_no_text_is_unreadable_on_a_dark_page_without_jupyterlabs_colors() -> None:
    for path in (Path(messages.__file__).parents[1] / "views").rglob("*.py"):
        assert not re.search(r"background.*--jp-layout-color\d,#([\da-f]{3}|[\da-f]{6})\)", path.read_text()), path


def test_a_table_says_the_same_in_markup_and_in_text(shown: list[str]) -> None:
    table("Day <1>", ["before", "after"], {"price": [1, "a & b"], "long": ["word " * 20, ""]})
    markup, text = shown
    root = ET.fromstring(markup)
    assert [cell.text for cell in root.iter("td")] == ["1", "a & b", "word " * 20, None]
    assert [cell.text for cell in root.iter("th")] == [None, "before", "after", "price", "long"]
    first, head, *rows = text.splitlines()
    assert (first, head.split()) == ("Day <1>", ["before", "after"])
    assert rows[0].split(maxsplit=2) == ["price", "1", "a & b"]
    assert rows[0].index("1") == head.index("before"), "columns stand below their headings"
    assert sum(row.count("word") for row in rows) == 20
    assert max(map(len, rows)) < 60, "long values are wrapped"


def test_code_is_shown_without_its_docstrings_and_with_its_place(capsys: pytest.CaptureFixture[str]) -> None:
    source(StockQuery, code)
    said = capsys.readouterr().out
    assert "# workshop_lib/teams/finance/contract.py, line" in said
    assert "def code(thing: Any) -> str:\n    text = textwrap.dedent" in said
    assert "Has source in a file" not in said
    assert "Attributes" not in said
    begin = '@dataclass(frozen=True)\nclass StockQuery:\n    """The price of a stock right now, in dollars."""\n\n    _'
    assert begin in said, "of a class the first line is shown, for a model reads it"
    assert "def agent(self) -> sdk.Agent[None]:\n        ...\n" in code(AgentConversation), "a body is kept"


def test_each_line_is_business_logic_or_plumbing() -> None:
    names = {"charge", "ship", "Order"}
    assert count("import charge\n# charge\n\n'''charge'''\nfrom a import charge\n", names) == (0, 0)
    assert count("try:\n    charge(order)\nexcept OSError:\n    time.sleep(1)\n", names) == (1, 3)
    assert count("charge(\n    order,\n\n    limit=5,  # charge\n)\nrecharge()\n", names) == (5, 1)
    assert count("@run\nasync def run(self, order: Order):\n    '''Run.'''\n    await execute()\n", names) == (1, 2)


async def test_a_desk_says_why_a_decision_could_not_be_passed_on(shown: list[str]) -> None:
    def unreachable(*_: object, **__: object) -> None:
        raise WorkshopError("Nobody polls the Task Queue.")

    office = Desk(SimpleNamespace(namespace="leads", execute_workflow=unreachable), "it", lambda: "id")  # type: ignore[arg-type]
    office._soon(Approval("one", True, ""), ipywidgets.HBox([ipywidgets.Button()]))
    await asyncio.wait(office._tasks)
    assert "Nobody polls the Task Queue." in shown[-1]
