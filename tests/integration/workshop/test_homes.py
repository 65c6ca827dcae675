"""Homes that are not like others. Each kernel of the tests has one with odd letters in its path."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from kernels import kernel
from notebook import START

_PROGRAM = """
import asyncio
from temporalio.client import Client
from workshop_lib import Workshop

async def main():
    ws = await Workshop.start()
    client = await Client.connect(**await ws.connection("default"))
    await ws.spawn("workshop_lib.teams.it.worker")
    await client.start_workflow("X", id="kept", task_queue="nobody")
    await ws.server.restart()
    print((await client.get_workflow_handle("kept").describe()).id)
    await ws.close()

asyncio.run(main())
"""


@pytest.mark.skipif(os.getuid() != 0 or not shutil.which("setpriv"), reason="only root can become another user")
def test_few_files_and_a_user_without_a_name_or_a_home(tmp_path: Path) -> None:
    may = "+dac_override"  # it may read what root installed
    become = ["setpriv", "--reuid=54321", "--clear-groups", f"--inh-caps={may}", f"--ambient-caps={may}"]
    command = ["env", "-u", "HOME", "-u", "USER", "-u", "LOGNAME", "prlimit", "--nofile=256:256", *become]
    command += [sys.executable, "-c", _PROGRAM]
    environment = {**os.environ, "WORKSHOP_HOME": str(tmp_path / "c# %41? ü")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
    assert done.stdout.endswith("kept\n"), done.stdout + done.stderr
    assert [*tmp_path.glob("c#*/notebooks/*/temporal.db")]


def test_on_a_hub_a_page_that_the_browser_cannot_open_is_not_linked(tmp_path: Path) -> None:
    with kernel(tmp_path, JUPYTERHUB_SERVICE_PREFIX="/user/ann/") as k:
        text = k.ok(START)
        assert "Your browser cannot open its Web UI" in text
        assert "http://" not in text
        k.ok("handle = await client.start_workflow('X', id='x', task_queue='nobody')")
        shown = k.ok("from workshop_lib import where\nawait where(ws, handle)")
        assert shown.startswith("temporal workflow describe --namespace default --workflow-id 'x'"), shown
