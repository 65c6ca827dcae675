"""Notebook 06's table of attacks: each defense stops something that the others let through."""

from pathlib import Path

import nbformat
import pytest
from kernels import kernel, run_cells

NOTEBOOK = Path(__file__).resolve().parents[2] / "solutions" / "06_governance.ipynb"
NEEDED = "start finance caller endpoint attempt no-rule allowlist attack flag proxy liar signed stolen".split()
ROUND = "defenses attackers call-finance attacks attack-all attack-round one-missing".split()


@pytest.mark.full
def test_each_defense_stops_what_the_others_let_through(tmp_path: Path) -> None:
    code = {each.id: each.source for each in nbformat.read(NOTEBOOK, as_version=4).cells if each.cell_type == "code"}
    with kernel(tmp_path) as k:
        run_cells(k, [code[name] for name in NEEDED])
        k.ok("finance_1 = finance_2 = worker")  # in place of those that a section on the main path starts
        run_cells(k, [code[name] for name in ROUND])
        k.ok("""
assert [name for name, outcome in held.items() if outcome == "served"] == [
    "sales calls, as agreed",
    "… or starts one at the server's own port",
], held
assert opened == {
    "server setting": ["marketing also forges a link of sales"],
    "allowlist": ["marketing calls, and signs"],
    "signatures": [
        "somebody in sales without a key; … with a token from an earlier call; … with a token for another input"
    ],
    "certificates": [
        "marketing starts Finance's workflow; … with a lie in a header; … or lists Finance's workflows"
    ],
}, opened
""")
