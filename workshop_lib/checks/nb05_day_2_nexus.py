"""The exercises of notebook 05: a contract and its handler, a caller, a contract that grows, a change under way."""

# No `from __future__ import annotations`: see workshop_lib/agents/conversation.py.

import asyncio
import math
import re
import sys
import threading
from datetime import timedelta
from itertools import takewhile
from typing import Any, get_type_hints

import temporalio.client as tc
from nexusrpc import HandlerError, HandlerErrorType, OperationDefinition, get_operation, get_service_definition
from nexusrpc.handler import StartOperationResultSync
from temporalio import activity
from temporalio.client import Client
from temporalio.common import RetryPolicy
from temporalio.exceptions import WorkflowAlreadyStartedError

from workshop_lib.agents.conversation import Conversation
from workshop_lib.agents.model.calls import call_model
from workshop_lib.checks.exercise import NOT_SOLVED, Wrong, exercise
from workshop_lib.checks.harness.calling import OldClerk
from workshop_lib.checks.harness.handled import Handled, Watch, handled, passing
from workshop_lib.checks.harness.other_teams import other_teams
from workshop_lib.checks.harness.talks import Begin, Talk, advised, talks, together
from workshop_lib.checks.harness.trial import activity_name, end
from workshop_lib.checks.harness.turns import Judge, Turn, expected, limit_of, turn
from workshop_lib.evidence.failures import causes
from workshop_lib.evidence.history import spoken
from workshop_lib.teams.it import worker as team_it
from workshop_lib.teams.it.activities import look_up_host
from workshop_lib.teams.it.contract import ENDPOINT, HostAddress, HostQuery
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
_CONTRACT = "get_ip: nexusrpc.Operation[HostQuery, HostAddress]"
_START = '`return await ctx.start_workflow(FindHost.run, query, id=f"host-{ctx.request_id}")`'
_DELIVERED = f"Start the Workflow, and let Nexus deliver its result: `@nexus.workflow_run_operation`, and {_START}."


@exercise("5.1")
async def offered(ws: Workshop, answer: Any) -> str:
    """Each call is one Workflow, also when it is made twice at once, or its answer is lost on the way."""
    operation = _operation_of(answer, "get_ip")
    if (operation.input_type, operation.output_type) != (HostQuery, HostAddress):
        types = [getattr(each, "__name__", str(each)) for each in (operation.input_type, operation.output_type)]
        advice = "A caller reads the types in the contract, and nothing else: what goes in, then what comes out."
        raise expected(f"`{_CONTRACT}`", f"`Operation[{', '.join(types)}]`", advice)
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
        if not failure.startswith("UnknownHost"):
            raise expected("the failure UnknownHost for web-9", failure or "a result", f"Let it pass: {_START}.")
        watch.go_on.clear()
        try:
            await together(*(_found(there, host) for host in _AT_ONCE))
        finally:
            watch.go_on.set()
        _one_workflow_each(watch)
    return (
        "Six calls were six Workflows, although two asked for the same host at once, and Nexus had to repeat one whose "
        "answer was lost. For an unknown host, the caller learned the reason at once."
    )


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
        retries = input.retry_policy or RetryPolicy(maximum_attempts=1)
        final = retries.maximum_attempts == 1 or "UnknownHost" in (retries.non_retryable_error_types or ())
        if (input.workflow, input.task_queue, final) != ("FindHost", _HOSTS_ENDPOINT, True):
            saw = f"{input.workflow}, on {input.task_queue}" + ", with a retry policy" * (not final)
            advice = f"Leave out `task_queue` and `retry_policy`: {_START}."
            raise expected(f"the Workflow FindHost to be started, on {_HOSTS_ENDPOINT}, without retries", saw, advice)

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
    if failure or result != {"host": host, "ip": HOSTS[host]}:
        advice = f"Each call needs a separate Workflow, with its own query: {_START}."
        raise expected(f"the address {HOSTS[host]} for {host}", failure or repr(result), advice)


def _look(watch: Watch) -> None:
    """Look at what the handler has done so far.

    Raises:
        Wrong: It answers by itself, or has raised an error.
    """
    if any(isinstance(answer, StartOperationResultSync) for answer in watch.answers):
        if watch.started:
            raise Wrong("Your handler waits for its Workflow to end. Nexus gives a handler 10 s for that.", _DELIVERED)
        what = "Your handler answers by itself. No Workflow runs behind the operation, and a lookup that fails is lost."
        raise Wrong(what, _DELIVERED)
    for error in watch.errors:
        if isinstance(error, Wrong):
            raise error
        if isinstance(error, WorkflowAlreadyStartedError):
            what = f"A call was refused: a Workflow with the id {error.workflow_id!r} exists already."
            advice = "Two callers may ask for the same host. Make the id of what each call has for itself, and keeps "
            raise Wrong(what, f"{advice}when it is tried again: `ctx.request_id`.")
        what = f"Your handler raised an error: {type(error).__name__}: {str(error).partition('. ')[0]}"
        raise Wrong(what, f"Return what `start_workflow` gives, with `await`, from an `async def`: {_START}.")


def _one_workflow_each(watch: Watch) -> None:
    for request in set(watch.requests):
        ids = {id for made_for, id in watch.started if made_for == request}
        if len(ids) > 1:
            what = f"Nexus called again because an answer was lost, and you started {len(ids)} Workflows for one call."
            advice = "Make the id of what stays the same when a call is tried again, not of a clock or a random number"
            raise Wrong(what, f"{advice}: `ctx.request_id`.")


# 5.2

_ASK = "`return await it.execute_operation(IT.get_ip, query, schedule_to_close_timeout=timedelta(seconds=10))`"
_CLIENT = "`it = workflow.create_nexus_client(service=IT, endpoint=ENDPOINT)`"
_CATCH_NOTHING = "Catch nothing: the error that passes through has IT's reason, and the model tells the customer."
_LIMIT = "Give the operation its own limit, retries included: `schedule_to_close_timeout=timedelta(seconds=10)`."
_LEAST, _MOST = timedelta(seconds=5), timedelta(seconds=10)  # less is too little for a lookup that is repeated
# What may be wrong with the code of `get_ip`: a part of what is seen, and what to do.
_CALLS = {
    "coroutine": f"An `await` is missing: {_ASK}.",
    "NexusOperationHandle": f"That is the handle of an operation that has begun. Wait for its result: {_ASK}.",
    "Duration": f"A limit is a `timedelta`. {_LIMIT}",
    "ndpoint": f"The endpoint is called {ENDPOINT!r}. The contract has its name: {_CLIENT}.",
    "fails each time": f"Call the operation, and let its error pass: {_ASK}.",
}


@exercise("5.2")
async def asked(ws: Workshop, answer: Any) -> str:
    """A customer is told the address, and the reason when there is none; each time the conversation goes on."""
    async with other_teams(ws), talks(ws, answer, look_up_host, workflows=[FindHost]) as begin:
        talk, it = await begin(), await Client.connect(**await ws.connection(team_it.NAMESPACE))
        with advised(_CALLS):
            unknown = await _no_address(talk, "web-9", "There is no host web-9")
            with ws.fault("look_up_host.fails"):
                await _address(talk, "db-1")
            with ws.fault("look_up_host.is_slow", seconds=20, times=20):  # longer than a call may take
                cut_off = await _no_address(talk, "mail", "IT's workflow was ended before it had looked mail up", it)
            if "knows no host" not in unknown and unknown.replace("web-9", "") == cut_off.replace("mail", ""):
                what = "two reasons, for a host that does not exist and for a lookup that was cut off"
                raise expected(what, f"{unknown!r} for both", _CATCH_NOTHING)
            await _address(talk, "web-1")
    return (
        "IT was asked through Nexus, for at most 10 s. A lookup that failed once was repeated there; for a host that "
        "does not exist, and for a lookup that was cut off, the customer was told why, and the conversation went on."
    )


async def _address(talk: Talk, host: str) -> None:
    """Ask for the address of a host that there is."""
    if HOSTS[host] not in (reply := await _reply(talk, host, _asks_it)):
        raise expected(f"a reply with {HOSTS[host]}", repr(reply), f"Return what the operation returns: {_ASK}.")


async def _no_address(talk: Talk, host: str, why: str, it: Client | None = None) -> str:
    """Ask for a host that has no address: what the tool said.

    Args:
        talk: The conversation.
        host: Which.
        why: Why it has none, for the learner.
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
    if re.search(r"\d+\.\d+\.\d+\.\d+", said) or not said.strip("\"' "):
        raise Wrong(f"{why}, and your tool said {said!r}.", _CATCH_NOTHING)
    return said


async def _reply(talk: Talk, host: str, judge: Judge) -> str:
    reply = (await turn(talk, f"What is the IP address of {host}?", judge)).reply
    if talk.problem:
        raise Wrong(f"Your agent's turn failed: {reply}", _CATCH_NOTHING)
    return reply


def _asks_it(turn: Turn) -> None:
    """Look whether a tool asks IT, for as long as it should.

    Raises:
        Wrong: It does not.
    """
    for step in turn.steps:
        if (step.kind, step.name) in (("child workflow", "FindHost"), ("activity", "look_up_host")):
            advice = f"Your team does not have IT's code. It has IT's contract: {_CLIENT}, and {_ASK}."
            raise Wrong(f"Your agent ran IT's {step.name} itself, as its own {step.kind}.", advice)
    for call in turn.calls:
        if _LEAST <= (limit := limit_of(call)) <= _MOST:
            continue
        if limit < timedelta(days=1):
            raise expected("a limit of 10 s for the operation", f"a limit of {spoken(limit)}", _LIMIT)
        what = "The operation has no limit."
        if any(step.kind == "timer" for step in turn.steps):
            what += " Your timer only asks for it to be canceled, and waits until it is: for as long as IT is down."
        raise Wrong(what, f"{_LIMIT} The server keeps to it, whoever is down.")
    if turn.answered and not turn.calls:
        raise Wrong("Your tool gave an answer, and IT was not asked.", f"Call the operation: {_CLIENT}, and {_ASK}.")


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
        if gone := old - get_type_hints(fields).keys():
            advice = "Old callers know it. Keep the old fields as they were, and add fields only."
            raise Wrong(f"{fields.__name__} has no field {gone.pop()} any more.", advice)
    async with handled(ws, answer(), "check-prices", Watch()) as there:
        for given, price, currency, near in _PRICES:
            await _priced(there, given, price, currency, near)
        await _refused(there, {"ticker": "ACME", "currency": "GBP"}, "USD", "EUR", advice=f"Refuse it: {_REFUSE}.")
        await _refused(there, {"ticker": "NOBODY"}, advice=_NO_TICKER)
    return (
        "An old caller, who knows of no currency, got 120 dollars for ACME, as before. New ones got dollars and euros, "
        "each marked. Pounds and an unknown ticker were refused at once."
    )


async def _priced(there: Handled, given: dict[str, str], price: float, currency: str, near: dict[float, str]) -> None:
    """Ask for a price, and look at the answer as an old caller reads it, and at its currency."""
    answer, failure = await there.ask("stock_price", given)
    got = answer if isinstance(answer, dict) else {}
    number = amount if isinstance(amount := got.get("price"), int | float) else math.nan
    if abs(number - price) < 0.01 and (got.get("ticker"), got.get("currency")) == (given["ticker"], currency):
        return
    right = {"ticker": given["ticker"], "price": price, "currency": currency}
    named = [advice for factor, advice in near.items() if abs(number - price * factor) < 0.02]
    raise expected(f"{right} for {given}", failure or repr(answer), *(named or [_BOTH]))


async def _refused(there: Handled, given: dict[str, str], *known: str, advice: str) -> None:
    """Ask for a price that there is not, and look whether it is refused for good, and whether it says what there is."""
    result, failure = await there.ask("stock_price", given)
    if not failure:
        raise expected(f"a refusal for {given}", repr(result), advice)
    for error in there.watch.errors:
        failure = " ".join([failure, *map(str, causes(error))])
        if passing(error):
            what = f"{given} was refused with {type(error).__name__}: {error}. Nexus takes that for a passing problem, "
            raise Wrong(f"{what}and tries again until the caller's time is up.", advice)
    if not all(each in failure for each in known):
        raise Wrong(f"{given} was refused with: {failure}", f"Say what there is. {advice}")


# 5.4

_NOTE = '`await workflow.execute_activity(note_question, messages[-1]["content"], **LIMIT)`'
_REPLAYED = "TMPRL1100"  # a replay that does something else than its history says
_PATCHED = '`if workflow.patched("note-questions"):`'
_BELOW = f"{_PATCHED}, and indented below it, before the model is asked, {_NOTE}."
_MISTAKES = {
    _REPLAYED: f"What decides must be the same in each replay, as `patched` is: {_BELOW}",
    "object has no attribute": f"An Update is handled before `run` begins, when both come at once. {_BELOW}",
    "Expected value to be": f"`note_question` takes a text: {_NOTE}.",
}


@exercise("5.4")
async def changed(ws: Workshop, answer: Any) -> str:
    """A conversation that the old code began goes on with the new; one that is new notes each question, once."""
    note_question = _note_question(answer)
    queue = ws.id("check")
    async with talks(ws, OldClerk, queue=queue) as begin_old:
        old = await begin_old()
        await old.say("Hello, my name is Ann.")
        async with talks(ws, answer, note_question, queue=queue) as begin:  # its Worker takes the other's place
            marks = await _noted(ws, begin, activity_name(note_question))
            await _goes_on(old, marks)
    return (
        "A conversation that the old code had begun went on. A new one noted each question once, before the model was "
        "asked, also when noting failed at first."
    )


def _note_question(answer: Any) -> Any:
    definition = getattr(answer, "__temporal_workflow_definition", None)
    note_question = getattr(sys.modules[getattr(answer, "__module__", __name__)], "note_question", None)
    is_agent = isinstance(answer, type) and issubclass(answer, Conversation)
    if not (is_agent and note_question and definition and definition.name == "Clerk"):
        advice = "Keep the names of the class and of the activity: Temporal finds the code by them."
        raise expected("the Workflow class Clerk, in one cell with note_question", repr(answer), advice)
    return note_question


async def _noted(ws: Workshop, begin: Begin, name: str) -> list[str]:
    """Ask twice in a new conversation, and look at the notes: what its history shows of them, in order."""
    texts = [f"Hello from {ws.id('question')}!" for _ in range(2)]
    with advised(_MISTAKES):
        talk = await begin(texts[0])
        if talk.problem:
            raise Wrong(f"The first message failed: {(await talk.lines('agent'))[-1].text}", _BELOW)
        with ws.fault(f"{name}.fails"):
            await talk.say(texts[1])
    marks = await _marks(talk, name)
    order = [mark for mark in marks if mark in ("note", "model")]
    counts = [ws.ledger.count("question", text=text) for text in texts]
    early = list(takewhile(lambda mark: mark != "model", marks))
    if "begun" in early and "note" not in early:
        raise Wrong("The model is asked while the question is still being noted.", f"Is an `await` missing? {_BELOW}")
    if counts != [1, 1] or "note" not in order:
        better = f"Is an `await` missing, or a `not` too many? {_BELOW}" if "patch" in marks else _BELOW
        if any(counts):
            effect = "A side effect belongs in an Activity: each replay repeats it. " * ("note" not in order)
            better = f"{effect}{_BELOW}"
        raise expected("one note of each of two questions in a new conversation", f"{counts}", better)
    if order != ["note", "model"] * 2:
        raise expected("each note before the model is asked", ", ".join(order), "Put it before `loop.answer`.")
    return marks


async def _marks(talk: Talk, name: str) -> list[str]:
    """What a conversation's history shows, in order: ``patch``, a note that is ``begun`` or done, ``model``."""
    scheduled, found = dict[int, str](), list[str]()
    async for event in talk.handle.fetch_history_events():
        asked = event.activity_task_scheduled_event_attributes.activity_type.name
        done = scheduled.get(event.activity_task_completed_event_attributes.scheduled_event_id)
        marker = event.marker_recorded_event_attributes.marker_name
        scheduled[event.event_id] = asked
        if asked in (name, activity_name(call_model)):
            found.append("begun" if asked == name else "model")
        elif done == name or marker == "core_local_activity":
            found.append("note")
        elif marker == "core_patch":
            found.append("patch")
    return found


async def _goes_on(old: Talk, marks: list[str]) -> None:
    """Ask in a conversation that the old code began.

    Raises:
        Wrong: It cannot go on.
    """
    try:
        await old.say("What's my name?")
    except Wrong as wrong:
        if _REPLAYED not in wrong.saw:
            raise
        what = "A conversation that the old code began cannot go on: its history has no note_question there."
        saw = "Your code marks the change, and notes the question in an old conversation all the same."
        saw = saw if "patch" in marks else "Your code asks for it in any case."
        raise Wrong(f"{what} {saw}", _BELOW) from wrong
