"""Every solution against Temporal Servers that somebody else started: with stock settings, and with the workshop's."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from test_run import SOLUTIONS, checked, nbmake

from workshop_lib.server.devserver import DYNAMIC_CONFIG, HOST, cli, free_ports

SETTINGS: dict[str, dict[str, str]] = {"stock": {}, "the workshop's": DYNAMIC_CONFIG}


@contextmanager
def somebodys_server(settings: dict[str, str]) -> Iterator[str]:
    """A server that no notebook started. Its address."""
    port = str(free_ports(1)[0])
    command = [cli(), "server", "start-dev", "--headless", "--ip", HOST, "--port", port, "--log-level", "never"]
    command += [each for setting in settings.items() for each in ("--dynamic-config-value", "=".join(setting))]
    own = {name: value for name, value in os.environ.items() if not name.startswith("TEMPORAL_")}
    process = subprocess.Popen(command, env=own, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield f"{HOST}:{port}"
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="session", params=SETTINGS)
def server(request: pytest.FixtureRequest) -> Iterator[str]:
    with somebodys_server(SETTINGS[request.param]) as address:
        yield address


@pytest.mark.full
@pytest.mark.parametrize("path", SOLUTIONS, ids=lambda path: path.stem)
def test_a_solution_passes_every_check_on_an_outside_service(tmp_path: Path, path: Path, server: str) -> None:
    progress = nbmake(path, tmp_path, WORKSHOP_STRICT="1", WORKSHOP_SERVICE="env", TEMPORAL_ADDRESS=server)
    assert {number for number, record in progress.items() if record["passed"]} == checked(path)
