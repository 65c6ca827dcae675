"""Imports run downwards, and of another team's code only to its Nexus service contract. `lint-imports` holds that."""

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
    caller.unlink()


@pytest.mark.parametrize(
    ("module", "statement", "broken"),
    [
        (
            "teams/support/caller.py",
            "from workshop_lib.teams.finance import workflows",
            "only the Nexus service contract",
        ),
        ("evidence/upwards.py", "from workshop_lib import workshop", "Imports run downwards only"),
        ("new_module.py", "", "Imports run downwards only"),
        ("governance/caller.py", "from workshop_lib.evidence import history", "What can be lifted out"),
    ],
)
def test_what_breaks_a_rule_turns_it_red(copy: Path, module: str, statement: str, broken: str) -> None:
    added = copy / "workshop_lib" / module
    added.write_text(f"{statement}\n")
    assert broken in linted(copy)
    added.unlink()
