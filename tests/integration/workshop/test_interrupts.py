"""An interrupted cell leaves everything beside the notebook at work, and can be run again."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from kernels import Kernel, Output, kernel, ours
from notebook import BILLED, ORDERS, PLACE, PLACE_APART, START, WORK, open_notebook, spawn


def interrupted(k: Kernel, cell: str) -> Output:
    sent = k.start(cell)
    k.wait_for_output(sent)
    k.interrupt()
    return k.finish(sent)


def test_interrupts_leave_server_and_workers_serving(tmp_path: Path) -> None:
    with kernel(tmp_path) as k:
        open_notebook(k)
        k.ok(spawn("process", "apart"))
        before = k.ok("print(ws.server.pid, process.pid)")
        for cell in ("import time; time.sleep(600)", "import asyncio; await asyncio.sleep(600)", PLACE):
            output = interrupted(k, "print('in it')\n" + cell.replace('"orders"', '"nobody"'))
            assert output.error in ("KeyboardInterrupt", "CancelledError")
            if "asyncio" in cell:
                assert "line 2: import asyncio; await asyncio.sleep(600)" in output.text
                assert "Interrupted. What runs beside the notebook goes on" in output.text
            assert "charges: 1" in k.ok(PLACE)
            assert "charges: 1" in k.ok(PLACE_APART)
        assert k.ok("print(ws.server.pid, process.pid)") == before


@pytest.mark.parametrize("after", [0.3, 0.8])
def test_an_interrupted_setup_can_be_run_again(tmp_path: Path, after: float) -> None:
    """At any moment: the interrupt comes so many seconds after the cell is sent."""
    with kernel(tmp_path) as k:
        for _ in range(2):
            sent = k.start(START)
            time.sleep(after)
            k.interrupt()
            k.finish(sent)
        k.ok(START)
        k.ok(ORDERS)
        k.ok(WORK)
        assert "charges: 1" in k.ok(PLACE)


def test_an_interrupted_spawn_leaves_no_worker(tmp_path: Path) -> None:
    with kernel(tmp_path) as k:
        open_notebook(k)
        assert interrupted(k, "print('in it')\n" + spawn("p", "apart")).error
        deadline = time.monotonic() + 120
        while any("workshop_lib.programs.worker" in command for command in ours(tmp_path)):
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_an_interrupted_edit_changes_nothing(tmp_path: Path) -> None:
    with kernel(tmp_path) as k:
        open_notebook(k)
        output = interrupted(k, ORDERS + "print('in it', flush=True)\nimport time\ntime.sleep(600)\n")
        assert output.error == "KeyboardInterrupt"
        assert "charges: 1" in k.ok(PLACE)
        k.ok(BILLED)
        assert "billed order-2" in k.ok(PLACE)


def test_an_interrupted_update_is_said_in_one_line(tmp_path: Path) -> None:
    with kernel(tmp_path) as k:
        open_notebook(k)
        k.ok('handle = await client.start_workflow("Nothing", id=ws.id("lost"), task_queue="nowhere")')
        output = interrupted(k, 'await handle.execute_update("ship_now")')  # once it says that it waits
    assert "Interrupted. What runs beside the notebook goes on" in output.text
    assert "CancelledError" not in output.text.split("Interrupted.")[-1]
