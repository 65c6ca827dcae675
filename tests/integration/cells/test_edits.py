"""An edited ``%%workflow`` cell reaches everything that runs its code, or changes nothing."""

from pathlib import Path

from kernels import kernel
from notebook import BILLED, ORDERS, PLACE, PLACE_APART, START, WAIT, WAITING, WORK, open_notebook, spawn

GREET = """%%workflow greet_exercise
from temporalio import activity
@activity.defn
async def greet(name: str) -> str:
    return f'Hello, {name}!'
"""
STEP = "from workshop_lib.teams.orders.activities import check_fraud\n"
RUN_STEP = f"""from concurrent.futures import ThreadPoolExecutor
{STEP}threads = ThreadPoolExecutor(1)
ws.run(Worker, client, task_queue="steps", activities=[check_fraud], activity_executor=threads)
"""


def test_an_edit_takes_effect_and_says_so(tmp_path: Path) -> None:
    with kernel(tmp_path) as k:
        open_notebook(k)
        k.ok(spawn("spawned", "apart"))
        k.ok('await client.start_workflow(ProcessOrder.run, "x", id="open-1", task_queue="nobody")')
        for number, verb in enumerate(("billed", "debited", "charged"), 1):  # the same size, within a second
            text = k.ok(ORDERS.replace('f"charged ', f'f"{verb} '))
            assert text.count("has the new code") == 2, text
            assert ("ended now: open-1" in text) == (number == 1), text
            assert f"{verb} order-" in k.ok(PLACE)
            assert f"{verb} order-" in k.ok(PLACE_APART)
        assert k.ok(ORDERS) == "", "the same text again is not an edit"
        k.ok(WAITING.replace('return "went on"', "return workflow.nonsense()"))
        k.ok(WAIT)
        k.ok('handle = await client.start_workflow(Patient.run, id="p", task_queue="patient")')
        k.ok('await handle.signal("proceed")')
        text = k.ok(WAITING.replace("%%workflow patient", "%%workflow patient --keep-open"))
        assert "ended" not in text
        assert "went on" in k.ok("print(await handle.result())"), "by the new code"


def test_cells_that_import_each_other_and_autoreload(tmp_path: Path) -> None:
    """An edit imports its dependents again, in the order of their imports. `%autoreload` leaves cells alone."""
    with kernel(tmp_path) as k:
        k.ok(START)
        k.ok("%%workflow c1\nX = 1\n")
        k.ok("%load_ext autoreload\n%autoreload 2")
        for cell in (ORDERS, WORK, BILLED, "pass"):
            k.ok(cell)
        assert "billed order-1" in k.ok(PLACE)
        k.ok("%%workflow c2\nY = 1\n")
        k.ok("%%workflow c1\nfrom c2 import Y\nX = Y\n")
        k.ok("%%workflow c3\nZ = 1\n")
        k.ok("%%workflow c2\nfrom c3 import Z\nY = Z\n")
        k.ok("%%workflow c3\nZ = 2\n")
        assert k.ok("print(X, Y, Z)").strip() == "2 2 2"
        k.ok("ws.copy_cell('c3', 'c4', {'Z = 2': 'Z = 4'})")
        assert k.ok("import c3, c4; print(c3.Z, c4.Z)").strip() == "2 4"
        assert "→ Run the cell `%%workflow c5` first." in k.run("ws.copy_cell('c5', 'c6')").text
        text = k.fails("%%workflow c3\nfrom c1 import X\nZ = 2\n")
        assert "cells import each other" in text
        assert "workflow_cells" not in text, "which is no cell"
        assert "is not understood" in k.run("%%workflow\nX = 1\n").text
        assert k.ok("import c3; print(c3.Z, X, Y)").strip() == "2 2 2"


def test_an_edit_that_goes_wrong_changes_nothing(tmp_path: Path) -> None:
    """Also where one of the same size is taken back at once, and Python may keep compiled modules."""
    with kernel(tmp_path, PYTHONDONTWRITEBYTECODE="") as k:
        open_notebook(k)
        text = k.fails(ORDERS + "\nraise RuntimeError('half way')\n")
        assert 'RuntimeError: half way (cell "orders", line 19: `raise RuntimeError' in text, text
        for _ in range(3):
            k.fails(ORDERS.replace("@activity.defn", "@activity.defm"))
            assert "charged order-" in k.ok(PLACE)
        k.ok(spawn("p", "apart"))
        assert "charges: 1" in k.ok(PLACE_APART)
        k.ok(GREET)
        output = k.run(GREET.replace("{name}", "{nmae}"))
        assert "Until then, the cell's former code stays in use" in output.text
        assert 'The last run of the cell "greet_exercise" failed' in k.ok('await check("0.1", greet)')
        k.ok(GREET)
        assert "passed" in k.ok('await check("0.1", greet)')


def test_an_edit_that_the_worker_cannot_take_is_fixed_by_the_next(tmp_path: Path) -> None:
    with kernel(tmp_path) as k:
        open_notebook(k)
        k.ok(spawn("p", "apart"))
        wrong = ORDERS.replace("from datetime import timedelta", "from datetime import datetime, timedelta")
        assert "The Worker did not start" in k.fails(wrong + "\nNOW = datetime.now()\n", "WorkshopError")
        k.ok(ORDERS)
        assert "charges: 1" in k.ok(PLACE)
        assert "charges: 1" in k.ok(PLACE_APART)
        output = k.run(ORDERS.replace("class ProcessOrder", "class HandleOrder"))
        assert "The cell 'orders' no longer defines ProcessOrder" in output.text
        k.ok(ORDERS)
        assert "charges: 1" in k.ok(PLACE)
        assert "charges: 1" in k.ok(PLACE_APART)
        k.ok("await ws.server.kill()")
        assert "does not answer" in k.fails(BILLED, "WorkshopError")
        k.ok("await ws.server.restart()")
        assert "has the new code" in k.ok(BILLED)
        assert "billed order-" in k.ok(PLACE)
        k.ok(f"%%workflow importing\nfrom temporalio import workflow\n{STEP}")
        k.ok(RUN_STEP)
        k.ok("%%workflow importing\nfrom temporalio import workflow\n")
        k.ok(RUN_STEP)  # what a cell imports no more is still there


def test_cells_that_match_only_together_and_a_forgotten_await(tmp_path: Path) -> None:
    """The first are changed one after the other. The second is explained once."""
    with kernel(tmp_path) as k:
        open_notebook(k)
        for number in (1, 2, 3):
            output = k.run(f"%%workflow contract\nX = {number}\n")
            assert (output.error, number > 1) in [("", False), ("CellError", True)], output.text
            assert ('Change the cell "handler" to match this one' in output.text) == (number > 1)
            assert k.ok("import contract; print(contract.X)").strip() == str(max(1, number - 1))
            k.ok(f"%%workflow handler\nimport contract\nassert contract.X == {number}\n")
            assert k.ok("import contract; print(contract.X)").strip() == str(number)
        k.ok(ORDERS.replace("return await workflow", "return workflow"))
        sent = k.start(PLACE)
        while "is an `await` missing?" not in k.wait_for_output(sent):
            pass  # on a busy machine, another reason may come first
        k.interrupt()
        k.finish(sent)
        k.ok(ORDERS)
        assert "never awaited" not in k.run("import gc; gc.collect()\n" + PLACE).text
