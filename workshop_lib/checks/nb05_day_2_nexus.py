"""The exercises of notebook 05: a contract and its handler, a caller, a contract that grows, a change under way."""

import math
import re
import sys
import time
from datetime import timedelta
from typing import Any

import nexusrpc
import temporalio.client as tc
from nexusrpc.handler import StartOperationResultSync
from temporalio import activity
from temporalio.common import WorkflowIDConflictPolicy

from workshop_lib.checks.exercise import Wrong, exercise, expected, expecting, require
from workshop_lib.checks.harness.handled import Watch, handled, offered_by, other_teams
from workshop_lib.checks.harness.talks import MODELS, Begin, Talk, Turn, clerk, holds, limited, talks
from workshop_lib.checks.harness.trial import activity_name
from workshop_lib.evidence.failures import causes
from workshop_lib.teams.it.activities import look_up_host
from workshop_lib.teams.it.contract import HostAddress, HostQuery
from workshop_lib.teams.it.data import HOSTS
from workshop_lib.teams.it.workflows import FindHost
from workshop_lib.workshop import Workshop

# 5.1

_HOSTS_ENDPOINT = "check-hosts"


@exercise("5.1")
async def offered(ws: Workshop, answer: Any) -> None:
    """Each call is one Workflow, also when it is made for the same host, or its answer is lost on the way."""
    operation = offered_by(answer, "get_ip")["get_ip"]
    types = operation.input_type, operation.output_type
    right = "`get_ip: nexusrpc.Operation[HostQuery, HostAddress]`"
    require(types == (HostQuery, HostAddress), right, f"the types {types}", "types")
    watch = _HostWatch(loses=True)

    @activity.defn(name="look_up_host")
    def look_up(host: str) -> HostAddress:
        while len(watch.answers) < 2:  # the first is lost: a result that came before the second would end the call
            time.sleep(0.02)  # in short steps, between which the SDK can cancel it
        return look_up_host(host)

    work: dict[str, Any] = {"workflows": [FindHost], "activities": [look_up]}
    async with handled(ws, answer(), _HOSTS_ENDPOINT, watch, **work) as there:
        for host in ("web-1", "db-1", "db-1", "web-9"):
            result, failure = await there.ask("get_ip", {"host": host})
            watch.look()
            if ip := HOSTS.get(host):
                require(result == {"host": host, "ip": ip}, f"the address {ip} for {host}", failure or repr(result))
            else:
                require("UnknownHost" in failure, f"the failure UnknownHost for {host}", failure or "a result")


class _HostWatch(Watch):
    """Sees what the handler of get_ip does.

    Attributes:
        joins: Whether a workflow that runs already is joined.
    """

    joins = False

    def starts(self, request: str, input: tc.StartWorkflowInput) -> None:
        """See base class."""
        super().starts(request, input)
        self.joins = input.id_conflict_policy == WorkflowIDConflictPolicy.USE_EXISTING
        here = (input.workflow, input.task_queue) == ("FindHost", _HOSTS_ENDPOINT)
        require(here, "FindHost on the handler's own Task Queue", f"{input.workflow} on {input.task_queue}")

    def look(self) -> None:
        """Look at what the handler has done so far.

        Raises:
            Wrong: It answers by itself, has raised an error, or gives its Workflows the wrong ids.
        """
        itself = any(isinstance(answer, StartOperationResultSync) for answer in self.answers)
        require(not itself, "Nexus to deliver the Workflow's result", "that your handler answers by itself")
        for error in self.errors:
            if isinstance(error, Wrong):
                raise error
            saw = f"that it raised {type(error).__name__}: {str(error).partition('. ')[0]}"
            raise expected("your handler to start a Workflow", saw, "raised")
        self.one_each(joined=self.joins)


# 5.2

_LEAST, _MOST = timedelta(seconds=5), timedelta(seconds=10)  # less is too little for a lookup that is repeated


@exercise("5.2")
async def asked(ws: Workshop, answer: Any) -> None:
    """A customer learns the address, and the reason when there is none; each time the conversation goes on."""
    async with other_teams(ws) as teams, talks(ws, answer, look_up_host, FindHost) as begin:
        talk = await begin()
        unknown = await _no_address(talk, "web-9")
        teams.reason = "The list of hosts is closed until nine"
        refused = await _no_address(talk, "mail")
        teams.reason = ""
        two = "knows no host" in unknown or unknown.replace("web-9", "") != refused.replace("mail", "")
        what = "two reasons, for a host that does not exist and for a call that IT refused"
        require(two, what, f"{unknown!r} for both", "swallowed")
        with ws.fault("look_up_host.fails"):
            holds(await _reply(talk, "db-1"), HOSTS["db-1"])


async def _no_address(talk: Talk, host: str) -> str:
    """Ask for an address that IT does not give: what the tool said."""
    await _reply(talk, host)
    said = (await talk.lines("result"))[-1].text
    made_up = re.search(r"\d+\.\d+\.\d+\.\d+", said) or not said.strip("\"' ")
    require(not made_up, f"the reason why IT gave no address for {host}", repr(said), "swallowed")
    return said


async def _reply(talk: Talk, host: str) -> str:
    reply = (await talk.turn(f"What is the IP address of {host}?", _asks_it)).reply
    require(not talk.problem, "a reply", f"that the turn failed: {reply}", "swallowed")
    return reply


def _asks_it(turn: Turn) -> None:
    """Look whether a tool asks IT, for as long as it should.

    Raises:
        Wrong: It does not.
    """
    own = [step.title for step in turn.steps if step.name in ("FindHost", "look_up_host")]
    saw = f"{' and '.join(own) or 'no call'} in the agent's own history"
    require(not own and (turn.calls or not turn.answered), "a call of IT's operation", saw)
    for call in turn.calls:
        limited(call.limit, "a limit of 10 s for the operation", _LEAST, _MOST)


# 5.3

# What is asked, and the price and the currency that are right.
_PRICES = (
    ({"ticker": "ACME"}, 120.0, "USD"),
    ({"ticker": "ACME", "currency": "USD"}, 120.0, "USD"),
    ({"ticker": "HOOLI", "currency": "EUR"}, 279.18, "EUR"),
    ({"ticker": "ACME", "currency": "EUR"}, 108.0, "EUR"),
)


# What is refused, what the refusal names, and the advice.
_REFUSED: tuple[tuple[dict[str, str], tuple[str, ...], str], ...] = (
    ({"ticker": "ACME", "currency": "GBP"}, ("USD", "EUR"), "currency"),
    ({"ticker": "NOBODY"}, (), "ticker"),
)


@exercise("5.3")
async def grown(ws: Workshop, answer: Any) -> None:
    """Old callers get what they got before, new ones what they ask for, and a wrong currency is refused at once."""
    offered_by(answer, "stock_price")
    watch = Watch()
    async with handled(ws, answer(), "check-prices", watch) as there:
        for given, price, currency in _PRICES:
            result, failure = await there.ask("stock_price", given)
            got = result if isinstance(result, dict) else {}
            number = amount if isinstance(amount := got.get("price"), int | float) else math.nan
            named = got.get("ticker") == given["ticker"] and currency in got.values()
            what = f"{price:.2f}, with the ticker and the currency {currency}, for {given}"
            require(named and abs(number - price) < 0.01, what, failure or repr(result))
        for given, names, advice in _REFUSED:
            result, failure = await there.ask("stock_price", given)
            require(failure, f"a refusal for {given}", repr(result), advice)
            for error in watch.errors:
                failure = " ".join([failure, *map(str, causes(error))])
                saw = f"{type(error).__name__}: {error}, which Nexus retries until the caller's time is up"
                require(_is_final(error), f"{given} to be refused for good", saw, advice)
            require(all(each in failure for each in names), f"{names} in the refusal for {given}", failure, advice)


def _is_final(error: Exception) -> bool:
    """Whether Nexus does not call again after it."""
    final = isinstance(error, nexusrpc.OperationError) or getattr(error, "non_retryable", False)
    return bool(final or not getattr(error, "retryable", True))


# 5.4


@exercise("5.4")
async def changed(ws: Workshop, answer: Any) -> None:
    """A conversation that the old code began goes on with the new; one that is new notes each question, once."""
    note_question = getattr(sys.modules[getattr(answer, "__module__", __name__)], "note_question", None)
    definition = getattr(answer, "__temporal_workflow_definition", None)
    named = note_question and definition and definition.name == "Clerk"
    require(named, "the Workflow class Clerk, in one cell with note_question", repr(answer), "names")
    queue = ws.id("check")
    async with clerk(ws, queue=queue) as begin_old:  # as it was before the change
        old = await begin_old()
        await old.say("Hello, my name is Ann.")
        async with talks(ws, answer, note_question, queue=queue) as begin:  # its Worker takes the other's place
            await _noted(ws, begin, activity_name(note_question))
            with expecting("a conversation that the old code began to go on", "old", Wrong):
                await old.say("What's my name?")


async def _noted(ws: Workshop, begin: Begin, name: str) -> None:
    """Ask twice in a new conversation, and look at the notes."""
    texts = [f"Hello from {ws.id('question')}!" for _ in range(2)]
    talk = await begin(texts[0])
    with ws.fault(f"{name}.fails"):
        await talk.say(texts[1])
    scheduled, order = dict[int, str](), list[str]()
    async for event in talk.handle.fetch_history_events():
        scheduled[event.event_id] = asked = event.activity_task_scheduled_event_attributes.activity_type.name
        done = scheduled.get(event.activity_task_completed_event_attributes.scheduled_event_id)
        local = event.marker_recorded_event_attributes.marker_name == "core_local_activity"
        order += ["model"] if asked in MODELS else ["note"] if local or done == name else []
    counts = [ws.ledger.count("question", text=text) for text in texts]
    right = order == ["note", "model"] * 2 and counts == [1, 1]
    saw = f"{', '.join(order)}; {counts[0]} and {counts[1]} on record"
    what = "one note of each question, by the Activity, before the model is asked: note, model, note, model; 1 and 1"
    require(right, what, saw)
