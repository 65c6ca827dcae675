"""A server with namespaces that call one another, honestly or not, for the tests of governance."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import flows
import httpx
import pytest
import strangers
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from temporalio.api.operatorservice.v1 import ListNexusEndpointsRequest
from temporalio.client import Client, NexusOperationFailureError, WorkflowFailureError, WorkflowHandle
from temporalio.worker import Interceptor, NexusOperationInboundInterceptor, Worker
from waits import GUARD

from workshop_lib.evidence.failures import describe
from workshop_lib.evidence.state import StateFolder
from workshop_lib.governance.identity import Signer
from workshop_lib.server.connections import Connections
from workshop_lib.server.devserver import DevServer

SALES, MALLORY = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
HOW = ["add", "slowly", "standalone"]
EVENT, OPERATION = "temporal.api.common.v1.Link.WorkflowEvent", "temporal.api.common.v1.Link.NexusOperation"
PLACE = "/workflows/w/r/history?eventID=5&eventType=NexusOperationScheduled&referenceType=EventReference"


def link(namespace: str, kind: str = EVENT) -> str:
    return f'<temporal:///namespaces/{namespace}{PLACE}>; type="{kind}"'


class Guard(Interceptor):
    """Whatever guards the handler in one test."""

    def __init__(self) -> None:
        self.now: tuple[Interceptor, ...] = ()

    @contextlib.asynccontextmanager
    async def __call__(self, *interceptors: Interceptor) -> AsyncIterator[None]:
        self.now = interceptors
        try:
            yield
        finally:
            self.now = ()

    def intercept_nexus_operation(self, next: NexusOperationInboundInterceptor) -> NexusOperationInboundInterceptor:
        for interceptor in reversed(self.now):
            next = interceptor.intercept_nexus_operation(next)
        return next


@dataclass
class World:
    """A server with the namespaces sales (honest), mallory (not) and finance (whose handler is called).

    Its Workers last as long: the server still hands a task to one that has just stopped, and waits ten seconds then.
    """

    server: DevServer
    sales: Client
    mallory: Client
    finance: Client
    connections: Connections
    endpoint_id: str
    handling: Guard
    signing: Client

    def http(self, *path: str) -> str:
        steps = ["nexus", "endpoints", self.endpoint_id, "services", "Sums", *path]
        return f"http://127.0.0.1:{self.server._ports[2]}/" + "/".join(steps)


@contextlib.asynccontextmanager
async def world(folder: Path, **flags: str) -> AsyncIterator[World]:
    server = DevServer(StateFolder(folder))
    await server.restart(dynamic_config=flags)
    try:
        connections = Connections(server, list)
        names = ("sales", "mallory", "finance")
        sales, mallory, finance = [await Client.connect(**await connections.connection(name)) for name in names]
        await connections.endpoint(strangers.ENDPOINT, namespace="finance", task_queue="sums")
        (found,) = (await sales.operator_service.list_nexus_endpoints(ListNexusEndpointsRequest())).endpoints
        guard = Guard()
        signer = Signer("sales", SALES)
        signing = await Client.connect(server.address, namespace="sales", interceptors=[signer])
        async with calling(sales), calling(mallory), calling(signing, "signed-calls"), handler(finance, "sums", guard):
            yield World(server, sales, mallory, finance, connections, found.id, guard, signing)
    finally:
        await server.close()


def calling(client: Client, queue: str = "calls") -> Worker:
    workflows = [strangers.Call, strangers.CallTwice, strangers.Cancel, flows.Echo]
    return Worker(client, task_queue=queue, workflows=workflows)


def handler(finance: Client, queue: str, guard: Interceptor) -> Worker:
    settings: dict[str, Any] = {"workflows": [flows.Echo], "nexus_service_handlers": [flows.SumsHandler()]}
    return Worker(finance, task_queue=queue, interceptors=[guard], **settings)


async def start(client: Client, operation: str, headers: dict[str, str] | None = None) -> WorkflowHandle[Any, str]:
    name = f"call-{uuid.uuid4()}"
    return await client.start_workflow(
        strangers.Call.run,
        args=[operation, headers or {}],
        id=name,
        task_queue="calls",
        execution_timeout=strangers.LIMIT,
    )


async def call(client: Client, how: str, headers: dict[str, str] | None = None) -> str:
    async with asyncio.timeout(GUARD):
        if how != "standalone":
            return await (await start(client, how, headers)).result()
        sums = client.create_nexus_client(flows.Sums, strangers.ENDPOINT)
        name, limit = f"alone-{uuid.uuid4()}", strangers.LIMIT
        result: object = await sums.execute_operation(
            "add", 1, id=name, headers=headers, schedule_to_close_timeout=limit
        )
        return str(result)


async def refused(attempt: Awaitable[object]) -> str:
    """The last reason that the caller is given."""
    with pytest.raises((WorkflowFailureError, NexusOperationFailureError)) as caught:
        await attempt
    return describe(caught.value)[-1]


async def cancel_by_http(made: World, token: str) -> httpx.Response:
    async with httpx.AsyncClient(timeout=GUARD) as http:
        return await http.post(made.http("slowly", "cancel"), headers={"nexus-operation-token": token})
