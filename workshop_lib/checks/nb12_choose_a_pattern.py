"""The exercises of notebook 12: a team is brought in, from its contract to the agents that use it."""

import asyncio
import sys
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

from nexusrpc import HandlerError, HandlerErrorType, get_service_definition
from temporalio.client import Client, WorkflowHandle
from temporalio.worker import Worker

from workshop_lib.agents.conversation import Chat
from workshop_lib.checks.exercise import NOT_SOLVED, Wrong, exercise, expected, require
from workshop_lib.checks.harness.handled import Watch, begin_call, handled
from workshop_lib.checks.harness.other_teams import other_teams
from workshop_lib.checks.harness.recorded import PAUSE, look, skip_timer, stays, until
from workshop_lib.checks.harness.talks import Talk, quietly
from workshop_lib.checks.harness.trial import end, ended, stop, worker
from workshop_lib.demos import openai_temporal
from workshop_lib.evidence.history import History, Link, Step, history, spoken
from workshop_lib.evidence.messages import WorkshopError
from workshop_lib.nexus_mcp.by_workflow import CallOperation
from workshop_lib.workers.spawned import SpawnedWorker
from workshop_lib.workshop import Workshop

_SERVICE, _DAYS, _BOOK = "HumanResources", "vacation_days", "book_vacation"
_THREE_DAYS = timedelta(days=3)
_TEAM, _HR = "hr_team", "hr_worker"  # the cells of exercises 12.1 and 12.2


@dataclass(frozen=True)
class _Caller:
    """Somebody who calls HR.

    Attributes:
        ws: The workshop.
        client: Of the caller's namespace.
        queue: Of a Worker there that has ``CallOperation``.
        endpoint: HR's.
    """

    ws: Workshop
    client: Client
    queue: str
    endpoint: str

    async def start(self, operation: str, given: Any, service: str = _SERVICE) -> WorkflowHandle[Any, Any]:
        """Call an operation, with far more time than it needs."""
        return await begin_call(self.ws, self.client, self.queue, self.endpoint, service, operation, given)

    async def ask(self, operation: str, given: Any, service: str = _SERVICE) -> tuple[Any, str]:
        """Call an operation, and wait for its result, or for the reason why there is none."""
        call = await self.start(operation, given, service)
        try:
            return (await ended(call))[:2]
        finally:
            await end(call)

    async def book(self, who: str, *, approved: bool, meanwhile: Any = None) -> WorkflowHandle[Any, Any]:
        """Book a vacation, decide it as a manager, and look what became of it.

        Args:
            who: The employee.
            approved: What the manager says.
            meanwhile: A coroutine function that is given the Workflow while the manager thinks; None for none.

        Returns:
            The Workflow behind the operation.
        """
        request, before = {"employee": who, "days": 2}, self.ws.ledger.count("vacation", who=who)
        call = await self.start(_BOOK, request)
        try:
            behind = await _waiting(self.ws, call)
            if meanwhile:
                await meanwhile(behind)
            await _decide(behind, approved)
            result, failure, _ = await ended(call)
        finally:
            await end(call)
        right, saw = result == {**request, "approved": approved}, failure or result
        require(right, f"a `Vacation` with approved={approved}", saw, "What does `run` return?")
        entered = self.ws.ledger.count("vacation", who=who) - before
        require(entered == approved, f"{int(approved)} entries after a {'yes' if approved else 'no'}", entered, "enter")
        return behind


@exercise("12.1")
async def team(ws: Workshop, answer: Any) -> None:
    """HR answers one operation at once and the other when a manager has decided, each call with one Workflow."""
    definition = get_service_definition(answer) if isinstance(answer, type) else None
    offered = set(definition.operation_definitions) if definition else set()
    if offered == {_DAYS}:
        raise RuntimeError(NOT_SOLVED)
    what = f"the class of a handler with {_DAYS} and {_BOOK}"
    require(offered == {_DAYS, _BOOK}, what, offered or answer, "contract")
    code: Any = sys.modules[_TEAM if _TEAM in sys.modules else answer.__module__]
    work = {"workflows": [code.BookVacation], "activities": [code.enter_vacation]}
    watch = _LosesAnswer()
    async with handled(ws, answer(), "check-hr", watch, **work) as there:
        for employee, days in code.DAYS_LEFT.items():
            result, failure = await there.ask(_DAYS, {"employee": employee})
            right = result == {"employee": employee, "days": days}
            require(right, f"{days} days for {employee}", failure or result, "days")
        caller, who = _Caller(ws, there.client, there.endpoint, there.endpoint), ws.id("Ann")
        with ws.fault("enter_vacation.fails_after_effect"):
            await caller.book(who, approved=True)
        await caller.book(who, approved=False, meanwhile=partial(_thinks, there.client))
    requests, ids = ({each[part] for each in watch.started} for part in (0, 1))
    if len(ids) > len(requests):
        what = "Nexus had to repeat a call, because its answer was lost, and a second Workflow was started."
        raise Wrong(what, "changing id")
    if len(ids) < len(requests):
        raise Wrong(f"Two vacations of {who} had the same Workflow id.", "shared id")


class _LosesAnswer(Watch):
    """Loses the first answer of a handler that starts a Workflow."""

    def answered(self, request: str, answer: Any) -> None:
        """See base class."""
        super().answered(request, answer)
        if len(self.started) == 1 and self.requests.count(request) == 1:
            raise HandlerError("The answer was lost.", type=HandlerErrorType.UNAVAILABLE)


async def _waiting(ws: Workshop, call: WorkflowHandle[Any, Any]) -> WorkflowHandle[Any, Any]:
    """The Workflow behind a call, as soon as it waits for the manager."""
    while True:
        seen = await history(call, follow=True)
        saw = f"an end: {seen.failure or seen.status}"
        require(not seen.closed, "a Workflow that waits for the manager", saw, "wait")
        if not (stays(seen) or _asks_again(seen)):
            look(seen, "")
        elif links := _calls(seen)[0].links:
            return await _behind(ws, links[0])
        await asyncio.sleep(PAUSE)


def _asks_again(call: History) -> bool:
    """Whether the Workflow behind a call looks for its decision from time to time: nothing but timers."""
    return any(
        [step.kind for step in behind.steps].count("timer") > 2 and {step.kind for step in behind.steps} == {"timer"}
        for step in _calls(call)
        for behind in step.calls
    )


async def _thinks(client: Client, behind: WorkflowHandle[Any, Any]) -> None:
    """Let the manager think for longer than the Workflow's timer, if it has one."""
    if timers := [step.title for step in (await history(behind)).steps if step.kind == "timer"]:
        await skip_timer(client, behind)
        closed = (await history(behind)).closed
        require(not closed, "a Workflow that waits however long it takes", f"that it ended after a {timers[0]}", "wait")


async def _decide(behind: WorkflowHandle[Any, Any], approved: bool) -> None:
    """Decide as a manager.

    Raises:
        Wrong: The Workflow's code fails with the decision.
    """
    decided = quietly(behind.execute_update("decide", approved))
    await until(decided, behind, None)
    await decided


async def _behind(ws: Workshop, link: Link) -> WorkflowHandle[Any, Any]:
    """The Workflow that a call leads to."""
    client = await Client.connect(**await ws.connection(ws.own_name(link.namespace), quiet=True))
    return client.get_workflow_handle(link.workflow_id)


def _calls(seen: History) -> list[Step]:
    return [step for step in seen.steps if step.kind == "nexus operation" and step.service == _SERVICE]


# 12.2


@exercise("12.2")
async def reachable(ws: Workshop, answer: Any) -> str:
    """HR serves default, refuses marketing, lists its tools, and loses nothing when its process is killed."""
    await ws.remove_endpoints("hr")  # of an earlier answer
    processes = [await _process(ws, answer.__module__)]

    async def kill(_: Any) -> None:
        processes[0].kill()
        processes.append(await _process(ws, answer.__module__))

    place, kinds = (ws.namespace("hr"), "hr"), ("workflow", "activity", "nexus")
    try:
        missing = [kind for kind in kinds if (*place, kind) not in processes[0].polls]
        require(not missing, f"a Worker on Task Queue {place[1]!r} of {place[0]!r}", f"none for {missing}", "worker")
        made, what = (await ws.endpoints()).get("hr"), "an endpoint `hr` for the Task Queue `hr` of the Namespace `hr`"
        require(made == ("hr", "hr"), what, made, "endpoint")
        async with _caller(ws, "marketing") as stranger:
            result, failure = await stranger.ask(_DAYS, {"employee": "Ann"})
            require(failure, "a refusal of marketing", result, "allowlist")
        async with _caller(ws, "default") as default:
            listed, failure = await default.ask("tools", None, "Directory")
            tools = {tool["name"]: tool["seconds"] for tool in listed or []}
            right, saw = set(tools) == {_DAYS, _BOOK}, failure or sorted(tools)
            require(right, f"a directory with {_DAYS} and {_BOOK}", saw, "directory")
            right, saw = tools[_BOOK] >= _THREE_DAYS.total_seconds(), f"{tools[_BOOK]:.0f} s"
            require(right, f"a limit of three days for {_BOOK}", saw, "limit")
            behind = await default.book(ws.id("Ann"), approved=True, meanwhile=kill)
    finally:
        await ws.stop(*processes)
    return f"A second process went on with {behind.id}: one Workflow, one entry."


async def _process(ws: Workshop, module: str) -> SpawnedWorker:
    """HR's Worker, in a process."""
    try:
        return await ws.spawn(module)
    except WorkshopError as error:
        if NOT_SOLVED in str(error):
            raise RuntimeError(NOT_SOLVED) from error
        raise


@asynccontextmanager
async def _caller(ws: Workshop, namespace: str) -> AsyncIterator[_Caller]:
    queue = f"check-{namespace}-calls"
    async with worker(ws, queue, namespace=namespace, workflows=[CallOperation]) as client:
        yield _Caller(ws, client, queue, "hr")


# 12.3


@exercise("12.3")
async def used(ws: Workshop, answer: Any) -> None:
    """Both agents ask HR, and wait for the manager for as long as the contract allows."""
    require(isinstance(answer, tuple) and len(answer) == 2, "both agents", repr(answer), "both")
    if _HR not in sys.modules:
        raise Wrong("HR has no Worker yet.", "no worker")
    hr = await _process(ws, _HR)
    try:
        async with other_teams(ws):
            for agent in answer:
                await _talk(ws, agent)
    finally:
        await ws.stop(hr)


async def _talk(ws: Workshop, agent: Any) -> None:
    """Ask an agent for a price, for the days that are left, and for a vacation."""
    queue = ws.id("check")
    settings = {**openai_temporal.WORKER, "workflows": [agent], "task_queue": queue}
    client = await openai_temporal.connect(ws)
    running = ws.run(Worker, client, **settings, activity_executor=ThreadPoolExecutor(8))
    chat = Chat(model="offline", model_seconds=60, tool_seconds=60)
    given: dict[str, Any] = {"task_queue": queue, "execution_timeout": 3 * _THREE_DAYS}
    handle = await client.start_workflow(agent.run, chat, id=ws.id("hr-chat"), **given)
    talk = Talk(handle)
    try:
        reply = await talk.say("What does ACME cost?")
        require("120.6" in reply, f"{agent.__name__} to ask Finance", repr(reply), "others")
        model = (await talk.asked())[0].model
        require(model == chat.model, f"{agent.__name__} to ask the model that the chat names", model, "model")
        reply = await talk.say("How many vacation days does Bob have left?")
        asked = _calls(await history(handle))
        right, saw = [step.name for step in asked] == [_DAYS], f"{len(asked)} calls and {reply!r}"
        require(right, f"{agent.__name__} to ask HR, once", saw, "tools")
        before = ws.ledger.count("vacation")
        booking = talk.send("Please book 2 vacation days for Bob.")
        behind = await _booking(ws, handle, booking)
        await _decide(behind, True)
        await talk.reply(booking, "the booking")
        entered = ws.ledger.count("vacation") - before
        require(entered == 1, "one entry for one vacation", entered, "enter")
        await handle.signal("end_chat")
        await handle.result()
    finally:
        await end(handle)
        await stop(ws, running)


async def _booking(ws: Workshop, handle: WorkflowHandle[Any, Any], sent: asyncio.Task[Any]) -> WorkflowHandle[Any, Any]:
    """The Workflow behind an agent's booking, as soon as it waits for the manager."""
    while True:
        booked = [step for step in _calls(await history(handle)) if step.name == _BOOK]
        if booked and booked[0].links:
            behind = await _behind(ws, booked[0].links[0])
            if (limit := booked[0].limit) and limit < _THREE_DAYS:
                await end(behind)  # or it would wait for a manager who never comes
                raise expected("a limit of three days for a booking", spoken(limit), "limit")
            return behind
        if sent.done():
            raise expected("a question that waits for the manager", repr(sent.result().text), "which")
        await asyncio.sleep(PAUSE)
