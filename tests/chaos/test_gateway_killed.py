"""A gateway killed at any moment of a call: the client calls again with its key, and one workflow runs."""

from __future__ import annotations

import asyncio
import os
import random
import uuid

import pytest
from bridge import FINANCE, price, stock_prices

from workshop_lib.workshop import Workshop

pytestmark = pytest.mark.anyio

ROUNDS = int(os.environ.get("WORKSHOP_CHAOS", "3"))


async def test_a_gateway_killed_at_any_moment_makes_no_second_workflow(ws: Workshop) -> None:
    finance = await ws.spawn(FINANCE)
    moments, before = random.Random(7), await stock_prices(ws)
    service = await ws.serve("gateway", "gateways")
    for _ in range(ROUNDS):
        key = str(uuid.uuid4())
        call = asyncio.create_task(price(f"{service.url}/mcp", key))
        await asyncio.sleep(moments.uniform(0, 0.2))  # from the connection to after the answer
        service.kill()
        await asyncio.wait([call], timeout=10)
        assert call.done(), "the client hangs"
        call.exception()
        service = await ws.serve("gateway", "gateways")
        assert (await price(f"{service.url}/mcp", key)).structured_content == {"ticker": "ACME", "price": 120.6}
    async with asyncio.timeout(10):  # the list follows a moment later
        while await stock_prices(ws) < before + ROUNDS:
            await asyncio.sleep(0.02)
    assert await stock_prices(ws) == before + ROUNDS
    await service.stop()
    await ws.stop(finance)
