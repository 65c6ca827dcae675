"""A kernel restart in the middle of a notebook. A file of its own, so that it runs beside the other notebook tests."""

import os
from pathlib import Path

import pytest
from kernels import cells, kernel, run_cells
from matrix import SOLUTIONS


@pytest.mark.full
@pytest.mark.parametrize("path", SOLUTIONS, ids=lambda path: path.stem)
def test_run_all_above_after_a_restart(tmp_path: Path, path: Path) -> None:
    """It brings one back, from any folder. `make chaos` restarts after every cell, and then runs all cells, twice."""
    sources, thorough = cells(path), "WORKSHOP_CHAOS" in os.environ
    with kernel(tmp_path, JPY_SESSION_NAME=str(path)) as k:
        for number in range(1, len(sources)) if thorough else [len(sources) // 2]:
            run_cells(k, sources[:number])
            k.restart()
        for _ in range(1 + thorough):
            run_cells(k, sources if thorough else sources[:number])
