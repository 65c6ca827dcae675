"""What `make` does on a machine with nothing, and after a set-up that did not come to its end."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from kernels import HOME

ROOT = Path(__file__).resolve().parents[3]
PROJECT = """
[project]
name = "temporal-nexus-workshop"
version = "0"
[tool.setuptools]
packages = ["workshop_lib"]
"""


def make(checkout: Path, **environment: str) -> str:
    """Set a checkout up. Returns what is printed."""
    command = ["make", "--silent", f"PYTHON={sys.executable}", ".venv/.compiled"]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "PYTHON"))}
    done = subprocess.run(command, cwd=checkout, env={**inherited, **environment}, capture_output=True, text=True)
    return done.stdout + done.stderr


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """One with a single package to install."""
    made = tmp_path / HOME
    (made / "workshop_lib").mkdir(parents=True)
    (made / "workshop_lib" / "__init__.py").touch()
    (made / "pyproject.toml").write_text(PROJECT)
    for name in ("requirements.txt", "requirements-dev.txt"):
        pins = (ROOT / name).read_text().splitlines()
        (made / name).write_text("\n".join(pin for pin in pins if pin.startswith(("iniconfig==", "uv=="))))
    shutil.copy(ROOT / "Makefile", made)
    return made


def test_a_python_that_cannot_make_an_environment_is_named_with_the_command_to_type(checkout: Path) -> None:
    """As Debian's, without python3-venv."""
    (checkout / "ensurepip.py").write_text("raise ImportError")
    assert f"sudo apt install python3.{sys.version_info.minor}-venv" in make(checkout, PYTHONPATH=str(checkout))
    assert not (checkout / ".venv").exists()


@pytest.mark.full
@pytest.mark.parametrize("with_uv", [True, False])
def test_what_was_not_finished_or_is_elsewhere_is_made_again(checkout: Path, with_uv: bool) -> None:
    own = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin" if with_uv else "/usr/bin:/bin"}
    (checkout / ".venv" / "bin").mkdir(parents=True)
    (checkout / ".venv" / "bin" / "python").symlink_to(sys.executable)
    said = make(checkout, **own)
    assert ".venv was not finished" in said
    assert "1 of 2: making .venv" in said
    assert [*checkout.glob(".venv/lib/*/site-packages/iniconfig/__pycache__/*.pyc")], said
    assert make(checkout, **own) == "", "once"
    shutil.copytree(checkout, checkout.parent / "copied", symlinks=True)
    assert "is made again" in make(checkout.parent / "copied", **own)
