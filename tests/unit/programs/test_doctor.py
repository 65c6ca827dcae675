"""The commands of ``python -m workshop_lib``."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import pytest

from workshop_lib.evidence.state import StateFolder
from workshop_lib.programs import doctor


def command(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "workshop_lib", *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        timeout=60,
    )


def test_a_fine_machine_is_told_so(tmp_path: Path) -> None:
    done = command("doctor", WORKSHOP_HOME=str(tmp_path), TEMPORAL_CONFIG_FILE=str(tmp_path / "none"))
    assert done.returncode == 0, done.stdout
    assert "Everything is fine." in done.stdout
    assert "A Temporal Server started in" in done.stdout
    assert "FAIL" not in done.stdout
    assert done.stderr == ""


def said() -> tuple[int, str]:
    lines: list[str] = []
    return doctor.main(lines.append), "\n".join(lines)


def test_everything_that_is_wrong_is_told_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("WORKSHOP_HOME", str(tmp_path / "file" / "below"))
    monkeypatch.setattr(doctor.sys, "version_info", (3, 10, 1))  # type: ignore[attr-defined]
    monkeypatch.setattr("importlib.metadata.version", lambda name: "0.1")
    memory = namedtuple("memory", "available")
    monkeypatch.setattr("psutil.virtual_memory", lambda: memory(100 * 2**20))
    monkeypatch.setattr("workshop_lib.server.devserver.cli", lambda: "/nowhere/temporal")
    status, text = said()
    assert status == 1
    for part in (
        "Python 3.10",
        "temporalio 0.1 (tested with",
        "cannot be written",
        "only 100 MB",
        "could not be started",
    ):
        assert part in text, text
    assert text.count("FAIL") == text.count("→") == 5
    assert "5 of 5 need you" in text


def test_settings_that_are_there_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TEMPORAL_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("TEMPORAL_ADDRESS", "prod.invalid:7233")
    status, text = said()
    assert status == 0
    assert "note  Not used: TEMPORAL_ADDRESS" in text
    monkeypatch.setenv("WORKSHOP_SERVICE", "env")
    assert "Notebooks will use the TEMPORAL_* variables: prod.invalid:7233" in said()[1]
    monkeypatch.setenv("WORKSHOP_SERVICE", "nonsense")
    status, text = said()
    assert status == 1
    assert "WORKSHOP_SERVICE=nonsense is not understood" in text


def test_reset_forgets_what_no_kernel_uses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKSHOP_HOME", str(tmp_path))
    StateFolder.claim("old").release()
    used = StateFolder.claim("used")
    (tmp_path / "progress.json").write_text("{}")
    done = command("reset", WORKSHOP_HOME=str(tmp_path))
    assert done.returncode == 1
    assert "Not touched, because its kernel runs: used" in done.stdout
    assert [path.name for path in (tmp_path / "notebooks").iterdir()] == ["used"]
    assert not (tmp_path / "progress.json").exists()
    used.release()
    assert command("reset", WORKSHOP_HOME=str(tmp_path)).returncode == 0
    assert not list((tmp_path / "notebooks").iterdir())


def test_an_unknown_command_lists_the_known_ones() -> None:
    done = command("dance")
    assert done.returncode == 2
    for known in ("doctor", "reset"):
        assert known in done.stderr
