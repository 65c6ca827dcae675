"""``python -m workshop_lib rehearse``: run a way through the workshop on this machine, as the class will.

Each notebook of the way runs in its order, with the sections of the way alone, the answers filled in, and every failure
switched on. Each way has notebook 12, which puts the four demos under theirs. The last line says READY, or what to do
first.
"""

import os
import re
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

from workshop_lib.evidence.messages import WorkshopError
from workshop_lib.programs.doctor import machine
from workshop_lib.views.overview import WAYS, notebooks, only

_SOLUTIONS = Path(__file__).resolve().parents[1] / "solutions"
_CELL_SECONDS = 900  # no cell takes that long; one that hangs must not keep you all night


def _run(path: Path, way: str) -> str:
    """Run a notebook's sections of a way, and print how far it is. Returns what went wrong; nothing if nothing did."""
    notebook = nbformat.read(path, as_version=4)
    notebook.cells = only(notebook.cells, lambda heading: way in heading.metadata.get("ways", ()))
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
    except CellExecutionError as error:
        return f"{path.stem}: {error.ename}: {error.evalue}"
    except (CellTimeoutError, DeadKernelError) as error:
        return f"{path.stem}: {str(error).splitlines()[0]}"
    finally:
        print()
    shown = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    gap = re.search(r"not observed: [^<]*", "".join(each.get("data", {}).get("text/html", "") for each in shown))
    return f"{path.stem}, comparison of the demos: {gap[0]}" if gap else ""


def rehearse(way: str) -> bool:
    """Rehearse a way, and print whether the class can come.

    Args:
        way: Such as ``"2 hours"``.

    Returns:
        Whether all went well.

    Raises:
        WorkshopError: There is no such way.
    """
    if way not in WAYS:
        raise WorkshopError(f"There is no way {way!r}.", then=f"Choose one of {', '.join(WAYS)}.")
    began = time.monotonic()
    wrong = [str(finding) for finding in machine() if finding.fine is False]
    files = [each.file for each in notebooks(_SOLUTIONS) if any(way in part.ways for part in each.sections)]
    if not wrong:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:  # so that nothing of yours is touched
            os.environ |= {"WORKSHOP_HOME": home, "WORKSHOP_STRICT": "1"}
            for file in files:
                if said := _run(_SOLUTIONS / file, way):
                    wrong.append(f"{said}\n      → Open the notebook, run this section, and read what the cell says.")
    minutes = round((time.monotonic() - began) / 60)
    ready = f"READY for {way}: {len(files)} notebooks ran, with the four demos, in {minutes} min. Every check passed."
    print("\n".join(["NOT READY", *wrong]) if wrong else ready)
    return not wrong
