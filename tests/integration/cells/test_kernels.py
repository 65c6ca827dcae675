"""The promises that only a real kernel can keep or break."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from kernels import Kernel, kernel, ours, wait_until_gone

START = """
from temporalio.client import Client
from temporalio.worker import Worker
from workshop_lib import Workshop, check, hint, history, run
ws = await Workshop.start()
client = await Client.connect(**await ws.connection("default"))
"""

ORDERS = """%%workflow orders
from datetime import timedelta
from temporalio import activity, workflow
with workflow.unsafe.imports_passed_through():
    from workshop_lib.evidence.ledger import note

@activity.defn
async def charge(order: str) -> str:
    note("charge", order=order)
    print("charging", order)
    return f"charged {order}"

@workflow.defn
class ProcessOrder:
    @workflow.run
    async def run(self, order: str) -> str:
        return await workflow.execute_activity(charge, order, start_to_close_timeout=timedelta(seconds=5))
"""

WORK = 'worker = ws.run(Worker, client, task_queue="orders", workflows=[ProcessOrder], activities=[charge])'

CODE = "code = dict(workflows=[ProcessOrder], activities=[charge])"

PLACE = """
order = ws.id("order")
print(await client.execute_workflow(ProcessOrder.run, order, id=order, task_queue="orders"))
print("charges:", ws.ledger.count("charge", order=order))
"""

WAITING = """%%workflow patient
from temporalio import workflow

@workflow.defn
class Patient:
    def __init__(self) -> None:
        self.go = False

    @workflow.run
    async def run(self) -> str:
        await workflow.wait_condition(lambda: self.go)
        return "went on"

    @workflow.signal
    def proceed(self) -> None:
        self.go = True
"""


def spawn(name: str, task_queue: str) -> str:
    return f'{name} = await ws.spawn(Worker, client, task_queue="{task_queue}", **code)'


def open_notebook(k: Kernel) -> None:
    for cell in (START, ORDERS, WORK, CODE):
        k.ok(cell)


def test_an_order_runs_and_what_its_activity_prints_is_seen(tmp_path: Path) -> None:
    with kernel(tmp_path) as k:
        open_notebook(k)
        text = k.ok(PLACE)
    assert "charging order-1" in text
    assert "charged order-1" in text
    assert "charges: 1" in text


def test_four_notebooks_do_not_touch_one_another_and_leave_nothing_behind(tmp_path: Path) -> None:
    """A fault, a flood and a killed server in three of them change no count in the fourth."""
    names = ["calm", "faulty", "flooded", "killed"]
    made = [
        Kernel({"WORKSHOP_HOME": str(tmp_path), "JPY_SESSION_NAME": f"/class/{name}.ipynb"}, tmp_path) for name in names
    ]
    try:
        starting = [(k, k.start(START)) for k in made]  # at once
        for k, sent in starting:
            assert not (output := k.finish(sent)).error, output.text
        for k in made:
            k.ok(ORDERS)
            k.ok(WORK)
        calm, faulty, flooded, killed = made
        servers = {k.ok("print(ws.server.pid, ws.server.address)") for k in made}
        assert len(servers) == 4
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
        assert "RuntimeError" not in calm.ok("print(len(await ws.open_executions()))")
        faulty.finish(broken)
        assert faulty.ok("print(ws.ledger.count())").strip() == "0"
        for k in made:
            k.kill()
        assert not wait_until_gone(tmp_path), "something outlived its kernel by five seconds"
    finally:
        for k in made:
            k.close()


def test_interrupts_leave_server_and_workers_serving(tmp_path: Path) -> None:
    with kernel(tmp_path) as k:
        open_notebook(k)
        k.ok(spawn("process", "apart"))
        before = k.ok("print(ws.server.pid, process.pid)")
        for cell in (
            "import time; time.sleep(60)",
            "import asyncio; await asyncio.sleep(60)",
            PLACE.replace('"orders"', '"nobody"'),
        ):
            sent = k.start("print('in it')\n" + cell)
            while "in it" not in k.wait_for_output(sent):
                pass
            k.interrupt()
            output = k.finish(sent, 10)
            assert output.error in ("KeyboardInterrupt", "CancelledError")
            assert "charges: 1" in k.ok(PLACE)
            assert "charges: 1" in k.ok(PLACE.replace('"orders"', '"apart"'))
        assert k.ok("print(ws.server.pid, process.pid)") == before


def test_an_interrupted_wait_is_told_in_two_lines(tmp_path: Path) -> None:
    with kernel(tmp_path) as k:
        open_notebook(k)
        sent = k.start("print('in it')\nimport asyncio\nawait asyncio.sleep(60)")
        k.wait_for_output(sent)
        k.interrupt()
        text = k.finish(sent, 10).text
    assert "line 3: await asyncio.sleep(60)" in text
    assert "Interrupted" in text
    assert len(text.splitlines()) <= 4


def test_a_restarted_kernel_finds_its_server_and_goes_on(tmp_path: Path) -> None:
    with kernel(tmp_path, JPY_SESSION_NAME="/class/01_plain.ipynb") as k:
        open_notebook(k)
        k.ok(WAITING)
        k.ok('ws.run(Worker, client, task_queue="patient", workflows=[Patient])')
        k.ok('handle = await client.start_workflow(Patient.run, id="patient-1", task_queue="patient")')
        k.ok(PLACE)
        address = k.ok("print(ws.server.address)")
        k.restart()
        text = k.ok(START)
        assert "1 workflow execution still open from before" in text
        assert "patient-1 (Patient)" in text
        assert k.ok("print(ws.server.address)") == address
        for cell in (ORDERS, WORK, WAITING):
            k.ok(cell)
        k.ok('ws.run(Worker, client, task_queue="patient", workflows=[Patient])')
        k.ok('await client.get_workflow_handle("patient-1").signal("proceed")')
        assert "went on" in k.ok('await client.get_workflow_handle("patient-1").result()')
        assert "charged order-2" in k.ok(PLACE), "ids go on, so that nothing meets a former one"


def test_reset_ends_what_is_open_and_empties_the_ledger(tmp_path: Path) -> None:
    with kernel(tmp_path) as k:
        open_notebook(k)
        k.ok(PLACE)
        k.ok('await client.start_workflow(ProcessOrder.run, "x", id="x", task_queue="nobody")')
        assert "1 workflow execution ended" in k.ok("await ws.reset()")
        assert k.ok("print(len(await ws.open_executions()), ws.ledger.count())").strip() == "0 0"
        assert "charges: 1" in k.ok(PLACE)


def test_the_same_notebook_in_two_kernels_has_two_servers(tmp_path: Path) -> None:
    name = {"JPY_SESSION_NAME": "/class/01_plain.ipynb"}
    with kernel(tmp_path, **name) as first, kernel(tmp_path, **name) as second:
        for k in (first, second):
            open_notebook(k)
        for k in (first, second):
            assert "charges: 1" in k.ok(PLACE)
        assert first.ok("print(ws.server.address)") != second.ok("print(ws.server.address)")
        assert first.ok("print(ws.ledger.count())") == second.ok("print(ws.ledger.count())") == "1\n"


@pytest.mark.parametrize("ending", ["sigkill", "shutdown"])
def test_nothing_outlives_its_kernel(tmp_path: Path, ending: str) -> None:
    with kernel(tmp_path) as k:
        open_notebook(k)
        k.ok(spawn("process", "apart"))
        running = ours(tmp_path)
        assert len(running) >= 4, "kernel, server, worker and their wardens"
        k.kill() if ending == "sigkill" else k.close()
        assert not wait_until_gone(tmp_path)


def test_a_stopped_warden_child_is_killed_too(tmp_path: Path) -> None:
    """A worker that does not react to anything any more ends with its kernel all the same."""
    with kernel(tmp_path) as k:
        open_notebook(k)
        k.ok(spawn("p", "apart"))
        pid = int(k.ok("print(p.pid)"))
        os.kill(pid, signal.SIGSTOP)
        k.kill()
        assert not wait_until_gone(tmp_path)
        assert not psutil.pid_exists(pid)


def test_a_blocking_cell_stalls_nothing(tmp_path: Path) -> None:
    """The worker goes on while the kernel's own loop is blocked."""
    with kernel(tmp_path) as k:
        open_notebook(k)
        k.ok("from datetime import timedelta; import time; place = dict(id='b', task_queue='orders')")
        k.ok('handle = await client.start_workflow(ProcessOrder.run, "b", start_delay=timedelta(seconds=0.3), **place)')
        k.ok("time.sleep(2); woke = time.time()")
        assert "charged b" in k.ok("print(await handle.result())")
        assert "True" in k.ok("print((await history(handle)).closed.timestamp() < woke)")


def test_running_a_worker_cell_again_replaces_its_worker(tmp_path: Path) -> None:
    with kernel(tmp_path) as k:
        open_notebook(k)
        for _ in range(3):
            k.ok(WORK)
        assert "charges: 1" in k.ok(PLACE)
        assert k.ok("print(len(ws._running))").strip() == "1"


def test_an_edited_cell_takes_effect_and_says_so(tmp_path: Path) -> None:
    with kernel(tmp_path) as k:
        open_notebook(k)
        k.ok(PLACE)
        k.ok(spawn("spawned", "apart"))
        k.ok('await client.start_workflow(ProcessOrder.run, "x", id="open-1", task_queue="nobody")')
        for number, verb in enumerate(("billed", "debited", "charged"), 1):  # the same size, within a second
            text = k.ok(ORDERS.replace('f"charged ', f'f"{verb} '))
            assert text.count("has the new code") == 2, text
            assert ("ended now: open-1" in text) == (number == 1), text
            assert f"{verb} order-" in k.ok(PLACE)
            assert f"{verb} order-" in k.ok(PLACE.replace('"orders"', '"apart"'))
        assert k.ok(ORDERS.replace('f"charged ', 'f"charged ')) == "", "the same text again is no edit"


def test_keep_open_leaves_open_executions_to_the_new_code(tmp_path: Path) -> None:
    with kernel(tmp_path) as k:
        open_notebook(k)
        k.ok(WAITING.replace('return "went on"', "return workflow.nonsense()"))
        k.ok('ws.run(Worker, client, task_queue="patient", workflows=[Patient])')
        k.ok('handle = await client.start_workflow(Patient.run, id="p", task_queue="patient")')
        k.ok('await handle.signal("proceed")')
        text = k.ok(WAITING.replace("%%workflow patient", "%%workflow patient --keep-open"))
        assert "ended" not in text
        assert "went on" in k.ok("print(await handle.result())")


def test_an_edit_reaches_the_cells_that_import_the_cell(tmp_path: Path) -> None:
    with kernel(tmp_path) as k:
        k.ok(START)
        k.ok("%%workflow prices\nRATE = 2\n")
        k.ok("%%workflow totals\nfrom prices import RATE\ndef total(n: int) -> int:\n    return n * RATE\n")
        assert k.ok("print(total(3))").strip() == "6"
        k.ok("%%workflow prices\nRATE = 3\n")
        assert k.ok("print(total(3), RATE)").strip() == "9 3"


def test_a_broken_edit_changes_nothing(tmp_path: Path) -> None:
    with kernel(tmp_path) as k:
        open_notebook(k)
        output = k.run(ORDERS + "\nraise RuntimeError('half way')\n")
        assert output.error == "CellError"
        assert 'RuntimeError: half way (cell "orders", line 19: `raise RuntimeError' in output.text, output.text
        assert "charged order-1" in k.ok(PLACE)


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("%%workflow w\ndef f(:\n    pass\n", 'SyntaxError: invalid syntax (cell "w", line 2: `def f(:`)'),
        ("%%workflow w\nx = 1\ny = x / 0\n", 'ZeroDivisionError: division by zero (cell "w", line 3: `y = x / 0`)'),
        ("%%workflow w\ndef f():\n    return Worker\n", "Add to this cell: from temporalio.worker import Worker"),
        ("%%workflow w\ndef f():\n    return mine\n", "Move its definition to a %%workflow cell"),
        ("%%workflow w\ndef f():\n    return wrold\n", "Is 'wrold' a typing error?"),
        ("%%workflow agents\nx = 1\n", "Choose another name, such as %%workflow my_agents"),
        ("%%workflow json\nx = 1\n", "the name is taken"),
        ("%%workflow sys\nx = 1\n", "the name is taken"),
        ("%%workflow two words\nx = 1\n", "is not understood"),
        ("%%workflow class\nx = 1\n", "is not understood"),
        ("%%workflow grüße\nx = 1\n", "is not understood"),
        ("%%workflow __main__\nx = 1\n", "the name is taken"),
        ("%%workflow\nx = 1\n", "is not understood"),
    ],
)
def test_a_wrong_cell_is_told_in_a_few_lines(tmp_path: Path, shared: Kernel, cell: str, said: str) -> None:
    output = shared.run(cell)
    assert output.error == "CellError"
    assert said in output.text
    assert len(output.text.splitlines()) <= 4


@pytest.mark.parametrize(
    ("imports", "line", "instead"),
    [
        ("from datetime import datetime", "datetime.now()", "workflow.now()"),
        ("import time", "time.time()", "workflow.time()"),
        ("import time", "time.sleep(1)", "await workflow.sleep(seconds)"),
        ("import random", "random.random()", "workflow.random()"),
        ("import uuid", "uuid.uuid4()", "workflow.uuid4()"),
        ("import os", "os.urandom(4)", "workflow.uuid4()"),
        ("", "open('/tmp/x')", "an activity"),
        ("import socket", "socket.create_connection(('127.0.0.1', 9))", "an activity"),
        ("import subprocess", "subprocess.run(['true'])", "an activity"),
        ("import pathlib", "pathlib.Path('x').read_text()", "an activity"),
    ],
)
def test_the_sandbox_refuses_at_once_and_readably(shared: Kernel, imports: str, line: str, instead: str) -> None:
    name = f"forbidden_{abs(hash(line)) % 10**6}"
    source = f"%%workflow {name}\nfrom temporalio import workflow\n{imports}\n\n@workflow.defn\nclass Forbidden:\n"
    source += f"    @workflow.run\n    async def run(self) -> None:\n        {line}\n"
    shared.ok(source)
    shared.ok(f'w = ws.run(Worker, client, task_queue="{name}", workflows=[Forbidden])')
    output = shared.run(f'await client.execute_workflow(Forbidden.run, id=ws.id("f"), task_queue="{name}")')
    assert output.error == "WorkflowFailureError"
    text = " ".join(output.text.split())  # lines are wrapped
    assert f"Use {instead}" in text, text
    assert f'cell "{name}", line 9: `{line}`' in text, text
    assert "Cannot access" in text
    assert len(output.text.splitlines()) <= 6
    assert output.seconds < 2, "the bound that the workshop promises"


def test_spawning_an_ordinary_cells_activity_names_what_to_move(shared: Kernel) -> None:
    shared.ok("from temporalio import activity\n@activity.defn\nasync def here(x: str) -> str:\n    return 'here ' + x")
    output = shared.run('await ws.spawn(Worker, client, task_queue="apart", activities=[here])')
    assert output.error == "WorkshopError"
    assert "here cannot run in a process of its own" in output.text
    assert "%%workflow cell" in output.text


def test_an_ordinary_cells_activity_runs_in_process(shared: Kernel) -> None:
    shared.ok(
        "from temporalio import activity\n@activity.defn(name='charge')\n"
        "async def mine(x: str) -> str:\n    return 'mine ' + x"
    )
    shared.ok('ws.run(Worker, client, task_queue="mixed", workflows=[ProcessOrder], activities=[mine])')
    cell = 'print(await client.execute_workflow(ProcessOrder.run, "a", id=ws.id("m"), task_queue="mixed"))'
    assert "mine a" in shared.ok(cell)


def test_a_killed_worker_is_replaced_and_the_order_charged_once_more_at_most(shared: Kernel) -> None:
    shared.ok(spawn("p", "crash"))
    shared.ok("p.kill()")
    shared.ok('h = await client.start_workflow(ProcessOrder.run, "c", id=ws.id("c"), task_queue="crash")')
    shared.ok(spawn("p2", "crash"))
    assert "charged c" in shared.ok("print(await h.result())")
    assert shared.ok("print(p.running, p2.running)").strip() == "False True"
    shared.ok("await ws.stop(p, p2)")
    assert shared.ok("print(p2.running)").strip() == "False"


def test_a_worker_that_cannot_start_says_why(shared: Kernel) -> None:
    output = shared.run('ws.run(Worker, client, task_queue="none")')
    assert output.error == "WorkshopError"
    assert "The Worker did not start" in output.text
    assert "At least one activity" in output.text
    assert len(output.text.splitlines()) <= 5
    output = shared.run('await ws.spawn(Worker, client, task_queue="none")')
    assert output.error == "WorkshopError"
    assert "ended before it was ready" in output.text


def test_run_serves_synchronous_code(shared: Kernel) -> None:
    shared.ok("import asyncio\nasync def soon() -> int:\n    await asyncio.sleep(0.01)\n    return 42")
    assert shared.ok("def plain() -> int:\n    return run(soon())\nprint(plain())").strip() == "42"
    output = shared.run("run(asyncio.sleep(30), seconds=0.2)")
    assert output.error == "TimeoutError"
    assert output.seconds < 5
    assert "charges: 1" in shared.ok(PLACE)


def test_a_profile_in_the_users_home_is_named_and_not_used(tmp_path: Path) -> None:
    config = tmp_path / "temporal.toml"
    config.write_text(
        '[profile.default]\naddress = "prod.invalid:7233"\nnamespace = "prod"\n[profile.other]\naddress = "x:1"\n'
    )
    with kernel(tmp_path, TEMPORAL_CONFIG_FILE=str(config), TEMPORAL_ADDRESS="prod.invalid:7233") as k:
        text = k.ok(START)
        assert "Not used" in text
        for name in ("TEMPORAL_ADDRESS", "'default'", "'other'"):
            assert name in text
        assert "127.0.0.1" in k.ok("print(client.service_client.config.target_host, client.namespace)")
        k.ok(ORDERS)
        k.ok(CODE)
        k.ok(spawn("p", "orders"))
        assert "charges: 1" in k.ok(PLACE)


def test_setup_again_in_the_same_kernel_changes_nothing(tmp_path: Path) -> None:
    with kernel(tmp_path) as k:
        open_notebook(k)
        pid = k.ok("print(ws.server.pid)")
        open_notebook(k)
        assert k.ok("print(ws.server.pid)") == pid
        assert "charges: 1" in k.ok(PLACE)


def test_setup_again_after_the_server_was_killed_starts_it(tmp_path: Path) -> None:
    with kernel(tmp_path) as k:
        open_notebook(k)
        k.ok("await ws.server.kill()")
        k.ok(START)
        assert "charges: 1" in k.ok(PLACE)


def test_a_workflow_cell_before_the_setup_says_so(tmp_path: Path) -> None:
    with kernel(tmp_path) as k:
        k.ok("from workshop_lib import Workshop")
        output = k.run(ORDERS)
    assert output.error == "CellError"
    assert "Run the set-up cell first" in output.text


@pytest.mark.parametrize("after", [0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0])
def test_an_interrupted_setup_can_be_run_again(tmp_path: Path, after: float) -> None:
    """At any moment: the interrupt comes so many seconds after the cell is sent."""
    with kernel(tmp_path) as k:
        for _ in range(2):
            sent = k.start(START)
            time.sleep(after)
            k.interrupt()
            k.finish(sent, 20)
        output = k.run(START, 12)
        assert not output.error, output.text
        k.ok(ORDERS)
        k.ok(WORK)
        assert "charges: 1" in k.ok(PLACE)


def test_an_interrupted_spawn_leaves_no_worker(tmp_path: Path) -> None:
    with kernel(tmp_path) as k:
        open_notebook(k)
        sent = k.start("print('in it')\n" + spawn("p", "apart"))
        k.wait_for_output(sent)
        k.interrupt()
        assert k.finish(sent, 10).error
        k.ok("import asyncio; await asyncio.sleep(0.5)")
        assert not [process for process in ours(tmp_path) if "worker_process" in " ".join(process.cmdline())]


def test_an_interrupted_edit_changes_nothing(tmp_path: Path) -> None:
    with kernel(tmp_path) as k:
        open_notebook(k)
        sent = k.start(ORDERS + "print('in it')\nimport time\ntime.sleep(60)\n")
        k.wait_for_output(sent)
        k.interrupt()
        assert k.finish(sent, 10).error == "KeyboardInterrupt"
        assert "charges: 1" in k.ok(PLACE)
        k.ok(ORDERS.replace('f"charged ', 'f"billed '))
        assert "billed order-2" in k.ok(PLACE)


def test_a_taken_back_edit_is_not_in_pythons_cache(tmp_path: Path) -> None:
    """The same size within the same second, and Python may write its compiled modules."""
    with kernel(tmp_path, PYTHONDONTWRITEBYTECODE="") as k:
        open_notebook(k)
        for _ in range(3):
            assert k.run(ORDERS.replace("@activity.defn", "@activity.defm")).error == "CellError"
            assert "charges: 1" in k.ok(PLACE)
        k.ok(spawn("p", "apart"))
        assert "charges: 1" in k.ok(PLACE.replace('"orders"', '"apart"'))


def test_an_edit_that_the_worker_cannot_take_is_mended_by_the_next(tmp_path: Path) -> None:
    with kernel(tmp_path) as k:
        open_notebook(k)
        k.ok(spawn("p", "apart"))
        wrong = ORDERS.replace("from datetime import timedelta", "from datetime import datetime, timedelta")
        output = k.run(wrong + "\nNOW = datetime.now()\n")
        assert output.error == "WorkshopError"
        assert "The Worker did not start" in output.text
        k.ok(ORDERS)
        assert "charges: 1" in k.ok(PLACE)
        assert "charges: 1" in k.ok(PLACE.replace('"orders"', '"apart"'))
        output = k.run(ORDERS.replace("class ProcessOrder", "class HandleOrder"))
        assert "ProcessOrder is gone from the cell 'orders'" in output.text
        k.ok(ORDERS)
        assert "charges: 1" in k.ok(PLACE)


def test_an_edit_while_the_server_is_down_is_taken_up_later(tmp_path: Path) -> None:
    with kernel(tmp_path) as k:
        open_notebook(k)
        k.ok("await ws.server.kill()")
        edited = ORDERS.replace('f"charged ', 'f"billed ')
        output = k.run(edited)
        assert output.error == "WorkshopError"
        assert "does not answer" in output.text
        k.ok("await ws.server.restart()")
        assert "has the new code" in k.ok(edited)
        assert "billed order-1" in k.ok(PLACE)


def test_what_a_worker_is_given_may_come_from_anywhere(tmp_path: Path) -> None:
    with kernel(tmp_path) as k:
        open_notebook(k)
        k.ok(
            "%%workflow odd\nimport functools\nfrom dataclasses import dataclass\nfrom temporalio import activity\n"
            "def make(verb):\n    @activity.defn(name=verb)\n    async def made(x: str) -> str:\n"
            "        return verb + x\n    return made\n"
            "def traced(f):\n    @functools.wraps(f)\n    async def inner(x: str) -> str:\n"
            "        return 'traced ' + await f(x)\n    return inner\n"
            "async def _raw(x: str) -> str:\n    return x\nwrapped = activity.defn(name='wrapped')(traced(_raw))\n"
            "@dataclass(frozen=True)\nclass Shop:\n    name: str\n    @activity.defn\n"
            "    async def sell(self, x: str) -> str:\n        return self.name + x\n"
        )
        k.ok("given = [make('a'), wrapped, Shop('s').sell]")
        k.ok("ws.run(Worker, client, task_queue='odd', workflows=[ProcessOrder], activities=given)")
        k.ok("ws.run(Worker, client, task_queue='odd', workflows=[ProcessOrder], activities=given)")


def test_dependents_are_imported_in_the_order_of_their_imports(tmp_path: Path) -> None:
    with kernel(tmp_path) as k:
        k.ok(START)
        k.ok("%%workflow c1\nX = 1\n")
        k.ok("%%workflow c2\nY = 1\n")
        k.ok("%%workflow c1\nfrom c2 import Y\nX = Y\n")
        k.ok("%%workflow c3\nZ = 1\n")
        k.ok("%%workflow c2\nfrom c3 import Z\nY = Z\n")
        k.ok("%%workflow c3\nZ = 2\n")
        assert k.ok("print(X, Y, Z)").strip() == "2 2 2"
        output = k.run("%%workflow c3\nfrom c1 import X\nZ = 2\n")
        assert output.error == "CellError"
        assert "cells import each other" in output.text
        assert k.ok("import c3; print(c3.Z, X, Y)").strip() == "2 2 2"


def test_a_red_cell_is_not_judged_by_its_former_code(tmp_path: Path) -> None:
    right = (
        "%%workflow greet_exercise\nfrom temporalio import activity\n@activity.defn\n"
        "async def greet(name: str) -> str:\n    return f'Hello, {name}!'\n"
    )
    with kernel(tmp_path) as k:
        k.ok(START)
        k.ok(right)
        output = k.run(right.replace("{name}", "{nmae}"))
        assert "Until then, the code from before stays in use" in output.text
        text = k.ok('await check("0.1", greet)')
        assert "passed" not in text
        assert 'The last run of the cell "greet_exercise" was red' in text
        k.ok(right)
        assert "passed" in k.ok('await check("0.1", greet)')


def test_a_forgotten_await_is_told_once(tmp_path: Path) -> None:
    with kernel(tmp_path) as k:
        open_notebook(k)
        k.ok(ORDERS.replace("return await workflow", "return workflow"))
        sent = k.start(PLACE)
        text = k.wait_for_output(sent)
        assert "is an `await` missing?" in text
        k.interrupt()
        k.finish(sent)
        k.ok(ORDERS)
        output = k.run("import gc; gc.collect()\n" + PLACE)
        assert "never awaited" not in output.text


def test_a_workflow_that_timed_out_says_so(tmp_path: Path) -> None:
    with kernel(tmp_path) as k:
        open_notebook(k)
        k.ok("from datetime import timedelta; short = timedelta(seconds=0.5)")
        cell = 'await client.execute_workflow("X", id=ws.id("x"), task_queue="nobody", execution_timeout=short)'
        output = k.run(cell)
        assert output.error == "WorkflowFailureError"
        assert "TimeoutError: Workflow timed out" in output.text


def test_two_setups_at_once_are_one(tmp_path: Path) -> None:
    with kernel(tmp_path) as k:
        k.ok("import asyncio\nfrom workshop_lib import Workshop")
        k.ok("a, b = await asyncio.gather(Workshop.start(), Workshop.start())")
        assert k.ok("print(a is b)").strip() == "True"


def test_a_relative_home_and_another_folder(tmp_path: Path) -> None:
    with kernel(tmp_path, WORKSHOP_HOME="relative") as k:
        for _ in range(2):
            open_notebook(k)
        k.ok("import os; os.chdir('/')")
        open_notebook(k)
        assert "charges: 1" in k.ok(PLACE)


def test_a_cell_in_any_language(tmp_path: Path) -> None:
    with kernel(tmp_path, PYTHONUTF8="0", LC_ALL="C") as k:
        k.ok(START)
        k.ok("%%workflow gruesse\nGRUß = 'schöne Grüße ✓ 漢字'\n")
        assert k.ok("print(GRUß)").strip() == "schöne Grüße ✓ 漢字"


def test_a_stuck_activity_does_not_keep_the_kernel_alive(tmp_path: Path) -> None:
    with kernel(tmp_path) as k:
        open_notebook(k)
        k.ok(ORDERS.replace('note("charge", order=order)', "import time; time.sleep(60)"))
        k.ok('await client.start_workflow(ProcessOrder.run, "s", id="s", task_queue="orders")')
        k.ok("import asyncio; await asyncio.sleep(0.5)")
        began = time.monotonic()
        k.close()
        assert time.monotonic() - began < 8
        assert not wait_until_gone(tmp_path)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """One kernel for the tests that leave it as they found it."""
    with kernel(tmp_path_factory.mktemp("shared")) as k:
        open_notebook(k)
        k.ok("def mine() -> int:\n    return 1")
        yield k


def test_what_a_cell_only_imported_is_not_gone_when_it_is_imported_no_more(tmp_path: Path) -> None:
    step = "workshop_lib.teams.orders.activities"
    cell = f"%%workflow importing\nfrom temporalio import workflow\nfrom {step} import check_fraud\n"
    run = (
        f"from concurrent.futures import ThreadPoolExecutor\nfrom {step} import check_fraud\n"
        'ws.run(Worker, client, task_queue="steps", activities=[check_fraud], activity_executor=ThreadPoolExecutor(1))'
    )
    with kernel(tmp_path) as k:
        open_notebook(k)
        k.ok(cell)
        k.ok(run)
        k.ok("%%workflow importing\nfrom temporalio import workflow\n")
        k.ok(run)


def test_the_magic_below_the_first_line_is_told_to_move(tmp_path: Path) -> None:
    with kernel(tmp_path) as k:
        k.ok(START)
        output = k.run(f"# my orders\n{ORDERS}")
    assert output.error == "CellError"
    assert "%%workflow must be the first line of its cell" in output.text


def test_an_interrupted_update_is_said_in_one_line(tmp_path: Path) -> None:
    with kernel(tmp_path) as k:
        open_notebook(k)
        k.ok('handle = await client.start_workflow("Nothing", id=ws.id("lost"), task_queue="nowhere")')
        cell = k.start('await handle.execute_update("ship_now")')
        assert "Still waiting" in k.wait_for_output(cell)
        k.interrupt()
        output = k.finish(cell)
    assert "Interrupted. What runs beside the notebook goes on" in output.text
    assert "CancelledError" not in output.text.split("Interrupted.")[-1]
