"""What a ``%%workflow`` cell accepts, what it refuses, and where its code runs."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from kernels import Kernel, kernel
from notebook import ORDERS, PLACE, START, open_notebook

from workshop_lib.cells import workflow_cells


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """One kernel for the tests that leave it as they found it."""
    with kernel(tmp_path_factory.mktemp("shared")) as k:
        open_notebook(k)
        k.ok("def mine() -> int:\n    return 1")
        yield k


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("%%workflow w\ndef f(:\n    pass\n", 'SyntaxError: invalid syntax (cell "w", line 2: `def f(:`)'),
        (
            "%%workflow w\nx = 1  # \u2028\ny = x / 0\n",
            'ZeroDivisionError: division by zero (cell "w", line 3: `y = x / 0`)',
        ),
        ("%%workflow w\ndef f():\n    return Worker\n", "Add to this cell: from temporalio.worker import Worker"),
        ("%%workflow w\ndef f():\n    return mine\n", "Move its definition to a %%workflow cell"),
        ("%%workflow w\ndef f():\n    return wrold\n", "If 'wrold' is not a typing error"),
        ("%%workflow agents\nx = 1\n", "Choose another name, such as %%workflow my_agents"),
        ("%%workflow two words\nx = 1\n", "is not understood"),
        ("# my orders\n%%workflow w\nx = 1\n", "%%workflow must be the first line of its cell"),
    ],
)
def test_a_wrong_cell_is_explained_in_a_few_lines(shared: Kernel, cell: str, said: str) -> None:
    assert said in shared.fails(cell)


@pytest.mark.parametrize(
    ("imports", "line", "instead"),
    [
        ("from datetime import datetime", "datetime.now()", "workflow.now()"),
        ("import subprocess", "subprocess.run(['true'])", "an activity"),
    ],
)
def test_the_sandbox_refuses_at_once_and_readably(shared: Kernel, imports: str, line: str, instead: str) -> None:
    name = f"forbidden_{abs(hash(line)) % 10**6}"
    shared.ok(
        f"%%workflow {name}\nfrom temporalio import workflow\n{imports}\n\n@workflow.defn\nclass Forbidden:\n"
        f"    @workflow.run\n    async def run(self) -> None:\n        {line}\n"
    )
    shared.ok(f'ws.run(Worker, client, task_queue="{name}", workflows=[Forbidden])')
    shared.ok(f'refused = await client.start_workflow(Forbidden.run, id=ws.id("f"), task_queue="{name}")')
    text = " ".join(shared.fails("await refused.result()", "WorkflowFailureError").split())  # lines are wrapped
    assert f"Use {instead}" in text, text
    assert f'cell "{name}", line 9: `{line}`' in text, text
    shared.ok("kinds = [e.WhichOneof('attributes') for e in (await refused.fetch_history()).events]")
    assert "workflow_task_failed" not in shared.ok("print(kinds)"), "it fails at once, and is not retried"


def test_an_ordinary_cells_activity_runs_in_process_only(shared: Kernel) -> None:
    shared.ok(
        "from temporalio import activity\n@activity.defn(name='charge')\n"
        "async def here(x: str) -> str:\n    return 'here ' + x"
    )
    text = shared.fails('await ws.spawn(Worker, client, task_queue="apart", activities=[here])', "WorkshopError")
    assert "here cannot run in its own process" in text
    shared.ok('ws.run(Worker, client, task_queue="mixed", workflows=[ProcessOrder], activities=[here])')
    cell = 'print(await client.execute_workflow(ProcessOrder.run, "a", id=ws.id("m"), task_queue="mixed"))'
    assert "here a" in shared.ok(cell)


def test_run_serves_synchronous_code(shared: Kernel) -> None:
    shared.ok("import asyncio\nasync def soon() -> int:\n    await asyncio.sleep(0.01)\n    return 42")
    assert shared.ok("def plain() -> int:\n    return run(soon())\nprint(plain())").strip() == "42"
    shared.fails("run(asyncio.sleep(600), seconds=0.2)", "TimeoutError")
    assert "charges: 1" in shared.ok(PLACE)


def test_an_unknown_name_is_explained_in_a_fresh_kernel(tmp_path: Path) -> None:
    profile = tmp_path / "ipython" / "profile_default"  # stands for the environment's etc/ipython
    profile.mkdir(parents=True)
    makefile = Path(workflow_cells.__file__).parents[2] / "Makefile"
    (written,) = re.findall(r"@echo '(get_config.*)'", makefile.read_text())
    (profile / "ipython_kernel_config.py").write_text(written)
    with kernel(tmp_path, IPYTHONDIR=str(profile.parent)) as k:
        text = k.fails("await client.start_workflow()", "NameError")
        assert "name 'client' is not defined" in text
        assert text.strip().splitlines()[-1].startswith("→ If a cell above defines it")
        assert "→ Run the cells above first" in k.run(ORDERS).text
        k.ok("from workshop_lib import Workshop")
        assert "Run the set-up cell first" in k.run(ORDERS).text
        k.ok(START)
        k.ok(ORDERS)
