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
from kernels import cells, kernel, ours, run_cells, wait_until_gone

ROOT = Path(__file__).resolve().parents[2]
SOLUTIONS = sorted((ROOT / "solutions").glob("*.ipynb"))
LEARNERS = sorted((ROOT / "notebooks").glob("*.ipynb"))

pytestmark = pytest.mark.spread


def nbmake(folder: str, home: Path, **environment: str) -> dict[str, Any]:
    """Run a folder's notebooks as CI does, all beside one another. Returns the progress that was recorded."""
    command = [sys.executable, "-m", "pytest", "--nbmake", "-q", "-p", "no:cacheprovider", "-c", os.devnull]
    env = {**os.environ, "WORKSHOP_HOME": str(home), **environment}
    paths = [ROOT / folder] if folder.endswith(".ipynb") else sorted((ROOT / folder).glob("*.ipynb"))
    output = subprocess.PIPE
    running = [subprocess.Popen([*command, str(path)], env=env, stdout=output, stderr=output) for path in paths]
    try:
        said = [process.communicate(timeout=300) for process in running]
    finally:
        for process in running:
            process.kill()
    for process, (out, err) in zip(running, said, strict=True):
        assert process.returncode == 0, out.decode() + err.decode()
    assert not wait_until_gone(home), "a notebook left something running"
    progress: dict[str, Any] = json.loads((home / "progress.json").read_text())
    return progress


def checked(paths: list[Path]) -> set[str]:
    """The exercises that the notebooks check."""
    return {number for path in paths for cell in cells(path) for number in re.findall(r'check\(\s*"([\d.]+)"', cell)}


def test_every_solution_passes_every_check(tmp_path: Path) -> None:
    progress = nbmake("solutions", tmp_path, WORKSHOP_STRICT="1")
    passed = {number for number, record in progress.items() if record["passed"]}
    assert passed == checked(SOLUTIONS)
    assert passed


def test_on_stubs_every_check_runs_none_raises_and_none_passes(tmp_path: Path) -> None:
    progress = nbmake("notebooks", tmp_path)
    assert {number for number, record in progress.items() if record["checks"]} == checked(LEARNERS)
    assert not {number for number, record in progress.items() if record["passed"]}
    assert not {number: record["error"] for number, record in progress.items() if record["error"]}


def test_strictly_a_stub_fails_its_notebook(tmp_path: Path) -> None:
    """Otherwise the two tests above could not fail."""
    with pytest.raises(AssertionError, match="is not solved yet"):
        nbmake("notebooks/00_start_here.ipynb", tmp_path, WORKSHOP_STRICT="1")


def test_interrupted_while_a_worker_is_down_nothing_is_left_behind(tmp_path: Path) -> None:
    notebook = nbformat.read(ROOT / "solutions" / "02_failure_injection.ipynb", as_version=4)
    code = {cell.id: cell.source for cell in notebook.cells if cell.cell_type == "code"}
    with kernel(tmp_path) as k:
        run_cells(k, [code[name] for name in ("start", "resilient", "outage", "place", "crash-before")])
        cell = k.start(code["crash-after"])
        assert "killed by the fault charge_card.dies_after_effect" in k.wait_for_output(cell)
        k.interrupt()
        assert k.finish(cell).error in ("KeyboardInterrupt", "CancelledError")
        left = [process for process in ours(tmp_path) if "worker_process" in " ".join(process.cmdline())]
        assert not left
        (faults,) = tmp_path.glob("home/notebooks/*/faults.json")
        assert not json.loads(faults.read_text())
        assert "'ship']" in k.ok(code["crash-after"]), "and it runs again"
    assert not wait_until_gone(tmp_path)
