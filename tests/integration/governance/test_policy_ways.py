"""A policy by each way in: the demos' own agents, the gateway with a real MCP client, and those who forge or sign."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
import refunds
from bridge import LIMIT, serving, told
from demo_talks import Demo, run_team
from demo_talks import ask as say
from mcp import Client as McpClient
from mcp import MCPError
from owned import KEYS, LARGE, OWNER, OWNERS, SMALL, TYPED, Owned, owned, ruled
from temporalio.client import Client
from temporalio.worker import Worker
from waits import GUARD, until
from worlds import link

from workshop_lib.demos import computers
from workshop_lib.governance.identity import Signer, Verifier
from workshop_lib.governance.policy.guard import WORKFLOWS, ApprovalsHandler, PolicyGuard, record, switch
from workshop_lib.governance.policy.rules import Rule
from workshop_lib.nexus_mcp.gateway import Gateway
from workshop_lib.teams.finance import worker as finance
from workshop_lib.teams.finance.workflows import PriceStock
from workshop_lib.views.desk import desk
from workshop_lib.workshop import Workshop

# The real ways: Finance behind a policy, and whoever asks it for a price.

QUESTION, ARGUMENTS, PRICE = "What's the stock price of ACME?", {"ticker": "ACME"}, "120.6"
ALLOW = Rule("yes", "allow", callers=["default"])
VERDICTS: dict[str, tuple[list[Rule], str]] = {  # the rules, and why it is refused
    "deny": ([Rule("no", "deny", when=['ticker == "ACME"']), ALLOW], "refused by rule 'no'"),
    "nobody": ([], "no rule allows default to call Finance.stock_price"),
    "off": ([Rule("stop", "off"), ALLOW], "refused by rule 'stop': it is switched off: loop"),
}
GUARDED: dict[str, Any] = {
    "nexus_service_handlers": [*finance.WORKER["nexus_service_handlers"], ApprovalsHandler()],
    "workflows": [PriceStock, *WORKFLOWS],
}
Ask = Callable[[], Coroutine[Any, Any, str]]


@dataclass
class Way:
    """One way to Finance.

    Attributes:
        ask: Asks for a price, and returns what the person or the program hears.
        lists: Whether it asks first which tools there are.
        owner: Finance's client.
    """

    ws: Workshop
    ask: Ask
    lists: bool
    owner: Client

    async def rules(self, *rules: Rule) -> None:
        await ruled(self.owner, finance.TASK_QUEUE, *rules)

    def quotes(self) -> int:
        return self.ws.ledger.count("quote", ticker="ACME")


async def talking(ws: Workshop, number: int) -> Ask:
    """A demo's own agent: it hears a question, and a person hears its answer."""
    await Workshop.start(model=True)
    module = computers.demo(number)
    client = await module.connect(ws)
    ws.run(Worker, client, **module.WORKER, activity_executor=ThreadPoolExecutor(20))

    async def ask() -> str:
        conversation = await Demo(ws, module, client).begin(tool_seconds=150.0)
        return (await say(conversation, QUESTION)).text

    return ask


async def calling(ws: Workshop) -> Ask:
    """Demo 4's gateway, as a process, and an MCP client."""
    served = await ws.serve("gateway", "workshop_lib.demos.gateway")

    async def ask() -> str:
        async with McpClient(f"{served.url}/mcp") as mcp:
            try:
                return told(await mcp.call_tool("stock_price", ARGUMENTS))
            except MCPError as error:
                return str(error)

    return ask


@pytest.fixture(scope="module", params=[1, "gateway", *(pytest.param(each, marks=pytest.mark.full) for each in (2, 4))])
async def way(ws: Workshop, request: pytest.FixtureRequest) -> AsyncIterator[Way]:
    number = 4 if request.param == "gateway" else request.param
    ask = await (calling(ws) if request.param == "gateway" else talking(ws, number))
    demo = Demo(ws, computers.demo(number), await Client.connect(**await ws.connection("finance")))
    await run_team(demo, "it")
    await run_team(demo, "finance", PolicyGuard(), **GUARDED)
    yield Way(ws, ask, number == 4, demo.client)
    await ws.stop(*ws.workers)


@pytest.mark.parametrize("verdict", VERDICTS)
async def test_each_verdict_by_each_way(way: Way, verdict: str) -> None:
    rules, reason = VERDICTS[verdict]
    await way.rules(*rules)
    if verdict == "off":
        await switch(way.owner, "stop", True, "loop")
    quotes, heard = way.quotes(), await way.ask()
    assert PRICE not in heard
    if not (way.lists and verdict == "nobody"):  # there it is not even offered
        assert reason in heard
        assert (await record(way.owner))[-1].verdict == "deny"
    assert way.quotes() == quotes


async def test_a_held_call_by_each_way(way: Way) -> None:
    await way.rules(Rule("prices", "hold", operations=["Finance.stock_price"], approvers=["leads"], hours=48), ALLOW)
    leads = await Client.connect(**await way.ws.connection("leads"))
    for approve, expected in ((True, PRICE), (False, "Refused by leads: I say so")):
        quotes, asking = way.quotes(), asyncio.create_task(way.ask())
        office = await desk(leads, "finance", calls=1)
        (held,) = office.waiting
        assert (held.caller, held.operation, way.quotes()) == ("default", "Finance.stock_price", quotes)
        await (office.approve if approve else office.refuse)(held.id, "I say so")
        assert expected in await asking
        assert way.quotes() == quotes + approve


# Callers who sign, and those who forge.


@pytest.fixture(scope="module")
async def world(ws: Workshop, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Owned]:
    keys = {name: key.public_key().public_bytes_raw() for name, key in KEYS.items()}
    verifier = Verifier(keys, tmp_path_factory.mktemp("nonces") / "nonces.db")
    signer = Signer(OWNER, KEYS[OWNER])  # held calls come from here
    client = await Client.connect(**await ws.connection(OWNER, quiet=True, interceptors=[signer], **TYPED))
    settings = {**OWNERS, "interceptors": [verifier, *OWNERS["interceptors"]]}
    async with owned(ws, signed=True) as made, Worker(client, **settings, activity_executor=ThreadPoolExecutor(4)):
        await made.rules(LARGE, SMALL)
        yield made


async def test_who_signs_is_who_calls_whatever_a_link_says(world: Owned) -> None:
    call = await world.start("sales", refunds.Pay, "pay", refunds.Refund("signed", 500))
    waiting = await world.one_waiting()
    for amount in (5, 500):
        outcome = await world.pay("mallory", amount, "pay", "forged", 60.0, {"nexus-link": link("sales")})
        assert "no rule allows mallory to call Refunds.pay" in outcome
    outcome = await world.decide("mallory", waiting.id, True, "", {"nexus-link": link("leads")})
    assert outcome == f"HandlerError: No call {waiting.id} waits for mallory."
    assert await world.decide("leads", waiting.id) == "Approved by leads"
    assert await world.outcome(call) == "paid 500"


def gateway(world: Owned, namespace: str) -> Gateway:
    async def connect() -> Client:
        return world.clients[namespace]

    return Gateway(connect, [refunds.ENDPOINT], LIMIT)


async def test_an_mcp_client_sees_what_it_may_call_and_joins_a_held_call(world: Owned) -> None:
    """Without any key: who asks again for what is held asks for the same refund."""
    refund, goes_on = {"order": "from outside", "amount": 500}, asyncio.Event()

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        goes_on.set()

    async with serving(gateway(world, "mallory").app()) as url, McpClient(url) as stranger:
        assert (await stranger.list_tools()).tools == []
        with pytest.raises(MCPError, match="Unknown tool"):
            await stranger.call_tool("count", refund)
    async with serving(gateway(world, "sales").app()) as url, McpClient(url) as one, McpClient(url) as other:
        assert [tool.name for tool in (await one.list_tools()).tools] == ["pay", "count"]
        assert told(await one.call_tool("count", {"order": "o", "amount": 5})) == '{"order": "o", "amount": 5.0}'
        first = asyncio.create_task(one.call_tool("pay", refund, progress_callback=hear))
        waiting = await world.one_waiting()
        assert waiting.until - waiting.since > timedelta(hours=40).total_seconds()  # as the list says, not a minute
        async with asyncio.timeout(GUARD):
            await goes_on.wait()
        second = asyncio.create_task(other.call_tool("pay", refund))

        async def joined() -> bool:
            return [row.verdict for row in await world.rows() if row.id == waiting.id] == ["hold", "hold"]

        await until(joined)
        assert await world.one_waiting() == waiting
        await world.decide("leads", waiting.id)
        for each in (first, second):
            assert (await each).structured_content == refund
        assert world.paid("from outside") == 1
    assert [row.verdict for row in await world.rows() if row.id == waiting.id] == ["hold", "hold", "approved"]
