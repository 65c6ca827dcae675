"""The comparison's table, from cells made by hand."""

import re
from pathlib import Path

import pytest

from workshop_lib.demos.measure import LOOP, ROWS, TURN, Cell
from workshop_lib.evidence.progress import remember
from workshop_lib.views.comparison import Comparison


@pytest.fixture
def found() -> Comparison:
    first = {LOOP: Cell("<you>", ["chat-1, event 7: a & b"], "http://ui/chat-1"), TURN: Cell("100 ms", [], "", 100.0)}
    return Comparison({"1 one": first, "2 two": {TURN: Cell("150 ms", [], "", 150.0)}})


def test_each_cell_leads_to_its_evidence_and_a_clocks_figure_is_compared(found: Comparison) -> None:
    markup = found.markup()
    assert "<summary>&lt;you&gt;</summary>" in markup
    assert "chat-1, event 7: a &amp; b" in markup
    assert 'href="http://ui/chat-1"' in markup
    assert "100 ms; 1.0 ×" in markup
    assert "150 ms; 1.5 ×" in markup
    assert markup.count(">…</td>") == 2 * len(ROWS) - 3, "what is not observed yet"
    assert found.markup((TURN,)).count("<tr") == 2
    assert "chat-1, event 7: a & b" in found.evidence("1 one")


async def test_a_report_asks_nobody_for_anything(
    found: Comparison, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKSHOP_HOME", str(tmp_path))
    remember("12.1", passed=True, saw="one entry & no more")
    remember("12.2", checks=1)
    await found.report(str(tmp_path / "no" / "mine.html"), "HR joins", "12.", None)  # not there: beside the progress
    page = (tmp_path / "mine.html").read_text()
    for part in ("<h1>HR joins</h1>", "12.1: one entry &amp; no more", "12.2: not solved yet", "chat-1, event 7"):
        assert part in page
    assert not re.search(r"(src|href)=|url\(|@import|<script", page)
