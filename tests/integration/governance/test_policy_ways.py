"""A policy whose callers sign who they are: the ways in by MCP, outside and in a workflow, and those of forgers."""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import refunds
from bridge import LIMIT, serving, shop
from mcp import Client as McpClient
from mcp import MCPError
from owned import KEYS, LARGE, OWNER, OWNERS, SMALL, TYPED, Owned, owned
from temporalio.client import Client
from temporalio.runtime import MetricBuffer, Runtime, TelemetryConfig
from temporalio.worker import Worker
from waits import until

from workshop_lib.governance.identity import Signer, Verifier
from workshop_lib.nexus_mcp.gateway import IDEMPOTENCY_KEY, Gateway
from workshop_lib.workshop import Workshop

pytestmark = pytest.mark.anyio
metrics = MetricBuffer(100_000)
FORGED = {
    name: f"<temporal:///namespaces/{name}/workflows/w/r/history?eventID=5&eventType=NexusOperationScheduled"
    '&referenceType=EventReference>; type="temporal.api.common.v1.Link.WorkflowEvent"'
    for name in ("sales", "leads")
}


@pytest.fixture(scope="module")
async def world(ws: Workshop, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Owned]:
    keys = {name: key.public_key().public_bytes_raw() for name, key in KEYS.items()}
    verifier = Verifier(keys, tmp_path_factory.mktemp("nonces") / "nonces.db")
    signer = Signer(OWNER, KEYS[OWNER])  # held calls come from here
    counting = Runtime(telemetry=TelemetryConfig(metrics=metrics))
    client = await Client.connect(
        **await ws.connection(OWNER, quiet=True, interceptors=[signer], runtime=counting, **TYPED)
    )
    settings = {**OWNERS, "interceptors": [verifier, *OWNERS["interceptors"]]}
    async with owned(ws, signed=True) as made, Worker(client, **settings, activity_executor=ThreadPoolExecutor(4)):
        await made.rules(LARGE, SMALL)
        yield made


async def test_who_signs_is_who_calls_whatever_a_link_says(world: Owned) -> None:
    call = await world.start("sales", refunds.Pay, "pay", refunds.Refund("signed", 500))
    waiting = await world.one_waiting()
    for amount in (5, 500):
        outcome = await world.pay("mallory", amount, "pay", "forged", 60.0, {"nexus-link": FORGED["sales"]})
        assert "no rule allows mallory to call Refunds.pay" in outcome
    outcome = await world.decide("mallory", waiting.id, True, "", {"nexus-link": FORGED["leads"]})
    assert outcome == f"HandlerError: No call {waiting.id} waits for mallory."
    assert await world.decide("leads", waiting.id) == "Approved by leads"
    assert await world.outcome(call) == "paid 500"


def gateway(world: Owned, namespace: str) -> Gateway:
    async def connect() -> Client:
        return world.clients[namespace]

    # No whole amounts below: a signature covers 500 as it was written, and the handler's field makes 500.0 of it.
    return Gateway(connect, [refunds.ENDPOINT], LIMIT)


async def test_an_mcp_client_sees_what_it_may_call_and_joins_a_held_call(world: Owned) -> None:
    async with serving(gateway(world, "mallory").app()) as url, McpClient(url) as stranger:
        assert (await stranger.list_tools()).tools == []
        with pytest.raises(MCPError, match="Unknown tool"):
            await called(stranger, "count", 5, "k")
    async with serving(gateway(world, "sales").app()) as url, McpClient(url) as mcp:
        assert [tool.name for tool in (await mcp.list_tools()).tools] == ["pay", "count"]
        assert (await called(mcp, "count", 5.5, str(uuid.uuid4()))).structured_content["amount"] == 5.5
        key = str(uuid.uuid4())
        first = asyncio.create_task(called(mcp, "pay", 500.5, key, "from outside"))
        waiting = await world.one_waiting()
        assert waiting.until - waiting.since > timedelta(hours=40).total_seconds()  # as the list says, not a minute
        second = asyncio.create_task(called(mcp, "pay", 500.5, key, "from outside"))
        await world.decide("leads", waiting.id)
        for each in (first, second):
            assert (await each).structured_content == {"order": "from outside", "amount": 500.5}
        assert world.paid("from outside") == 1


async def called(mcp: McpClient, tool: str, amount: float, key: str, order: str = "o") -> Any:
    meta: Any = {IDEMPOTENCY_KEY: key}
    return await mcp.call_tool(tool, {"order": order, "amount": amount}, meta=meta)


async def test_an_agent_that_finds_tools_over_nexus_sees_and_calls_what_it_may(world: Owned) -> None:
    """As demo 4 does. Its workflow ends within a minute, so the call is held no longer."""
    call = {"order": "bridged", "amount": 500.5}
    shopping = asyncio.create_task(shop(world.clients["sales"], ("pay", call), endpoints=(refunds.ENDPOINT,)))
    waiting = await world.one_waiting()
    assert waiting.until - waiting.since < LIMIT.total_seconds()
    await world.decide("leads", waiting.id, False, "no")
    assert await shopping == ["Error: pay failed (Refused). Refused by leads: no."]
    assert world.paid("bridged") == 0


async def test_an_allowed_call_costs_one_request_more(world: Owned) -> None:
    """The handler asks once; nothing is started, queried or polled for. The keeper's answer is a workflow task."""
    keeper = world.clients[OWNER].get_workflow_handle("policy-keeper")

    async def events() -> int:
        return len((await keeper.fetch_history()).events)

    metrics.retrieve_updates()
    before = await events()
    for _ in range(5):
        assert await world.pay("sales", 5, "count") == "paid 5"
    assert await events() - before == 5 * 5  # scheduled, started, completed; accepted and completed
    sent = Counter[str]()

    def answered() -> bool:
        for update in metrics.retrieve_updates():
            if update.metric.name in ("temporal_request", "temporal_long_request"):
                sent[str(update.attributes["operation"])] += int(update.value)
        return sent["RespondNexusTaskCompleted"] >= 5

    await until(answered)
    assert {name: times for name, times in sent.items() if not name.startswith("Poll")} == {
        "UpdateWorkflowExecution": 5,
        "RespondWorkflowTaskCompleted": 5,
        "RespondNexusTaskCompleted": 5,
    }
