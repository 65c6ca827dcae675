"""Every solution against Temporal Servers that somebody else started: with stock settings, and with the workshop's."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from temporalio.api.operatorservice.v1 import ListNexusEndpointsRequest
from temporalio.api.workflowservice.v1 import ListNamespacesRequest
from temporalio.client import Client
from test_run import SOLUTIONS, checked, nbmake

from workshop_lib.server import rights
from workshop_lib.server.devserver import DYNAMIC_CONFIG, HOST, cli, free_ports

SETTINGS: dict[str, dict[str, str]] = {"stock": {}, "the workshop's": DYNAMIC_CONFIG}


@contextlib.contextmanager
def somebodys_server(settings: dict[str, str]) -> Iterator[str]:
    """A server that no notebook started. Its address."""
    port = str(free_ports(1)[0])
    command = [cli(), "server", "start-dev", "--headless", "--ip", HOST, "--port", port, "--log-level", "never"]
    command += [each for setting in settings.items() for each in ("--dynamic-config-value", "=".join(setting))]
    own = {name: value for name, value in os.environ.items() if not name.startswith("TEMPORAL_")}
    process = subprocess.Popen(command, env=own, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        asyncio.run(_serves(f"{HOST}:{port}"))
        yield f"{HOST}:{port}"
    finally:
        process.kill()
        process.wait()


async def _serves(address: str) -> None:
    async with asyncio.timeout(300):  # a guard
        while True:
            with contextlib.suppress(RuntimeError):
                await Client.connect(address)
                return
            await asyncio.sleep(0.1)


@pytest.fixture(scope="session", params=SETTINGS)
def server(request: pytest.FixtureRequest) -> Iterator[str]:
    with somebodys_server(SETTINGS[request.param]) as address:
        yield address


async def own_names(address: str) -> tuple[set[str], set[str]]:
    """The namespaces and the endpoints that notebooks have made, by the workshop's own names."""
    client = await Client.connect(address)
    namespaces = await client.workflow_service.list_namespaces(ListNamespacesRequest(page_size=1000))
    endpoints = await client.operator_service.list_nexus_endpoints(ListNexusEndpointsRequest(page_size=1000))
    real = [each.namespace_info.name for each in namespaces.namespaces]
    return _short(real), _short(each.spec.name for each in endpoints.endpoints)


def _short(names: Iterable[str]) -> set[str]:
    return {found[1] for name in names if (found := re.fullmatch(r".+-kernel-[0-9a-f]{12}-(.+)", name))}


@pytest.mark.full
@pytest.mark.parametrize("path", SOLUTIONS, ids=lambda path: path.stem)
def test_a_solution_passes_every_check_on_an_outside_service(tmp_path: Path, path: Path, server: str) -> None:
    progress = nbmake(path, tmp_path, WORKSHOP_STRICT="1", WORKSHOP_SERVICE="env", TEMPORAL_ADDRESS=server)
    assert {number for number, record in progress.items() if record["passed"]} == checked(path)
    namespaces, endpoints = asyncio.run(own_names(server))
    assert namespaces <= {*rights.NAMESPACES}, "an administrator is told what to make"
    assert endpoints <= rights.ENDPOINTS.keys(), "an administrator is told what to make"
