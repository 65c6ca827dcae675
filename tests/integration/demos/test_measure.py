"""The comparison: what the four demos are observed to do, and that a demo that is broken changes exactly its cells."""

import contextlib
from types import SimpleNamespace
from typing import Any

import fragile_agent
import pytest

from workshop_lib.demos import computers, owned
from workshop_lib.demos.measure import (
    CALL,
    DISCOVERY,
    EVENTS,
    KILLED,
    LANGUAGES,
    LINES,
    LINKS,
    LOOP,
    MCP,
    POLICY,
    PROCESSES,
    ROWS,
    STOPS,
    STRANGER,
    TURN,
    measure,
)
from workshop_lib.workshop import Workshop

FIGURES = (LINES, EVENTS, TURN, CALL)
BY_SDK = "the SDK behind OpenAIAgentsPlugin"
FOUND, STATIC = "is used in the next turn", "is not found: the agent must be deployed again"
ALL_STOP = "Finance's tools, a greeting, its own tools, IT's tools; a question for Finance fails"
NEXUS: dict[str, str] = {
    LOOP: BY_SDK,
    DISCOVERY: STATIC,
    MCP: "cannot: no MCP server",
    STRANGER: "Nexus: refused",
    POLICY: "the agent: held",
    LANGUAGES: "Nexus Operation Finance.stock_price, answered by temporal-python",
    LINKS: "to Finance and back",
    KILLED: "1",
    STOPS: "Finance's tools; a question for Finance is answered when it is back",
    PROCESSES: "3; none listens",
}
HTTP = {
    DISCOVERY: FOUND,
    MCP: "list 8 tools at finance-mcp and it-mcp, and call them",
    STRANGER: "Nexus: refused; finance-mcp: served",
    POLICY: "the agent: not held; finance-mcp: not held",
    LANGUAGES: "in an activity of the agent's: temporalio.mcp.finance.call-tool",
    LINKS: "none",
    KILLED: "2",
    PROCESSES: "3; IT and Finance listen",
}
GATEWAY = {
    MCP: "list 4 tools at gateway, and call them",
    STRANGER: "Nexus: refused; gateway: refused",
    POLICY: "the agent: held; gateway: held",
    PROCESSES: "3; none listens; and a gateway, which does",
}
DEMOS = {
    1: {**NEXUS, LOOP: "the agent's own Workflow"},
    2: NEXUS,
    3: {**NEXUS, **HTTP},
    4: {**NEXUS, DISCOVERY: FOUND, **GATEWAY},
}


def computer(number: int, name: str, module: str) -> dict[str, Any]:
    """What changes of a demo if one of its computers runs another module."""
    return {"COMPUTERS": {**computers.demo(number).COMPUTERS, name: module}}


FRAGILE = {"AGENT": fragile_agent.FragileAgent, **computer(1, "orchestrator", "fragile_agent")}
MORE_LINES = 1 + int(owned.lines(computers.demo(1))[0].split()[0])
CASES = [
    pytest.param(1, {}, "allowlist", {STRANGER: "Nexus: served"}, id="1 without the allowlist"),
    *(
        pytest.param(number, changed, later, expected, id=f"{number} {name}", marks=pytest.mark.full)
        for number, name, changed, later, expected in [
            (2, "as it is", {}, "", {}),
            (3, "as it is", {}, "", {}),
            (4, "as it is", {}, "", {}),
            (4, "without the allowlist", {}, "allowlist", {STRANGER: "Nexus: served; gateway: refused"}),
            (4, "without the policy", {}, "policy", {POLICY: "the agent: not held; gateway: not held"}),
            (4, "with a directory that does not grow", {}, "growth", {DISCOVERY: STATIC}),
            (3, "with a server that does not grow", {}, "growth", {DISCOVERY: STATIC}),
            (4, "without a gateway", {"GATEWAYS": {}}, "", {name: NEXUS[name] for name in GATEWAY}),
            (1, "with a Worker of more lines", {"worker": computers.demo(4).worker}, "", {LINES: MORE_LINES}),
            (1, "asks Finance first", FRAGILE, "", {STOPS: ALL_STOP, EVENTS: 29, LINES: 0}),
            (1, "with a slow Finance", {}, "", {CALL: 500, TURN: 500}),
            (
                1,
                "with a Finance that listens",
                computer(1, "finance", computers.demo(3).COMPUTERS["finance"]),
                "",
                {
                    PROCESSES: "3; Finance listens",
                    MCP: "list 2 tools at finance-mcp, and call them",
                    STRANGER: HTTP[STRANGER],
                    POLICY: "the agent: held; finance-mcp: not held",
                    LINES: 0,
                },
            ),
        ]
    ),
]


def test_each_row_of_the_comparison_differs_between_demos_or_for_one_that_is_broken() -> None:
    differ = {row for row in NEXUS if len({said[row] for said in DEMOS.values()}) > 1}
    assert differ | {row for case in CASES for row in case.values[3]} == {*ROWS}  # type: ignore[union-attr]


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
    before, least = ws.workers, {row: expected[row] for row in FIGURES if row in expected}
    monkeypatch.setenv("FINANCE_WITHOUT", without)
    turns: Any = ws.fault("read_quote.is_slow", times=12, seconds=0.5) if CALL in least else contextlib.nullcontext()
    with turns:
        cells = await measure(ws, demo, lambda what: None, **({"later": "later_without"} if without else {}))
    said = {row: cell.said for row, cell in cells.items() if row not in FIGURES}
    assert said == {**DEMOS[number], **{row: text for row, text in expected.items() if row not in least}}
    assert all(float(cells[row].said.split()[0]) >= figure for row, figure in least.items())
    assert (cells[LINES].said != owned.lines(computers.demo(number))[0]) == (LINES in expected)
    assert tuple(cells) == ROWS
    assert all(cell.evidence for cell in cells.values())
    assert cells[TURN].milliseconds > cells[CALL].milliseconds > 0
    assert ws.workers == before, "what it started, it has stopped"


@pytest.mark.full
async def test_what_cannot_be_observed_says_why(ws: Workshop, with_model: None) -> None:
    cells = await measure(ws, computers.demo(1), lambda what: None, "no.such_module")
    missing = {row for row, cell in cells.items() if cell.said.startswith("not observed")}
    assert missing == {STOPS, DISCOVERY, STRANGER, POLICY}
    assert "no.such_module ended before it was ready" in cells[STOPS].said
