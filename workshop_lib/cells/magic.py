"""The ``%%workflow`` magic, and other changes of a notebook's IPython."""

import asyncio
import signal
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

from workshop_lib.cells.workflow_cells import CellError
from workshop_lib.evidence.failures import render_in_notebooks
from workshop_lib.evidence.messages import in_notebook


def install(run: Callable[[str, str], None]) -> None:
    """Add ``%%workflow`` and short tracebacks, if this process is a notebook.

    Args:
        run: Runs a cell, from the magic's line and the cell's text.
    """
    if in_notebook():
        _shell().register_magic_function(partial(_run_once, run), "cell", "workflow")
        # On a later line than the first, IPython takes it for a line magic of this name.
        _shell().register_magic_function(_refuse_late_magic, "line", "%workflow")
        render_in_notebooks()


def let_interrupts_wake_the_loop() -> None:
    """Make an interrupt end a cell that only sleeps.

    ipykernel 7.4 handles an interrupt with a callback on its loop. A loop that sleeps (`await asyncio.sleep(60)`) does
    not notice the callback until something else wakes it. asyncio lets signals wake its loop as soon as it handles any
    signal, so it handles one that has no effect.
    """
    if in_notebook():
        asyncio.get_running_loop().add_signal_handler(signal.SIGURG, lambda: None)


def _shell() -> Any:
    return sys.modules["IPython"].get_ipython()


def _run_once(run: Callable[[str, str], None], line: str, cell: str) -> None:
    """Run a cell. Exclude its module from ``%autoreload``, which would make other classes than those of the Workers."""
    try:
        run(line, cell)
    finally:
        if line and (aimport := _shell().find_line_magic("aimport")) is not None:
            aimport(f"-{line.split()[0]}")


def _refuse_late_magic(line: str) -> None:
    raise CellError("%%workflow must be the first line of its cell.", then="Move what is above it below it.")
