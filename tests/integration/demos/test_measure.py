"""The comparison: what the four demos are observed to do, and that a demo that is broken changes exactly its cells."""

import contextlib
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import fragile_agent
import pytest

from workshop_lib.demos import computers, owned
from workshop_lib.demos import measure as row
from workshop_lib.evidence.ledger import Effect, Ledger
from workshop_lib.workshop import Workshop

FIGURES = (row.LINES, row.EVENTS, row.TURN, row.CALL)
BY_SDK = "the SDK behind OpenAIAgentsPlugin"
FOUND, STATIC = "is used in the next turn", "is not found: the agent must be deployed again"
ALL_STOP = "Finance's tools, a greeting, its own tools, IT's tools; a question for Finance fails"
NEXUS: dict[str, str] = {
    row.LOOP: BY_SDK,
    row.DISCOVERY: STATIC,
    row.MCP: "cannot: no MCP server",
    row.STRANGER: "Nexus: refused",
    row.POLICY: "the agent: held",
    row.LANGUAGES: "Nexus Operation Finance.stock_price, answered by temporal-python",
    row.LINKS: "to Finance and back",
    row.KILLED: "1",
    row.STOPS: "Finance's tools; a question for Finance is answered when it is back",
    row.PROCESSES: "3; none listens",
}
HTTP = {
    row.DISCOVERY: FOUND,
    row.MCP: "list 8 tools at finance-mcp and it-mcp, and call them",
    row.STRANGER: "Nexus: refused; finance-mcp: served",
    row.POLICY: "the agent: not held; finance-mcp: not held",
    row.LANGUAGES: "in an activity of the agent's: temporalio.mcp.finance.call-tool",
    row.LINKS: "none",
    row.KILLED: "2",
    row.PROCESSES: "3; IT and Finance listen",
}
GATEWAY = {
    row.MCP: "list 4 tools at gateway, and call them",
    row.STRANGER: "Nexus: refused; gateway: refused",
    row.POLICY: "the agent: held; gateway: held",
    row.PROCESSES: "3; none listens; and a gateway, which does",
}
DEMOS = {
    1: {**NEXUS, row.LOOP: "the agent's own Workflow"},
    2: NEXUS,
    3: {**NEXUS, **HTTP},
    4: {**NEXUS, row.DISCOVERY: FOUND, **GATEWAY},
}


def computer(number: int, name: str, module: str) -> dict[str, Any]:
    """What changes of a demo if one of its computers runs another module."""
    return {"COMPUTERS": {**computers.demo(number).COMPUTERS, name: module}}


FRAGILE = {"AGENT": fragile_agent.FragileAgent, **computer(1, "orchestrator", "fragile_agent")}
MORE_LINES = 1 + int(owned.lines(computers.demo(1))[0].split()[0])
CASES = [
    pytest.param(1, {}, "allowlist", {row.STRANGER: "Nexus: served"}, id="1 without the allowlist"),
    *(
        pytest.param(number, changed, later, expected, id=f"{number} {name}", marks=pytest.mark.full)
        for number, name, changed, later, expected in [
            (2, "as it is", {}, "", {}),
            (3, "as it is", {}, "", {}),
            (4, "as it is", {}, "", {}),
            (4, "without the allowlist", {}, "allowlist", {row.STRANGER: "Nexus: served; gateway: refused"}),
            (4, "without the policy", {}, "policy", {row.POLICY: "the agent: not held; gateway: not held"}),
            (4, "with a directory that does not grow", {}, "growth", {row.DISCOVERY: STATIC}),
            (3, "with a server that does not grow", {}, "growth", {row.DISCOVERY: STATIC}),
            (4, "without a gateway", {"GATEWAYS": {}}, "", {name: NEXUS[name] for name in GATEWAY}),
            (1, "with a Worker of more lines", {"worker": computers.demo(4).worker}, "", {row.LINES: MORE_LINES}),
            (1, "asks Finance first", FRAGILE, "", {row.STOPS: ALL_STOP, row.EVENTS: 29, row.LINES: 0}),
            (1, "with a slow Finance", {}, "", {row.CALL: 500, row.TURN: 500}),
            (
                1,
                "with a Finance that listens",
                computer(1, "finance", computers.demo(3).COMPUTERS["finance"]),
                "",
                {
                    row.PROCESSES: "3; Finance listens",
                    row.MCP: "list 2 tools at finance-mcp, and call them",
                    row.STRANGER: HTTP[row.STRANGER],
                    row.POLICY: "the agent: held; finance-mcp: not held",
                    row.LINES: 0,
                },
            ),
        ]
    ),
]


def test_each_row_of_the_comparison_differs_between_demos_or_for_one_that_is_broken() -> None:
    differ = {name for name in NEXUS if len({said[name] for said in DEMOS.values()}) > 1}
    assert differ | {name for case in CASES for name in case.values[3]} == {*row.ROWS}  # type: ignore[union-attr]


@pytest.mark.parametrize(("number", "changed", "without", "expected"), CASES)
async def test_a_demo_that_is_broken_changes_exactly_its_cells(
    ws: Workshop,
    with_model: None,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    changed: dict[str, Any],
    without: str,
    expected: dict[str, Any],
) -> None:
    demo: Any = SimpleNamespace(**(vars(computers.demo(number)) | changed))
    before, least = ws.workers, {name: expected[name] for name in FIGURES if name in expected}
    monkeypatch.setenv("FINANCE_WITHOUT", without)
    slow = ws.fault("read_quote.is_slow", times=12, seconds=0.5)
    with slow if row.CALL in least else contextlib.nullcontext():
        cells = await row.measure(ws, demo, lambda what: None, **({"later": "later_without"} if without else {}))
    said = {name: cell.said for name, cell in cells.items() if name not in FIGURES}
    assert said == {**DEMOS[number], **{name: text for name, text in expected.items() if name not in least}}
    assert all(float(cells[name].said.split()[0]) >= figure for name, figure in least.items())
    assert (cells[row.LINES].said != owned.lines(computers.demo(number))[0]) == (row.LINES in expected)
    assert tuple(cells) == row.ROWS
    assert all(cell.evidence for cell in cells.values())
    assert len(cells[row.EVENTS].evidence) == row._CONVERSATIONS, "each turn that is timed is counted, too"
    assert cells[row.TURN].milliseconds > cells[row.CALL].milliseconds > 0
    assert ws.workers == before, "what it started, it has stopped"


NOWHERE = ("no.such_module", 0.0, {row.STOPS, row.DISCOVERY, row.STRANGER, row.POLICY}, "ended before it was ready")
AHEAD = ("workshop_lib.teams.finance.later", 30.0, {row.LOOP, row.LANGUAGES, row.CALL}, "clock is not the server's")


@pytest.mark.full
@pytest.mark.parametrize("case", [NOWHERE, AHEAD])
async def test_what_cannot_be_observed_says_why(
    ws: Workshop, with_model: None, monkeypatch: pytest.MonkeyPatch, case: tuple[str, float, set[str], str]
) -> None:
    (later, ahead, missing, why), entries = case, Ledger.entries

    def later_entries(ledger: Ledger, *wanted: str) -> list[Effect]:
        return [replace(each, at=each.at + ahead) for each in entries(ledger, *wanted)]

    monkeypatch.setattr(Ledger, "entries", later_entries)
    cells = await row.measure(ws, computers.demo(1), lambda what: None, later)
    assert {name for name, cell in cells.items() if cell.said.startswith("not observed")} == missing
    assert all(why in cells[name].said for name in missing)
