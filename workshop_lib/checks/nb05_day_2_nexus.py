"""The exercises of notebook 05: a contract and its handler, a caller, a contract that grows, a change under way."""

# No `from __future__ import annotations`: see workshop_lib/agents/conversation.py.

import asyncio
import math
import re
import sys
import threading
from datetime import timedelta
from functools import partial
from typing import Any, get_type_hints

import temporalio.client as tc
from nexusrpc import (
    HandlerError,
    HandlerErrorType,
    OperationDefinition,
    OperationError,
    get_operation,
    get_service_definition,
)
from nexusrpc.handler import StartOperationResultSync
from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.exceptions import WorkflowAlreadyStartedError

from workshop_lib.agents import loop
from workshop_lib.agents.conversation import Answer, Chat, Conversation, Message
from workshop_lib.agents.model.calls import ask_model
from workshop_lib.checks.exercise import NOT_SOLVED, Wrong, exercise, expected, require
from workshop_lib.checks.harness.handled import Handled, Watch, handled
from workshop_lib.checks.harness.other_teams import other_teams
from workshop_lib.checks.harness.talks import MODELS, Begin, Talk, advised, talks, together
from workshop_lib.checks.harness.trial import activity_name, end
from workshop_lib.checks.harness.turns import Judge, Turn, limit_of, turn
from workshop_lib.evidence.failures import causes
from workshop_lib.evidence.history import spoken
from workshop_lib.teams.it import worker as team_it
from workshop_lib.teams.it.activities import look_up_host
from workshop_lib.teams.it.contract import HostAddress, HostQuery
from workshop_lib.teams.it.data import HOSTS
from workshop_lib.teams.it.workflows import FindHost
from workshop_lib.workshop import Workshop


def _operation_of(answer: Any, name: str) -> OperationDefinition[Any, Any]:
    """An operation of the contract that a handler class handles.

    Raises:
        Wrong: The answer is not the class of a handler with this operation.
    """
    definition = get_service_definition(answer) if isinstance(answer, type) else None
    operations = definition.operation_definitions if definition else {}
    if definition and not operations:
        raise RuntimeError(NOT_SOLVED)
    operation = operations.get(name)
    if operation is None or get_operation(getattr(answer, operation.method_name, None)) is None:
        advice = f"Hand in the class itself, under `@service_handler(service=…)`. Its operation is called `{name}`."
        raise expected(f"the class of a handler for {name}", f"{answer!r} for {list(operations)}", advice)
    return operation


# 5.1

_HOSTS_ENDPOINT = "check-hosts"
_AT_ONCE = ("db-1", "db-1", "web-2")
_START = '`return await ctx.start_workflow(FindHost.run, query, id=f"host-{ctx.request_id}")`'
_DELIVERED = f"Start the Workflow, and let Nexus deliver its result: `@nexus.workflow_run_operation`, and {_START}."


@exercise("5.1")
async def offered(ws: Workshop, answer: Any) -> str:
    """Each call is one Workflow, also when it is made twice at once, or its answer is lost on the way."""
    operation = _operation_of(answer, "get_ip")
    types = operation.input_type, operation.output_type
    right = "`get_ip: nexusrpc.Operation[HostQuery, HostAddress]`"
    require(types == (HostQuery, HostAddress), right, f"the types {types}", "First what goes in, then what comes out.")
    watch = _HostWatch()

    @activity.defn(name="look_up_host")
    def look_up(host: str) -> HostAddress:
        watch.go_on.wait()
        return look_up_host(host)

    async with handled(ws, answer(), _HOSTS_ENDPOINT, watch, workflows=[FindHost], activities=[look_up]) as there:
        await _found(there, "web-1")
        await _found(there, "web-1")
        _, failure = await there.ask("get_ip", {"host": "web-9"})
        _look(watch)
        require("UnknownHost" in failure, "the failure UnknownHost for web-9", failure or "a result", _DELIVERED)
        watch.go_on.clear()
        try:
            await together(*(_found(there, host) for host in _AT_ONCE))
        finally:
            watch.go_on.set()
    started = dict(watch.started)
    if len(set(watch.started)) > len(started):
        what, saw = "one Workflow for a call whose answer was lost, so that Nexus called again", "two with two ids"
        raise expected(what, saw, "Not of a clock or a random number: each attempt has the same `ctx.request_id`.")
    return "Six calls were six Workflows, two of them for one host, and one whose answer was lost and asked for again."


class _HostWatch(Watch):
    """Holds lookups until all calls that are made at once have come. It loses the first answer to them.

    Attributes:
        go_on: Set while no lookup has to wait.
    """

    def __init__(self) -> None:
        super().__init__()
        self.go_on = threading.Event()
        self.go_on.set()
        self._held: list[str] = []

    def starts(self, request: str, input: tc.StartWorkflowInput) -> None:
        """See base class."""
        super().starts(request, input)
        retries = input.retry_policy
        final = (
            not retries or retries.maximum_attempts == 1 or "UnknownHost" in (retries.non_retryable_error_types or ())
        )
        here = (input.workflow, input.task_queue) == ("FindHost", _HOSTS_ENDPOINT)
        saw = f"{input.workflow}, on {input.task_queue}" + ", with a retry policy" * (not final)
        require(
            here and final, f"FindHost, on {_HOSTS_ENDPOINT}, without retries", saw, f"Give nothing else: {_START}."
        )

    def answered(self, request: str, answer: Any) -> None:
        """See base class."""
        super().answered(request, answer)
        if self.go_on.is_set():
            return
        self._held.append(request)
        if len(set(self._held)) == len(_AT_ONCE) and self._held.count(self._held[0]) > 1:
            self.go_on.set()
        if len(self._held) == 1:
            raise HandlerError("The answer was lost.", type=HandlerErrorType.UNAVAILABLE)


async def _found(there: Handled, host: str) -> None:
    """Ask for a host, and look at what answers, and how."""
    result, failure = await there.ask("get_ip", {"host": host})
    _look(there.watch)
    found = not failure and result == {"host": host, "ip": HOSTS[host]}
    advice = f"Each call needs a separate Workflow, with its own query: {_START}."
    require(found, f"the address {HOSTS[host]} for {host}", failure or repr(result), advice)


def _look(watch: Watch) -> None:
    """Look at what the handler has done so far.

    Raises:
        Wrong: It answers by itself, or has raised an error.
    """
    if any(isinstance(answer, StartOperationResultSync) for answer in watch.answers):
        what = "Your handler answers by itself. A lookup that fails, or takes longer than a handler's 10 s, is lost."
        raise Wrong(what, _DELIVERED)
    for error in watch.errors:
        if isinstance(error, Wrong):
            raise error
        if isinstance(error, WorkflowAlreadyStartedError):
            what = f"A call was refused: a Workflow with the id {error.workflow_id!r} exists already."
            advice = "Two callers may ask for the same host. Make the id of what each call has for itself"
            raise Wrong(what, f"{advice}: `ctx.request_id`.")
        what = f"Your handler raised an error: {type(error).__name__}: {str(error).partition('. ')[0]}"
        raise Wrong(what, f"Return what `start_workflow` gives, with `await`, from an `async def`: {_START}.")


# 5.2

_CLIENT = "`it = workflow.create_nexus_client(service=IT, endpoint=ENDPOINT)`"
_ASK = "`return await it.execute_operation(IT.get_ip, query, schedule_to_close_timeout=timedelta(seconds=10))`"
_CALL = f"Call the operation, wait for its result, and return it: {_CLIENT}, and {_ASK}."
_CATCH_NOTHING = "Catch nothing: the error that passes through has IT's reason, and the model tells the customer."
_LIMIT = "Give the operation its own limit, which the server keeps: `schedule_to_close_timeout=timedelta(seconds=10)`."
_LEAST, _MOST = timedelta(seconds=5), timedelta(seconds=10)  # less is too little for a lookup that is repeated
_IN_THE_CODE = dict.fromkeys(("coroutine", "NexusOperationHandle", "Duration", "ndpoint", "fails each time"), _CALL)


@exercise("5.2")
async def asked(ws: Workshop, answer: Any) -> str:
    """A customer is told the address, and the reason when there is none; each time the conversation goes on."""
    async with other_teams(ws), talks(ws, answer, look_up_host, workflows=[FindHost]) as begin:
        talk, it = await begin(), await Client.connect(**await ws.connection(team_it.NAMESPACE))
        with advised(_IN_THE_CODE):
            unknown = await _no_address(talk, "web-9")
            with ws.fault("look_up_host.fails"):
                await _address(talk, "db-1")
            with ws.fault("look_up_host.is_slow", seconds=20, times=20):  # longer than a call may take
                cut_off = await _no_address(talk, "mail", it)
            two = "knows no host" in unknown or unknown.replace("web-9", "") != cut_off.replace("mail", "")
            what = "two reasons, for a host that does not exist and for a lookup that was cut off"
            require(two, what, f"{unknown!r} for both", _CATCH_NOTHING)
            await _address(talk, "web-1")
    return "IT was asked through Nexus, for at most 10 s. Where there was no address, the customer was told why."


async def _address(talk: Talk, host: str) -> None:
    """Ask for the address of a host that there is."""
    reply = await _reply(talk, host, _asks_it)
    require(HOSTS[host] in reply, f"a reply with {HOSTS[host]}", repr(reply), _CALL)


async def _no_address(talk: Talk, host: str, it: Client | None = None) -> str:
    """Ask for a host that has no address: what the tool said.

    Args:
        talk: The conversation.
        host: Which.
        it: The IT team's client, to end the lookup as soon as it has begun; None to let it end by itself.
    """
    ending: set[asyncio.Future[None]] = set()

    def judge(turn: Turn) -> None:
        _asks_it(turn)
        if it is not None:
            begun = [link for call in turn.calls for link in call.links if not call.closed]
            ending.update(asyncio.ensure_future(end(it.get_workflow_handle(link.workflow_id))) for link in begun)

    await _reply(talk, host, judge)
    await asyncio.gather(*ending)
    said = (await talk.lines("result"))[-1].text
    made_up = re.search(r"\d+\.\d+\.\d+\.\d+", said) or not said.strip("\"' ")
    require(not made_up, f"the reason why IT gave no address for {host}", repr(said), _CATCH_NOTHING)
    return said


async def _reply(talk: Talk, host: str, judge: Judge) -> str:
    reply = (await turn(talk, f"What is the IP address of {host}?", judge)).reply
    require(not talk.problem, "a reply", f"that the turn failed: {reply}", _CATCH_NOTHING)
    return reply


def _asks_it(turn: Turn) -> None:
    """Look whether a tool asks IT, for as long as it should.

    Raises:
        Wrong: It does not.
    """
    own = [step.title for step in turn.steps if step.name in ("FindHost", "look_up_host")]
    asked = not own and (turn.calls or not turn.answered)
    saw = f"{' and '.join(own) or 'no call'} in the agent's own history"
    require(asked, "a call of IT, whose contract you have, and not its code", saw, _CALL)
    for call in turn.calls:
        limit = limit_of(call)
        saw = spoken(limit) if limit < timedelta(days=1) else "none: a timer of yours only asks for a cancellation"
        require(_LEAST <= limit <= _MOST, "a limit of 10 s for the operation", saw, _LIMIT)


# 5.3

_CURRENCY = '`currency: str = "USD"`'
_BOTH = f"Old callers send no currency, and read a `ticker` and a number, `price`. Add {_CURRENCY} to both classes."
_REFUSE = '`raise ApplicationError("The currency is USD or EUR.", non_retryable=True)`'
_NO_TICKER = "Look for the ticker in `PRICES` first, and refuse it like a currency: `non_retryable=True`."
_IN_EUROS: dict[float, str] = {
    1 / 0.9: "Look at `query.currency`, and multiply by `EUROS` for euros.",
    1 / 0.9**2: "One dollar is 0.90 euros: multiply by `EUROS`, do not divide.",
}
# What is asked, the right price and currency, and what may be wrong: a price, as a multiple of the right one.
_PRICES: tuple[tuple[dict[str, str], float, str, dict[float, str]], ...] = (
    ({"ticker": "ACME"}, 120.0, "USD", {0.9: f"An old caller takes euros for dollars. Default: {_CURRENCY}."}),
    ({"ticker": "ACME", "currency": "USD"}, 120.0, "USD", {}),
    ({"ticker": "HOOLI", "currency": "EUR"}, 279.18, "EUR", _IN_EUROS),
    ({"ticker": "ACME", "currency": "EUR"}, 108.0, "EUR", _IN_EUROS),
)


@exercise("5.3")
async def grown(ws: Workshop, answer: Any) -> str:
    """Old callers get what they got before, new ones what they ask for, and a wrong currency is refused at once."""
    operation = _operation_of(answer, "stock_price")
    for fields, old in ((operation.input_type, {"ticker"}), (operation.output_type, {"ticker", "price"})):
        has = get_type_hints(fields).keys()
        require(old <= has, f"{fields.__name__} to have the fields {old}, as before", [*has], "Only add fields.")
    async with handled(ws, answer(), "check-prices", Watch()) as there:
        for given, price, currency, near in _PRICES:
            await _priced(there, given, price, currency, near)
        await _refused(there, {"ticker": "ACME", "currency": "GBP"}, "USD", "EUR", advice=f"Refuse it: {_REFUSE}.")
        await _refused(there, {"ticker": "NOBODY"}, advice=_NO_TICKER)
    return "An old caller got 120 dollars for ACME, as before; new ones dollars and euros. Pounds were refused at once."


async def _priced(there: Handled, given: dict[str, str], price: float, currency: str, near: dict[float, str]) -> None:
    """Ask for a price, and look at the answer as an old caller reads it, and at its currency."""
    answer, failure = await there.ask("stock_price", given)
    got = answer if isinstance(answer, dict) else {}
    number = amount if isinstance(amount := got.get("price"), int | float) else math.nan
    right = abs(number - price) < 0.01 and (got.get("ticker"), got.get("currency")) == (given["ticker"], currency)
    named = [advice for factor, advice in near.items() if abs(number - price * factor) < 0.02]
    what = f"{price:.2f}, with the ticker and the currency {currency}, for {given}"
    require(right, what, failure or repr(answer), *(named or [_BOTH]))


async def _refused(there: Handled, given: dict[str, str], *known: str, advice: str) -> None:
    """Ask for a price that there is not, and look whether it is refused for good, and whether it says what there is."""
    result, failure = await there.ask("stock_price", given)
    require(failure, f"a refusal for {given}", repr(result), advice)
    for error in there.watch.errors:
        failure = " ".join([failure, *map(str, causes(error))])
        final = isinstance(error, OperationError) or getattr(error, "non_retryable", False)
        if not final and getattr(error, "retryable", True):
            what = f"{given} was refused with {type(error).__name__}: {error}. Nexus takes that for a passing problem, "
            raise Wrong(f"{what}and tries again until the caller's time is up.", advice)
    says = all(each in failure for each in known)
    require(says, f"{' and '.join(known)} in the refusal for {given}", failure, advice)


# 5.4

_NOTE = '`await workflow.execute_activity(note_question, messages[-1]["content"], start_to_close_timeout=LIMIT)`'
_REPLAYED = "TMPRL1100"  # a replay that does something else than its history says
_BELOW = f'`if workflow.patched("note-questions"):`, and indented below it, before the model is asked, {_NOTE}.'
_STABLE = f"What decides must be the same in each replay, as `patched` is: {_BELOW}"


@workflow.defn(name="Clerk", sandboxed=False)
class _OldClerk(Conversation):
    """As it was before the change."""

    @workflow.run
    async def run(self, chat: Chat) -> int:
        return await self.converse()

    async def answer(self, messages: list[Message]) -> Answer:
        return await loop.answer("Be brief.", messages, [], partial(ask_model, self.chat), self.note)


@exercise("5.4")
async def changed(ws: Workshop, answer: Any) -> str:
    """A conversation that the old code began goes on with the new; one that is new notes each question, once."""
    note_question = getattr(sys.modules[getattr(answer, "__module__", __name__)], "note_question", None)
    definition = getattr(answer, "__temporal_workflow_definition", None)
    named = note_question and definition and definition.name == "Clerk"
    advice = "Keep the names of the class and of the activity: Temporal finds the code by them."
    require(named, "the Workflow class Clerk, in one cell with note_question", repr(answer), advice)
    queue = ws.id("check")
    async with talks(ws, _OldClerk, queue=queue) as begin_old:
        old = await begin_old()
        await old.say("Hello, my name is Ann.")
        async with talks(ws, answer, note_question, queue=queue) as begin:  # its Worker takes the other's place
            with advised({_REPLAYED: _STABLE}):
                await _noted(ws, begin, activity_name(note_question))
            try:
                await old.say("What's my name?")
            except Wrong as wrong:
                what = "A conversation that the old code began cannot go on: its history has no note_question there."
                raise Wrong(f"{what} {wrong.saw}", f"Note only where `patched` says so: {_BELOW}") from wrong
    return "A conversation that the old code had begun went on. A new one noted each question once, before the model."


async def _noted(ws: Workshop, begin: Begin, name: str) -> None:
    """Ask twice in a new conversation, and look at the notes."""
    texts = [f"Hello from {ws.id('question')}!" for _ in range(2)]
    talk = await begin(texts[0])  # an Update that comes with the start is handled before `run` begins
    require(not talk.problem, "a reply", f"that the first message failed: {talk.problem}", _BELOW)
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
    require(right, what, saw, f"Is an `await` missing, or a `not` too many? {_BELOW}")
