"""The exercises of notebook 07: a new operation in the loop by hand, and a tool that fails."""

from __future__ import annotations

import re
from datetime import timedelta

from workshop_lib.checks.exercise import Wrong, exercise, expected
from workshop_lib.checks.harness.other_teams import other_teams, quiet_client
from workshop_lib.checks.harness.routing import CONVERTED, Way, routed
from workshop_lib.checks.harness.talks import Talk, talks
from workshop_lib.checks.harness.turns import Turn, limit_of, once, turn
from workshop_lib.demos import local
from workshop_lib.evidence.history import Step, spoken
from workshop_lib.teams.finance.data import QUOTES
from workshop_lib.teams.finance.workflows import FEE
from workshop_lib.workshop import Workshop

# 7.1

_TOOL = "`operation_tool(Exchange.convert, Exchange, ENDPOINT, limit)`"
_BY_HAND = Way(tool=_TOOL, model="`ask` holds the chat already: hand it over as it is.")


@exercise("7.1")
async def routed_by_hand(ws: Workshop, answer: object) -> str:
    """Finance converts, through Nexus, in a time that the chat sets; everything else works as before."""
    async with other_teams(ws) as finance, talks(ws, answer, *local.TOOLS) as begin:
        await routed(ws, finance, begin, _BY_HAND)
    return CONVERTED


# 7.2

_PATIENCE = timedelta(seconds=3)
_LEAST = timedelta(seconds=2.5)  # the server does not send a call that has less than 1.6 s left
_QUESTION = "What is the price of {}?"
_CALL = "`await finance.execute_operation(Finance.stock_price, query, schedule_to_close_timeout=…)`"
_CATCH = "`except NexusOperationError as error:`"
_REASON = '`return f"Error: {reason(error)}"`'
_PRICE = re.compile(
    r"\d[\d.,]* ?(?:dollars|USD|\$)|\$ ?\d|costs (?:None|\d)|\d+\.\d\d\b|\b\d{2,}\b"
)  # and not: within 3 s


@exercise("7.2")
async def told_of_failure(ws: Workshop, answer: object) -> str:
    """The model learns the price, or why there is none: of an unknown stock, and while Finance is down."""
    async with other_teams(ws) as finance, talks(ws, answer) as begin:
        talk = Talk((await quiet_client(ws)).get_workflow_handle((await begin()).handle.id))
        with ws.fault("read_quote.fails"):
            call = await _priced(talk, "ACME")
        text = await _told(talk, await turn(talk, _QUESTION.format("NOPE"), _patient))
        if "No stock NOPE is traded" not in text:
            advice = "The outermost error says only that an operation failed; the innermost has Finance's words. "
            raise expected("'No stock NOPE is traded' for the model", repr(text), f"{advice}`reason` finds them.")
        await finance.stop()
        await _nobody_answers(talk)
        finance.start()
        await _priced(talk, "GLOBX")
        if limit_of(call) > _PATIENCE:  # the workflow gives up itself: is a call that Finance has begun left alone?
            with ws.fault("read_quote.is_slow", seconds=8):
                await _nobody_answers(talk)
    return "The model learned a price, why there was none, and that Finance was down; then it came back."


async def _priced(talk: Talk, ticker: str) -> Step:
    """Ask for a price while Finance answers: the call that the answer is from."""
    made = await turn(talk, _QUESTION.format(ticker), _patient)
    text, price = await _told(talk, made), round(QUOTES[ticker] * (1 + FEE), 2)
    called = [(call.service, call.name) for call in made.calls]
    if called != [("Finance", "stock_price")]:
        saw = f"the calls {called}, and {text!r} for the model"
        raise expected(f"one call of Finance for the price of {ticker}", saw, f"Finance alone knows prices: {_CALL}.")
    if not any(abs(float(number) - price) < 0.005 for number in re.findall(r"\d+(?:\.\d+)?", text.replace(",", ""))):
        raise expected(f"a sentence for the model with the price {price}", repr(text))
    return made.calls[0]


async def _nobody_answers(talk: Talk) -> None:
    """Ask while Finance does not answer."""
    made = await once(talk, _QUESTION.format("HOOLI"), _patient)
    text = await _told(talk, made)
    answered = [call for call in made.calls if call.status == "completed"]
    if not answered and (text.strip() in ("", "None") or _PRICE.search(text)):
        advice = "Whatever price you give, the user acts on it. Say in words that there was no answer."
        raise expected("a sentence that says that Finance does not answer", repr(text), advice)


async def _told(talk: Talk, made: Turn) -> str:
    """What the tool gave the model in a turn.

    Raises:
        Wrong: Nothing, because it raised an error; or no text.
    """
    if talk.problem:
        what = f"Your method raised an error, and the model learned nothing. The customer read: {made.reply!r}"
        advice = "Whatever fails, `await` raises a `NexusOperationError`: catch it where you await, and return a text."
        raise Wrong(what, advice)
    told = [message["content"] for message in (await talk.asked())[-1].messages if message["role"] == "tool"]
    if not (told and isinstance(told[-1], str)):
        raise expected("a text for the model", repr(told[-1] if told else made.reply))
    return told[-1]


def _patient(turn: Turn) -> None:
    """Look how long the method may wait: for its call, for a timer beside the call, before and after it.

    Raises:
        Wrong: For more than three seconds, or for less than the server needs.
    """
    if len(turn.calls) > 1:
        advice = "Nexus tries again by itself, as long as the limit of one call allows. Call once, without a loop."
        raise Wrong(f"For one question, your method called Finance {len(turn.calls)} times.", advice)
    if not turn.calls or not (turn.answered or turn.resting):
        return
    call, timers = turn.calls[0], [step for step in turn.steps if step.kind == "timer"]
    ends = [step.closed for step in (call, *timers) if step.closed]
    before = [timer for timer in timers if timer.closed and timer.closed <= call.scheduled]
    apart = before + [timer for timer in timers if any(timer.scheduled >= end for end in ends)]
    beside = [timer for timer in timers if timer not in apart]
    limit = limit_of(call)
    longest = min([limit, *map(_length, beside)]) + sum(map(_length, apart), timedelta(0))
    waits_for = sorted(step.kind for step in turn.steps if not step.closed)
    gave_up = bool(beside) and waits_for == ["nexus operation", "update"]  # and waits for the call all the same
    if limit < _LEAST:
        what = f"The call may take {spoken(limit)}. The server does not send one that has less than 1.6 s left."
        raise Wrong(what, "On a busy day your user gets no answer at all. Give it three seconds.")
    if longest > _PATIENCE or (gave_up and limit > _PATIENCE):
        what = f"If Finance is down, your agent waits for {spoken(limit if gave_up else longest)}; the limit is 3 s."
        raise Wrong(what, "Let Temporal limit the call, including retries: `schedule_to_close_timeout`.")


def _length(timer: Step) -> timedelta:
    return timer.due - timer.scheduled if timer.due else timedelta(0)
