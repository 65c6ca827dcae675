"""What a turn costs as the work grows: with its number, the agent's tools, the conversations at once, the namespaces.

Each row is drawn as bars. A cost that grows worse than in proportion fails, and so does a turn 300 that costs more than
1.1 times a turn 10.
"""

import asyncio
import itertools
import math
import statistics
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import make_dataclass
from typing import Any

import bare_agent
import flows
import nexusrpc
import psutil
import strangers
import turns
from temporalio.client import Client
from temporalio.worker import Worker

from workshop_lib.agents.conversation import Chat
from workshop_lib.demos import computers, litellm_temporal, local, nexus_mcp_temporal
from workshop_lib.nexus_mcp.directory import DirectoryHandler
from workshop_lib.teams.finance import worker as finance
from workshop_lib.teams.finance.contract import ENDPOINT, Finance
from workshop_lib.teams.finance.handler import FinanceHandler
from workshop_lib.teams.offering import offered
from workshop_lib.workshop import Workshop

Say = Callable[[str], None]
Verdict = Callable[[str, float, float, str, str], None]
TURNS, TOOLS, CROWDS, NAMESPACES = 300, (4, 10, 25, 50, 100), (1, 5, 20, 50), (2, 5, 10, 20)
_BAR = 40  # characters of the longest
_PROPORTIONAL = 1.1  # the highest exponent: noise is not growth


def drawn(say: Say, title: str, costs: dict[int, float], unit: str) -> None:
    """Bars, one for each size."""
    say(f"      {title}")
    first = next(iter(costs.values()))
    for size, cost in costs.items():
        bar = "█" * max(1, round(_BAR * cost / max(costs.values())))
        say(f"      {size:5}  {bar} {cost:.0f} {unit}, {cost / first:.2f} ×")


def grows(verdict: Verdict, name: str, costs: dict[int, float]) -> None:
    """Judge how a cost grows from the first size to the last: as size to the power of what is printed."""
    (small, first), *_, (large, last) = costs.items()
    exponent = math.log(last / first) / math.log(large / small)
    verdict(name, exponent, _PROPORTIONAL, "", "the exponent of its growth; 1 is in proportion")


async def timed(call: Callable[[], Awaitable[object]], times: int) -> list[float]:
    """So many calls, one after another, in milliseconds."""
    seen = []
    for _ in range(times):
        began = time.perf_counter()
        await call()
        seen.append(1000 * (time.perf_counter() - began))
    return seen


async def by_turn(ws: Workshop, say: Say, verdict: Verdict) -> None:
    """One conversation of 300 turns, whose last are compared with those of conversations of ten, one by one."""
    await computers.start(ws, litellm_temporal)
    client = await litellm_temporal.connect(ws)
    talk: Any = (client, litellm_temporal.LitellmAgent.run, local.TASK_QUEUE, Chat(model="offline"))
    old, young = turns.talk(*talk, length=10 * TURNS), turns.talk(*talk, length=15)
    seen = await timed(old, TURNS)
    drawn(
        say,
        "demo 1, by the number of the turn",
        {n: statistics.median(seen[n - 20 : n]) for n in range(20, TURNS + 1, 70)},
        "ms",
    )
    late, early = list[float](), list[float]()
    for number in range(60):
        if number % 15 == 0:
            await timed(young, 5)
        for call, times in ((old, late), (young, early)) if number % 2 else ((young, early), (old, late)):
            if number % 15 < 10:
                times += await timed(call, 1)
    figures = f"{statistics.median(late):.0f} ms against {statistics.median(early):.0f} ms, taking turns"
    verdict("demo 1's turn 300 / turn 10", statistics.median(late) / statistics.median(early), 1.1, "", figures)


async def by_tools(ws: Workshop, say: Say, verdict: Verdict) -> None:
    """Demo 4, whose Finance offers more and more tools. Up, and down again."""
    await computers.start(ws, nexus_mcp_temporal)
    client = await nexus_mcp_temporal.connect(ws)
    seen: dict[int, list[float]] = {size: [] for size in TOOLS}
    for size in [*TOOLS, *reversed(TOOLS)]:
        directory = DirectoryHandler({Finance: [Finance.stock_price], **many(size - 3)})  # and two of IT
        handlers: list[Any] = [FinanceHandler(), directory]
        settings = {**finance.WORKER, "nexus_service_handlers": handlers}
        there, settings = await offered(ws, ENDPOINT, finance.NAMESPACE, settings)
        ws.run(Worker, there, **settings)
        ask = turns.talk(client, nexus_mcp_temporal.AGENT.run, local.TASK_QUEUE, Chat(model="offline"), length=1000)
        seen[size] += (await timed(ask, 12))[2:]
    costs = {size: statistics.median(times) for size, times in seen.items()}
    drawn(say, "demo 4, by the tools that the agent discovers", costs, "ms a turn")
    grows(verdict, "a turn of demo 4, 4 to 100 tools", costs)


def many(count: int) -> dict[type, list[nexusrpc.Operation[Any, Any]]]:
    """A service with so many operations that nobody calls."""
    query = make_dataclass("Query", [("record", int), ("reason", str)])
    query.__doc__ = "File a record in the archive, for a reason."
    typed: Any = nexusrpc.Operation
    names = [f"file_{number}" for number in range(count)]
    archive = type("Archive", (), {"__annotations__": dict.fromkeys(names, typed[query, str])})
    return {archive: [getattr(nexusrpc.service(archive), name) for name in names]}


async def by_crowd(ws: Workshop, say: Say, verdict: Verdict) -> None:
    """Conversations of ten turns, all at once; ours, and the bare SDK's. Each agent is a process.

    From 20 on the CPU is the limit, and both cost a little more than in proportion: tasks wait until the server takes
    them for lost. Ours are, after 0.2 s (``QUICK_TAKEOVER``), and the bare SDK's after 10 s.
    """
    ours = await computers.start(ws, litellm_temporal, processes=True)
    bare = await ws.spawn("bare_agent")
    client = await Client.connect(ws.server.address)
    agents: dict[str, tuple[Any, Any]] = {
        "demo 1": (ours.orchestrator, (litellm_temporal.LitellmAgent.run, local.TASK_QUEUE, Chat(model="offline"))),
        "the bare SDK": (bare, (bare_agent.BareAgent.run, bare_agent.QUEUE)),
    }
    costs: dict[str, dict[int, float]] = {name: {} for name in agents}
    for size, (name, (process, talk)) in itertools.product(CROWDS, agents.items()):
        began = time.perf_counter()
        seen = await asyncio.gather(*(timed(turns.talk(client, *talk), turns.CONVERSATION) for _ in range(size)))
        costs[name][size] = 1000 * (time.perf_counter() - began) / turns.CONVERSATION
        slowest = statistics.quantiles(itertools.chain(*seen), n=20)[-1]
        memory = psutil.Process(process.pid).memory_info().rss / 2**20
        say(f"      {size} at once, {name}: every answer right, p95 {slowest:.0f} ms, memory {memory:.0f} MB")
    for name in agents:
        drawn(say, f"{name}, by the conversations at once", costs[name], "ms for a turn of each")
        grows(verdict, f"a turn of each conversation, {name}, 1 to 50 at once", costs[name])
    await ws.stop(*ws.workers)


async def by_namespaces(ws: Workshop, say: Say, verdict: Verdict) -> None:
    """An operation that one of many teams serves, each in a namespace of its own."""
    client = await Client.connect(**await ws.connection("default"))
    ws.run(Worker, client, task_queue="callers", workflows=[strangers.Call])
    teams: list[str] = []
    numbers = itertools.count()

    async def call() -> object:
        number = next(numbers)
        given: Iterable[Any] = ("add", {}, teams[number % len(teams)])
        return await client.execute_workflow(
            strangers.Call.run, args=[*given], id=f"many-{number}", task_queue="callers"
        )

    costs: dict[int, float] = {}
    for size in NAMESPACES:
        for number in range(len(teams), size):
            teams.append(f"team-{number}")
            there = await Client.connect(**await ws.connection(teams[-1]))
            ws.run(Worker, there, task_queue="sums", nexus_service_handlers=[flows.SumsHandler()])
            await ws.endpoint(teams[-1], namespace=teams[-1], task_queue="sums")
        await timed(call, size)
        costs[size] = statistics.median(await timed(call, 60))
    drawn(say, "an operation from a workflow, by the number of namespaces that serve one", costs, "ms")
    grows(verdict, "an operation, 2 to 20 namespaces", costs)
    await ws.stop(*ws.workers)
