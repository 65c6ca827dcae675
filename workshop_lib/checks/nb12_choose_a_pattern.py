"""The exercises of notebook 12: a team is brought in, from its contract to the agents that use it."""

import sys
from datetime import timedelta
from functools import partial
from typing import Any

from temporalio.client import Client, WorkflowHandle

from workshop_lib.checks.exercise import Wrong, exercise, expected, require
from workshop_lib.checks.harness.handled import Caller, Watch, calling, handled, offered_by, other_teams
from workshop_lib.checks.harness.recorded import blame, look, quietly, seen, skip_timer, stays, until
from workshop_lib.checks.harness.sdk_talks import sdk_talks
from workshop_lib.checks.harness.talks import Talk, asks_the_chats_model, limited
from workshop_lib.checks.harness.trial import connect, ended
from workshop_lib.evidence.history import History, Link, Step, history
from workshop_lib.workshop import Workshop

_SERVICE, _DAYS, _BOOK = "HumanResources", "vacation_days", "book_vacation"
_THREE_DAYS = timedelta(days=3)
_TEAM, _HR = "hr_team", "hr_worker"  # the cells of exercises 12.1 and 12.2


async def _book(caller: Caller, who: str, *, approved: bool, meanwhile: Any = None) -> WorkflowHandle[Any, Any]:
    """Book a vacation, decide it as a manager, and look what became of it.

    Args:
        caller: Who calls.
        who: The employee.
        approved: What the manager says.
        meanwhile: A coroutine function that is given the Workflow while the manager thinks; None for none.

    Returns:
        The Workflow behind the operation.
    """
    request, before = {"employee": who, "days": 2}, caller.ws.ledger.count("vacation", who=who)
    call = await caller.start(_BOOK, request)
    behind = await _waiting(caller.ws, call)
    if meanwhile:
        await meanwhile(behind)
    await _decide(behind, approved)
    result, failure, _ = await ended(call)
    right, saw = result == {**request, "approved": approved}, failure or result
    require(right, f"a `Vacation` with approved={approved}", saw, "What does `run` return?")
    entered = caller.ws.ledger.count("vacation", who=who) - before
    require(entered == approved, f"{int(approved)} entries after a {'yes' if approved else 'no'}", entered, "enter")
    return behind


@exercise("12.1")
async def team(ws: Workshop, answer: Any) -> None:
    """HR answers one operation at once and the other when a manager has decided, each call with one Workflow."""
    offered_by(answer, _DAYS, _BOOK)
    code: Any = sys.modules[_TEAM if _TEAM in sys.modules else answer.__module__]
    work = {"workflows": [code.BookVacation], "activities": [code.enter_vacation]}
    watch = Watch(loses=True)
    async with handled(ws, answer(), "check-hr", watch, **work) as caller:
        for employee, days in code.DAYS_LEFT.items():
            result, failure = await caller.ask(_DAYS, {"employee": employee})
            right = result == {"employee": employee, "days": days}
            require(right, f"{days} days for {employee}", failure or result, "days")
        who = ws.id("Ann")
        with ws.fault("enter_vacation.fails_after_effect"):
            await _book(caller, who, approved=True)
        await _book(caller, who, approved=False, meanwhile=partial(_thinks, caller.client))
    watch.one_each()


async def _waiting(ws: Workshop, call: WorkflowHandle[Any, Any]) -> WorkflowHandle[Any, Any]:
    """The Workflow behind a call, as soon as it waits for the manager."""
    told = await seen(call, lambda told: _calls(told) and (stays(told) or _asks_again(told)), partial(look, stuck=""))
    require(not told.closed, "a Workflow that waits for the manager", f"an end: {told.failure or told.status}", "wait")
    return await _behind(ws, _calls(told)[0].links[0])


def _asks_again(call: History) -> bool:
    """Whether the Workflow behind a call looks for its decision from time to time: nothing but timers."""
    kinds = [[step.kind for step in behind.steps] for step in _calls(call) for behind in step.calls]
    return any(len(each) > 2 and {*each} == {"timer"} for each in kinds)


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
    await until(decided, behind, blame)
    await decided


async def _behind(ws: Workshop, link: Link) -> WorkflowHandle[Any, Any]:
    """The Workflow that a call leads to."""
    client = await connect(ws, ws.own_name(link.namespace), quiet=True)
    return client.get_workflow_handle(link.workflow_id)


def _calls(seen: History) -> list[Step]:
    return [step for step in seen.steps if step.kind == "nexus operation" and step.service == _SERVICE]


# 12.2


@exercise("12.2")
async def reachable(ws: Workshop, answer: Any) -> str:
    """HR serves default, refuses marketing, lists its tools, and loses nothing when its process is killed."""
    await ws.remove_endpoints("hr")  # of an earlier answer
    hr = await ws.spawn(answer.__module__)

    async def kill(_: Any) -> None:
        hr.kill()
        await hr.start()

    place, kinds = (ws.namespace("hr"), "hr"), ("workflow", "activity", "nexus")
    try:
        missing = [kind for kind in kinds if (*place, kind) not in hr.polls]
        require(not missing, f"a Worker on Task Queue {place[1]!r} of {place[0]!r}", f"none for {missing}", "worker")
        made, what = (await ws.endpoints()).get("hr"), "an endpoint `hr` for the Task Queue `hr` of the Namespace `hr`"
        require(made == ("hr", "hr"), what, made, "endpoint")
        async with calling(ws, "marketing", "hr", service=_SERVICE) as stranger:
            result, failure = await stranger.ask(_DAYS, {"employee": "Ann"})
            require(failure, "a refusal of marketing", result, "allowlist")
        async with calling(ws, "default", "hr", service=_SERVICE) as default:
            listed, failure = await default.ask("Directory.tools", None)
            tools = {tool["name"]: tool["seconds"] for tool in listed or []}
            right, saw = set(tools) == {_DAYS, _BOOK}, failure or sorted(tools)
            require(right, f"a directory with {_DAYS} and {_BOOK}", saw, "directory")
            limited(timedelta(seconds=tools[_BOOK]), f"a limit of three days for {_BOOK}", _THREE_DAYS)
            behind = await _book(default, ws.id("Ann"), approved=True, meanwhile=kill)
    finally:
        await ws.stop(hr)
    return f"A second process went on with {behind.id}: one Workflow, one entry."


# 12.3


@exercise("12.3")
async def used(ws: Workshop, answer: Any) -> None:
    """Both agents ask HR, and wait for the manager for as long as the contract allows."""
    require(isinstance(answer, tuple) and len(answer) == 2, "both agents", repr(answer), "both")
    if _HR not in sys.modules:
        raise Wrong("HR has no Worker yet.", "no worker")
    hr = await ws.spawn(_HR)
    try:
        async with other_teams(ws):
            for agent in answer:
                async with sdk_talks(ws, agent, namespace="default") as begin:
                    await asks_the_chats_model(begin)
                    await _hr_asked(ws, await begin(), agent.__name__)
    finally:
        await ws.stop(hr)


async def _hr_asked(ws: Workshop, talk: Talk, agent: str) -> None:
    """Ask an agent for a price, for the days that are left, and for a vacation."""
    reply = await talk.say("What does ACME cost?")
    require("120.6" in reply, f"{agent} to ask Finance", repr(reply), "others")
    reply = await talk.say("How many vacation days does Bob have left?")
    asked = _calls(await history(talk.handle))
    right, saw = [step.name for step in asked] == [_DAYS], f"{len(asked)} calls and {reply!r}"
    require(right, f"{agent} to ask HR, once", saw, "tools")
    before = ws.ledger.count("vacation")
    sent = talk.send("Please book 2 vacation days for Bob.")
    told = await seen(talk.handle, lambda told: sent.done() or _booked(told), blame)
    if not (booked := _booked(told)):
        saw = repr(await talk.reply(sent, "the booking"))
        raise expected("a question that waits for the manager", saw, "which")
    limited(booked[0].limit, "a limit of three days for a booking", _THREE_DAYS)
    await _decide(await _behind(ws, booked[0].links[0]), True)
    await talk.reply(sent, "the booking")
    entered = ws.ledger.count("vacation") - before
    require(entered == 1, "one entry for one vacation", entered, "enter")


def _booked(told: History) -> list[Step]:
    return [step for step in _calls(told) if step.name == _BOOK and step.links]
