"""Imports run downwards, and of another team's code only to its Nexus service contract. `lint-imports` holds that."""

from __future__ import annotations

import re
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


def test_a_contract_may_be_imported_and_what_breaks_a_rule_turns_it_red(copy: Path) -> None:
    allowed = copy / "workshop_lib" / "teams" / "support" / "caller.py"
    allowed.write_text("from workshop_lib.teams.finance import contract\n")
    assert not linted(copy)
    for module, statement in {
        "teams/support/caller.py": "from workshop_lib.teams.finance import workflows",
        "evidence/upwards.py": "from workshop_lib import workshop",
        "governance/caller.py": "from workshop_lib.evidence import history",
    }.items():
        (copy / "workshop_lib" / module).write_text(f"{statement}\n")
    broken = linted(copy)
    for rule in ("only the Nexus service contract", "Imports run downwards only", "What can be lifted out"):
        assert re.search(rf"{rule}.* BROKEN", broken), broken
    (copy / "workshop_lib" / "new_module.py").touch()  # in no layer
    assert "new_module" in linted(copy)
