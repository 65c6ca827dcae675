"""The four demos under the same questions and the same failures. Each answer is a cell with its evidence.

``views.comparison`` draws the cells. Nothing here knows what comes out: a cell is made from the events that the server
recorded, the ledger's rows, a clock, or the source code; and one that could not be observed says why.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import httpx2
import mcp
import psutil
from mcp.client.streamable_http import streamable_http_client
from nexusrpc import HandlerError, HandlerErrorType
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle, WorkflowUpdateStage
from temporalio.worker import Worker

from workshop_lib.agents.conversation import Chat, Conversation, Reply
from workshop_lib.demos import computers, local, owned
from workshop_lib.demos.demo import Demo
from workshop_lib.demos.gateway import TOKEN
from workshop_lib.evidence.failures import describe, reason
from workshop_lib.evidence.history import History, Step, history
from workshop_lib.evidence.ledger import Effect
from workshop_lib.evidence.state import service_address
from workshop_lib.nexus_mcp.by_workflow import CallOperation
from workshop_lib.teams.finance.contract import ENDPOINT, Finance
from workshop_lib.workers.spawned import HttpService, Spawned, SpawnedWorker
from workshop_lib.workshop import Workshop

LOOP = "Who runs the loop"
LINES = "Lines of code, of the agent and of Finance"
DISCOVERY = "A tool that Finance adds meanwhile"
KILLED = "Finance workflows for one question, killed in mid-call"
STOPS = "What stops when Finance stops"
STRANGER = "A stranger's call, Finance with an allowlist"
LINKS = "Links between agent and Finance"
MCP = "MCP clients from outside"
LANGUAGES = "How the call reaches Finance"
PROCESSES = "Processes"
TURN = "A turn with one tool"
CALL = "The tool call in it"
EVENTS = "Events a turn"
ROWS = (LOOP, LINES, DISCOVERY, MCP, STRANGER, LANGUAGES, LINKS, KILLED, STOPS, PROCESSES, EVENTS, TURN, CALL)
"""The questions, in the order in which a team asks them. A policy's will be one more."""

_TICKERS = ("GLOBX", "HOOLI", "INTCH", "PIED", "UMBRL")
_CONVERSATIONS = 2  # whose turns are timed; each has one for each ticker, after a first one that is not
_GUARD_SECONDS = 300.0  # for one part: only against hanging
_CALLS = ("activity", "nexus operation")  # the steps that leave the agent's Workflow
_REFUSED = (401, 403)  # HTTP's own words for it
_LOOK_EVERY = 0.2  # seconds
_SECRET = "only-for-this-comparison"
_CONVERT = "Please convert 100 dollars to EUR."


@dataclass(frozen=True)
class Cell:
    """What was observed.

    Attributes:
        said: In a few words.
        evidence: What it was seen in: events of a history, rows of the ledger, seconds, lines of source.
        link: The history in the Web UI; empty if it has none.
        milliseconds: The median, where a clock measured it; it is this machine's, and to be compared with another one.
    """

    said: str
    evidence: Sequence[str] = ()
    link: str = ""
    milliseconds: float = 0.0


@dataclass(frozen=True)
class Subject:
    """What is measured.

    Attributes:
        demo: The demo's module.
        later: Finance's Worker, and its MCP server where the demo has one, with one tool more and an allowlist.
    """

    demo: Demo
    later: str = "workshop_lib.teams.finance.later"


async def measure(ws: Workshop, subject: Subject, say: Callable[[str], None]) -> dict[str, Cell]:
    """Observe one demo. Its Workers run in processes, which end with this.

    Args:
        ws: The workshop, with its offline model.
        subject: The demo.
        say: Is told what is done next.

    Returns:
        The cells, by their rows.
    """
    async with AsyncExitStack() as ends:
        measured = _Measurement(ws, subject, ends)
        parts: list[tuple[str, Callable[[], Awaitable[dict[str, Cell]]], Sequence[str]]] = [
            ("starting its processes", measured.processes, [PROCESSES, LINES]),
            ("asking for prices", measured.turns, [LOOP, LANGUAGES, EVENTS, TURN, CALL]),
            ("calling as an MCP client", measured.mcp_clients, [MCP]),
            ("killing Finance in the middle of a call", measured.killed, [KILLED, LINKS]),
            ("stopping Finance", measured.stopped, [STOPS]),
            ("asking for the tool that Finance has added", measured.discovery, [DISCOVERY]),
            ("calling as a stranger", measured.strangers, [STRANGER]),
        ]
        cells: dict[str, Cell] = {}
        for what, observe, rows in parts:
            say(what)
            try:
                async with asyncio.timeout(_GUARD_SECONDS):
                    cells |= await observe()
            except Exception as error:  # the other cells do not depend on it
                why = reason(error) if str(error) else type(error).__name__
                cells |= {row: Cell(f"not observed: {why}", describe(error)) for row in rows}
        return {row: cells[row] for row in ROWS}


class _Measurement:
    """One demo, while it is measured."""

    def __init__(self, ws: Workshop, subject: Subject, ends: AsyncExitStack) -> None:
        self._ws, self._subject, self._ends = ws, subject, ends
        self._demo = subject.demo
        self._gateways: dict[str, str] = getattr(self._demo, "GATEWAYS", {})
        self._doors: dict[str, str] = {}  # the addresses of its MCP servers, by name
        self._sellers: list[str] = []  # those that have Finance's tools

    # -- what each part does --

    async def processes(self) -> dict[str, Cell]:
        """Start them, and look at their ports."""
        os.environ[TOKEN] = _SECRET
        try:
            started, gateways = await asyncio.gather(
                computers.start(self._ws, self._demo, processes=True),
                asyncio.gather(*(self._serve(name, module) for name, module in self._gateways.items())),
            )
        finally:
            del os.environ[TOKEN]
        three = {"the orchestrator": started.orchestrator, "IT": started.it, "Finance": started.finance}
        workers = {name: each for name, each in three.items() if isinstance(each, SpawnedWorker)}
        self._ends.push_async_callback(self._ws.stop, *workers.values())
        self._finance = workers["Finance"]
        self._client = await Client.connect(**await self._ws.connection(local.NAMESPACE, quiet=True))
        self._books = await Client.connect(**await self._ws.connection("finance", quiet=True))
        self._doors = {name: service_address(name) for name in [*self._demo.SERVERS, *self._gateways]}
        each = {name: (worker.pid, _ports(worker)) for name, worker in workers.items()}
        listening = [name for name, (_, ports) in each.items() if ports]
        said = f"{len(each)}; " + (f"{' and '.join(listening)} listen on a port" if listening else "none listens")
        said += "".join(f"; and a {served.name}, which does" for served in gateways)
        each |= {served.name: (served.pid, _ports(served)) for served in gateways}
        evidence = [f"{name}: process {pid}, ports {ports or 'none'}" for name, (pid, ports) in each.items()]
        return {PROCESSES: Cell(said, evidence), LINES: self._lines()}

    def _lines(self) -> Cell:
        shared = owned.parts(Conversation)
        agent = owned.parts(self._demo.AGENT, self._demo.connect, self._demo.worker)
        agent = {name: lines for name, lines in agent.items() if name not in shared}
        team = owned.modules(self._demo.COMPUTERS["finance"])
        evidence = [f"{name}: {lines}" for name, lines in sorted((agent | team).items())]
        counted = f"besides Conversation, {sum(shared.values())} lines, which all agents share"
        return Cell(f"{sum(agent.values())} and {sum(team.values())}", [counted, *evidence])

    async def turns(self) -> dict[str, Cell]:
        """Ask for prices, one after another, and look at who did what meanwhile."""
        ledger, times, events = self._ws.ledger, list[float](), list[float]()
        calls, asked = list[Step](), list[Step]()
        for _ in range(_CONVERSATIONS):
            handle = await self._begin()
            await self._ask(handle, "What does ACME cost?")
            before, seen = await history(handle), len(ledger.entries())
            for ticker in _TICKERS:
                began = time.perf_counter()
                reply = await self._ask(handle, f"What does {ticker} cost?")
                times.append(1000 * (time.perf_counter() - began))
                assert not reply.problem, reply.text
            record, effects = await history(handle, follow=True), ledger.entries()[seen:]
            events.append((record.events - before.events) / len(_TICKERS))
            steps = record.steps[len(before.steps) :]
            calls += _around(steps, [each for each in effects if each.effect == "quote"])
            asked += _around(steps, [each for each in effects if each.effect == "model call"])
            await handle.terminate()
        link, spans = self._link(record), [1000 * each.duration.total_seconds() for each in calls if each.duration]
        counted = f"{record.workflow_id}: {record.events - before.events} events in {len(_TICKERS)} turns"
        return {
            LOOP: await self._loop(record, asked),
            LANGUAGES: self._way(record, calls),
            EVENTS: Cell(f"{statistics.mean(events):.0f}", [counted], link),
            TURN: _timed(times, "turns, as the client saw them", link),
            CALL: _timed(spans, "tool calls, from the histories", link),
        }

    async def _loop(self, record: History, asked: list[Step]) -> Cell:
        """Whose activity asks the model: one of the agent's Worker, or one that a plugin has brought."""
        name, _ = Counter(each.name for each in asked).most_common(1)[0]
        evidence = [_seen(record, next(each for each in asked if each.name == name)), "while the model noted the call"]
        if name in [each.__name__ for each in self._demo.WORKER["activities"]]:
            return Cell(
                "the agent's own Workflow", [*evidence, f"{name} is an activity of its Worker"], self._link(record)
            )
        brought = [plugin.name() for plugin in (await self._demo.connect(self._ws)).config()["plugins"]]
        evidence += [f"{name} is not an activity of its own; its client has {', '.join(brought)}"]
        return Cell(f"the SDK behind {', '.join(brought)}", evidence, self._link(record))

    def _way(self, record: History, calls: list[Step]) -> Cell:
        """The kind of step during which Finance read the quote, and who answered it."""
        step = calls[-1]
        if step.kind == "nexus operation":
            answered = ", ".join(sorted({each.sdk for each in step.calls}))
            said = f"Nexus Operation {step.service}.{step.name}, answered by {answered}"
        else:
            said = f"MCP over HTTP, in an activity of the agent's ({step.name})"
        return Cell(said, [_seen(record, step), "while Finance noted the quote"], self._link(record))

    async def mcp_clients(self) -> dict[str, Cell]:
        """List the tools of each MCP server, and call one, with a real client."""
        listed, called, evidence = 0, 0, list[str]()
        for name, url in self._doors.items():
            async with self._outside(url, _SECRET) as client:
                tools = [tool.name for tool in (await client.list_tools()).tools]
                listed += len(tools)
                evidence.append(f"{name} at {url} lists {', '.join(tools)}")
                if Finance.stock_price.name in tools:
                    self._sellers.append(name)
                    answer = await client.call_tool(Finance.stock_price.name, {"ticker": "ACME"})
                    called += not answer.is_error
                    evidence.append(f"stock_price there: {answer.structured_content}")
        if not self._doors:
            return {MCP: Cell("cannot: no MCP server", ["it serves nothing, and none of its processes listens"])}
        servers = " and ".join(self._doors)
        return {MCP: Cell(f"list {listed} tools at {servers}" + (", and call them" if called else ""), evidence)}

    async def killed(self) -> dict[str, Cell]:
        """Kill Finance's process while it reads a quote, start another one, and count the workflows."""
        handle = await self._begin()
        known, reads = {id async for id, _ in self._priced()}, self._ws.ledger.count("quote")
        with self._ws.fault("read_quote.is_slow", seconds=_GUARD_SECONDS) as slow:
            asked = asyncio.create_task(self._ask(handle, "What does HOOLI cost?"))
            while not slow.fired:
                await asyncio.sleep(_LOOK_EVERY)
            self._finance.kill()
            self._finance = await self._spawn(self._demo.COMPUTERS["finance"])
            reply = await asked
        record, settled = await history(handle, follow=True), list[str]()
        rows = self._ws.ledger.count("quote") - reads
        # In the index, a moment later; each that has ended has noted its quote.
        while not settled or rows < len(settled):
            await asyncio.sleep(_LOOK_EVERY)
            new = [(id, closed) async for id, closed in self._priced() if id not in known]
            rows = self._ws.ledger.count("quote") - reads
            settled = [] if None in [closed for _, closed in new] else [id for id, _ in new]
        turn = next(step for step in record.steps if step.kind == "update")
        evidence = [f"{id}: completed in namespace {self._books.namespace}" for id in settled]
        evidence += [f"ledger: {rows} quotes", _seen(record, turn), reply.text]
        theirs = [await history(self._books.get_workflow_handle(id)) for id in settled]
        there = [call.workflow_id for step in record.steps for call in step.calls]
        back = [each.workflow_id for each in theirs if handle.id in [link.workflow_id for link in each.links]]
        ways = [*(["to Finance"] if there else []), *(["back"] if back else [])]
        link = self._link(record)
        return {
            KILLED: Cell(f"{len(settled)}", evidence, link),
            LINKS: Cell(
                " and ".join(ways) or "none",
                [f"the agent's history leads to {there or 'nobody'}", f"these lead to the agent's: {back or 'none'}"],
                link,
            ),
        }

    async def stopped(self) -> dict[str, Cell]:
        """Stop Finance, ask for this and that, and let Finance come back, later in both senses."""
        self._talk = await self._begin()
        self._missing = await self._ask(self._talk, _CONVERT)
        await self._ask(self._talk, "What does ACME cost?")  # what it knows of Finance's tools, it knows
        await self._ws.stop(self._finance)
        answered = {}
        for what, text, expected in (
            ("a greeting", "Hello!", "Hello"),
            ("its own tools", "What is 6 * 7?", "42"),
            ("IT's tools", "What is the IP address of db-1?", "db-1"),
        ):
            reply = await self._ask(self._talk, text)
            answered[what] = expected in reply.text and not reply.problem
        stage = WorkflowUpdateStage.ACCEPTED
        price = await self._talk.start_update(Conversation.send_message, "What does PIED cost?", wait_for_stage=stage)
        result = asyncio.create_task(price.result())
        while not result.done() and not await self._waits():
            await asyncio.sleep(_LOOK_EVERY)
        await self._later()
        reply = await result
        record = await history(self._talk)
        waited = "waits, and is answered when Finance is back" if "price 77" in reply.text else "fails at once"
        also = [what for what, right in answered.items() if not right]
        said = f"Finance's tools{''.join(f', {what}' for what in also)}; a question for them {waited}"
        steps = [_seen(record, step) for step in record.steps[-6:]]
        return {STOPS: Cell(said, [f"answered: {answered}", f"the price: {reply.text}", *steps], self._link(record))}

    async def _waits(self) -> bool:
        """Whether the agent waits for Finance: for an operation, or for an activity that has failed and is retried."""
        steps = (await history(self._talk)).steps
        pending = [step for step in steps if step.status in ("waiting", "running") and step.kind in _CALLS]
        return bool(pending) and all(step.kind == "nexus operation" or step.failure for step in pending)

    async def discovery(self) -> dict[str, Cell]:
        """Ask for the tool that was not there before, in the same conversation."""
        reply = await self._ask(self._talk, _CONVERT)
        transcript = await self._talk.query(Conversation.transcript)
        used = [line for line in transcript if line.kind == "call" and line.tool == "convert"]
        record = await history(self._talk)
        said = (
            "is used in the next turn"
            if used and "90" in reply.text
            else "is not found: the agent must be deployed again"
        )
        evidence = [f"before: {self._missing.text}", f"after: {reply.text}", *(_seen(record, record.steps[-1]),)]
        return {DISCOVERY: Cell(said, evidence, self._link(record))}

    async def strangers(self) -> dict[str, Cell]:
        """Call from another namespace, and at each MCP server without its token."""
        seen = {"Nexus": await self._through_nexus()}
        for name in self._sellers:
            seen[name] = await self._through(service_address(name))
        said = "; ".join(f"{name}: {'served' if served else 'refused'}" for name, (served, _) in seen.items())
        return {STRANGER: Cell(said, [f"{name}: {answer}" for name, (_, answer) in seen.items()])}

    async def _through_nexus(self) -> tuple[bool, str]:
        client = await Client.connect(**await self._ws.connection("marketing", quiet=True))
        worker = self._ws.run(Worker, client, task_queue="strangers", workflows=[CallOperation])
        self._ends.push_async_callback(self._ws.stop, worker)
        call: list[Any] = [ENDPOINT, Finance.__name__, Finance.stock_price.name, {"ticker": "ACME"}, 60.0]
        id = self._ws.id("stranger")
        try:
            answer = await client.execute_workflow(CallOperation.run, args=call, id=id, task_queue="strangers")
        except WorkflowFailureError as error:
            if not _unauthorized(error):
                raise
            return False, f"{id} in namespace {client.namespace}: {reason(error)}"
        return True, f"{id} in namespace {client.namespace}: {answer}"

    async def _through(self, url: str) -> tuple[bool, str]:
        call = {"name": Finance.stock_price.name, "arguments": {"ticker": "ACME"}}
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}
        headers = {"Accept": "application/json, text/event-stream"}
        async with httpx2.AsyncClient(timeout=_GUARD_SECONDS) as stranger:
            answer = await stranger.post(f"{url}/mcp", json=body, headers=headers)
        if answer.status_code not in _REFUSED:
            answer.raise_for_status()
        return answer.is_success, f"a POST to {url}/mcp: {answer.status_code}, {answer.text[:200]}"

    # -- what they share --

    async def _begin(self) -> WorkflowHandle[Any, Any]:
        handle: WorkflowHandle[Any, Any] = await self._client.start_workflow(
            self._demo.AGENT.run,
            Chat(model="offline", most_events=10_000),
            id=self._ws.id("chat"),
            task_queue=local.TASK_QUEUE,
            execution_timeout=timedelta(hours=1),
        )
        return handle

    async def _ask(self, handle: WorkflowHandle[Any, Any], text: str) -> Reply:
        return await handle.execute_update(Conversation.send_message, text)

    async def _priced(self) -> Any:
        async for each in self._books.list_workflows("WorkflowType = 'PriceStock'"):
            yield each.id, each.close_time

    async def _later(self) -> None:
        """Finance comes back with one tool more, and with an allowlist."""
        await self._spawn(self._subject.later)
        if "finance-mcp" in self._demo.SERVERS:
            await self._serve("finance-mcp", self._subject.later)

    async def _spawn(self, module: str) -> SpawnedWorker:
        made = await self._ws.spawn(module)
        self._ends.push_async_callback(self._ws.stop, made)
        return made

    async def _serve(self, name: str, module: str) -> HttpService:
        made = await self._ws.serve(name, module)
        self._ends.push_async_callback(made.stop)
        return made

    def _outside(self, url: str, token: str) -> mcp.Client:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        http = httpx2.AsyncClient(headers=headers, timeout=_GUARD_SECONDS)
        return mcp.Client(streamable_http_client(f"{url}/mcp", http_client=http))

    def _link(self, record: History) -> str:
        if not self._ws.ui_url:
            return ""
        place = f"{record.namespace}/workflows/{quote(record.workflow_id, safe='')}/{record.run_id}"
        return f"{self._ws.ui_url}/namespaces/{place}/history"


def _around(steps: Iterable[Step], effects: Iterable[Effect]) -> list[Step]:
    """The activities and operations during which something happened."""
    moments = [each.at for each in effects]
    spans = [(step, step.scheduled.timestamp(), step.closed.timestamp()) for step in steps if step.closed]
    return [step for step, began, ended in spans if step.kind in _CALLS and any(began <= at <= ended for at in moments)]


def _unauthorized(error: BaseException | None) -> bool:
    """Whether a handler said that the caller may not."""
    while error is not None:
        if isinstance(error, HandlerError):
            return error.type == HandlerErrorType.UNAUTHORIZED
        error = error.__cause__
    return False


def _seen(record: History, step: Step) -> str:
    return f"{record.workflow_id}, event {step.event}: {step.title}, {step.outcome}"


def _timed(times: list[float], what: str, link: str) -> Cell:
    first, median, third = statistics.quantiles(times, n=4)
    evidence = [f"{len(times)} {what}: {', '.join(f'{each:.0f}' for each in times)} ms"]
    return Cell(f"{median:.0f} ms (half of them {first:.0f} to {third:.0f})", evidence, link, median)


def _ports(spawned: Spawned) -> list[int]:
    """The ports on which a process listens."""
    made = psutil.Process(spawned.pid).net_connections(kind="tcp")
    return sorted(each.laddr.port for each in made if each.status == psutil.CONN_LISTEN)
