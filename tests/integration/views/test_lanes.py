"""One log across namespaces: the same from both ends, with the reader's rights, and one question of many."""

from __future__ import annotations

import asyncio
import re
import xml.etree.ElementTree as ET
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import askers
import pytest
from google.protobuf.message import Message
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode, ServiceClient
from temporalio.worker import Worker

import workshop_lib
from workshop_lib.evidence import messages
from workshop_lib.governance.log import UnifiedLog, unified_log
from workshop_lib.teams.finance.contract import Finance, StockQuery
from workshop_lib.workshop import Workshop

pytestmark = pytest.mark.anyio
FINANCE, TEAM_IT = "workshop_lib.teams.finance.worker", "workshop_lib.teams.it.worker"
LIMIT = 30


class Refusing(ServiceClient):
    """A connection that refuses what names a namespace, as a proxy in front of the service does."""

    def __init__(self, client: Client, refused: str, why: RPCStatusCode = RPCStatusCode.PERMISSION_DENIED) -> None:
        super().__init__(client.service_client.config)
        self._inner, self._refused, self._why = client.service_client, refused, why
        self.asked: list[tuple[str, str]] = []

    @property
    def worker_service_client(self) -> Any:
        return self._inner.worker_service_client

    def update_rpc_metadata(self, metadata: Mapping[str, str | bytes]) -> None:
        raise NotImplementedError

    def update_api_key(self, api_key: str | None) -> None:
        raise NotImplementedError

    async def _rpc_call(self, rpc: str, req: Message, resp_type: Any, **rest: Any) -> Any:
        namespace = getattr(req, "namespace", "")
        self.asked.append((rpc, getattr(getattr(req, "execution", None), "workflow_id", "")))
        if namespace == self._refused:
            raise RPCError(f"This certificate is not for {namespace}.", self._why, b"")
        return await self._inner._rpc_call(rpc, req, resp_type, **rest)


@dataclass
class Conversation:
    """Three questions and what was told of the first two: one that fails, and one that goes well."""

    sales: Client
    id: str
    middle: datetime
    failed: UnifiedLog
    well: UnifiedLog

    def handle(self, refused: str = "", why: RPCStatusCode = RPCStatusCode.PERMISSION_DENIED) -> Any:
        """The caller's, to one who may not read a namespace."""
        return Client(Refusing(self.sales, refused, why), namespace="sales").get_workflow_handle(self.id)


@pytest.fixture(scope="module")
async def talk(ws: Workshop) -> AsyncIterator[Conversation]:
    sales = await Client.connect(**await ws.connection("sales"))
    teams = await asyncio.gather(ws.spawn(FINANCE), ws.spawn(TEAM_IT))
    worker = ws.run(Worker, sales, task_queue="askers", workflows=[askers.Asker], activities=[askers.think])
    handle: Any = await sales.start_workflow(askers.Asker.run, id=ws.id("asker"), task_queue="askers")
    async with asyncio.timeout(LIMIT):
        assert await ask(handle, "first", ["NOPE"], []) == ["stock_price"]
        middle = datetime.now(UTC)
        assert await ask(handle, "second", ["ACME"], ["db-1"]) == []
        assert await ask(handle, "third", [], ["web-1"]) == []
        logs = [await unified_log(handle, update=update) for update in ("first", "second")]
    yield Conversation(sales, handle.id, middle, *logs)
    await handle.signal(askers.Asker.end)
    async with asyncio.timeout(LIMIT):
        await handle.result()
    await ws.stop(worker, *teams)


async def ask(handle: Any, update: str, stocks: list[str], hosts: list[str]) -> Any:
    return await handle.execute_update(askers.Asker.ask, args=[stocks, hosts, False], id=update)


def told(log: UnifiedLog) -> list[str]:
    """Namespace and words of each entry, without ids and times."""
    words = [f"{entry.namespace}: {entry.what}" for entry in log.entries]
    return [re.sub(r"-[0-9a-f]{8}-[-0-9a-f]+| in [\d.]+ m?s|asker-\d+", "", each) for each in words]


WELL = [
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


async def test_one_question_in_the_order_of_time(talk: Conversation) -> None:
    """A worker's step and what its caller is told of it are a millisecond apart: either may come first."""
    assert sorted(told(talk.well)) == sorted(WELL)
    times = [entry.when for entry in talk.well.entries]
    assert times == sorted(times)
    for namespace in ("sales", "it", "finance"):
        assert [each for each in told(talk.well) if each.startswith(namespace)] == [
            each for each in WELL if each.startswith(namespace)
        ]
    called, started = (told(talk.well).index(WELL[number]) for number in (10, 11))
    assert called < started < told(talk.well).index(WELL[15]) < told(talk.well).index(WELL[16])
    assert not talk.well.unread
    (entry,) = [each for each in talk.well.entries if each.name == "stock_price" and "called" in each.what]
    assert (entry.namespace, entry.workflow_type, entry.workflow_id) == ("sales", "Asker", talk.id)


@pytest.mark.parametrize("namespace", ["it", "finance"])
async def test_it_is_the_same_from_the_other_end(talk: Conversation, namespace: str) -> None:
    (theirs,) = [each for each in talk.well.histories if each.namespace == namespace]
    there = Client(talk.sales.service_client, namespace=namespace).get_workflow_handle(theirs.workflow_id)
    assert await unified_log(there, update="second") == talk.well
    whole = await unified_log(there)
    assert [told.namespace for told in whole.histories] == ["sales", "finance", "it", "finance", "it"]
    mine = await unified_log(talk.handle())
    assert repr(whole) == repr(mine)
    assert "sales: workflow started" in told(mine)


async def test_each_history_is_read_once_and_those_of_other_questions_not_at_all(talk: Conversation) -> None:
    theirs = next(each for each in talk.well.histories if each.namespace == "finance")
    counting = Refusing(talk.sales, "")
    await unified_log(Client(counting, namespace="finance").get_workflow_handle(theirs.workflow_id), update="second")
    read = sorted(who for rpc, who in counting.asked if rpc == "get_workflow_execution_history")
    assert read == sorted(each.workflow_id for each in talk.well.histories)
    assert len(counting.asked) == 2 * len(read)


async def test_a_failed_operation_has_its_reason(talk: Conversation) -> None:
    reason = "UnknownTicker: No stock NOPE is traded."
    assert f"sales: operation stock_price failed: {reason}" in told(talk.failed)
    assert f"finance: activity read_quote failed: {reason}" in told(talk.failed)
    assert f"finance: workflow failed: {reason}" in told(talk.failed)
    assert not [each for each in told(talk.failed) if each.startswith("it:")]


async def test_since_a_time(talk: Conversation) -> None:
    log = await unified_log(talk.handle(), since=talk.middle)
    lines = told(log)
    assert lines[: len(WELL) - 3] == told(talk.well)[:-3]
    assert lines.count("sales: update ask received") == 2, "the second question and the third"
    assert "UnknownTicker" not in repr(log)
    assert not (await unified_log(talk.handle(), since=datetime.now(UTC) + timedelta(days=1))).entries


async def test_what_one_may_not_read_is_named(talk: Conversation) -> None:
    log = await unified_log(talk.handle("finance"), update="second")
    assert [each for each in told(log) if each.startswith("finance")] == ["finance: no right to read"]
    hidden = [each for each in told(log) if not each.startswith("finance")]
    assert sorted(hidden) == sorted(each for each in WELL if not each.startswith("finance"))
    ((link, why),) = log.unread.items()
    assert (link.namespace, why) == ("finance", "no right to read")
    assert link.workflow_id.startswith("stock-price-")


async def test_the_handler_s_team_learns_who_called_and_no_more(talk: Conversation) -> None:
    (theirs,) = [each for each in talk.well.histories if each.namespace == "finance"]
    refusing = Client(Refusing(talk.sales, "sales"), namespace="finance")
    log = await unified_log(refusing.get_workflow_handle(theirs.workflow_id))
    expected = [each for each in WELL if each.startswith("finance")]
    assert told(log) == ["sales: no right to read", *expected]
    assert log.entries[0].workflow_id == talk.id
    assert f"workflow started by {talk.id} in namespace sales" in repr(log)


async def test_all_else_that_goes_wrong_is_raised(talk: Conversation) -> None:
    with pytest.raises(RPCError, match="not for finance"):
        await unified_log(talk.handle("finance", RPCStatusCode.UNAUTHENTICATED))
    with pytest.raises(RPCError, match="not for sales"):
        await unified_log(talk.handle("sales"))
    with pytest.raises(ValueError, match="'fourth'"):
        await unified_log(talk.handle(), update="fourth")


async def test_a_record_that_is_gone_is_named(talk: Conversation) -> None:
    log = await unified_log(talk.handle("finance", RPCStatusCode.NOT_FOUND), update="second")
    assert "finance: its record is gone" in told(log)


async def test_an_operation_that_a_client_called_without_a_workflow(ws: Workshop, talk: Conversation) -> None:
    finance = Client(talk.sales.service_client, namespace="finance")
    before = {execution.id async for execution in finance.list_workflows()}
    nexus: Any = talk.sales.create_nexus_client(Finance, "finance")
    id, limit = ws.id("stranger"), timedelta(seconds=20)
    await nexus.execute_operation(Finance.stock_price, StockQuery("PIED"), id=id, schedule_to_close_timeout=limit)
    async with asyncio.timeout(LIMIT):
        while True:  # the list follows a moment later
            new = [execution.id async for execution in finance.list_workflows() if execution.id not in before]
            logs = [await unified_log(finance.get_workflow_handle(each)) for each in new]
            if any(f"started by operation {id} in namespace sales" in repr(log) for log in logs):
                return
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("refused", ["", "finance"])
async def test_the_view_shows_what_the_client_may_read(
    talk: Conversation, refused: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[str] = []
    monkeypatch.setattr(messages.Display, "show", lambda self, markup, text: shown.extend([markup, text]))
    await workshop_lib.lanes(talk.handle(refused), update="second")
    markup, text = shown
    words = ["".join(each.itertext()) for each in ET.fromstring(markup).iter("{http://www.w3.org/2000/svg}text")]
    assert {"sales", "it", "finance", "→ stock_price", "goes on from before"} <= set(words)
    closed = [each for each in words if each == "closed: no right to read"]
    assert (len(closed), text.count("no right to read")) == ((1, 1) if refused else (0, 0))
    assert any("read_quote" in each for each in words) is not bool(refused)
    assert text.count("operation stock_price completed") == 1
    await workshop_lib.lanes(talk.handle(refused), since=datetime.now(UTC) + timedelta(days=1))
    assert shown[-1] == "Nothing happened in that time."
    assert "Nothing happened in that time." in shown[-2]
