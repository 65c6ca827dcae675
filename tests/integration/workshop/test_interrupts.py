"""An interrupted cell leaves everything beside the notebook at work, and can be run again."""

import time
from pathlib import Path

from kernels import Kernel, Output, kernel, wait_until_gone
from notebook import BILLED, ORDERS, PLACE, PLACE_APART, START, WORK, open_notebook, spawn


def interrupted(k: Kernel, cell: str) -> Output:
    sent = k.start(cell)
    k.wait_for_output(sent)
    k.interrupt()
    return k.finish(sent)


def test_an_interrupt_ends_the_cell_and_nothing_else(tmp_path: Path) -> None:
    with kernel(tmp_path) as k:
        open_notebook(k)
        k.ok(spawn("process", "apart"))
        before = k.ok("print(ws.server.pid, process.pid)")
        for cell in ("import time; time.sleep(600)", "import asyncio; await asyncio.sleep(600)", PLACE):
            output = interrupted(k, "print('in it')\n" + cell.replace('"orders"', '"nobody"'))
            assert output.error in ("KeyboardInterrupt", "CancelledError")
            if "asyncio" in cell:
                assert "line 2: import asyncio; await asyncio.sleep(600)" in output.text
                assert "Interrupted. Everything beside the notebook continues" in output.text
            assert "charges: 1" in k.ok(PLACE)
            assert "charges: 1" in k.ok(PLACE_APART)
        assert k.ok("print(ws.server.pid, process.pid)") == before
        # An update, once a notice says what it waits for.
        k.ok('handle = await client.start_workflow("Nothing", id=ws.id("lost"), task_queue="nowhere")')
        output = interrupted(k, 'await handle.execute_update("ship_now")')
        assert "Interrupted. Everything beside the notebook continues" in output.text
        assert "CancelledError" not in output.text.split("Interrupted.")[-1]
        # An edit changes nothing.
        output = interrupted(k, ORDERS + "print('in it', flush=True)\nimport time\ntime.sleep(600)\n")
        assert output.error == "KeyboardInterrupt"
        assert "charged order-" in k.ok(PLACE)
        k.ok(BILLED)
        assert "billed order-" in k.ok(PLACE)
        # A spawn leaves no Worker.
        k.ok("await ws.stop(process)")
        assert interrupted(k, "print('in it')\n" + spawn("p", "elsewhere")).error
        assert not wait_until_gone(tmp_path, "workshop_lib.programs.worker", seconds=120)


def test_an_interrupted_setup_can_be_run_again(tmp_path: Path) -> None:
    """At any moment: the interrupt comes so many seconds after the cell is sent."""
    with kernel(tmp_path) as k:
        for after in (0.3, 0.8):
            sent = k.start(START)
            time.sleep(after)
            k.interrupt()
            k.finish(sent)
        for cell in (START, ORDERS, WORK):
            k.ok(cell)
        assert "charges: 1" in k.ok(PLACE)
