"""Of another team's code only its Nexus service contract is imported. `lint-imports` holds that."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def test_every_team_is_held_to_it() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (held,) = [contract["modules"] for contract in contracts if contract["type"] == "independence"]
    teams = [path.parent.name for path in sorted((ROOT / "workshop_lib" / "teams").glob("*/__init__.py"))]
    assert held == [f"workshop_lib.teams.{team}" for team in teams]
