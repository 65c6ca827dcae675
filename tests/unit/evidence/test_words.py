"""Errors and notices say what happened, why, and what to do next."""

import logging
from datetime import UTC, datetime
from pathlib import Path

from temporalio import activity

from workshop_lib.cells.quiet import quieten
from workshop_lib.evidence.failures import cell_line


def test_a_stack_trace_leads_to_the_cells_last_line(tmp_path: Path) -> None:
    cells = tmp_path / "cells"
    cells.mkdir()
    (cells / "orders.py").write_text("# %%workflow orders\nfirst\n  second()  \n")
    frames = [f'File "{cells}/orders.py", line 2, in run', f'File "{cells}/orders.py", line 3, in step']
    trace = "\n".join([*frames, 'File "/sdk.py", line 9'])
    assert cell_line(trace) == 'cell "orders", line 3: `second()`'
    before_its_last_edit = datetime.fromtimestamp((cells / "orders.py").stat().st_mtime - 60, UTC)
    assert cell_line(trace, before_its_last_edit) == 'cell "orders", line 3'
    (cells / "open.py").write_text("call(\n")
    assert cell_line(f'File "{cells}/open.py", line 1, in run') == 'cell "open", line 1: `call(…`'
    assert cell_line('File "/elsewhere/orders.py", line 3, in run') == ""
    assert cell_line(f'File "{cells}/gone.py", line 3, in run') == 'cell "gone", line 3'


def test_a_learners_messages_are_kept_wherever_the_checkout_is() -> None:
    quieten()
    log = logging.getLogger("temporalio.activity")
    for file, kept in (("/src/github.com/temporalio/workshop/cells/orders.py", True), (activity.__file__, False)):
        record = log.makeRecord(log.name, logging.WARNING, file, 1, "charging", (), None)
        assert bool(log.filter(record)) == kept
