"""A caller of another team may import its Nexus service contract and nothing else. `lint-imports` holds that."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the library with its import rules."""
    folder = tmp_path_factory.mktemp("checkout")
    left_out = shutil.ignore_patterns("__pycache__", "node_modules")
    shutil.copytree(ROOT / "workshop_lib", folder / "workshop_lib", ignore=left_out)
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def linted(folder: Path) -> str:
    lint = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([lint, "--no-cache"], cwd=folder, capture_output=True, text=True, check=False)
    return done.stdout if done.returncode else ""


def test_every_team_is_held_to_it() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (held,) = [contract["modules"] for contract in contracts if contract["type"] == "independence"]
    teams = [path.parent.name for path in sorted((ROOT / "workshop_lib" / "teams").glob("*/__init__.py"))]
    assert held == [f"workshop_lib.teams.{team}" for team in teams]


def test_a_contract_may_be_imported(copy: Path) -> None:
    caller = copy / "workshop_lib" / "teams" / "support" / "caller.py"
    caller.write_text("from workshop_lib.teams.finance import contract\n")
    assert not linted(copy)


@pytest.mark.parametrize("module", ["workflows", "activities", "handler", "data", "worker"])
def test_nothing_else_may(copy: Path, module: str) -> None:
    caller = copy / "workshop_lib" / "teams" / "support" / "caller.py"
    caller.write_text(f"from workshop_lib.teams.finance import {module}\n")
    assert "Of another team, only the Nexus service contract BROKEN" in linted(copy)
