"""One log across namespaces: the same from both ends, with the reader's rights."""

from __future__ import annotations

import asyncio
import re
import xml.etree.ElementTree as ET
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import askers
import pytest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import Worker

import workshop_lib
from workshop_lib.evidence import history, messages
from workshop_lib.evidence.log import UnifiedLog, unified_log
from workshop_lib.teams.finance.contract import Finance, StockQuery
from workshop_lib.workshop import Workshop

pytestmark = pytest.mark.anyio
LIMIT = 120  # seconds; only a guard against hanging
Refuse = Callable[..., list[str]]
recorded = history._recorded


@pytest.fixture
def refuse(monkeypatch: pytest.MonkeyPatch) -> Refuse:
    """Nobody may read a namespace from now on. Returns the workflows whose histories are asked for."""

    def begin(namespace: str, why: RPCStatusCode = RPCStatusCode.PERMISSION_DENIED) -> list[str]:
        asked: list[str] = []

        async def read(handle: Any) -> Any:
            asked.append(handle.id)
            if handle._client.namespace == namespace:
                raise RPCError(f"This certificate is not for {namespace}.", why, b"")
            return await recorded(handle)

        monkeypatch.setattr(history, "_recorded", read)
        return asked

    return begin


@dataclass
class Talk:
    """A question of sales that went well, and its log."""

    sales: Client
    handle: Any
    well: UnifiedLog

    def callee(self, namespace: str) -> Any:
        """What the question called there."""
        (theirs,) = [each for each in self.well.histories if each.namespace == namespace]
        return Client(self.sales.service_client, namespace=namespace).get_workflow_handle(theirs.workflow_id)


@pytest.fixture(scope="module")
async def talk(ws: Workshop) -> AsyncIterator[Talk]:
    sales = await Client.connect(**await ws.connection("sales"))
    teams = await asyncio.gather(*(ws.spawn(f"workshop_lib.teams.{name}.worker") for name in ("finance", "it")))
    worker = ws.run(Worker, sales, task_queue="askers", workflows=[askers.Asker], activities=[askers.think])
    handle: Any = await sales.start_workflow(askers.Asker.run, id=ws.id("asker"), task_queue="askers")
    async with asyncio.timeout(LIMIT):
        assert await handle.execute_update(askers.Asker.ask, args=[["ACME"], ["db-1"], False]) == []
        yield Talk(sales, handle, await unified_log(handle))
        await handle.signal(askers.Asker.end)
        await handle.result()
    await ws.stop(worker, *teams)


def told(log: UnifiedLog, namespace: str = "") -> list[str]:
    """Namespace and words of each entry, without ids and times."""
    words = [f"{entry.namespace}: {entry.what}" for entry in log.entries if entry.namespace.startswith(namespace)]
    return [re.sub(r"-[0-9a-f]{8}-[-0-9a-f]+| in [\d.]+ m?s|asker-\d+", "", each) for each in words]


WELL = [
    "sales: workflow started",
    "sales: update ask received",
    "sales: activity think scheduled",
    "sales: activity think completed",
    "sales: operation get_ip called at endpoint it",
    "it: workflow started by  in namespace sales",
    "sales: operation get_ip started, as get-ip in namespace it",
    "it: activity look_up_host scheduled",
    "it: activity look_up_host completed",
    "it: workflow completed",
    "sales: operation get_ip completed",
    "sales: operation stock_price called at endpoint finance",
    "finance: workflow started by  in namespace sales",
    "sales: operation stock_price started, as stock-price in namespace finance",
    "finance: activity read_quote scheduled",
    "finance: activity read_quote completed",
    "finance: workflow completed",
    "sales: operation stock_price completed",
    "sales: operation calculate_roi called at endpoint finance",
    "sales: operation calculate_roi completed",
    "sales: update ask completed",
]


async def test_it_is_in_the_order_of_time(talk: Talk) -> None:
    """A worker's step and what its caller hears of it are a millisecond apart: either may come first."""
    assert sorted(told(talk.well)) == sorted(WELL)
    times = [entry.when for entry in talk.well.entries]
    assert times == sorted(times)
    for namespace in ("sales", "it", "finance"):
        assert told(talk.well, namespace) == [each for each in WELL if each.startswith(namespace)]


async def test_it_is_the_same_from_the_other_end_and_reads_each_history_once(talk: Talk, refuse: Refuse) -> None:
    read = refuse("nothing")
    assert await unified_log(talk.callee("finance")) == talk.well
    assert sorted(read) == sorted(each.workflow_id for each in talk.well.histories)


async def test_what_one_may_not_read_or_is_gone_is_named(talk: Talk, refuse: Refuse) -> None:
    refuse("finance")
    log = await unified_log(talk.handle)
    assert told(log, "finance") == ["finance: no right to read"]
    assert told(log, "sales") == told(talk.well, "sales")
    refuse("finance", RPCStatusCode.NOT_FOUND)
    assert "finance: its record is gone" in told(await unified_log(talk.handle))
    refuse("finance", RPCStatusCode.UNAUTHENTICATED)
    with pytest.raises(RPCError, match="not for finance"):
        await unified_log(talk.handle)
    refuse("sales")  # the handler's team learns who called, and no more
    log = await unified_log(talk.callee("finance"))
    assert told(log) == ["sales: no right to read", *told(talk.well, "finance")]
    assert f"workflow started by {talk.handle.id} in namespace sales" in repr(log)


async def test_an_operation_that_a_client_called_without_a_workflow(ws: Workshop, talk: Talk) -> None:
    nexus: Any = talk.sales.create_nexus_client(Finance, "finance")
    id, limit = ws.id("stranger"), timedelta(seconds=LIMIT)
    await nexus.execute_operation(Finance.stock_price, StockQuery("PIED"), id=id, schedule_to_close_timeout=limit)
    finance, found = Client(talk.sales.service_client, namespace="finance"), ""
    async with asyncio.timeout(LIMIT):
        while f"started by operation {id} in namespace sales" not in found:  # the list follows a moment later
            executions = [execution async for execution in finance.list_workflows()]
            each = [await unified_log(finance.get_workflow_handle(execution.id)) for execution in executions]
            found = repr(each)


@pytest.mark.parametrize("refused", ["nothing", "finance"])
async def test_the_view_shows_what_the_client_may_read(
    talk: Talk, refuse: Refuse, refused: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[str] = []
    monkeypatch.setattr(messages.Display, "show", lambda self, markup, text: shown.extend([markup, text]))
    refuse(refused)
    await workshop_lib.lanes(talk.handle)
    words = ["".join(each.itertext()) for each in ET.fromstring(shown[0]).iter("{http://www.w3.org/2000/svg}text")]
    assert {"sales", "it", "finance", "→ stock_price"} <= set(words)
    assert words.count("closed: no right to read") == shown[1].count("no right to read") == (refused == "finance")
    assert any("read_quote" in each for each in words) is (refused != "finance")
