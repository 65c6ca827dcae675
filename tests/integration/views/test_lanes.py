"""One log across namespaces: the same from both ends, with the reader's rights."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import askers
import pytest
from drawings import Drawn
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import Worker

import workshop_lib
from workshop_lib.evidence import history, messages
from workshop_lib.evidence.log import UnifiedLog, unified_log
from workshop_lib.views.lanes import written
from workshop_lib.workshop import Workshop

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
        await handle.execute_update(askers.Asker.ask)
        yield Talk(sales, handle, await unified_log(handle))
        await handle.signal(askers.Asker.end)
        await handle.result()
    await ws.stop(worker, *teams)


def told(log: UnifiedLog, lane: str = "") -> list[str]:
    """What the text says of a lane, without times and ids."""
    lines = [line[14:] for line in written(log) if line[14:].startswith(lane)]
    return [re.sub(r"-[0-9a-f]{8}-[-0-9a-f]+|: [\d.]+ m?s|asker-\d+", "", line).split(" · ")[-1] for line in lines]


CALLS = ["→ get_ip", "← get_ip", "→ stock_price", "← stock_price", "→ calculate_roi", "← calculate_roi"]
WELL = {
    "sales": ["Asker ", "✓ update ask", "✓ activity think", *CALLS],
    "it": ["FindHost get-ip, called from sales", "✓ activity look_up_host", "✓ completed"],
    "finance": ["PriceStock stock-price, called from sales", "✓ activity read_quote", "✓ completed"],
}
AT_ONCE = "answered without a workflow, called from sales"


async def test_it_is_the_same_from_both_ends_in_the_order_of_time_and_reads_each_history_once(
    talk: Talk, refuse: Refuse
) -> None:
    for namespace, lines in WELL.items():
        assert told(talk.well, namespace) == lines + [AT_ONCE] * (namespace == "finance")
    times = [line[:12] for line in written(talk.well)]
    assert times == sorted(times)
    read = refuse("nothing")
    assert await unified_log(talk.callee("finance")) == talk.well
    assert sorted(read) == sorted(each.workflow_id for each in talk.well.histories)


async def test_what_one_may_not_read_or_is_gone_is_named(
    talk: Talk, refuse: Refuse, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse("finance")
    log = await unified_log(talk.handle)
    assert told(log, "finance") == ["stock-price; no right to read, called from sales", AT_ONCE]
    assert told(log, "sales") == WELL["sales"]
    shown: list[str] = []
    monkeypatch.setattr(messages.Display, "show", lambda self, markup, text: shown.extend([markup, text]))
    await workshop_lib.lanes(talk.handle)
    picture = Drawn(shown[0])
    assert {"sales", "it", "finance", "→ stock_price", "closed: no right to read"} <= set(picture.texts)
    assert shown[1].count("no right to read") == 1
    links = [each.get("href", "") for each in picture.root.iter("a")]
    assert any("/namespaces/sales/workflows/asker-" in link for link in links)
    assert not any("/namespaces/finance/workflows/" in link for link in links)
    refuse("finance", RPCStatusCode.NOT_FOUND)
    assert "stock-price; its record was deleted, called from sales" in told(await unified_log(talk.handle))
    refuse("finance", RPCStatusCode.UNAUTHENTICATED)
    with pytest.raises(RPCError, match="not for finance"):
        await unified_log(talk.handle)
    refuse("sales")  # the handler's team learns who called, and no more
    assert told(await unified_log(talk.callee("finance"))) == ["; no right to read", *WELL["finance"]]
