"""The four demos under the same questions and the same failures. Each answer is a cell with its evidence.

``views.comparison`` draws the cells. Nothing here knows what comes out: a cell is made from the events that the server
recorded, the ledger's rows, a clock, or the source code; and one that could not be observed says why.
"""

import asyncio
import itertools
import os
import statistics
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar
from unittest.mock import patch

import httpx2
import mcp
import psutil
from mcp.client.streamable_http import streamable_http_client
from nexusrpc import HandlerErrorType
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle, WorkflowUpdateStage
from temporalio.worker import Worker

from workshop_lib.agents.conversation import Chat, Conversation
from workshop_lib.demos import computers, local, owned
from workshop_lib.demos.demo import Demo
from workshop_lib.demos.gateway import TOKEN
from workshop_lib.evidence.failures import causes, describe, reason
from workshop_lib.evidence.history import History, Step, history
from workshop_lib.evidence.ledger import Effect
from workshop_lib.evidence.state import SERVICES, notebook_folder, read_json, service_address
from workshop_lib.governance.policy.contract import Approval
from workshop_lib.governance.policy.guard import deploy, record
from workshop_lib.governance.policy.keeper import KEEPER, PolicyKeeper
from workshop_lib.governance.policy.rules import Policy, Rule
from workshop_lib.nexus_mcp.by_workflow import CallOperation
from workshop_lib.teams.finance.contract import ENDPOINT, Finance
from workshop_lib.workers.spawned import HttpService, Spawned, SpawnedWorker
from workshop_lib.workshop import Workshop

LOOP = "Who runs the loop"
LINES = "Lines of code, of the agent and of Finance"
DISCOVERY = "A tool that Finance adds meanwhile"
MCP = "MCP clients from outside"
STRANGER = "A stranger's call, Finance with an allowlist"
POLICY = "A call that Finance's policy holds for a person"
LANGUAGES = "How the call reaches Finance"
LINKS = "Links between agent and Finance"
KILLED = "Finance workflows for one question, killed in mid-call"
STOPS = "What stops when Finance stops"
PROCESSES = "Processes"
EVENTS = "Events a turn"
TURN = "A turn with one tool"
CALL = "The tool call in it"
ROWS = (LOOP, LINES, DISCOVERY, LANGUAGES, STRANGER, POLICY, LINKS, MCP, PROCESSES, KILLED, STOPS, TURN, CALL, EVENTS)
"""The questions, in the order in which a team asks them."""

_TICKERS = ("GLOBX", "HOOLI", "INTCH", "PIED", "UMBRL")
_CONVERSATIONS = 2  # whose turns are timed: one for each ticker, after a first one that is not
_GUARD_SECONDS = 600.0  # for one part: only against hanging
_CALLS = ("activity", "nexus operation")  # the steps that leave the agent's Workflow
_REFUSED = (401, 403)  # HTTP's own words for it
_LOOK_EVERY = 0.2  # seconds
_SECRET = "only-for-this-comparison"
_CONVERT = "Please convert 100 dollars to EUR."
_OTHERS = {  # questions that Finance has no part in, and what their answers hold
    "a greeting": ("Hello!", "Hello"),
    "its own tools": ("What is 6 * 7?", "42"),
    "IT's tools": ("What is the IP address of web-1?", "192.0.2.11"),
}
T = TypeVar("T")
_TOOL, _ARGUMENTS = Finance.stock_price.name, {"ticker": "ACME"}
_ALLOW = Rule("all else", "allow")
_HOLD = Rule("prices", "hold", operations=[f"{Finance.__name__}.{_TOOL}"], approvers=["it"], hours=1)


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


async def measure(
    ws: Workshop, demo: Demo, say: Callable[[str], None], later: str = "workshop_lib.teams.finance.later"
) -> dict[str, Cell]:
    """Observe one demo. Its Workers run in processes, which end with this.

    Args:
        ws: The workshop, with its offline model.
        demo: The demo's module.
        say: Shows what is done next.
        later: Finance's Worker, and its MCP server where the demo has one: with one tool more, an allowlist and a
            policy.

    Returns:
        The cells, by their rows.
    """
    async with AsyncExitStack() as ends:
        measured = _Measurement(ws, demo, later, ends)
        ends.push_async_callback(measured.end)
        for what, observe, rows in (
            ("starting its processes", measured.processes, ROWS),
            ("asking for prices", measured.turns, [LOOP, LANGUAGES, EVENTS, TURN, CALL]),
            ("calling as an MCP client", measured.mcp_clients, [MCP]),
            ("killing Finance in the middle of a call", measured.killed, [KILLED, LINKS]),
            ("stopping Finance", measured.stopped, [STOPS, DISCOVERY, STRANGER, POLICY]),
            ("asking for the tool that Finance has added", measured.discovery, [DISCOVERY]),
            ("calling as a stranger", measured.strangers, [STRANGER]),
            ("calling what a policy holds", measured.policy, [POLICY]),
        ):
            if rows[-1] in measured.cells:
                continue  # something before did not go well, and this would not either
            say(what)
            try:
                async with asyncio.timeout(_GUARD_SECONDS):
                    await observe()
            except Exception as error:  # the other cells do not depend on it
                for row in {*rows} - measured.cells.keys():
                    measured.put(row, f"not observed: {reason(error)}", describe(error))
        return {row: measured.cells[row] for row in ROWS}


class _Measurement:
    """One demo, while it is measured."""

    def __init__(self, ws: Workshop, demo: Demo, later: str, ends: AsyncExitStack) -> None:
        self._ws, self._demo, self._module, self._ends, self._before = ws, demo, later, ends, ws.workers
        self._gateways: dict[str, str] = getattr(demo, "GATEWAYS", {})
        self._servers: list[str] = []  # the names of what listens in the demo's processes
        self._sellers: list[str] = []  # those of them that have Finance's tools
        self.cells: dict[str, Cell] = {}

    async def end(self) -> None:
        """Stop the Workers that were started for this."""
        await self._ws.stop(*(each for each in self._ws.workers if each not in self._before))

    def put(
        self, row: str, said: str, evidence: Sequence[str], record: History | None = None, milliseconds: float = 0.0
    ) -> None:
        """Fill a cell; ``record`` is the history that it leads to."""
        path = (record.namespace, "workflows", record.workflow_id, record.run_id, "history") if record else ()
        link = self._ws.server.page("namespaces", *path) if record else ""
        self.cells[row] = Cell(said, evidence, link, milliseconds)

    async def processes(self) -> None:
        """Start them, and look at their ports and at the code that they run."""
        with patch.dict(os.environ, {TOKEN: _SECRET}):  # a learner's own token comes back
            serving = asyncio.gather(*(self._serve(name, module) for name, module in self._gateways.items()))
            started, gateways = await asyncio.gather(computers.start(self._ws, self._demo, processes=True), serving)
        three = {"the orchestrator": started.orchestrator, "IT": started.it, "Finance": started.finance}
        workers = {name: each for name, each in three.items() if isinstance(each, SpawnedWorker)}
        self._finance = workers["Finance"]
        self._client = await Client.connect(**await self._ws.connection(local.NAMESPACE, quiet=True))
        self._books = await Client.connect(**await self._ws.connection("finance", quiet=True))
        self._keeper: Any = self._books.get_workflow_handle_for(PolicyKeeper.run, KEEPER)
        all_ = {**workers, **{served.name: served for served in gateways}}
        ports = {name: _ports(each) for name, each in all_.items()}
        listening = [name for name in workers if ports[name]]
        said = f"{len(workers)}; {' and '.join(listening) or 'none'} listen{'' if listening[1:] else 's'}"
        said += "".join(f"; and a {served.name}, which does" for served in gateways)
        evidence = [f"{name}: process {each.pid}, ports {ports[name] or 'none'}" for name, each in all_.items()]
        self.put(PROCESSES, said, evidence)
        known, listened = read_json(notebook_folder() / SERVICES), {*itertools.chain(*ports.values())}
        self._servers = sorted(name for name, url in known.items() if httpx2.URL(url).port in listened)
        self.put(LINES, *owned.lines(self._demo))

    async def turns(self) -> None:
        """Ask for prices, one after another, and look at who did what meanwhile."""
        ledger, times, calls, counted, events = self._ws.ledger, list[float](), list[Step](), list[str](), 0
        for _ in range(_CONVERSATIONS):
            handle = await self._begin()
            await self._ask(handle, "What does ACME cost?")
            before, seen = await history(handle), ledger.count()
            for ticker in _TICKERS:
                began = time.perf_counter()
                await self._ask(handle, f"What does {ticker} cost?")
                times.append(1000 * (time.perf_counter() - began))
            record, effects = await history(handle, follow=True), ledger.entries()[seen:]
            steps = record.steps[len(before.steps) :]
            calls += _around(steps, [each for each in effects if each.effect == "quote"])
            events += record.events - before.events
            counted.append(f"{record.workflow_id}: {record.events - before.events} events in {len(_TICKERS)} turns")
            await handle.terminate()
        self.put(EVENTS, f"{events / len(times):.0f}", counted, record)
        spans = [1000 * each.duration.total_seconds() for each in calls if each.duration]
        for row, seen_by, figures in ((TURN, "turns, by the client", times), (CALL, "calls, by the server", spans)):
            assert figures, "no step was under way when Finance noted a quote: this machine's clock is not the server's"
            first, median, third = statistics.quantiles(figures, n=4)
            shown = f"{len(figures)} {seen_by}: {', '.join(f'{each:.0f}' for each in figures)} ms"
            self.put(row, f"{median:.0f} ms (half of them {first:.0f} to {third:.0f})", [shown], record, median)
        await self._who(record, _around(steps, [each for each in effects if each.effect == "model call"]))
        step = calls[-1]
        said = f"in an activity of the agent's: {step.name}"
        if step.kind == "nexus operation":
            answered = ", ".join(sorted({each.sdk for each in step.calls})) or "a handler without a workflow"
            said = f"Nexus Operation {step.service}.{step.name}, answered by {answered}"
        self.put(LANGUAGES, said, [_seen(record, step), "while Finance noted the quote"], record)

    async def _who(self, record: History, asked: list[Step]) -> None:
        """Whose activity asks the model: one of the agent's Worker, or one that a plugin has brought."""
        name, _ = Counter(each.name for each in asked).most_common(1)[0]
        if name in [each.__name__ for each in self._demo.WORKER["activities"]]:
            said, why = "the agent's own Workflow", f"{name} is an activity of its Worker"
        else:
            brought = ", ".join(plugin.name() for plugin in (await self._demo.connect(self._ws)).config()["plugins"])
            said, why = f"the SDK behind {brought}", f"{name} is not a separate activity; its client has {brought}"
        step = next(each for each in asked if each.name == name)
        self.put(LOOP, said, [_seen(record, step), "while the model noted the call", why], record)

    async def mcp_clients(self) -> None:
        """List the tools of each MCP server, and call one, with a real client."""
        tools, evidence = list[str](), list[str]()
        for name in self._servers:
            async with _mcp_client(name) as client:
                listed = [tool.name for tool in (await client.list_tools()).tools]
            evidence.append(f"{name} at {service_address(name)} lists {', '.join(listed)}")
            if _TOOL in listed:
                self._sellers.append(name)
                evidence.append(f"{_TOOL} there: {await _call(name)}")
            tools += listed
        said = f"list {len(tools)} tools at {' and '.join(self._servers)}{', and call them' if self._sellers else ''}"
        evidence = evidence or ["None of its processes listens on a port."]
        self.put(MCP, said if tools else "cannot: no MCP server", evidence)

    async def killed(self) -> None:
        """Kill Finance's process while it reads a quote, start another one, and count the workflows."""
        handle, ledger = await self._begin(), self._ws.ledger
        known, reads = {id async for id, _ in self._priced()}, ledger.count("quote")
        with self._ws.fault("read_quote.is_slow", seconds=_GUARD_SECONDS) as slow:
            asked = self._begun(self._ask(handle, "What does HOOLI cost?"))
            while not slow.fired:
                await asyncio.sleep(_LOOK_EVERY)
            self._finance.kill()
            self._finance = await self._ws.spawn(self._demo.COMPUTERS["finance"])
            reply = await asked
        assert "311.75" in reply, f"Finance was not back in time. {reply}"
        record, ended = await history(handle, follow=True), list[str]()
        # In the index, a moment later; each that has ended has noted its quote.
        while not ended or ledger.count("quote") - reads < len(ended):
            await asyncio.sleep(_LOOK_EVERY)
            new = {id: closed async for id, closed in self._priced() if id not in known}
            ended = [] if None in new.values() else list(new)
        turn = next(step for step in record.steps if step.kind == "update")
        evidence = [*(f"{id}: completed" for id in ended), f"ledger: {ledger.count('quote') - reads} quotes"]
        self.put(KILLED, f"{len(ended)}", [*evidence, _seen(record, turn), reply], record)
        theirs = [await history(self._books.get_workflow_handle(id)) for id in ended]
        there = [call.workflow_id for step in record.steps for call in step.calls]
        back = [each.workflow_id for each in theirs if handle.id in [link.workflow_id for link in each.links]]
        said = " and ".join([*(["to Finance"] if there else []), *(["back"] if back else [])]) or "none"
        evidence = [f"{handle.id} leads to {', '.join(there) or 'nobody'}"]
        evidence += [f"to {handle.id} lead: {', '.join(back) or 'none'}"]
        self.put(LINKS, said, evidence, record)

    async def stopped(self) -> None:
        """Stop Finance, ask for this and that, and let Finance come back, later in both senses."""
        self._talk = await self._begin()
        self._missing = await self._ask(self._talk, _CONVERT)
        await self._ask(self._talk, "What does ACME cost?")  # so that it knows Finance's tools
        await self._ws.stop(self._finance)
        replies = {what: await self._ask(self._talk, text) for what, (text, _) in _OTHERS.items()}
        stage = WorkflowUpdateStage.ACCEPTED
        price = await self._talk.start_update(Conversation.send_message, "What does PIED cost?", wait_for_stage=stage)
        result = self._begun(price.result())
        while not result.done() and not await _waits(self._talk):
            await asyncio.sleep(_LOOK_EVERY)
        early = result.done()
        await deploy(self._books, Policy([_ALLOW]), "finance")
        self._ends.push_async_callback(self._keeper.terminate)
        await self._ws.spawn(self._module)
        if "finance-mcp" in self._servers:
            await self._serve("finance-mcp", self._module)
        reply, record = await result, await history(self._talk)
        right = "price 77" in reply.text
        stops = [what for what, (_, text) in _OTHERS.items() if text not in replies[what]]
        stops = stops if early and right else ["Finance's tools", *stops]
        outcome = f"is answered {'at once' if early else 'when it is back'}" if right else "fails"
        evidence = [*(f"{_OTHERS[what][0]} {text}" for what, text in replies.items()), f"the price: {reply.text}"]
        evidence += [_seen(record, step) for step in record.steps[-6:]]
        self.put(STOPS, f"{', '.join(stops) or 'nothing'}; a question for Finance {outcome}", evidence, record)

    async def discovery(self) -> None:
        """Ask for the tool that was not there before, in the same conversation."""
        reply = await self._ask(self._talk, _CONVERT)
        transcript: list[Any] = await self._talk.query(Conversation.transcript)
        used, record = "convert" in [line.tool for line in transcript], await history(self._talk)
        said = "is used in the next turn" if used else "is not found: the agent must be deployed again"
        evidence = [f"before: {self._missing}", f"after: {reply}", _seen(record, record.steps[-1])]
        self.put(DISCOVERY, said, evidence, record)

    async def strangers(self) -> None:
        """Call from another namespace, and at each MCP server without its token."""
        client = await Client.connect(**await self._ws.connection("marketing", quiet=True))
        self._ws.run(Worker, client, task_queue="strangers", workflows=[CallOperation])
        call: list[Any] = [ENDPOINT, Finance.__name__, _TOOL, _ARGUMENTS, _GUARD_SECONDS]
        id, seen, answers = self._ws.id("stranger"), dict[str, bool](), list[str]()
        try:
            answer = await client.execute_workflow(CallOperation.run, args=call, id=id, task_queue="strangers")
            seen["Nexus"] = True
        except WorkflowFailureError as error:
            if getattr(causes(error)[-1], "type", None) != HandlerErrorType.UNAUTHORIZED:
                raise
            seen["Nexus"], answer = False, reason(error)
        answers.append(f"{id} in namespace {client.namespace}: {answer}")
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": _TOOL, "arguments": _ARGUMENTS}}
        headers = {"Accept": "application/json, text/event-stream"}
        async with httpx2.AsyncClient(headers=headers, timeout=_GUARD_SECONDS) as stranger:
            for name in self._sellers:
                posted = await stranger.post(f"{service_address(name)}/mcp", json=body)
                if posted.status_code not in _REFUSED:
                    posted.raise_for_status()
                seen[name] = posted.is_success
                answers.append(f"a POST to {name}: {posted.status_code}, {posted.text[:200]}")
        said = "; ".join(f"{name}: {'served' if served else 'refused'}" for name, served in seen.items())
        self.put(STRANGER, said, answers)

    async def policy(self) -> None:
        """Let Finance's policy hold prices, ask for one in each way, and see whether somebody has to approve it."""
        await deploy(self._books, Policy([_HOLD, _ALLOW]), "finance")
        seen, evidence = dict[str, bool](), list[str]()
        for way in ("the agent", *self._sellers):
            asked = self._begun(_call(way) if way in self._sellers else self._ask(self._talk, "What does UMBRL cost?"))
            while not (held := await self._keeper.query(PolicyKeeper.waiting, "it")) and not asked.done():
                await asyncio.sleep(_LOOK_EVERY)
            seen[way] = bool(held)
            for each in held:
                approval = [Approval(each.id, approve=True), "it", each.id]
                await self._keeper.execute_update(PolicyKeeper.settle, args=approval)
            answer = await asked
            assert any(price in answer for price in ("120.6", "201")), f"It was not answered in the end. {answer}"
            evidence.append(f"{way}: {answer}")
        evidence += [f"Finance's record, {row.kind}: {row.verdict}, {row.why}" for row in await record(self._books)]
        said = "; ".join(f"{way}: {'held' if held else 'not held'}" for way, held in seen.items())
        self.put(POLICY, said, evidence, await history(self._talk))

    async def _begin(self) -> WorkflowHandle[Any, Any]:
        chat, limit = Chat(model="offline", tool_seconds=_GUARD_SECONDS, most_events=10_000), timedelta(hours=1)
        made: WorkflowHandle[Any, Any] = await self._client.start_workflow(
            self._demo.AGENT.run, chat, id=self._ws.id("chat"), task_queue=local.TASK_QUEUE, execution_timeout=limit
        )
        return made

    def _begun(self, waiting: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """A task that is not left behind, whatever happens meanwhile."""
        task = asyncio.create_task(waiting)
        task.add_done_callback(lambda done: done.cancelled() or done.exception())  # else Python complains, later
        self._ends.callback(task.cancel)
        return task

    async def _ask(self, handle: WorkflowHandle[Any, Any], text: str) -> str:
        return (await handle.execute_update(Conversation.send_message, text)).text

    async def _priced(self) -> AsyncIterator[tuple[str, datetime | None]]:
        async for each in self._books.list_workflows("WorkflowType = 'PriceStock'"):
            yield each.id, each.close_time

    async def _serve(self, name: str, module: str) -> HttpService:
        made = await self._ws.serve(name, module)
        self._ends.push_async_callback(made.stop)
        return made


@asynccontextmanager
async def _mcp_client(name: str) -> AsyncIterator[mcp.Client]:
    """A client of an MCP server, with the token."""
    http = httpx2.AsyncClient(headers={"Authorization": f"Bearer {_SECRET}"}, timeout=_GUARD_SECONDS)
    async with mcp.Client(streamable_http_client(f"{service_address(name)}/mcp", http_client=http)) as client:
        yield client


async def _call(name: str) -> str:
    """Ask an MCP server for a price."""
    async with _mcp_client(name) as client:
        answer = await client.call_tool(_TOOL, _ARGUMENTS)
    return f"{answer.structured_content or answer.content}"


def _around(steps: Iterable[Step], effects: Iterable[Effect]) -> list[Step]:
    """The activities and operations during which something happened."""
    moments = [each.at for each in effects]
    spans = [(step, step.scheduled.timestamp(), step.closed.timestamp()) for step in steps if step.closed]
    return [step for step, began, ended in spans if step.kind in _CALLS and any(began <= at <= ended for at in moments)]


async def _waits(talk: WorkflowHandle[Any, Any]) -> bool:
    """Whether an agent waits for Finance: for an operation, or for an activity that has failed and is retried."""
    steps = (await history(talk)).steps
    pending = [step for step in steps if step.status in ("waiting", "running") and step.kind in _CALLS]
    return bool(pending) and all(step.kind == "nexus operation" or step.failure for step in pending)


def _seen(record: History, step: Step) -> str:
    return f"{record.workflow_id}, event {step.event}: {step.title}, {step.outcome}"


def _ports(spawned: Spawned) -> list[int]:
    """The ports on which a process listens."""
    made = psutil.Process(spawned.pid).net_connections(kind="tcp")
    return sorted(each.laddr.port for each in made if each.status == psutil.CONN_LISTEN)
