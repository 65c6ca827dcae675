"""Kernels that start, restart and die, alone and beside one another."""

import os
import signal
from pathlib import Path

import psutil
from kernels import Kernel, kernel, ours, wait_until_gone
from notebook import ORDERS, PLACE, START, WAIT, WAITING, WORK, open_notebook, spawn


def test_the_setup_can_be_repeated_and_a_blocking_cell_stalls_no_worker(tmp_path: Path) -> None:
    """Also with a relative home, when the notebook changes its working directory."""
    with kernel(tmp_path, WORKSHOP_HOME="relative") as k:
        k.ok("import asyncio, os, time\nfrom workshop_lib import Workshop")
        k.ok("a, b = await asyncio.gather(Workshop.start(), Workshop.start())")
        for _ in range(2):
            open_notebook(k)
        assert k.ok("print(a is b is ws)").strip() == "True"
        k.ok("os.chdir('/')\nawait ws.server.kill()")
        open_notebook(k)
        text = k.ok(PLACE)
        assert "charging order-1" in text, "what an activity prints is seen"
        assert "charged order-1\ncharges: 1" in text
        assert k.ok("print(len(ws.workers))").strip() == "1", "each replaced the one before"
        k.ok("from datetime import timedelta; place = dict(id='b', task_queue='orders')")
        k.ok('handle = await client.start_workflow(ProcessOrder.run, "b", start_delay=timedelta(seconds=0.3), **place)')
        k.ok('while not ws.ledger.count("charge", order="b"): time.sleep(0.05)')
        assert "charged b" in k.ok("print(await handle.result())")


def test_four_notebooks_do_not_touch_one_another_and_leave_nothing_behind(tmp_path: Path) -> None:
    """A fault, a flood and a killed server in three of them change no count in the fourth."""
    names = ["calm", "faulty", "flooded", "killed"]
    home = {"WORKSHOP_HOME": str(tmp_path)}
    made = [Kernel({**home, "JPY_SESSION_NAME": f"/class/{name}.ipynb"}, tmp_path) for name in names]
    try:
        starting = [(k, k.start(START)) for k in made]  # at once
        for k, sent in starting:
            assert not (output := k.finish(sent)).error, output.text
        for k in made:
            k.ok(ORDERS)
            k.ok(WORK)
        calm, faulty, flooded, killed = made
        assert len({k.ok("print(ws.server.pid, ws.server.address)") for k in made}) == 4
        faulty.ok(ORDERS.replace('note("charge"', 'raise RuntimeError("out of order"); note("charge"'))
        broken = faulty.start(PLACE)
        flooded.ok('async def place(n): await client.start_workflow("X", id=f"x{n}", task_queue="nobody")')
        flood = flooded.start("for n in range(300): await place(n)")
        killed.ok("await ws.server.kill()")
        for number in range(1, 11):
            assert f"charged order-{number}\ncharges: 1" in calm.ok(PLACE)
        assert calm.ok("print(ws.ledger.count())").strip() == "10"
        assert not flooded.finish(flood).error
        faulty.interrupt()
        faulty.finish(broken)
        assert faulty.ok("print(ws.ledger.count())").strip() == "0"
        for k in made:
            k.kill()
        assert not wait_until_gone(tmp_path)
    finally:
        for k in made:
            k.close()


def test_a_restarted_kernel_finds_its_server_and_goes_on(tmp_path: Path) -> None:
    """Also where nobody tells it its notebook's name, as a kernel of PyCharm or papermill (no JPY_SESSION_NAME)."""
    with kernel(tmp_path) as k:
        assert k.ok("import os; print(os.environ.get('JPY_SESSION_NAME'))").strip() == "None"
        open_notebook(k)
        k.ok(WAITING)
        k.ok(WAIT)
        k.ok('handle = await client.start_workflow(Patient.run, id="patient-1", task_queue="patient")')
        k.ok(PLACE)
        address = k.ok("print(ws.server.address)")
        k.restart()
        text = k.ok(START)
        assert "1 Workflow still open from before" in text
        assert "patient-1 (Patient)" in text
        assert k.ok("print(ws.server.address)") == address
        for cell in (ORDERS, WORK, WAITING, WAIT):
            k.ok(cell)
        k.ok('await client.get_workflow_handle("patient-1").signal("proceed")')
        assert "went on" in k.ok('await client.get_workflow_handle("patient-1").result()')
        assert "charged order-2" in k.ok(PLACE), "ids go on, so that nothing meets a former one"
        k.ok('await client.start_workflow(ProcessOrder.run, "x", id="x", task_queue="nobody")')
        k.ok("while not await ws.open_executions(): await asyncio.sleep(0.05)")  # the server lists it a little later
        assert "1 Workflow ended" in k.ok("await ws.reset()")
        assert k.ok("print(len(await ws.open_executions()), ws.ledger.count())").strip() == "0 0"


def test_nothing_outlives_a_kernel_that_is_killed_beside_a_stopped_process(tmp_path: Path) -> None:
    with kernel(tmp_path) as k:
        open_notebook(k)
        k.ok(spawn("process", "apart"))
        pid = int(k.ok("print(process.pid)"))
        assert len(ours(tmp_path)) >= 4, "kernel, server, worker and their wardens"
        os.kill(pid, signal.SIGSTOP)  # it reacts to nothing any more
        k.kill()
        assert not wait_until_gone(tmp_path)
        assert not psutil.pid_exists(pid)


def test_a_stuck_activity_keeps_no_kernel_alive_that_is_shut_down_and_no_worker_beside_it(tmp_path: Path) -> None:
    with kernel(tmp_path) as k:
        open_notebook(k)
        k.ok(ORDERS.replace('note("charge", order=order)', 'note("charge"); import time; time.sleep(600)'))
        k.ok(spawn("process", "apart"))
        k.ok('await client.start_workflow(ProcessOrder.run, "s", id="s", task_queue="orders")')
        k.ok("import asyncio\nwhile not ws.ledger.count('charge'): await asyncio.sleep(0.05)")
        assert k.close() == 0, "it ended by itself, and was not killed"
        assert not wait_until_gone(tmp_path)


def test_on_a_hub_a_page_that_the_browser_cannot_open_is_not_linked(tmp_path: Path) -> None:
    with kernel(tmp_path, JUPYTERHUB_SERVICE_PREFIX="/user/ann/") as k:
        text = k.ok(START)
        assert "Your browser cannot open its Web UI" in text
        assert "http://" not in text
        k.ok("handle = await client.start_workflow('X', id='x', task_queue='nobody')")
        shown = k.ok("from workshop_lib import where\nawait where(ws, handle)")
        assert shown.startswith("temporal workflow describe --namespace default --workflow-id 'x'"), shown
