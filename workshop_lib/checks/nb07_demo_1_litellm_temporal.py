"""The exercises of notebook 07: a new operation in the loop by hand, and a tool that fails."""

import re
from datetime import timedelta

from workshop_lib.checks.exercise import exercise, require
from workshop_lib.checks.harness.handled import other_teams
from workshop_lib.checks.harness.routing import routed
from workshop_lib.checks.harness.talks import Talk, Turn, limited, talks
from workshop_lib.checks.harness.trial import FOREVER, connect
from workshop_lib.demos import local
from workshop_lib.evidence.history import Step, spoken
from workshop_lib.teams.finance.data import QUOTES
from workshop_lib.teams.finance.workflows import FEE
from workshop_lib.workshop import Workshop


@exercise("7.1")
async def routed_by_hand(ws: Workshop, answer: object) -> None:
    """Finance converts, through Nexus, in a time that the chat sets; everything else works as before."""
    await routed(ws, talks(ws, answer, *local.TOOLS))


# 7.2

_PATIENCE = timedelta(seconds=3)
_LEAST = timedelta(seconds=2.5)  # the server does not send a call that has less than 1.6 s left
_QUESTION = "What is the price of {}?"
# A price, and not: within 3 s.
_PRICE = re.compile(r"\d[\d.,]* ?(?:dollars|USD|\$)|\$ ?\d|costs (?:None|\d)|\d+\.\d\d\b|\b\d{2,}\b")


@exercise("7.2")
async def told_of_failure(ws: Workshop, answer: object) -> None:
    """The model learns the price, or why there is none: of an unknown stock, and while Finance is down."""
    async with other_teams(ws) as teams, talks(ws, answer) as begin:
        talk = Talk((await connect(ws, quiet=True)).get_workflow_handle((await begin()).handle.id))
        with ws.fault("read_quote.fails"):
            call = await _priced(talk, "ACME")
        text = await _told(talk, await talk.turn(_QUESTION.format("NOPE"), _patient))
        require("No stock NOPE is traded" in text, "'No stock NOPE is traded' for the model", repr(text), "reason")
        teams.down = True
        await _nobody_answers(talk)
        teams.down = False
        await _priced(talk, "GLOBX")
        if (call.limit or FOREVER) > _PATIENCE:  # it gives up itself: is a call that Finance has begun left alone?
            with ws.fault("read_quote.is_slow", seconds=8):
                await _nobody_answers(talk)


async def _priced(talk: Talk, ticker: str) -> Step:
    """Ask for a price while Finance answers: the call that the answer is from."""
    made = await talk.turn(_QUESTION.format(ticker), _patient)
    text, price = await _told(talk, made), round(QUOTES[ticker] * (1 + FEE), 2)
    called = [(call.service, call.name) for call in made.calls]
    saw = f"the calls {called}, and {text!r} for the model"
    require(called == [("Finance", "stock_price")], f"one call of Finance for the price of {ticker}", saw)
    numbers = [float(number) for number in re.findall(r"\d+(?:\.\d+)?", text.replace(",", ""))]
    named = any(abs(number - price) < 0.005 for number in numbers)
    require(named, f"a sentence for the model with the price {price}", repr(text))
    return made.calls[0]


async def _nobody_answers(talk: Talk) -> None:
    """Ask while Finance does not answer."""
    made = await talk.once(_QUESTION.format("HOOLI"), _patient)
    text = await _told(talk, made)
    answered = any(call.status == "completed" for call in made.calls)
    right = answered or not (text.strip() in ("", "None") or _PRICE.search(text))
    require(right, "a sentence that says that Finance does not answer", repr(text), "made up")


async def _told(talk: Talk, made: Turn) -> str:
    """What the tool gave the model in a turn.

    Raises:
        Wrong: Nothing, because it raised an error; or no text.
    """
    saw = f"that your method raised an error, and the user read {made.reply!r}"
    require(not talk.problem, "a text for the model", saw, "catch")
    told = [message["content"] for message in (await talk.asked())[-1].messages if message["role"] == "tool"]
    require(told and isinstance(told[-1], str), "a text for the model", repr(told[-1] if told else made.reply))
    return str(told[-1])


def _patient(turn: Turn) -> None:
    """Look how long the method may wait: for its call, for a timer beside the call, before and after it.

    Raises:
        Wrong: For more than three seconds, or for less than the server needs.
    """
    require(len(turn.calls) <= 1, "one call of Finance for one question", len(turn.calls), "repeated")
    if not turn.calls or not (turn.answered or turn.resting):
        return
    call, timers = turn.calls[0], [step for step in turn.steps if step.kind == "timer"]
    ends = [step.closed for step in (call, *timers) if step.closed]
    before = [timer for timer in timers if timer.closed and timer.closed <= call.scheduled]
    apart = before + [timer for timer in timers if any(timer.scheduled >= end for end in ends)]
    beside = [timer for timer in timers if timer not in apart]
    limit = call.limit or FOREVER
    longest = min([limit, *map(_length, beside)]) + sum(map(_length, apart), timedelta(0))
    waits_for = sorted(step.kind for step in turn.steps if not step.closed)
    if beside and waits_for == ["nexus operation", "update"]:  # it gave up, and waits for the call all the same
        longest = limit
    limited(limit, "a limit of three seconds for the call", _LEAST, advice="Give it three seconds.")
    saw = "no limit" if longest >= timedelta(days=1) else spoken(longest)
    require(longest <= _PATIENCE, "a wait of at most 3 s if Finance is down", saw, "too long")


def _length(timer: Step) -> timedelta:
    return timer.due - timer.scheduled if timer.due else timedelta(0)
