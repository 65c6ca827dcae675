"""Run a way through the workshop on this machine, as the class will: `make rehearse`, or `make rehearse WAY="4 hours"`.

Each notebook of the way runs in its order, with the sections of the way alone, the answers filled in, and every failure
switched on. The last line says READY, or what to do first.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError
from nbformat import NotebookNode

from workshop_lib.programs.doctor import machine
from workshop_lib.views.overview import WAYS, notebooks, parts

_SOLUTIONS = Path(__file__).resolve().parents[1] / "solutions"
_CELL_SECONDS = 900  # no cell takes that long; one that hangs must not keep you all night


def chosen(path: Path, way: str) -> NotebookNode:
    """A solution with the sections of a way alone.

    Args:
        path: The solution.
        way: Such as ``"2 hours"``.
    """
    notebook = nbformat.read(path, as_version=4)
    kept, *sections = parts(notebook.cells)
    wanted = [section for section in sections if way in section[0].metadata.get("ways", ())]
    notebook.cells = [cell for part in (kept, *wanted) for cell in part]
    return notebook


def run(path: Path, way: str) -> str:
    """Run a notebook's sections of a way, and print how far it is.

    Args:
        path: The solution.
        way: Such as ``"2 hours"``.

    Returns:
        What went wrong; empty if nothing did.
    """
    notebook = chosen(path, way)
    cells = [number for number, cell in enumerate(notebook.cells) if cell.cell_type == "code"]
    began = time.monotonic()

    def say(cell_index: int, **_: Any) -> None:
        seconds = f"{time.monotonic() - began:.0f} s"
        print(f"\r{path.stem}: cell {cells.index(cell_index) + 1} of {len(cells)}, {seconds}", end="   ", flush=True)

    client = NotebookClient(
        notebook,
        timeout=_CELL_SECONDS,
        kernel_name="python3",
        resources={"metadata": {"path": str(path.parent)}},
        on_cell_execute=lambda cell, cell_index: say(cell_index) if cell.cell_type == "code" else None,
    )
    try:
        client.execute(stderr=subprocess.DEVNULL)  # what the kernel itself logs; a cell's errors are in the notebook
    except (CellExecutionError, CellTimeoutError) as error:
        return f"{path.stem}: {str(error).strip().splitlines()[-1]}"
    else:
        return ""
    finally:
        print()


def main() -> int:
    """Rehearse the way that the command names. Returns the exit status."""
    way = sys.argv[1] if len(sys.argv) > 1 else WAYS[0]
    if way not in WAYS:
        print(f"There is no way {way!r}.\n→ Choose one of {', '.join(WAYS)}.")
        return 2
    wrong = [str(finding) for finding in machine() if finding.fine is False]
    with tempfile.TemporaryDirectory() as home:  # so that nothing of your own is touched
        os.environ |= {"WORKSHOP_HOME": home, "WORKSHOP_STRICT": "1"}
        files = [each.file for each in notebooks(_SOLUTIONS) if any(way in part.ways for part in each.sections)]
        for file in () if wrong else files:
            if said := run(_SOLUTIONS / file, way):
                wrong.append(f"{said}\n      → Open the notebook, run this section, and read what the cell says.")
    ready = f"READY for {way}: {len(files)} notebooks, and every check passed."
    print("\n".join(["NOT READY", *wrong]) if wrong else ready)
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
