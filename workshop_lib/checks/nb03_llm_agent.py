"""The exercises of notebook 03, each in conversations under the failure that it is about."""

# No `from __future__ import annotations`: see workshop_lib/agents/conversation.py.

import asyncio
import inspect
import re
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from functools import partial
from typing import Any

from temporalio import workflow
from temporalio.common import RetryPolicy

from workshop_lib.agents import loop
from workshop_lib.agents.conversation import Answer, Chat, Conversation, Line, Message, Reply
from workshop_lib.agents.model.calls import ask_model
from workshop_lib.checks.exercise import Wrong, exercise, expected, require
from workshop_lib.checks.harness.recorded import PAUSE, look, updated
from workshop_lib.checks.harness.serving import serve
from workshop_lib.checks.harness.talks import Begin, Talk, advised, chosen, quietly, talks
from workshop_lib.checks.harness.trial import activity_name
from workshop_lib.evidence.history import history, spoken
from workshop_lib.teams.support.activities import calculator, refund, weather
from workshop_lib.workshop import Workshop

_LIMIT: dict[str, Any] = {
    "start_to_close_timeout": timedelta(seconds=60),  # far more than it takes: a slow machine is nobody's mistake
    "retry_policy": RetryPolicy(initial_interval=timedelta(milliseconds=50)),
}
_SHORT = timedelta(hours=1)  # a person is given at least this long
_TOOLS: dict[str, list[loop.Tool]] = {}  # of a Clerk, by its task queue


@workflow.defn(name="Clerk", sandboxed=False)  # its tools are a learner's, who may have them anywhere
class _Clerk(Conversation):
    @workflow.run
    async def run(self, chat: Chat) -> int:
        return await self.converse()

    async def answer(self, messages: list[Message]) -> Answer:
        tools = _TOOLS[workflow.info().task_queue]
        return await loop.answer("Use your tools.", messages, tools, partial(ask_model, self.chat), self.note)


def _clerk(ws: Workshop, *activities: Any, most_events: int = 1_000) -> AbstractAsyncContextManager[Begin]:
    """``talks`` with a Clerk whose tools are some activities."""
    queue = ws.id("check")
    _TOOLS[queue] = [loop.activity_tool(activity, **_LIMIT) for activity in activities]
    return talks(ws, _Clerk, *activities, queue=queue, most_events=most_events)


def _tool(answer: Any, *parameters: str) -> str:
    """The name of an activity that is to be a tool.

    Raises:
        Wrong: It is none, or its parameters are others.
    """
    name, wanted = activity_name(answer), ", ".join(parameters)
    found = ", ".join(inspect.signature(answer).parameters)
    require(found == wanted, f"`{name}` to take {wanted}", found or "nothing", f"Keep its parameters: {wanted}.")
    return name


_CUSTOMER = "What does it cost to ship a parcel of 3 kg to Japan, the price of its delivery, postage or freight?"
_DESCRIBE = "Begin the function with a docstring that says what it is for, in a customer's words: ship, parcel, cost."


@exercise("3.1")
async def new_tool(ws: Workshop, answer: Any) -> str:
    """The model finds the tool, gives it what the customer said, and is told the cost; also when it fails once."""
    name = _tool(answer, "kilograms", "country")
    async with _clerk(ws, calculator, weather, answer) as begin:
        talk = await begin()
        await _cost(talk, name, "How much is it to ship a parcel of 3 kg to Japan?", 27.0)
        await _cost(talk, name, "And to ship a parcel of 10 kg to Norway?", 25.0)
        with ws.fault(f"{name}.fails"):
            await _cost(talk, name, "How much is it to ship a parcel of 1.5 kg to Peru?", 21.0)
    described = loop.summary(answer)
    what = f"the model to choose the tool by its docstring alone, among three, for {_CUSTOMER!r}"
    require(chosen(described, _CUSTOMER), what, f"that it does not. It learns {described!r}", _DESCRIBE)
    return "The model used it for three customers, also when it failed once, and chose it by its docstring alone."


async def _cost(talk: Talk, name: str, question: str, right: float) -> None:
    before = len(await talk.lines("result"))
    await talk.say(question)
    results = [entry.text for entry in (await talk.lines("result"))[before:] if entry.tool == name]
    require(results, f"the model to use `{name}` for {question!r}", "that it did not", _DESCRIBE)
    advice = "Within Norway: 5 and 2 for each kilogram. To any other country: 15 and 4 for each. Return a number."
    require(results[-1] in (str(right), f"{right:g}"), f"{right:g} for {question!r}", repr(results[-1]), advice)


# What the model does wrong, what it has to be told besides that it was wrong, and what to change.
_MISTAKES = {
    "garbles_arguments": ("wrote arguments that are not valid JSON", r"\w", "Catch the `ValueError` of `json.loads`."),
    "forgets_arguments": ("wrote `null`, not an object", r"\w", "JSON may be anything: is it a `dict`? Look first."),
    "invents_tool": ("called a tool that does not exist, weather_2", r"\bweather\b", "Compare `name` first."),
    "invents_field": ("made up an argument, colour", r"city|colou?r", "Do not drop it: the user may want it."),
    "mistypes_field": ("gave a list as the city", r"city|str|text", "Look at its type first: `isinstance(…, str)`."),
}
_TELL = "Return `Invalid arguments: …` or `Unknown tool …`, with what was wrong and what would be right."


@exercise("3.2")
async def mistakes(ws: Workshop, answer: Any) -> str:
    """Each of the model's mistakes goes back to it, is repaired, and the user gets the weather."""
    async with talks(ws, answer, weather) as begin:
        calm = await begin()
        reply = await calm.say("How is the weather in Oslo?")
        require("-4" in reply, "the weather in Oslo", repr(reply), "Return the weather as text.")
        advice = (
            "Let an activity do it: `await workflow.execute_activity(weather, city, start_to_close_timeout=LIMIT)`."
        )
        called = (await history(calm.handle)).attempts("weather")
        require(called, "an Activity `weather`, which is retried", "that your workflow called the function", advice)
        for mistake, row in _MISTAKES.items():
            with ws.fault(f"model.{mistake}"):
                await _repaired(await begin(), *row)
    return "The model made five kinds of mistakes, was told of each, and did it right the second time."


async def _repaired(talk: Talk, what: str, needed: str, advice: str) -> None:
    """Let the model make a mistake, and see to it that it is told what was wrong and what would be right."""
    try:
        reply = await talk.say("How is the weather in Nairobi?")
    except Wrong as wrong:
        raise Wrong(f"The model {what}. {wrong.saw}", f"{advice} {_TELL}") from wrong
    seen = await history(talk.handle)
    told = next((each["content"] for each in (await talk.asked())[-1].messages if each["role"] == "tool"), "")
    more = re.sub(r"(?i)^\W*(invalid arguments|unknown tool)", "", told)
    once = seen.attempts("call_model") >= 3 and seen.attempts("weather") <= 1 and "26" in reply
    what = f"the model, which {what}, to learn what was wrong and what would be right"
    saw = f"that it was told {told!r}, and the user {reply!r}"
    require(re.search(needed, more) and once, what, saw, f"{advice} {_TELL}")


_AGAIN = "Call `await self.approved(…)` in `pay`, each time."
_PAID = re.compile(r"(?i)\b(paid|pays?|refunded|sent|done|ok|yes|true|approved|success)")
_NOT = re.compile(r"(?i)\b(no|not|nothing|never|nobody|un\w+)\b|n't|refus|reject|declin|den[yi]|error|fail|cancel")


@exercise("3.3")
async def approval(ws: Workshop, answer: Any) -> str:
    """No money moves before a yes, none after a no, and once after a yes, also when the service's answer is lost."""
    for name in ("audit", "refunds"):
        await serve(ws, name, f"workshop_lib.teams.support.{name}")
    refused, agreed = ws.id("sale"), ws.id("sale")  # in the notebook itself, order-7 may have been paid already
    async with talks(ws, answer, refund) as begin:
        talk = await begin()
        told = await _decided(ws, talk, f"Please refund $30 for {refused}.", refused, "30", yes=False)
        paid = ws.ledger.count("refund", order=refused)
        require(not paid, "no payment, because a person said no", "one", "Look at what `approved` returns.")
        clear = told not in ("", "null") and (not _PAID.search(told) or _NOT.search(told))
        require(clear, "the model to be told that a person said no", repr(told), "Return a text that says so.")
        with ws.fault("refunds.drops_answer"):
            told = await _decided(ws, talk, f"Please refund $45 for {agreed}.", agreed, "45", yes=True)
        paid, what = ws.ledger.count("refund", order=agreed), "that after a yes it is paid once, and the model told so"
        saw = f"that it was paid {paid} times, and the model was told {told!r}"
        advice = "Pay with `await REFUND.call(call)`, and return what that returns."
        require(paid == 1 and told not in ("", "null"), what, saw, advice)
    return "Nothing was paid before a yes or after a no, and once after a yes, though the service's answer was lost."


async def _decided(ws: Workshop, talk: Talk, text: str, order: str, amount: str, *, yes: bool) -> str:
    """Ask for a refund, decide, and wait for the reply: what the model was told."""
    before = {entry.number for entry in await talk.lines("approval")}
    sent = talk.send(text)
    decided: asyncio.Future[Any] = asyncio.Future()
    try:
        asked = await _question(talk, sent, before)
        if asked is None:
            raise expected("a question to a person, each time", f"the reply {await talk.reply(sent, text)!r}", _AGAIN)
        paid = ws.ledger.count("refund", order=order)
        require(not paid, "no payment before anybody has decided", "that it was paid", _AGAIN)
        waits = [step.due - step.scheduled for step in (await history(talk.handle)).steps if step.due]
        shortest = min(waits, default=_SHORT)
        require(shortest >= _SHORT, "a day for the person", spoken(shortest), "She may answer tomorrow.")
        named = amount in asked.text and order in asked.text
        require(named, f"a question with {amount} and {order}", repr(asked.text), "Say what it is for.")
        decided = quietly(updated(talk.handle, "decide", asked.number, yes))
        await talk.reply(sent, text)  # if `pay` fails after the decision, that has no end of its own
    finally:
        decided.cancel()
        sent.cancel()
    return (await talk.lines("result"))[-1].text


async def _question(talk: Talk, sent: asyncio.Task[Reply], before: set[int]) -> Line | None:
    """Wait for a question to a person; none if the reply comes without one."""
    while not sent.done():
        await asyncio.wait([sent], timeout=PAUSE)
        seen = await history(talk.handle, follow=True)  # first: what is asked after this is still on its way
        if asked := [entry for entry in await talk.lines("approval") if entry.number not in before]:
            return asked[0]
        if any(step.kind == "update" and not step.closed for step in seen.steps):
            look(seen, f"Nobody was asked. {_AGAIN}")
    return None


@exercise("3.4")
async def voucher(ws: Workshop, answer: Any) -> str:
    """A voucher that is sent, fails after its effect and is tried again is one; asked for twice it is two."""
    name = _tool(answer, "customer", "dollars")
    # A turn has 19 events: the third in a conversation is in an execution of its own.
    async with _clerk(ws, weather, answer, most_events=30) as begin:
        for talk, requests in ((await begin(), 3), (await begin(), 1)):
            for _ in range(requests):
                with ws.fault(f"{name}.fails_after_effect"), advised(_KEYS):
                    await _sent(ws, talk)
    return "Four vouchers were asked for in two conversations, each failed once after it was posted: four were posted."


_KEYS = {"'function' is not supported": "The key is the function itself. Call it: `idempotency_key()`."}


async def _sent(ws: Workshop, talk: Talk) -> None:
    """Ask for a voucher whose first attempt fails after it was posted, and count."""
    before = ws.ledger.count("voucher")
    await talk.say("Please send a voucher of 10 dollars to Ann.")
    sent, told = ws.ledger.count("voucher") - before, str((await talk.lines("result"))[-1:])
    advice = "Both attempts need the same key: no random number, no clock, no attempt in it."
    if sent < 1:
        advice = "Each voucher needs its own key: the activity's id, and the run's, where ids start again."
    require(sent == 1, "one voucher, which was asked for once and failed once after that", f"{sent}", advice)
    require("Ann" in told, "the model to be told of the voucher", told, "`return` what `post_voucher` returns.")
