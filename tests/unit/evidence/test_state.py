"""State folders and their locks, over processes that end in every way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from workshop_lib.evidence import state
from workshop_lib.evidence.messages import WorkshopError
from workshop_lib.evidence.state import StateFolder, notebook_key


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WORKSHOP_HOME", str(tmp_path))
    return tmp_path


def test_a_killed_process_gives_its_folder_up() -> None:
    code = (
        "import time; from workshop_lib.evidence.state import StateFolder\n"
        "folder = StateFolder.claim('nb'); print('held', flush=True); time.sleep(600)"
    )
    holder = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    other = StateFolder.claim("nb")
    assert other.path.name == "nbx2"
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    holder.stdout.close()
    again = StateFolder.claim("nb")
    assert again.path.name == "nb"
    for folder in (other, again):
        folder.release()


def test_the_key_names_the_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JPY_SESSION_NAME", "/a/01 Plain_workflow.ipynb")
    key = notebook_key()
    assert key.startswith("01-plain-workflow-")
    monkeypatch.setenv("JPY_SESSION_NAME", "/b/01 Plain_workflow.ipynb")
    assert notebook_key() != key, "the same name in another folder is another notebook"
    monkeypatch.delenv("JPY_SESSION_NAME")
    assert notebook_key().startswith("process-")


def test_folders_that_nobody_finds_again_are_removed(own_home: Path) -> None:
    old = own_home / "notebooks" / "kernel-old"
    held = StateFolder.claim("kernel-held")
    kept = StateFolder.claim("01-plain")
    kept.release()
    old.mkdir()
    long_ago = time.time() - 2 * 24 * 3600
    for path in (old, held.path, kept.path):
        os.utime(path, (long_ago, long_ago))
    StateFolder.claim("new").release()
    assert not old.exists()
    assert held.path.exists()
    assert kept.path.exists()
    held.release()


def test_a_home_that_cannot_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("WORKSHOP_HOME", str(tmp_path / "file"))
    with pytest.raises(WorkshopError, match="Set WORKSHOP_HOME"):
        StateFolder.claim("nb")


def test_importing_the_package_imports_none_of_the_heavy_ones() -> None:
    code = "import sys, workshop_lib; print([m for m in ('temporalio', 'IPython', 'litellm') if m in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"
    assert state.home().exists()
