"""The notebooks as people and CI run them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
from kernels import HOME, cells, kernel, ours, run_cells, wait_until_gone
from refusing_proxy import refusing_proxy

ROOT = Path(__file__).resolve().parents[2]
SOLUTIONS = sorted((ROOT / "solutions").glob("*.ipynb"))
LEARNERS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def nbmake(path: Path, home: Path, **environment: str) -> dict[str, Any]:
    """Run a notebook as CI does. Returns the progress that was recorded."""
    command = [sys.executable, "-m", "pytest", "--nbmake", "-q", "-p", "no:cacheprovider", "-c", os.devnull, str(path)]
    env = {**os.environ, "WORKSHOP_HOME": str(home), **environment}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=3600, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not wait_until_gone(home), "the notebook left something running"
    recorded = home / "progress.json"
    progress: dict[str, Any] = json.loads(recorded.read_text()) if recorded.exists() else {}
    return progress


def checked(path: Path) -> set[str]:
    """The exercises that a notebook checks."""
    found = {number for cell in cells(path) for number in re.findall(r'check\(\s*"([\d.]+)"', cell)}
    assert found
    return found


@pytest.mark.parametrize("path", SOLUTIONS, ids=lambda path: path.stem)
def test_a_solution_passes_every_check(tmp_path: Path, path: Path) -> None:
    """Also behind a company's proxy: nothing goes there, because all of it is on loopback."""
    with refusing_proxy() as (variables, seen):
        progress = nbmake(path, tmp_path, WORKSHOP_STRICT="1", **variables)
    assert {number for number, record in progress.items() if record["passed"]} == checked(path)
    assert seen == []


@pytest.mark.full
@pytest.mark.parametrize("path", LEARNERS, ids=lambda path: path.stem)
def test_on_stubs_every_check_runs_none_raises_and_none_passes(tmp_path: Path, path: Path) -> None:
    progress = nbmake(path, tmp_path)
    assert {number for number, record in progress.items() if record["checks"]} == checked(path)
    assert not {number for number, record in progress.items() if record["passed"]}
    assert not {number: record["error"] for number, record in progress.items() if record["error"]}


@pytest.mark.full
@pytest.mark.parametrize("path", SOLUTIONS, ids=lambda path: path.stem)
def test_nothing_on_the_main_path_needs_an_optional_section(tmp_path: Path, path: Path) -> None:
    notebook, level = nbformat.read(path, as_version=4), 0
    kept = []
    for cell in notebook.cells:
        heading = re.match(r"(#+) (Optional: )?", cell.source) if cell.cell_type == "markdown" else None
        if heading and (not level or len(heading[1]) <= level):
            level = len(heading[1]) if heading[2] else 0
        kept += [] if level else [cell]
    if len(kept) < len(notebook.cells):
        notebook.cells = kept
        nbformat.write(notebook, tmp_path / path.name)
        progress = nbmake(tmp_path / path.name, tmp_path, WORKSHOP_STRICT="1")
        assert {number for number, record in progress.items() if record["passed"]} == checked(tmp_path / path.name)


def test_strictly_a_stub_fails_its_notebook(tmp_path: Path) -> None:
    """Otherwise the two tests above could not fail."""
    with pytest.raises(AssertionError, match="is not solved yet"):
        nbmake(LEARNERS[0], tmp_path, WORKSHOP_STRICT="1")


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
