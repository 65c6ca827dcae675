"""The exercises of notebook 07: a new operation in the loop by hand, and a tool that fails."""

from __future__ import annotations

import asyncio
import re
from datetime import timedelta
from typing import Any

from temporalio.client import Client

from workshop_lib.agents.conversation import Reply
from workshop_lib.checks.exercise import Wrong, exercise
from workshop_lib.checks.harness.other_teams import operations, other_teams
from workshop_lib.checks.harness.recorded import wrong_code
from workshop_lib.checks.harness.routing import Way, routed
from workshop_lib.checks.harness.talks import Talk, advised, talks
from workshop_lib.demos import local
from workshop_lib.evidence.history import history, spoken
from workshop_lib.teams.finance.contract import ENDPOINT
from workshop_lib.teams.finance.data import QUOTES
from workshop_lib.teams.finance.workflows import FEE
from workshop_lib.workshop import Workshop

# 7.1

_LIST = "`mine = [*tools(self.chat), convert]`"
_TOOL = "`operation_tool(Exchange.convert, Exchange, ENDPOINT, limit)`"
_BY_HAND = Way(
    tool=_TOOL,
    list=f"Start from what the demo has: {_LIST}.",
    model="`ask` has the chat in it already: hand it over as it is.",
    mistakes={
        "ndpoint": "There is no such endpoint. The contract has the name of the right one: `ENDPOINT`.",
        "'NoneType' object is not iterable": f"`append` changes a list, and returns nothing. Write {_LIST}.",
        "'NoneType' object has no attribute": "Something returns nothing. `answer` returns what `loop.answer` gives, "
        "and `append` changes a list and returns nothing.",
        "'str' object has no attribute": "`answer` returns the whole of what `loop.answer` gives, not its text.",
        "not registered on this worker": "Finance's rates are Finance's to know, and nobody runs an activity of yours "
        f"here. Call the operation: {_TOOL}.",
        "'list' object has no attribute": f"A list stands where a tool should. Mind the star: {_LIST}.",
        "has no attribute 'schema'": f"The list holds tools, and this is none yet. {_TOOL} makes one.",
        "unexpected keyword argument 'limit'": "The limit's name is `schedule_to_close_timeout`.",
        "can only concatenate list": f"A tool is no list. Write {_LIST}.",
        "Duration": "A limit is a `timedelta`, not a number: `timedelta(seconds=…)`.",
        "'float' object has no attribute": "A limit is a `timedelta`, not a number: `timedelta(seconds=…)`.",
        "find nexus operation handle": "The call was not made in full. Is its limit a `timedelta`, not a number? "
        "`timedelta(seconds=…)` makes one.",
        "'int' object has no attribute": "A limit is a `timedelta`, not a number: `timedelta(seconds=…)`.",
        "coroutine": "A coroutine came back instead of a value: is an `await` missing?",
    },
)


@exercise(
    "7.1",
    hints=(
        "`tools` of the demo makes its list with `operation_tool`. The new operation is one more of its kind.",
        "`operation_tool` takes the operation, its service, the endpoint's name, and how long a call may take, which "
        "the chat says in seconds. The demo's own `answer` has the rest.",
        f"`limit = timedelta(seconds=self.chat.tool_seconds)`, `convert = {_TOOL[1:-1]}`, {_LIST}, and "
        '`return await loop.answer("Use your tools.", messages, mine, ask, self.note)`.',
    ),
)
async def routed_by_hand(ws: Workshop, answer: Any) -> str:
    """Finance converts, through Nexus, in a time that the chat sets; everything else works as before."""
    async with other_teams(ws) as finance, talks(ws, answer, *local.TOOLS) as begin:
        await routed(ws, finance, begin, _BY_HAND)
    return (
        "Finance converted dollars to euros and yen, through Nexus and in limited time. A lookup of the price failed "
        "once and was repeated. When Finance refused a call, the customer was told why."
    )


# 7.2

_PATIENCE = timedelta(seconds=3)
_LEAST = timedelta(seconds=2.5)  # the server does not send a call that has less than 1.6 s left
_ANSWER_SECONDS = 4.5  # for a question that nobody at Finance answers: the limit, and what a slow computer adds
_CALL = "`await finance.execute_operation(Finance.stock_price, query, schedule_to_close_timeout=…)`"
_CATCH = "`except NexusOperationError as error:`"
_REASON = '`return f"Error: {reason(error)}"`'
_QUESTION = "What is the price of {}?"
_PRICE = re.compile(
    r"\d[\d.,]* ?(?:dollars|USD|\$)|\$ ?\d|costs (?:None|\d)|\d+\.\d\d\b|\b\d{2,}\b"
)  # and not: within 3 s
_MISTAKES = {
    "NoneType": "The method has a way on which it returns nothing. Return a sentence on each.",
    "BadScheduleNexusOperationAttributes": "There is no such endpoint. Keep the first line of the method as it was.",
    "find nexus operation handle": "A timer of your own gives up a call that Temporal still knows. Let Temporal limit "
    "the call itself: `execute_operation` takes a limit for all of it.",
    "has no len()": "The model is told a text. Make a sentence of what comes back, an f-string.",
    "expected string": "The model is told a text. Make a sentence of what comes back, an f-string.",
    "coroutine": f"A coroutine came back instead of a price: is an `await` missing? {_CALL}.",
    "NexusOperationHandle": "A handle is no price yet. `await` it, or let `execute_operation` do both.",
    "Duration": "A limit is a `timedelta`, not a number: `timedelta(seconds=3)`.",
    "'int' object has no attribute": "A limit is a `timedelta`, not a number: `timedelta(seconds=3)`.",
}


@exercise(
    "7.2",
    hints=(
        "Three things are missing: a limit for the call, a `try` around it, and a sentence for each of its two ends.",
        "`schedule_to_close_timeout` limits the call with all attempts. Whatever goes wrong comes as a "
        "`NexusOperationError`; what Finance said is its innermost cause, and `reason(error)` digs it out.",
        f"`try:` and in it `price = {_CALL[1:-1]}` with `timedelta(seconds=3)`, then {_CATCH} and in it {_REASON}, "
        'and at last `return f"{price.ticker} costs {price.price} dollars."`.',
    ),
)
async def told_of_failure(ws: Workshop, answer: Any) -> str:
    """The model is told the price, or why there is none: of an unknown stock, and while Finance is down."""
    async with other_teams(ws) as finance, talks(ws, answer) as begin:
        talk = await begin()
        with ws.fault("read_quote.fails"), advised(_MISTAKES):
            await _priced(talk, "ACME")
        limit = await _limit(talk)
        with advised(_MISTAKES):
            await _unknown(talk)
        await finance.stop()
        await _nobody_answers(talk, "HOOLI", "Finance was down")
        await finance.start()
        with advised(_MISTAKES):
            await _priced(talk, "GLOBX")
        if limit is None:  # then it is the workflow that gives up, and a call that has begun may be another matter
            with ws.fault("read_quote.is_slow", seconds=8):
                await _nobody_answers(talk, "HOOLI", "Finance was slow")
    return (
        "The model was told a price that could be read at the second attempt only, that a stock is not traded, and, "
        "while Finance was down, that there was no answer. Then Finance came back, and the conversation went on."
    )


async def _priced(talk: Talk, ticker: str) -> None:
    before = len(await operations(talk))
    text = await _told(talk, ticker)
    price = round(QUOTES[ticker] * (1 + FEE), 2)
    called = await operations(talk)
    if len(called) == before:
        what = f"For the price of {ticker} Finance was not asked, and the model was told {text!r}."
        raise Wrong(what, f"The price is Finance's to tell. The client is there already: {_CALL}.")
    if (called[-1].endpoint, called[-1].service, called[-1].operation) != (ENDPOINT, "Finance", "stock_price"):
        what = f"You called {called[-1].operation} of {called[-1].service} at the endpoint {called[-1].endpoint!r}"
        raise Wrong(
            f"{what}, and the model was told {text!r}.", f"Ask Finance, with the client that is there: {_CALL}."
        )
    limit = called[-1].schedule_to_close_timeout.ToTimedelta()
    if limit < _LEAST:
        what = f"The call may take {spoken(limit)}. The server does not send one that has less than 1.6 s left."
        raise Wrong(what, "On a busy day your user gets no answer at all. Three seconds are asked for.")
    if not any(abs(float(number) - price) < 0.005 for number in re.findall(r"\d+(?:\.\d+)?", text.replace(",", ""))):
        what = f"Finance says that {ticker} costs {price} dollars, and the model was told {text!r}."
        raise Wrong(what, "The sentence lacks the price: what comes back has `ticker` and `price`.")


async def _limit(talk: Talk) -> timedelta | None:
    """How long the call may take, as its caller told Temporal; None if it did not."""
    limit = (await operations(talk))[0].schedule_to_close_timeout.ToTimedelta()
    return limit if limit < timedelta(days=1) else None  # the conversation itself has days


async def _unknown(talk: Talk) -> None:
    text = await _told(talk, "NOPE")
    if "No stock NOPE is traded" not in text:
        what = f"Finance said 'No stock NOPE is traded', and the model was told {text!r}."
        raise Wrong(
            what,
            "The user learns no more than the model does. The outermost error says only that an operation "
            "failed; the innermost has Finance's words, and `reason` of the library finds them.",
        )


async def _nobody_answers(talk: Talk, ticker: str, when: str) -> None:
    """Ask while Finance does not answer, and look what the model is told, and when."""
    before = len(await operations(talk))
    # By a client without the workshop's interceptors: they would explain what is meant to be so.
    loud = talk.handle._client  # the handle keeps it to itself
    client = Client(loud.service_client, namespace=loud.namespace)
    sent = Talk(client.get_workflow_handle(talk.handle.id)).send(_QUESTION.format(ticker))
    try:
        await asyncio.wait([sent], timeout=_ANSWER_SECONDS)
        told = await history(talk.handle)
        if told.failed_tasks:
            with advised(_MISTAKES):
                raise wrong_code(told.failed_tasks[-1])
        called = [step for step in told.steps if step.kind == "nexus operation"][before:]
        if not called:
            raise Wrong(f"{when}, and you did not ask it for {ticker}.", f"Ask for each question anew: {_CALL}.")
        _called_once(len(called))
        if not sent.done() or called[-1].status == "timed out":
            await _too_long(talk, when, sent.done())
        text = await _told(talk, ticker, sent)
    finally:
        sent.cancel()
    if not text.strip() or text.strip() == "None":
        raise Wrong(f"{when}, and the model was told {text!r}.", "Say in words that there was no answer.")
    if _PRICE.search(text):
        what = f"{when}, and the model was told {text!r}."
        raise Wrong(what, "That is a price that Finance has not told, and the user acts on it. Say that there is none.")


async def _too_long(talk: Talk, when: str, answered: bool) -> None:
    """Look what limit the last call had.

    Raises:
        Wrong: None, or one that is too long.
    """
    limit = (await operations(talk))[-1].schedule_to_close_timeout.ToTimedelta()
    what = f"{when}, and your agent waited for longer than three seconds."
    if limit > timedelta(days=1):
        advice = "The call has no limit for all of it: start, attempts and end. `execute_operation` takes one, "
        raise Wrong(f"{what} It would wait as long as the conversation lives.", f"{advice}`schedule_to_close_timeout`.")
    if limit > _PATIENCE:
        raise Wrong(
            f"{what} The call may take {spoken(limit)}.", "The user waits all that time. Give it three seconds."
        )
    if not answered:
        raise Wrong(what, "The call itself had ended in time. What does your code wait for after that?")


async def _told(talk: Talk, ticker: str, sent: asyncio.Task[Reply] | None = None) -> str:
    """What the tool tells the model when a customer asks for a price.

    Args:
        talk: The conversation.
        ticker: What is asked for.
        sent: From ``send``, if the question is on its way.

    Raises:
        Wrong: Nothing, because it raises an error; or Finance was asked again and again.
    """
    question = _QUESTION.format(ticker)
    before = len(await operations(talk)) if sent is None else len(await operations(talk)) - 1
    try:
        reply = await talk.reply(sent or talk.send(question), question)
    except TypeError as error:  # of the transcript: a line that is no text
        what = "What your method returns is no text."
        raise Wrong(what, "The model is told a text. Make a sentence of what comes back, an f-string.") from error
    finally:
        _called_once(len(await operations(talk)) - before)
    if talk.problem:
        raise _raised(talk.problem, reply)
    told = [message for message in (await talk.asked())[-1].messages if message["role"] == "tool"]
    if not told:
        raise Wrong(f"The tool was not used: {reply!r}", "Keep the loop as it was, and write the method only.")
    return str(told[-1]["content"])


def _called_once(calls: int) -> None:
    if calls > 1:
        what = f"For one question, your method called Finance {calls} times."
        raise Wrong(
            what, "Nexus tries again by itself, as long as the limit of one call allows. Call once, without a loop."
        )


def _raised(problem: str, reply: str) -> Wrong:
    what = f"Your method raised an error, and the model was told nothing. The customer was: {reply!r}"
    if problem in ("UnknownTicker", "TimeoutError"):
        advice = "What `await` raises when an operation fails, for whatever reason, is a `NexusOperationError`."
        return Wrong(what, f"Your code does not catch that. {advice} All that can fail has to stand in the `try`.")
    return Wrong(
        what, "That ends the turn, and the other tools' results with it. Return the sentence; do not raise it."
    )
