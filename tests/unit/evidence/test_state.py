"""State folders and their locks, over processes that end in every way."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

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
    monkeypatch.setattr(state, "notebook_names", lambda: {"__vsc_ipynb_file__": "/a/01 Plain_workflow.ipynb"})
    assert notebook_key() == key, "VS Code says it in another way"
    monkeypatch.undo()
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    assert notebook_key().startswith("process-")


def test_a_renamed_notebook_is_shown_what_it_was(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def opened(name: str) -> list[str]:
        monkeypatch.setenv("JPY_SESSION_NAME", str(tmp_path / name))
        folder = StateFolder.claim(notebook_key())
        folder.release()
        return folder.former

    for name in ("kept.ipynb", "old.ipynb"):
        (tmp_path / name).write_text("{}")
        assert opened(name) == []
    (tmp_path / "old.ipynb").rename(tmp_path / "new.ipynb")
    assert opened("new.ipynb") == [str(tmp_path / "old.ipynb")]
    assert opened("new.ipynb") == [], "once"
    (tmp_path / "new.ipynb").rename(tmp_path / "old.ipynb")
    assert opened("old.ipynb") == []


@pytest.mark.parametrize(
    ("home", "why"),
    [("file", "Not a directory"), ("a:b", "Python cannot import"), ("full", "Only 3 MB are free")],
)
def test_a_home_that_cannot_be_used_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: str, why: str
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("WORKSHOP_HOME", str(tmp_path / home))
    if home == "full":
        monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=3 * 2**20))
    with pytest.raises(WorkshopError, match=f"{why}(.|\n)*Set WORKSHOP_HOME"):
        StateFolder.claim("nb")
    assert not list(tmp_path.glob("*/notebooks/*")), "nothing is left there"


def test_importing_the_package_imports_none_of_the_heavy_ones() -> None:
    code = "import sys, workshop_lib; print([m for m in ('temporalio', 'IPython', 'litellm') if m in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_mcp_checks_schemas_without_the_slow_import_that_jupyter_brings() -> None:
    code = "from workshop_lib.cells.quiet import quieten; quieten(); import sys, workshop_lib.nexus_mcp.calls"
    code += "; print([m for m in ('jsonschema', 'lark') if m in sys.modules])"
    seen = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert seen.stdout.strip() == "['jsonschema']"
