"""The exercises of notebook 05: a contract and its handler, a caller, a contract that grows, a change under way."""

# No `from __future__ import annotations`: see workshop_lib/agents/conversation.py.

import asyncio
import contextlib
import re
import sys
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, get_type_hints

from nexusrpc import HandlerError, OperationDefinition
from nexusrpc.handler import StartOperationResultSync
from temporalio import activity
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.converter import value_to_type
from temporalio.exceptions import ApplicationError, WorkflowAlreadyStartedError
from temporalio.worker import Worker

from workshop_lib.agents.conversation import Chat, Conversation
from workshop_lib.agents.model.calls import call_model
from workshop_lib.checks.exercise import Wrong, exercise
from workshop_lib.checks.harness.calling import OldClerk
from workshop_lib.checks.harness.handled import Called, Handled, Watch, behind, handled, operation_of, passing
from workshop_lib.checks.harness.talks import Talk, advised, talks, together
from workshop_lib.checks.harness.trial import activity_name, end, worker
from workshop_lib.checks.harness.turns import Turn, limit_of, once, turn
from workshop_lib.evidence.history import History, Step, history, spoken
from workshop_lib.evidence.messages import WorkshopError
from workshop_lib.teams.it import worker as team_it
from workshop_lib.teams.it.activities import look_up_host
from workshop_lib.teams.it.contract import ENDPOINT, HostAddress, HostQuery
from workshop_lib.teams.it.data import HOSTS
from workshop_lib.teams.it.workflows import FindHost
from workshop_lib.teams.offering import SETTINGS
from workshop_lib.workers.in_process import InProcessWorker
from workshop_lib.workshop import Workshop

# 5.1

_ENDPOINT = "check-hosts"
_REPEAT_SECONDS = 60.0  # a guard: Nexus calls again after one

_START = '`return await ctx.start_workflow(FindHost.run, query, id=f"host-{ctx.request_id}")`'
_RUN = f"`@nexus.workflow_run_operation`, and {_START}"


@exercise("5.1")
async def offered(ws: Workshop, answer: Any) -> str:
    """Each call is one workflow, also when it is made twice at once, or its answer is lost on the way."""
    _right_types(operation_of(answer, "get_ip", "HostService"))
    watch = Watch()
    watch.repeated.set()

    @activity.defn(name="look_up_host")
    def look_up(host: str) -> HostAddress:
        watch.repeated.wait(_REPEAT_SECONDS)
        return look_up_host(host)

    work = {"workflows": [FindHost], "activities": [look_up]}
    async with handled(ws, answer, _ENDPOINT, "get_ip", watch, _going_on, **work) as there:
        await _found(there, "web-1")
        await _found(there, "web-1")
        await _unknown(there)
        watch.repeated.clear()  # all three are at work until Nexus has called again
        watch.lose = True
        try:
            await together(*(_found(there, host) for host in ("db-1", "db-1", "web-2")))
        finally:
            watch.repeated.set()
        _once(watch)
    return (
        "Six calls were six workflows, although two asked for the same host at once, and Nexus had to repeat one whose "
        "answer was lost. An unknown host was told of at once."
    )


def _right_types(operation: OperationDefinition[Any, Any]) -> None:
    right = "`get_ip: nexusrpc.Operation[HostQuery, HostAddress]`"
    types = [getattr(each, "__name__", str(each)) for each in (operation.input_type, operation.output_type)]
    if (operation.input_type, operation.output_type) == (HostAddress, HostQuery):
        what = f"The contract says that get_ip takes a {types[0]} and gives a {types[1]}."
        raise Wrong(what, f"The other way round: {right}.")
    if (operation.input_type, operation.output_type) != (HostQuery, HostAddress):
        what = f"The contract says that get_ip takes {types[0]} and gives {types[1]}."
        raise Wrong(what, f"A caller reads the types, and nothing else: {right}.")


async def _found(there: Handled, host: str) -> None:
    """Ask for a host, and look at what answers, and how."""
    with advised({"fails each time": f"Hand the query on as it is: {_START}."}):
        called = await there.call({"host": host})
    _no_error(there.watch)
    if any(isinstance(answer, StartOperationResultSync) for answer in there.watch.answers):
        raise Wrong(
            "Your handler answers by itself. No workflow stands behind the operation, and a lookup that fails is lost.",
            f"Start the workflow, and let Nexus deliver its result: {_RUN}.",
        )
    _going_on(called.told)
    if called.failure:
        raise Wrong(f"A call for {host} failed: {called.why}", f"Start the workflow with the query: {_START}.")
    if called.result != {"host": host, "ip": HOSTS[host]}:
        what = f"A call for {host} got {called.result!r}. Right is {HOSTS[host]}."
        raise Wrong(what, f"Each call needs a workflow of its own, with its own query: {_START}.")


async def _unknown(there: Handled) -> None:
    called = await there.call({"host": "web-9"})
    tries = there.watch.policies
    _no_error(there.watch)
    if not called.failure:
        raise Wrong(
            f"There is no host web-9, and a call for it got {called.result!r}.",
            "Let `FindHost` fail. Its failure says why, and Nexus takes it to the caller.",
        )
    final = [each.maximum_attempts == 1 or "UnknownHost" in (each.non_retryable_error_types or ()) for each in tries]
    if not called.why.startswith("UnknownHost") or not all(final):
        raise Wrong(
            f"There is no host web-9, and the caller was told: {called.why}",
            f"Start `FindHost` without a retry policy, and let its failure pass: {_START}.",
        )


def _going_on(told: History) -> None:
    """Look at the workflows behind a call.

    Raises:
        Wrong: One is not the right one, or cannot go on.
    """
    for each in behind(told):
        if each.workflow_type != "FindHost":
            raise Wrong(f"Your handler started the workflow {each.workflow_type}.", f"Start `FindHost`: {_START}.")
        if each.task_queue != _ENDPOINT:
            raise Wrong(
                f"Your handler started FindHost on the task queue {each.task_queue}, where nobody waits for it.",
                "Leave `task_queue` out. The workflow runs on the handler's own then.",
            )


def _no_error(watch: Watch) -> None:
    """Say what a handler's own error means.

    Raises:
        Wrong: It raised one.
    """
    if not watch.errors:
        return
    error = watch.errors[0]
    if isinstance(error, WorkflowAlreadyStartedError):
        raise _collided(error.workflow_id)
    text = str(error)
    if "got <class 'coroutine'>" in text:
        what = "Your handler returned a coroutine: the workflow was not started."
        raise Wrong(what, f"An `await` is missing: {_START}.")
    if " to be a nexus.WorkflowHandle" in text:
        returned = text.removeprefix("Expected ").partition(" to be a ")[0]
        raise Wrong(
            f"Your handler returned {returned}. Nexus needs the workflow's handle.",
            f"Return what `ctx.start_workflow` gives, and nothing else. Nexus delivers the result: {_START}.",
        )
    if "can't be used in 'await' expression" in text:
        what = f"Your handler is no coroutine function, and returned no handle: {text}."
        raise Wrong(what, f"Begin it with `async def`, and return the workflow's handle: {_START}.")
    what = f"Your handler raised an error: {type(error).__name__}: {text}"
    raise Wrong(what, f"It is to start the workflow, and no more: {_START}.")


def _collided(id: str) -> Wrong:
    what = f"A call was refused: there is a workflow with the id {id!r} already."
    advice = "Make the id of what each call has for itself, and keeps when it is tried again: `ctx.request_id`."
    if any(host in id for host in HOSTS):
        advice = f"Two callers may ask for the same host. {advice}"
    return Wrong(what, advice)


def _once(watch: Watch) -> None:
    for request in {request for request, _ in watch.started}:
        ids = [id for made_for, id in watch.started if made_for == request]
        if len(set(ids)) > 1:
            raise Wrong(
                f"The answer to a call was lost, Nexus called again, and you started two workflows: {ids[0][:30]}, "
                f"{ids[1][:30]}.",
                "Make the id of what stays the same when a call is tried again, not of a clock or a random number: "
                "`ctx.request_id`.",
            )


# 5.2

_ASK = "`return await it.execute_operation(IT.get_ip, query, schedule_to_close_timeout=timedelta(seconds=10))`"
_CLIENT = "`it = workflow.create_nexus_client(service=IT, endpoint=ENDPOINT)`"
_PATIENCE = (5.0, 10.0)  # seconds: too little for a lookup that has to be repeated, and what the exercise asks for
_PAUSE = 0.1  # seconds between two looks
_TRIES = 5


@exercise("5.2")
async def asked(ws: Workshop, answer: Any) -> str:
    """A customer is told the address, and the reason when there is none; each time the conversation goes on."""
    async with _team_it(ws) as client, talks(ws, answer, look_up_host, workflows=[FindHost]) as begin:
        talk = await begin()
        await _said(talk, "What is the IP address of web-9?")
        if not any(step.kind == "nexus operation" for step in (await history(talk.handle)).steps):
            what = "Your tool gave an answer, and IT was not asked."
            raise Wrong(what, f"Call the operation: {_CLIENT}, and {_ASK}.")
        unknown = (await talk.lines("result"))[-1].text
        _not_made_up(unknown, "There is no host web-9")
        with ws.fault("look_up_host.fails"):
            reply = await _said(talk, "What is the IP address of db-1?")
        if HOSTS["db-1"] not in reply:
            what = f"The IP address of db-1 is {HOSTS['db-1']}, and the customer was told {reply!r}."
            raise Wrong(what, f"Return what the operation returns: {_ASK}.")
        await _interrupted(ws, client, talk)
        cut_off = (await talk.lines("result"))[-1].text
        _not_made_up(cut_off, "IT's workflow was ended before it had looked mail up")
        if "knows no host" not in unknown and unknown.replace("web-9", "") == cut_off.replace("mail", ""):
            raise Wrong(
                f"There is no host web-9, and your tool said {unknown!r}. IT's workflow was ended before it had looked "
                f"mail up, and your tool said {cut_off!r}.",
                "Two reasons, one text. Catch nothing: the error that passes through has IT's reason, and the model "
                "tells the customer.",
            )
        reply = await _said(talk, "What is the IP address of web-1?")
        if HOSTS["web-1"] not in reply:
            raise Wrong(f"After an error, web-1 was asked for, and the reply was {reply!r}.", f"Ask IT anew: {_ASK}.")
    return (
        "IT was asked through Nexus, for at most 10 s. A lookup that failed once was repeated there; for a host that "
        "does not exist, and for a lookup that was cut off, the customer was told why, and the conversation went on."
    )


@contextlib.asynccontextmanager
async def _team_it(ws: Workshop) -> AsyncIterator[Client]:
    """The IT team's Worker, while the block runs, beside the one that the notebook may have."""
    client = await Client.connect(**await ws.connection(team_it.NAMESPACE, data_converter=pydantic_data_converter))
    await ws.endpoint(ENDPOINT, namespace=team_it.NAMESPACE, task_queue=team_it.TASK_QUEUE)
    place = (client.namespace, team_it.TASK_QUEUE)
    if any(isinstance(each, InProcessWorker) and each.running and each.place == place for each in ws.workers):
        yield client  # another one in this process would take its place
        return
    running = ws.run(Worker, client, **team_it.WORKER, **SETTINGS, activity_executor=ThreadPoolExecutor(8))
    try:
        yield client
    finally:
        await ws.stop(running)


# What may be wrong with the code of `get_ip`: a part of what is seen, and what to do.
_CALLS = (
    ("coroutine", f"An `await` is missing: {_ASK}."),
    ("NexusOperationHandle", f"That is the handle of an operation that has begun. Wait for its result: {_ASK}."),
    ("Duration", "A limit is a `timedelta`: `schedule_to_close_timeout=timedelta(seconds=10)`."),
    ("ndpoint", f"The endpoint is called {ENDPOINT!r}. The contract has its name: {_CLIENT}."),
    ("not registered", f"Nobody of your team runs that. IT does, behind its endpoint: {_CLIENT}, and {_ASK}."),
)


class _Unfair(Wrong):
    """With advice for just this mistake."""


async def _said(talk: Talk, text: str) -> str:
    """Send a message and wait for the reply; a mistake in the tool's code gets its own advice."""
    try:
        made = await turn(talk, text, _fair)
    except _Unfair:
        raise
    except Wrong as wrong:
        for part, better in _CALLS:
            if part in wrong.saw:
                raise Wrong(wrong.saw, better) from wrong
        raise Wrong(wrong.saw, f"Call the operation, and let its error pass: {_ASK}.") from wrong
    return made.reply


def _fair(seen: Turn) -> None:
    """Look at what the agent asks for, while it does.

    Raises:
        Wrong: It runs what is IT's, or gives the operation another limit than it should.
    """
    _not_by_itself(seen.steps)
    # One that waits may yet begin a workflow at IT, which nobody would know of and end.
    for call in [each for each in seen.calls if each.status != "waiting"]:
        limit, (least, most) = limit_of(call), _PATIENCE
        if limit > timedelta(days=1):  # what the conversation itself may take
            raise _Unfair(
                f"You gave the operation no limit. If nobody at IT answers, it waits for {spoken(limit)}.",
                "Limit the operation, retries included: `schedule_to_close_timeout=timedelta(seconds=10)`.",
            )
        if not least <= limit.total_seconds() <= most:
            raise _Unfair(
                f"The operation may take {spoken(limit)}, including retries.",
                "The exercise asks for ten seconds: `schedule_to_close_timeout=timedelta(seconds=10)`.",
            )


def _not_by_itself(steps: list[Step]) -> None:
    for kind, name in (("child workflow", "FindHost"), ("activity", "look_up_host")):
        if any(step.kind == kind and step.name == name for step in steps):
            what = f"Your agent ran IT's {name} itself, as {'an' if kind == 'activity' else 'a'} {kind}."
            raise _Unfair(what, f"Your team does not have IT's code. It has IT's contract: {_CLIENT}, and {_ASK}.")


async def _interrupted(ws: Workshop, it: Client, talk: Talk) -> None:
    """Ask for a host, and end IT's workflow while it looks; again if that came too late, on a slow machine."""
    for _ in range(_TRIES):
        before = len((await history(talk.handle)).steps)
        with ws.fault("look_up_host.is_slow", seconds=20):
            asking = asyncio.ensure_future(once(talk, "What is the IP address of mail?", _fair))
            try:
                while not asking.done() and not await _cut_off(it, talk, before):
                    await asyncio.wait([asking], timeout=_PAUSE)
                made = await asking
            except _Unfair:
                raise
            except Wrong as wrong:
                advice = f"Catch nothing: what the operation fails with is for the model. {_ASK}."
                raise Wrong(wrong.saw, advice) from wrong
            finally:
                asking.cancel()
        if not made.calls:
            what = "After an error, mail was asked for, and IT was not."
            raise Wrong(what, f"Ask IT for each host, whatever happened before: {_ASK}.")
        if not made.late and made.calls[-1].status == "failed":
            return
    what = "IT's workflow could not be ended while it was at work: this machine is too slow just now."
    raise WorkshopError(what, then="Stop what else runs on it, and check again.")


async def _cut_off(it: Client, talk: Talk, before: int) -> bool:
    """End the workflows at IT that the latest message led to. Whether there were any."""
    steps = (await history(talk.handle, follow=True)).steps[before:]
    at_work = [run for step in steps for run in step.calls if not run.closed]
    for run in at_work:
        await end(it.get_workflow_handle(run.workflow_id))
    return bool(at_work)


def _not_made_up(text: str, what: str) -> None:
    if re.search(r"\d+\.\d+\.\d+\.\d+", text) or not text.strip("\"' "):
        advice = "Catch nothing: the error that passes through has IT's reason, and the model tells the customer."
        raise Wrong(f"{what}, and your tool said {text!r}.", advice)


# 5.3


@dataclass
class _OldPrice:
    """What an old caller takes an answer for."""

    ticker: str
    price: float


_CURRENCY = '`currency: str = "USD"`'
_REFUSE = '`raise ApplicationError("The currency is USD or EUR.", non_retryable=True)`'


@exercise("5.3")
async def grown(ws: Workshop, answer: Any) -> str:
    """Old callers get what they got before, new ones what they ask for, and a wrong currency is refused at once."""
    operation = operation_of(answer, "stock_price", "PriceService")
    _kept(operation.input_type, "ticker")
    _kept(operation.output_type, "ticker", "price")
    async with handled(ws, answer, "check-prices", "stock_price", Watch()) as there:
        await _old_caller(there, operation.input_type)
        await _priced(there, "ACME", "USD", 120.0)
        await _priced(there, "HOOLI", "EUR", 279.18)
        await _priced(there, "ACME", "EUR", 108.0)
        await _refused(there)
    return (
        "An old caller, who knows of no currency, got 120 dollars for ACME, as before. New ones got dollars and euros, "
        "each marked. Pounds were refused at once, with a message that says what there is."
    )


def _kept(fields: Any, *names: str) -> None:
    for name in names:
        if name not in get_type_hints(fields):
            what = f"{fields.__name__} has no field {name} any more."
            raise Wrong(what, f"Old callers know it. Keep `{name}` as it was, and add fields only.")


async def _old_caller(there: Handled, query: Any) -> None:
    who = "An old caller, who sends a ticker only,"
    called = await there.call({"ticker": "ACME"})
    if "currency" not in (fields := get_type_hints(query)):
        raise Wrong(f"A query has the fields {', '.join(fields)}.", f"Call the new field `currency`: {_CURRENCY}.")
    _no_bug(there.watch)
    if called.failure:
        raise Wrong(f"{who} was refused: {called.why}", f"Give the new field a default, the old meaning: {_CURRENCY}.")
    try:
        old = value_to_type(_OldPrice, called.result)
    except (TypeError, RuntimeError):
        what = f"{who} got {called.result!r}, and cannot read it."
        raise Wrong(
            what, "Keep `ticker`, a text, and `price`, a number. The currency goes into its own field."
        ) from None
    if abs(old.price - 120 * 0.9) < 0.01:
        raise Wrong(f"{who} got {old.price} for ACME: euros, and takes them for dollars.", f"Default: {_CURRENCY}.")
    if abs(old.price - 120) > 0.01 or old.ticker != "ACME":
        raise Wrong(f"{who} got {called.result!r}. Before, it was 120 dollars.", "Without a currency, change nothing.")
    _marked(called, "USD")


async def _priced(there: Handled, ticker: str, currency: str, price: float) -> None:
    called = await there.call({"ticker": ticker, "currency": currency})
    _no_bug(there.watch)
    what = f"A caller who asked for {ticker} in {currency} got"
    if called.failure:
        raise Wrong(f"{what} an error: {called.why}", 'Take `"USD"` and `"EUR"`, in a field of the type `str`.')
    try:
        got = value_to_type(_OldPrice, called.result).price
    except (TypeError, RuntimeError):
        raise Wrong(f"{what} {called.result!r}.", "Keep `price` a number.") from None
    dollars = price / 0.9
    if currency == "EUR" and abs(got - dollars) < 0.01:
        raise Wrong(f"{what} {got}: dollars.", "Look at `query.currency`, and multiply by `EUROS` for euros.")
    if currency == "EUR" and abs(got - dollars / 0.9) < 0.02:
        what = f"{what} {got}. A dollar is worth less than a euro, so a price has to become smaller."
        raise Wrong(what, "One dollar is 0.90 euros: multiply by `EUROS`, do not divide.")
    if abs(got - price) > 0.01:
        raise Wrong(f"{what} {got}. Right is {price}.", "Multiply the price by 1 for dollars, by `EUROS` for euros.")
    _marked(called, currency)


def _marked(called: Called, currency: str) -> None:
    advice = f"Add {_CURRENCY} to `Price`, too, and return the query's: `Price(…, …, query.currency)`."
    if "currency" not in called.result:
        raise Wrong(f"The answer {called.result!r} does not say in which currency it is.", advice)
    if called.result["currency"] != currency:
        raise Wrong(f"The answer is in {currency}, and says {called.result['currency']!r}.", advice)


async def _refused(there: Handled) -> None:
    called = await there.call({"ticker": "ACME", "currency": "GBP"})
    if not called.failure:
        what = f"A caller who asked for GBP got {called.result!r}."
        raise Wrong(what, f"That is no price in pounds. Refuse what you do not know: {_REFUSE}.")
    if errors := [error for error in there.watch.errors if passing(error)]:
        what = f"GBP was refused with {type(errors[0]).__name__}: {errors[0]}"
        if isinstance(errors[0], ApplicationError | HandlerError):
            advice = f"Nexus tries that again until the caller's time is up. Say that it is final: {_REFUSE}."
        else:
            advice = f"Nexus takes that for a bug, and tries again until the caller's time is up. Refuse it: {_REFUSE}."
        raise Wrong(what, advice)
    if not all(any(known in line for line in called.failure) for known in ("USD", "EUR")):
        raise Wrong(f"GBP was refused with: {called.why}", f"Say which currencies there are: {_REFUSE}.")


def _no_bug(watch: Watch) -> None:
    if watch.errors:
        error = watch.errors[0]
        what = f"Your handler raised {type(error).__name__}: {error}"
        raise Wrong(what, "Refuse only a currency that is neither USD nor EUR.")


# 5.4


_NOTE = '`await workflow.execute_activity(note_question, messages[-1]["content"], **LIMIT)`'
_REPLAYED = "TMPRL1100"  # a replay that does something else than its history says
_PATCHED = '`if workflow.patched("note-questions"):`'


@exercise("5.4")
async def changed(ws: Workshop, answer: Any) -> str:
    """A conversation that the old code began goes on with the new; one that is new notes each question, once."""
    note_question = _note_question(answer)
    queue = ws.id("check")
    old = await _begun_before(ws, queue)
    try:
        async with talks(ws, answer, note_question, queue=queue) as begin:
            new = await begin()
            stuck, marks = await _noting(ws, old, new, activity_name(note_question))
        _gone_on(stuck, marks)
    finally:
        await end(old.handle)
    return (
        "A conversation that the old code had begun went on. A new one noted each question once, before the model was "
        "asked, also when noting failed at first."
    )


def _note_question(answer: Any) -> Any:
    if not (isinstance(answer, type) and issubclass(answer, Conversation)):
        raise Wrong(f"You handed in {answer!r}, which is no agent.", "Hand in the class `Clerk`.")
    note_question = getattr(sys.modules[answer.__module__], "note_question", None)
    if note_question is None:
        raise Wrong("Your cell has no `note_question` any more.", "Keep the activity in the same cell as `Clerk`.")
    definition = getattr(answer, "__temporal_workflow_definition", None)
    if definition is None or definition.name != "Clerk":
        name = definition.name if definition else "no workflow"
        what = f"Open conversations are of the type Clerk, and yours is {name}."
        raise Wrong(what, "Keep `@workflow.defn` and the name of the class: Temporal finds the code by it.")
    return note_question


async def _begun_before(ws: Workshop, queue: str) -> Talk:
    """A conversation in which the old code has answered a message."""
    settings: dict[str, Any] = {"workflows": [OldClerk], "activities": [call_model]}
    async with worker(ws, queue, **settings, max_cached_workflows=0) as client:
        handle = await client.start_workflow(
            OldClerk.run,
            Chat(model="offline", model_seconds=60),
            id=ws.id("check-chat"),
            task_queue=queue,
            execution_timeout=timedelta(days=9),
        )
        try:
            talk = Talk(handle)
            await talk.say("Hello, my name is Ann.")
            return talk
        except BaseException:
            await end(handle)
            raise


async def _noting(ws: Workshop, old: Talk, new: Talk, name: str) -> tuple[str, list[str]]:
    """Ask twice in a new conversation, and in between in the old one, and count the notes.

    Returns:
        Why the old one cannot go on (empty if it can), and the marks that the code left in the new one's history.
    """
    texts = [f"Hello from {ws.id('question')}!" for _ in range(2)]
    stuck = ""
    try:
        await new.say(texts[0])
        try:
            await old.say("What's my name?")
        except Wrong as wrong:
            if _REPLAYED not in wrong.saw:
                raise
            stuck = wrong.saw
        with ws.fault(f"{name}.fails"):
            await new.say(texts[1])
    except Wrong as wrong:
        if _REPLAYED in wrong.saw:
            what = "Your code does not do the same in a replay, so that even a new conversation cannot go on."
            raise Wrong(what, f"What decides must be the same in each replay, as `patched` is: {_PATCHED}.") from wrong
        advice = "`note_question` takes a text" if "Expected value" in wrong.saw else "Ask for the activity"
        raise Wrong(wrong.saw, f"{advice}: {_NOTE}.") from wrong
    marks = await _marks(new)
    _each_once(ws, texts, await _order(new, name), (stuck, marks))
    return stuck, marks


def _each_once(ws: Workshop, texts: list[str], order: list[str], way: tuple[str, list[str]]) -> None:
    if [ws.ledger.count("question", text=text) for text in texts] == [2, 0]:
        what = "Of two questions in a new conversation, the first is noted twice, and the second not at all."
        raise Wrong(what, f"The newest message is the last: {_NOTE}.")
    for number, text in enumerate(texts):
        entries = ws.ledger.entries("question", text=text)
        if entries and "noted" not in order:
            raise Wrong(
                f"The question is noted {len(entries)} times: each replay of the workflow notes it again.",
                f"A side effect belongs into an activity: {_NOTE}.",
            )
        if not entries:
            raise _not_noted(text == texts[0], *way)
        if len(entries) > 1:
            raise Wrong(
                f"{text!r} is noted {len(entries)} times.", f"Ask for the activity once for each question: {_NOTE}."
            )
        if order[2 * number : 2 * number + 1] != ["noted"]:
            raise Wrong("The model was asked first, and the question noted afterwards.", "Put it before `loop.answer`.")


def _not_noted(first: bool, stuck: str, marks: list[str]) -> Wrong:
    if not first:
        return Wrong("Of two questions in a new conversation, only the first is noted.", f"Note each: {_NOTE}.")
    what = "In a new conversation the question is not noted."
    if not any("patch" in mark for mark in marks):
        return Wrong(what, f"Ask for the activity, with `await`: {_NOTE}.")
    if stuck:
        return Wrong(
            f"{what} An old one tries to note it, and cannot go on.",
            f"The other way round: `patched` is True in new conversations. {_PATCHED}, without `not`.",
        )
    advice = f"`patched` does nothing by itself: {_PATCHED}, and indented below it, with `await`: {_NOTE}."
    return Wrong(f"{what} Your code asks `patched`, and then for nothing.", advice)


async def _order(talk: Talk, name: str) -> list[str]:
    """What the new code did, in the order of the history: ``noted`` a question, or ``asked`` the model."""
    found, begun = [], set()
    async for event in talk.handle.fetch_history_events():
        scheduled = event.activity_task_scheduled_event_attributes
        completed = event.activity_task_completed_event_attributes.scheduled_event_id
        marker = event.marker_recorded_event_attributes.marker_name
        if scheduled.activity_type.name == activity_name(call_model):
            found.append("asked")
        elif scheduled.activity_type.name == name:
            begun.add(event.event_id)
        elif completed in begun or "local_activity" in marker:
            found.append("noted")
    return found


async def _marks(talk: Talk) -> list[str]:
    """The marks in a conversation's history: of patches, and of local activities."""
    found = []
    async for event in talk.handle.fetch_history_events():
        if event.event_type == EventType.EVENT_TYPE_MARKER_RECORDED:
            attributes = event.marker_recorded_event_attributes
            details = [payload.data.decode() for each in attributes.details.values() for payload in each.payloads]
            found.append(" ".join([attributes.marker_name, *details]))
    return found


def _gone_on(stuck: str, marks: list[str]) -> None:
    """Say why a conversation that the old code began cannot go on.

    Raises:
        Wrong: It cannot.
    """
    if not stuck:
        return
    what = "A conversation that the old code began cannot go on: its history has no note_question there. "
    patches = [mark for mark in marks if "patch" in mark]
    if not patches:
        raise Wrong(f"{what}Your code asks for it in any case.", f"{_PATCHED}, and indented below it {_NOTE}.")
    if any('"deprecated":true' in mark for mark in patches):
        raise Wrong(
            f"{what}`deprecate_patch` says that no old conversation is left.",
            f"There are some, so it is too early for that: {_PATCHED}.",
        )
    raise Wrong(
        f"{what}You call `patched`, and note the question whatever it says.",
        f"`patched` is an answer, and does nothing by itself: {_PATCHED}, and indented below it {_NOTE}.",
    )
