"""A team behind a Nexus endpoint, and gateways before it, all in this process. For the tests of the bridge."""

import asyncio
import contextlib
import json
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import flows
import httpx
import parts
import pytest
import shoppers
from mcp import Client as McpClient
from mcp_types import CallToolResult
from nexusrpc.handler import StartOperationContext, service_handler, sync_operation
from temporalio.client import Client, WorkflowFailureError
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.exceptions import CancelledError
from temporalio.worker import Replayer, Worker
from waits import GUARD
from worlds import Guard

from workshop_lib.checks.harness.serving import serving as served
from workshop_lib.nexus_mcp.contract import Directory, Tool
from workshop_lib.nexus_mcp.directory import DirectoryHandler
from workshop_lib.nexus_mcp.gateway import IDEMPOTENCY_KEY, Gateway
from workshop_lib.workshop import Workshop

LIMIT = timedelta(seconds=60)  # a guard
FINANCE = "workshop_lib.teams.finance.worker"


@service_handler(service=Directory)
class Changing:
    """A directory that can offer something else from one moment to the next."""

    def __init__(self, now: DirectoryHandler) -> None:
        self.now = now
        self.asked = 0
        self.open = asyncio.Event()  # while it is not set, the Worker lives and does not answer
        self.open.set()

    @sync_operation
    async def tools(self, ctx: StartOperationContext, nothing: None) -> list[Tool]:
        self.asked += 1
        await self.open.wait()
        return self.now._tools


@dataclass
class Team:
    """The team of ``parts``, in this process."""

    client: Client
    trouble: parts.TroubleHandler = field(default_factory=parts.TroubleHandler)
    guard: Guard = field(default_factory=Guard)
    directory: Changing = field(default_factory=lambda: Changing(DirectoryHandler(parts.OFFERED)))

    async def started(self, name: str) -> Any:
        """The next workflow of ``waits`` that was started by this name."""
        async with asyncio.timeout(120):
            while not (id := await self.trouble.started.get()).startswith(f"waits-{name}-"):
                pass
        return self.client.get_workflow_handle(id)

    async def cancelled(self, workflow: Any) -> None:
        async with asyncio.timeout(120):
            with pytest.raises(WorkflowFailureError) as caught:
                await workflow.result()
        assert isinstance(caught.value.cause, CancelledError)


@contextlib.asynccontextmanager
async def serving(app: Any) -> AsyncIterator[str]:
    """Serve an MCP server over HTTP, in this process."""
    async with served(app) as address:
        yield f"{address}/mcp"


def gateway(ws: Workshop, *endpoints: str, limit: timedelta = LIMIT, namespace: str = "default") -> Gateway:
    async def connect() -> Client:
        return await Client.connect(**await ws.connection(namespace))

    return Gateway(connect, endpoints or ("finance", "parts"), limit)


def told(result: CallToolResult) -> str:
    (content,) = result.content
    return str(getattr(content, "text", content))


HEADERS = {"accept": "application/json, text/event-stream", "content-type": "application/json"}
INITIALIZE = {
    "protocolVersion": "2025-06-18",
    "capabilities": {},
    "clientInfo": {"name": "raw", "version": "1"},
}


def request(id: Any, method: str, **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": id, "method": method, "params": params}


OPENING = request(0, "initialize", **INITIALIZE)


def raw(headers: dict[str, str]) -> httpx.AsyncClient:
    return httpx.AsyncClient(timeout=GUARD, headers={**HEADERS, **headers})


@contextlib.asynccontextmanager
async def session(url: str, **headers: str) -> AsyncIterator[Callable[[Any], Coroutine[Any, Any, httpx.Response]]]:
    """A session by hand: what is sent in it, byte for byte."""
    async with raw(headers) as http:
        opened = await http.post(url, json=OPENING)
        http.headers["mcp-session-id"] = opened.headers["mcp-session-id"]
        await http.post(url, json={"jsonrpc": "2.0", "method": "notifications/initialized"})
        yield lambda body: http.post(url, json=body)


async def shop(
    client: Client, *calls: tuple[str, Any], endpoints: tuple[str, ...] = (parts.ENDPOINT,), seconds: float = 60
) -> list[str]:
    """Call tools from a workflow, in the sandbox."""
    texts = [(name, given if isinstance(given, str) else json.dumps(given)) for name, given in calls]
    async with Worker(client, task_queue="shoppers", workflows=[shoppers.Shopper]), asyncio.timeout(120):
        handle = await client.start_workflow(
            shoppers.Shopper.run,
            args=[list(endpoints), texts, seconds],
            id=f"shopper-{uuid.uuid4()}",
            task_queue="shoppers",
            execution_timeout=LIMIT,
        )
        said: list[str] = await handle.result()
    replayer = Replayer(workflows=[shoppers.Shopper], namespace=client.namespace)
    await replayer.replay_workflow(await handle.fetch_history())
    return said[-len(calls) :] if calls else said


@pytest.fixture(scope="module")
async def team(ws: Workshop) -> AsyncIterator[Team]:
    client = await Client.connect(**await ws.connection("parts", data_converter=pydantic_data_converter))
    await ws.endpoint(parts.ENDPOINT, namespace="parts", task_queue="parts")
    made = Team(client)
    await ws.spawn(FINANCE)
    handlers: Any = {"nexus_service_handlers": [parts.PartsHandler(), made.trouble, made.directory]}
    async with Worker(client, task_queue="parts", workflows=[flows.Stubborn], interceptors=[made.guard], **handlers):
        yield made


@pytest.fixture(scope="module")
async def url(ws: Workshop, team: Team) -> AsyncIterator[str]:
    async with serving(gateway(ws).app()) as made:
        yield made


@pytest.fixture
def directory(team: Team) -> Iterator[Changing]:
    """The team's directory. After the test it is as it was."""
    yield team.directory
    team.directory.now = DirectoryHandler(parts.OFFERED)
    team.directory.open.set()


@pytest.fixture(params=["auto", "legacy"])
async def mcp(url: str, request: pytest.FixtureRequest) -> AsyncIterator[McpClient]:
    """A client of MCP's version of 2026-07-28, and one of the versions with sessions."""
    async with McpClient(url, mode=request.param) as made:
        yield made


async def price(mcp_url: str, key: str) -> CallToolResult:
    async with McpClient(mcp_url) as mcp:
        meta: Any = {IDEMPOTENCY_KEY: key}
        return await mcp.call_tool("stock_price", {"ticker": "ACME"}, meta=meta)


def modern(body: dict[str, Any]) -> dict[str, Any]:
    """With what each request carries in MCP's version of 2026-07-28."""
    meta = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    return {**body, "params": {**body["params"], "_meta": meta}}
