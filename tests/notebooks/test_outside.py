"""Every solution against Temporal Servers that somebody else started: with stock settings, and with the workshop's."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from matrix import SOLUTIONS, checked
from somebodys import somebodys_server
from test_run import nbmake

from workshop_lib.evidence.state import StateFolder
from workshop_lib.server import rights
from workshop_lib.server.connections import Connections
from workshop_lib.server.devserver import DYNAMIC_CONFIG
from workshop_lib.server.outside import OutsideService

SETTINGS: dict[str, dict[str, str]] = {"stock": {}, "the workshop's": DYNAMIC_CONFIG}


@pytest.fixture(scope="session", params=SETTINGS)
def server(request: pytest.FixtureRequest) -> Iterator[str]:
    with somebodys_server(SETTINGS[request.param]) as address:
        yield address


@pytest.mark.full
@pytest.mark.parametrize("path", [path for path in SOLUTIONS if rights.number(path.name)], ids=lambda path: path.stem)
async def test_a_solution_passes_every_check_on_an_outside_service(
    tmp_path: Path, path: Path, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKSHOP_LEARNER", "ann")
    settings = {"WORKSHOP_STRICT": "1", "WORKSHOP_SERVICE": "env", "TEMPORAL_ADDRESS": server}
    progress = nbmake(path, tmp_path, JPY_SESSION_NAME=str(path), **settings)
    assert {number for number, record in progress.items() if record["passed"]} == checked(path)
    own = Connections(OutsideService(StateFolder(tmp_path), "", {"target_host": server}, f"ann-{path.name[:2]}-"), list)
    needed = rights.needs(path.name)
    assert sorted(await own.namespaces()) == needed.namespaces, "an administrator is told what to make"
    endpoints = await own.endpoints()  # a check may have removed some
    assert endpoints == {name: to for name, to in needed.endpoints.items() if name in endpoints}
