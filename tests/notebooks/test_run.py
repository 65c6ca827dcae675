"""The notebooks as people and CI run them."""

import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest
from kernels import HOME, kernel, ours, run_cells, wait_until_gone
from matrix import CONDITIONS, NBMAKE, SOLUTIONS, attempt, checked, left_out
from ways import MAIN, PARTLY, chosen

ROOT = Path(__file__).resolve().parents[2]
LEARNERS = sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))


def nbmake(path: Path, home: Path, **environment: str) -> dict[str, Any]:
    env = {**os.environ, "WORKSHOP_HOME": str(home), **environment}
    done = subprocess.run([*NBMAKE, str(path)], env=env, capture_output=True, text=True, timeout=3600, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not wait_until_gone(home), "the notebook left something running"
    recorded = home / "progress.json"
    progress: dict[str, Any] = json.loads(recorded.read_text()) if recorded.exists() else {}
    return progress


# In `make test` each solution meets one condition that takes no longer; in `make test-all`, all of them.
QUICK = [name for name in CONDITIONS if name != "one slow core" and not left_out(name)]
CELLS = [
    pytest.param(path, name, marks=[] if name == QUICK[n % len(QUICK)] else pytest.mark.full)
    for n, path in enumerate(SOLUTIONS)
    for name in CONDITIONS
]


@pytest.mark.parametrize(("path", "condition"), CELLS, ids=lambda given: getattr(given, "stem", given))
def test_a_solution_passes_every_check(
    tmp_path: Path, path: Path, condition: str, record_property: Callable[[str, Any], None]
) -> None:
    """It is green, or has the sentence that says what to do. `make matrix ARGS="-k '05 and locale'"` runs a part."""
    record_property("row", f"{path.stem:32} {condition:16}")
    outcome = attempt(path, condition, tmp_path)
    record_property("result", outcome.partition("\n")[0])
    if outcome.startswith("left out"):
        pytest.skip(outcome)
    assert outcome == "green"


@pytest.mark.full
@pytest.mark.parametrize("path", LEARNERS, ids=lambda path: path.stem)
def test_on_stubs_every_check_runs_none_raises_and_none_passes(tmp_path: Path, path: Path) -> None:
    progress = nbmake(path, tmp_path)
    assert {number for number, record in progress.items() if record["checks"]} == checked(path)
    assert not {number for number, record in progress.items() if record["passed"]}
    assert not {number: record["error"] for number, record in progress.items() if record["error"]}


@pytest.mark.full
@pytest.mark.parametrize(
    ("path", "way"), [*((path, MAIN) for path in SOLUTIONS), *PARTLY], ids=lambda given: getattr(given, "stem", given)
)
def test_a_way_alone_passes_its_checks(tmp_path: Path, path: Path, way: str) -> None:
    nbformat.write(chosen(path, way), tmp_path / path.name)
    progress = nbmake(tmp_path / path.name, tmp_path, WORKSHOP_STRICT="1")
    assert {number for number, record in progress.items() if record["passed"]} == checked(tmp_path / path.name)


def test_interrupted_while_a_worker_is_down_nothing_is_left_behind(tmp_path: Path) -> None:
    notebook = nbformat.read(ROOT / "solutions" / "02_failure_injection.ipynb", as_version=4)
    code = {cell.id: cell.source for cell in notebook.cells if cell.cell_type == "code"}
    with kernel(tmp_path) as k:
        run_cells(k, [code[name] for name in ("start", "resilient", "outage", "place", "crash-before")])
        cell = k.start(code["crash-after"])
        assert "killed by the fault charge_card.dies_after_effect" in k.wait_for_output(cell)
        k.interrupt()
        assert k.finish(cell).error in ("KeyboardInterrupt", "CancelledError")
        assert not [command for command in ours(tmp_path) if "programs.worker" in command]
        (faults,) = (tmp_path / HOME).glob("notebooks/*/faults.json")
        assert not json.loads(faults.read_text())
        assert "'ship']" in k.ok(code["crash-after"]), "and it runs again"
    assert not wait_until_gone(tmp_path)
