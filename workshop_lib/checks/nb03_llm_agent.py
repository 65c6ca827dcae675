"""The exercises of notebook 03, each in conversations under the failure that it is about."""

# No `from __future__ import annotations`: see workshop_lib/agents/conversation.py.

import asyncio
import inspect
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from functools import partial
from typing import Any

from temporalio import workflow
from temporalio.common import RetryPolicy

from workshop_lib.agents import loop
from workshop_lib.agents.conversation import Answer, Chat, Conversation, Line, Message
from workshop_lib.agents.model.calls import ask_model
from workshop_lib.checks.exercise import Wrong, exercise
from workshop_lib.checks.harness.recorded import look
from workshop_lib.checks.harness.talks import Begin, Talk, talks
from workshop_lib.checks.harness.trial import activity_name
from workshop_lib.evidence.history import history
from workshop_lib.evidence.messages import WorkshopError
from workshop_lib.evidence.state import service_address
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
    name = activity_name(answer)
    found = list(inspect.signature(answer).parameters)
    if found != list(parameters):
        wanted = ", ".join(parameters)
        raise Wrong(f"`{name}` takes {', '.join(found) or 'nothing'}.", f"Keep its parameters: {wanted}.")
    return name


@exercise("3.1")
async def new_tool(ws: Workshop, answer: Any) -> str:
    """The model finds the tool, gives it what the customer said, and is told the cost; also when it fails once."""
    name = _tool(answer, "kilograms", "country")
    async with _clerk(ws, calculator, weather, answer) as begin:
        talk = await begin()
        await _cost(talk, name, "How much is it to ship a parcel of 3 kg to Japan?", 27.0)
        await _cost(talk, name, "And to ship a parcel of 10 kg to Norway?", 25.0)
        if not loop.summary(answer):
            raise Wrong(
                "It has no docstring. This time its name was enough for the model.",
                "Begin the function with a docstring that says what it is for.",
            )
        with ws.fault(f"{name}.fails"):
            await _cost(talk, name, "How much is it to ship a parcel of 2 kg to Peru?", 23.0)
    return "The model used it for three customers, and once it failed and was tried again."


async def _cost(talk: Talk, name: str, question: str, right: float) -> None:
    before = len(await talk.lines("result"))
    await talk.say(question)
    results = [entry for entry in (await talk.lines("result"))[before:] if entry.tool == name]
    if not results:
        raise Wrong(
            f"The model did not use `{name}` for {question!r}.",
            "Say in the docstring what it is for, in the words of a customer: ship, parcel, country, cost.",
        )
    try:
        cost = float(results[-1].text)
    except ValueError:
        raise Wrong(f"For {question!r} it gave {results[-1].text!r}.", "Return a number.") from None
    if cost != right:
        raise Wrong(
            f"For {question!r} it gave {cost:g}. It should be {right:g}.",
            "Within Norway: 5 and 2 for each kilogram. To any other country: 15 and 4 for each.",
        )


_MISTAKES = {
    "garbles_arguments": (
        "wrote arguments that are no JSON",
        "`json.loads` raises ValueError then: catch it, and return a sentence that begins with `Invalid arguments`.",
    ),
    "forgets_arguments": (
        "wrote `null` in the place of arguments",
        "JSON may be anything: look whether it is a `dict` first, and return `Invalid arguments: …` if not.",
    ),
    "invents_tool": (
        "called a tool that does not exist, weather_2",
        "Compare `name` first, and return a sentence that begins with `Unknown tool`.",
    ),
    "invents_field": (
        "made up an argument, colour",
        "Do not drop it in silence: it may hold what the user asked for. Return `Invalid arguments: …` instead.",
    ),
    "mistypes_field": (
        "gave a list as the city",
        "Look at its type (`isinstance(…, str)`) before you call the activity, and return `Invalid arguments: …`.",
    ),
}


@exercise("3.2")
async def mistakes(ws: Workshop, answer: Any) -> str:
    """Each of the model's mistakes goes back to it, is repaired, and the user gets the weather."""
    async with talks(ws, answer, weather) as begin:
        calm = await begin()
        reply = await calm.say("How is the weather in Oslo?")
        if "-4" not in reply:
            raise Wrong(f"Without any mistake of the model, the reply was {reply!r}.", "Return the weather as text.")
        if not (await history(calm.handle)).attempts("weather"):
            what = "Your workflow called `weather` itself. Then nobody retries it, and each replay calls it anew."
            raise Wrong(what, "Let an activity do it: `await workflow.execute_activity(weather, city, **LIMIT)`.")
        for mistake, (what, advice) in _MISTAKES.items():
            talk = await begin()
            try:
                with ws.fault(f"model.{mistake}"):
                    reply = await talk.say("How is the weather in Nairobi?")
            except Wrong as wrong:
                raise Wrong(f"The model {what}. {wrong.saw}", advice) from wrong
            told = await history(talk.handle)
            if told.attempts("call_model") < 3 or told.attempts("weather") > 1:
                raise Wrong(f"The model {what}, and you did not tell it.", advice)
            if "26" not in reply:
                raise Wrong(f"The model {what}, and the user was told {reply!r}.", advice)
    return "The model made five kinds of mistakes, was told of each, and did it right the second time."


@exercise("3.3")
async def approval(ws: Workshop, answer: Any) -> str:
    """No money moves before a yes, none after a no, and once after a yes, also when the service's answer is lost."""
    for name in ("audit", "refunds"):
        try:
            service_address(name)
        except WorkshopError:
            await ws.serve(name, f"workshop_lib.teams.support.{name}")
    refused, agreed = ws.id("sale"), ws.id("sale")  # in the notebook itself, order-7 may have been paid already
    async with talks(ws, answer, refund) as begin:
        talk = await begin()
        await _decided(ws, talk, f"Please refund $30 for {refused}.", refused, "30", yes=False)
        if ws.ledger.count("refund", order=refused):
            raise Wrong("A person said no, and the money was paid all the same.", "Look at what `approved` returns.")
        if (await talk.lines("result"))[-1].text in ("", "null"):
            raise Wrong("A person said no, and the model was told nothing.", "Return a text that says so.")
        with ws.fault("refunds.drops_answer"):
            await _decided(ws, talk, f"Please refund $45 for {agreed}.", agreed, "45", yes=True)
        paid = ws.ledger.count("refund", order=agreed)
        if paid != 1:
            raise Wrong(
                f"A person said yes, and the money was paid {paid} times.", "Pay with `await REFUND.call(call)`."
            )
    return "Nothing was paid before a yes or after a no, and once after a yes, though the service's answer was lost."


async def _decided(ws: Workshop, talk: Talk, text: str, order: str, amount: str, *, yes: bool) -> None:
    """Ask for a refund, decide, and wait for the reply."""
    before = {entry.number for entry in await talk.lines("approval")}
    sent = talk.send(text)
    asked: Line | None = None
    while asked is None and not sent.done():
        await asyncio.wait([sent], timeout=0.05)
        seen = await history(talk.handle, follow=True)  # first: what is asked after this is still on its way
        asked = next((entry for entry in await talk.lines("approval") if entry.number not in before), None)
        if asked is None and any(step.kind == "update" and not step.closed for step in seen.steps):
            look(seen, "Nobody was asked: call `await self.approved(…)` in `pay`, each time.")
    if asked is None:
        reply = await talk.reply(sent, text)
        again = " this time" if before else ""
        paid = ", and the money was paid" if ws.ledger.count("refund", order=order) else f": {reply!r}"
        raise Wrong(f"Nobody was asked{again}{paid}.", "Call `await self.approved(…)` in `pay`, each time.")
    if ws.ledger.count("refund", order=order):
        sent.cancel()
        raise Wrong("The money was paid before anybody had decided.", "Ask first, and pay after the yes.")
    timers = [step for step in (await history(talk.handle)).steps if step.due]
    hasty = any(step.due and step.due - step.scheduled < _SHORT for step in timers)
    missing = [part for part in (amount, order) if part not in asked.text]
    if hasty or missing:
        sent.cancel()
    if hasty:
        raise Wrong("Your agent does not wait an hour for the person.", "She may answer tomorrow: wait at least a day.")
    if missing:
        raise Wrong(f"The question was {asked.text!r}.", f"The amount and the order belong in it: {' '.join(missing)}.")
    decided = asyncio.create_task(talk.handle.execute_update("decide", args=[asked.number, yes]))
    decided.add_done_callback(lambda done: done.cancelled() or done.exception())
    try:
        await talk.reply(sent, text)  # if `pay` fails after the decision, that has no end of its own
    finally:
        decided.cancel()


@exercise("3.4")
async def voucher(ws: Workshop, answer: Any) -> str:
    """A voucher that is sent, fails after its effect and is tried again is one; asked for twice it is two."""
    name = _tool(answer, "customer", "dollars")
    request = "Please send a voucher of 10 dollars to Ann."
    # A turn has 19 events: the third in a conversation is in an execution of its own.
    async with _clerk(ws, weather, answer, most_events=30) as begin:
        for talk, requests in ((await begin(), 3), (await begin(), 1)):
            for again in range(requests):
                before = ws.ledger.count("voucher")
                with ws.fault(f"{name}.fails_after_effect") as fault:
                    await talk.say(request)
                sent = ws.ledger.count("voucher") - before
                if not fault.fired:
                    raise Wrong(f"The model did not use `{name}`.", "Keep its docstring: that is what the model sees.")
                if sent > 1:
                    what = f"It was asked for once, failed once after it was posted, and {sent} vouchers were posted."
                    raise Wrong(what, "Both attempts need the same key: no random number, no clock, no attempt in it.")
                if sent < 1 and not again:
                    what = "A customer asked for a voucher, and none was posted."
                    raise Wrong(what, "Call `post_voucher`, with a key that no other activity has.")
                if sent < 1:
                    what = "A customer asked for another voucher in the same conversation, and got none."
                    advice = "The key needs the activity's id, and the run's: ids of activities start anew in each run."
                    raise Wrong(what, advice)
    return "Four vouchers were asked for in two conversations, each failed once after it was posted: four were posted."
