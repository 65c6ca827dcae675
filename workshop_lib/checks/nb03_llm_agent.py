"""The exercises of notebook 03, each in conversations under the failure that it is about."""

import asyncio
import inspect
import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

from temporalio.common import RetryPolicy
from temporalio.testing import ActivityEnvironment

from workshop_lib.agents import loop
from workshop_lib.agents.conversation import Line, Reply
from workshop_lib.checks.exercise import Wrong, exercise, expected, expecting, require
from workshop_lib.checks.harness.recorded import PAUSE, quietly, unanswered
from workshop_lib.checks.harness.serving import serve
from workshop_lib.checks.harness.talks import Talk, chosen, clerk, talks
from workshop_lib.checks.harness.trial import activity_name, ended, one_activity
from workshop_lib.evidence.history import history, spoken
from workshop_lib.teams.support.activities import calculator, refund, weather
from workshop_lib.workers.takeover import Heartbeats
from workshop_lib.workshop import Workshop

_SHORT = timedelta(hours=1)  # a person is given at least this long


def _tool(answer: Any, *parameters: str) -> str:
    """The name of an activity that is to be a tool.

    Raises:
        Wrong: It is none, or its parameters are others.
    """
    name, wanted, found = activity_name(answer), [*parameters], [*inspect.signature(answer).parameters]
    require(found == wanted, f"the parameters of `{name}` to be {wanted}", found, "Keep the parameters as they were.")
    return name


_CUSTOMER = "What does it cost to ship a parcel of 3 kg to Japan, the price of its delivery, postage or freight?"


@exercise("3.1")
async def new_tool(ws: Workshop, answer: Any) -> None:
    """The model finds the tool, gives it what the customer said, and learns the cost; also when it fails once."""
    name = _tool(answer, "kilograms", "country")
    async with clerk(ws, calculator, weather, answer) as begin:
        talk = await begin()
        await _cost(talk, name, "How much is it to ship a parcel of 3 kg to Japan?", 27.0)
        described = loop.summary(answer)
        what = f"the model to choose the tool by its docstring alone, among three, for {_CUSTOMER!r}"
        require(chosen(described, _CUSTOMER), what, f"that it reads {described!r}, and does not", "describe")
        await _cost(talk, name, "And to ship a parcel of 10 kg to Norway?", 25.0)
        with ws.fault(f"{name}.fails"):
            await _cost(talk, name, "How much is it to ship a parcel of 1.5 kg to Peru?", 21.0)


async def _cost(talk: Talk, name: str, question: str, right: float) -> None:
    before = len(await talk.lines("result"))
    await talk.say(question)
    results = [entry.text for entry in (await talk.lines("result"))[before:] if entry.tool == name]
    require(results, f"the model to use `{name}` for {question!r}", "that it did not", "describe")
    require(results[-1] in (str(right), f"{right:g}"), f"{right:g} for {question!r}", repr(results[-1]), "price")


# What the model does wrong, and what it has to learn besides that it was wrong. Each has its advice.
_MISTAKES = {
    "garbles_arguments": ("wrote arguments that are not valid JSON", r"\w"),
    "forgets_arguments": ("wrote `null`, which is not an object", r"\w"),
    "invents_tool": ("called a tool that does not exist, weather_2", r"\bweather\b"),
    "invents_field": ("made up an argument, color", r"city|colou?r"),
    "mistypes_field": ("wrote a list as the city", r"city|str|text"),
}


@exercise("3.2")
async def mistakes(ws: Workshop, answer: Any) -> None:
    """Each of the model's mistakes goes back to it, is repaired, and the user gets the weather."""
    async with talks(ws, answer, weather) as begin:
        calm = await begin()
        reply = await calm.say("How is the weather in Oslo?")
        require("-4" in reply, "the weather in Oslo", repr(reply), "Return the weather as a text.")
        called = (await history(calm.handle)).attempts("weather")
        require(called, "an Activity `weather` in the history", "none", "activity")
        for mistake, (what, needed) in _MISTAKES.items():
            with ws.fault(f"model.{mistake}"):
                await _repaired(await begin(), f"the model, which {what},", needed, mistake)


async def _repaired(talk: Talk, what: str, needed: str, advice: str) -> None:
    """Let the model make a mistake, and see to it that it learns what was wrong and what would be right."""
    what += " to learn what was wrong and what would be right"
    with expecting(what, advice, Wrong):
        reply = await talk.say("How is the weather in Nairobi?")
    seen = await history(talk.handle)
    told = next((each["content"] for each in (await talk.asked())[-1].messages if each["role"] == "tool"), "")
    more = re.sub(r"(?i)^\W*(invalid arguments|unknown tool)", "", told)
    once = seen.attempts("call_model") >= 3 and seen.attempts("weather") <= 1 and "26" in reply
    require(re.search(needed, more) and once, what, f"that it read {told!r}, and the user {reply!r}", advice)


_PAID = re.compile(r"(?i)\b(paid|pays?|refunded|sent|done|ok|yes|true|approved|success)")
_NOT = re.compile(r"(?i)\b(no(t|thing|body)?|never|without|un\w+)\b|n't|refus|reject|declin|den[yi]|error|fail|cancel")


@exercise("3.3")
async def approval(ws: Workshop, answer: Any) -> None:
    """No money moves before a yes, none after a no, and once after a yes, also when the service's answer is lost."""
    for name in ("audit", "refunds"):
        await serve(ws, name, f"workshop_lib.teams.support.{name}")
    refused, agreed = ws.id("sale"), ws.id("sale")  # in the notebook itself, order-7 may have been paid already
    async with talks(ws, answer, refund) as begin:
        talk = await begin()
        told = await _decided(ws, talk, f"Please refund $30 for {refused}.", refused, "30", yes=False)
        require(not ws.ledger.count("refund", order=refused), "no payment, because a person said no", "one", "ignored")
        clear = told not in ("", "null") and (not _PAID.search(told) or _NOT.search(told))
        require(clear, "the model to learn that a person said no", repr(told), "Return a text that says so.")
        with ws.fault("refunds.drops_answer"):
            told = await _decided(ws, talk, f"Please refund $45 for {agreed}.", agreed, "45", yes=True)
        paid = ws.ledger.count("refund", order=agreed)
        saw = f"{paid} payments, and the text {told!r}"
        require(paid == 1 and told not in ("", "null"), "one payment after a yes, and a text about it", saw, "paid")
        await _decided(ws, talk, f"Please refund $20 for {agreed}.", agreed, "20", yes=False)


async def _decided(ws: Workshop, talk: Talk, text: str, order: str, amount: str, *, yes: bool) -> str:
    """Ask for a refund, decide, and wait for the reply: what the model learned."""
    before, paid = {entry.number for entry in await talk.lines("approval")}, ws.ledger.count("refund", order=order)
    sent = talk.send(text)
    asked = await _question(talk, sent, text, before)
    require(ws.ledger.count("refund", order=order) == paid, "no payment before a decision", "one", "never asked")
    waits = [step.due - step.scheduled for step in (await history(talk.handle)).steps if step.due]
    shortest = min(waits, default=_SHORT)
    require(shortest >= _SHORT, "a day for the person", spoken(shortest), "They may answer tomorrow.")
    named = amount in asked.text and order in asked.text
    require(named, f"a question that names {amount} and {order}", repr(asked.text), "Name both in it.")
    decided = quietly(talk.handle.execute_update("decide", args=[asked.number, yes]))
    await talk.reply(sent, text)  # if `pay` fails after the decision, that has no separate end
    decided.cancel()
    return (await talk.lines("result"))[-1].text


async def _question(talk: Talk, sent: asyncio.Task[Reply], text: str, before: set[int]) -> Line:
    """Wait for a question to a person.

    Raises:
        Wrong: The reply comes without one.
    """
    while not sent.done():
        await asyncio.wait([sent], timeout=PAUSE)
        seen = await history(talk.handle, follow=True)  # first: what is asked after this is still on its way
        if asked := [entry for entry in await talk.lines("approval") if entry.number not in before]:
            return asked[0]
        unanswered(seen, "never asked")
    reply = await talk.reply(sent, text)
    raise expected("a question to a person, each time", f"the reply {reply!r}", "never asked")


@exercise("3.4")
async def voucher(ws: Workshop, answer: Any) -> None:
    """A voucher is one, also when its process dies after its effect; another one has another key."""
    name, ann = _tool(answer, "customer", "dollars"), ["Ann", 10.0]
    # A turn has 19 events: the third in a conversation is in its own execution.
    async with clerk(ws, weather, answer) as begin:
        for requests in (3, 1):
            talk = await begin(most_events=30)
            for _ in range(requests):
                before = ws.ledger.count("voucher")
                await talk.say("Please send a voucher of 10 dollars to Ann.")
                sent = ws.ledger.count("voucher") - before
                require(sent == 1, "one voucher for each request", sent)
                told = [each.text for each in await talk.lines("result")][-1:]
                require(re.search(r"10\b.*Ann", str(told)), "a text for the model about the voucher", told, "no text")
    before = ws.ledger.count("voucher")
    async with one_activity(ws, answer, processes=2, interceptors=[Heartbeats()]) as one:
        with ws.fault(f"{name}.dies_after_effect"):
            await ended(await one(ann, RetryPolicy()))
    sent = ws.ledger.count("voucher") - before
    require(sent == 1, "one voucher, although the process of the first attempt died after it was posted", sent)
    for chat in (ws.id("chat"), ws.id("chat")):
        there = ActivityEnvironment()
        there.info = replace(there.info, workflow_id=chat, workflow_run_id=chat)
        posted = there.run(answer, *ann)
        if inspect.isawaitable(posted):
            await posted
    sent = ws.ledger.count("voucher") - before - sent
    require(sent == 2, "two vouchers for two chats in which both are due at the same moment", sent, "moment")
