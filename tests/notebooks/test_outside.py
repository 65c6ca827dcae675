"""Every solution against Temporal Servers that somebody else started: with stock settings, and with the workshop's."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from temporalio.api.operatorservice.v1 import ListNexusEndpointsRequest
from temporalio.api.workflowservice.v1 import ListNamespacesRequest
from temporalio.client import Client
from matrix import SOLUTIONS, checked
from somebodys import somebodys_server
from test_run import nbmake

from workshop_lib.server import rights
from workshop_lib.server.devserver import DYNAMIC_CONFIG

SETTINGS: dict[str, dict[str, str]] = {"stock": {}, "the workshop's": DYNAMIC_CONFIG}


@pytest.fixture(scope="session", params=SETTINGS)
def server(request: pytest.FixtureRequest) -> Iterator[str]:
    with somebodys_server(SETTINGS[request.param]) as address:
        yield address


async def own_names(address: str) -> list[set[str]]:
    """The namespaces and the endpoints that notebooks have made, by the workshop's own names."""
    client = await Client.connect(address)
    namespaces = await client.workflow_service.list_namespaces(ListNamespacesRequest(page_size=1000))
    endpoints = await client.operator_service.list_nexus_endpoints(ListNexusEndpointsRequest(page_size=1000))
    real = [each.namespace_info.name for each in namespaces.namespaces], [each.spec.name for each in endpoints.endpoints]
    return [{own for name in names for own in re.findall(r".+-kernel-[0-9a-f]{12}-(.+)", name)} for names in real]


@pytest.mark.full
@pytest.mark.parametrize("path", SOLUTIONS, ids=lambda path: path.stem)
def test_a_solution_passes_every_check_on_an_outside_service(tmp_path: Path, path: Path, server: str) -> None:
    progress = nbmake(path, tmp_path, WORKSHOP_STRICT="1", WORKSHOP_SERVICE="env", TEMPORAL_ADDRESS=server)
    assert {number for number, record in progress.items() if record["passed"]} == checked(path)
    namespaces, endpoints = asyncio.run(own_names(server))
    assert namespaces <= {*rights.NAMESPACES}, "an administrator is told what to make"
    assert endpoints <= rights.ENDPOINTS.keys(), "an administrator is told what to make"
