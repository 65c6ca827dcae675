"""Notebook 12's capstone: what people get wrong when they bring in a team, and what the checks say about it."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from kernels import kernel, run_cells

NOTEBOOK = Path(__file__).resolve().parents[2] / "solutions" / "12_choose_a_pattern.ipynb"
CELLS = ("hr-contract", "hr-team", "hr-handler", "check-team", "hr-worker", "check-worker", "hr-agents", "check-agents")
# The exercise, the cell, what is written there instead of what, and a part of what the check says.
MISTAKES = [
    ("team", "hr-handler", "DAYS_LEFT[query.employee])", "12)", "3 days for Bob"),
    ("team", "hr-handler", "{ctx.request_id}", "{__import__('uuid').uuid4()}", "a second Workflow was started"),
    (
        "team",
        "hr-team",
        "        await workflow.wait_condition(lambda: self.decision is not None)\n",
        "",
        "waits for the manager",
    ),
    ("team", "hr-team", "        if self.decision:", "        if True:", "0 entries after a no"),
    ("team", "hr-team", "bool(self.decision)", "True", "approved=False"),
    (
        "worker",
        "hr-worker",
        '        interceptors=[Allowlist([ws.namespace("default")])],\n',
        "",
        "a refusal of marketing",
    ),
    ("worker", "hr-worker", ", limits)", ")", "a limit of three days"),
    ("worker", "hr-worker", "            DirectoryHandler({HumanResources: listed}, limits),\n", "", "a directory"),
    ("agents", "hr-agents", '"hr", limit', '"hr", timedelta(seconds=20)', "a limit of three days"),
    ("agents", "hr-agents", ", *mine]", "]", "HrAgent to ask HR"),
    ("agents", "hr-agents", '[*super().teams(), "hr"]', "super().teams()", "HrMcpAgent to ask HR"),
]


@pytest.mark.full
def test_each_mistake_gets_its_advice_and_the_answer_passes_after_it(tmp_path: Path) -> None:
    code = {each.id: each.source for each in nbformat.read(NOTEBOOK, as_version=4).cells if each.cell_type == "code"}
    with kernel(tmp_path) as k:
        run_cells(k, [code["start"]])
        for name in ("team", "worker", "agents"):
            check = f"check-{name}"
            for each in CELLS[: CELLS.index(check)]:
                k.ok(code[each])
            for of, cell, old, new, advice in MISTAKES:
                if of == name:
                    assert old in code[cell], (cell, old)
                    k.ok(code[cell].replace(old, new))
                    said = k.ok(code[check], seconds=600)
                    assert "is not right yet" in said, (cell, old, said)
                    assert advice in said, said
                    k.ok(code[cell])
            assert "passed" in k.ok(code[check], seconds=600)
