"""The commands of ``python -m workshop_lib``."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from somebodys import somebodys_server

from workshop_lib.evidence.state import StateFolder
from workshop_lib.programs import doctor


def command(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    words, settings = [sys.executable, "-m", "workshop_lib", *arguments], {**os.environ, **environment}
    return subprocess.run(words, capture_output=True, text=True, env=settings, timeout=300)


def test_a_fine_machine_is_called_so(tmp_path: Path) -> None:
    done = command("doctor", WORKSHOP_HOME=str(tmp_path), TEMPORAL_CONFIG_FILE=str(tmp_path / "none"))
    assert done.returncode == 0, done.stdout
    assert "Everything is fine." in done.stdout
    assert "A Temporal Server started in" in done.stdout
    assert done.stderr == ""


def said() -> tuple[int, str]:
    lines: list[str] = []
    return doctor.main(lines.append), "\n".join(lines)


def test_everything_that_is_wrong_is_said_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("WORKSHOP_HOME", str(tmp_path / "file" / "below"))
    monkeypatch.setattr(doctor.sys, "version_info", (3, 10, 1))  # type: ignore[attr-defined]
    monkeypatch.setattr("importlib.metadata.version", lambda name: "0.1")
    monkeypatch.setattr("workshop_lib.server.devserver.cli", lambda: "/nowhere/temporal")
    monkeypatch.setenv("WORKSHOP_SERVICE", "nonsense")
    status, text = said()
    assert status == 1
    parts = ["Python 3.10", "temporalio 0.1 (tested with", "cannot keep its state", "nonsense"]
    parts += ["could not be started. FileNotFoundError: [Errno 2] No such file or directory: '/nowhere/temporal'"]
    for part in parts:
        assert part in text, text
    assert "5 of 8 need your attention" in text


def test_settings_that_are_there_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TEMPORAL_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("TEMPORAL_ADDRESS", "prod.invalid:7233")
    assert "note  Not used: TEMPORAL_ADDRESS" in said()[1]
    monkeypatch.setenv("https_proxy", "http://proxy.invalid:3128")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost,::1")
    assert "HTTPS_PROXY for calls to other machines, but not to 127.0.0.1,localhost,::1" in said()[1]
    monkeypatch.setenv("WORKSHOP_SERVICE", "env")
    text = said()[1]
    assert "FAIL  The Temporal Service at prod.invalid:7233 does not answer. WORKSHOP_SERVICE asks for the TEMP" in text
    assert "unset WORKSHOP_SERVICE" in text
    with somebodys_server({}) as address:
        monkeypatch.setenv("TEMPORAL_ADDRESS", address)
        assert re.search(rf"note  Notebooks will use the TEMPORAL_\* variables: .* [\d.]+ at {address}\n", said()[1])


def test_reset_forgets_what_no_kernel_uses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKSHOP_HOME", str(tmp_path))
    StateFolder.claim("old").release()
    used = StateFolder.claim("used")
    for name in ("progress.json", "notebooks/.DS_Store"):  # the second is macOS's
        (tmp_path / name).write_text("{}")
    done = command("reset", WORKSHOP_HOME=str(tmp_path))
    assert done.returncode == 1
    assert "Not removed, because its kernel is running: used" in done.stdout
    assert [path.name for path in (tmp_path / "notebooks").glob("*/")] == ["used"]
    assert not (tmp_path / "progress.json").exists()
    used.release()
