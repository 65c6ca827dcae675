"""Odd homes: each works, or is refused before anything is written there, in words that name the variable to set."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

# A workflow, a process of its own, and the same server again.
_PROGRAM = """
import asyncio
from temporalio.client import Client
from workshop_lib import Workshop

async def main():
    ws = await Workshop.start()
    client = await Client.connect(**await ws.connection("default"))
    process = await ws.spawn("workshop_lib.teams.it.worker")
    await client.start_workflow("X", id="kept", task_queue="nobody")
    await ws.server.restart()
    kept = await client.get_workflow_handle("kept").describe()
    print(kept.id, *sorted(path.name for path in ws._folder.path.glob("*.db")))
    await ws.close()

asyncio.run(main())
"""


def program(home: Path, *before: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a small program of the workshop with its state in a home, as what ``before`` makes of it."""
    variables = {**os.environ, "WORKSHOP_HOME": str(home), **environment}
    command = [*before, sys.executable, "-c", _PROGRAM]
    return subprocess.run(command, env=variables, capture_output=True, text=True, timeout=600)


def test_any_letter_may_be_in_a_path_but_a_colon(tmp_path: Path) -> None:
    done = program(tmp_path / "c# %41? ü")
    assert done.stdout.endswith("kept ledger.db temporal.db\n"), done.stdout + done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["c# %41? ü"]


@pytest.mark.full
@pytest.mark.skipif(os.getuid() != 0 or not shutil.which("setpriv"), reason="only root can become another user")
def test_few_files_and_a_user_without_a_name_or_a_home(tmp_path: Path) -> None:
    may = "+dac_override"  # it may read what root installed
    become = ["setpriv", "--reuid=54321", "--clear-groups", f"--inh-caps={may}", f"--ambient-caps={may}"]
    without = ["env", "-u", "HOME", "-u", "USER", "-u", "LOGNAME"]
    done = program(tmp_path / "home", *without, "prlimit", "--nofile=256:256", *become)
    assert done.stdout.endswith("kept ledger.db temporal.db\n"), done.stdout + done.stderr
