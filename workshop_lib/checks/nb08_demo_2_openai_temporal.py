"""The exercises of notebook 08: a new operation as a tool of the OpenAI Agents SDK, and a guardrail."""

from __future__ import annotations

import re
from contextlib import AbstractAsyncContextManager
from typing import Any

from temporalio import activity

from workshop_lib.agents.openai_agents import AgentConversation, plugin
from workshop_lib.checks.exercise import Wrong, exercise
from workshop_lib.checks.harness.other_teams import other_teams
from workshop_lib.checks.harness.routing import Way, routed
from workshop_lib.checks.harness.talks import Begin, Talk, advised, talks, together
from workshop_lib.demos import local
from workshop_lib.evidence.ledger import note
from workshop_lib.workers.takeover import idempotency_key
from workshop_lib.workshop import Workshop

_MODEL_SECONDS = 5.0
_NO_AGENT = {
    "must be a list, got NoneType": "`append` changes a list, and returns nothing. Write a new list instead.",
    "'NoneType' object has no attribute 'tools'": "`agent` returns the SDK's `Agent`. Does it say `return`?",
}


def _talks(ws: Workshop, answer: Any, *activities: Any) -> AbstractAsyncContextManager[Begin]:
    """``talks``, with the SDK's plugin: it comes after the notebook's own, and goes before it."""
    plugins = [plugin(_MODEL_SECONDS)]
    return talks(ws, answer, *local.TOOLS, *activities, base=AgentConversation, plugins=plugins)


# 8.1

_LIST = "`mine = [*tools(self.chat), convert]`"
_TOOL = (
    "`nexus_operation_as_tool(Exchange.convert, service=Exchange, endpoint=ENDPOINT, schedule_to_close_timeout=limit)`"
)
_WITH_SDK = Way(
    tool=_TOOL,
    list=f"Start from what the demo has: {_LIST}.",
    model="`Agent(…)` takes it: `model=self.chat.model`.",
    mistakes={
        "ndpoint": "There is no such endpoint. The contract has the name of the right one: `ENDPOINT`.",
        **_NO_AGENT,
        "'list' object has no attribute": f"A list stands where a tool should. Mind the star: {_LIST}.",
        "Unsupported tool type": f"The list holds the SDK's tools, and an operation is none yet. {_TOOL} makes one.",
        "Fail to convert to Duration": "A limit is a `timedelta`, not a number: `timedelta(seconds=…)`.",
        "positional argument": "`nexus_operation_as_tool` takes the operation first, and all else by name: `service=`, "
        "`endpoint=`, `schedule_to_close_timeout=`.",
        "'float' object has no attribute": "A limit is a `timedelta`, not a number: `timedelta(seconds=…)`.",
        "find nexus operation handle": "The call was not made in full. Is its limit a `timedelta`, not a number? "
        "`timedelta(seconds=…)` makes one.",
        "'int' object has no attribute": "A limit is a `timedelta`, not a number: `timedelta(seconds=…)`.",
        "coroutine": "A coroutine came back instead of a value: is an `await` missing?",
    },
)


@exercise(
    "8.1",
    hints=(
        "The demo's `tools` has operations in its list. What makes one of them stands in the plugin.",
        "`nexus_operation_as_tool` takes the operation, and by name the service, the endpoint and the limit, without "
        "which it waits for ever. The agent takes the list, and the chat's model.",
        f"`limit = timedelta(seconds=self.chat.tool_seconds)`, `convert = {_TOOL[1:-1]}`, {_LIST}, and "
        '`return Agent("assistant", instructions="Use your tools.", tools=mine, model=self.chat.model)`.',
    ),
)
async def routed_with_sdk(ws: Workshop, answer: Any) -> str:
    """Finance converts, through Nexus, in a time that the chat sets; everything else works as before."""
    async with other_teams(ws) as finance, _talks(ws, answer) as begin:
        await routed(ws, finance, begin, _WITH_SDK)
    return (
        "Finance converted dollars to euros and yen, through Nexus and in limited time. A lookup of the price failed "
        "once and was repeated. When Finance refused a call, the customer was told why."
    )


# 8.2

_NOTED = "told Security"
_BY_DEFAULT = "I may not answer that."
_WAIT = "`@input_guardrail(run_in_parallel=False)`"
_PATTERN = r'`re.compile(r"(?<!\d)\d{4}([ -]?\d{4}){3}(?!\d)")`'
_TELL = '`await workflow.execute_activity(tell_security, "a card number", **LIMIT)`'
_CARDS = ("4111111111111111", "5500 0000 0000 0004", "4000-0566-5566-5556")
_GRAY = {  # what is no card number, and why
    "Please note: my order has the number 123456789012.": "12 digits are no card number, and 16 are.",
    "Please note: my parcel has the number 12345678901234567890.": "20 digits are no card number: mind what stands "
    "before the 16 and after them.",
    "Please note: order 123456789012 is of the year 2026.": "Digits that stand far apart are no card number.",
}
_MISTAKES = {
    **_NO_AGENT,
    "has no attribute 'run_in_parallel'": "The agent is given something that is no guardrail. The decorator makes one "
    "of a function, and `card_guardrail` returns that.",
    "has no attribute 'tripwire_triggered'": "A guardrail returns a `GuardrailFunctionOutput`, whatever it has found.",
    "has no attribute 'output'": "A guardrail returns a `GuardrailFunctionOutput`, whatever it has found.",
    "expected string or bytes-like": "`input` is a list of messages. The newest has its text under `content`.",
    "TypeError: list indices": "`input` is a list of messages. The newest is the last, `input[-1]`.",
    "not registered": "There is one activity here, `tell_security`. Keep its name.",
    "positional argument": "The SDK calls a guardrail with three arguments: context, agent, input.",
    "coroutine": "A coroutine came back instead of a value: is an `await` missing?",
}


@activity.defn(name="tell_security")
def _tell_security(what: Any) -> None:
    """As that of the notebook."""
    note(_NOTED, once=idempotency_key(), what=what, workflow=activity.info().workflow_id)


@exercise(
    "8.2",
    hints=(
        "A guardrail says whether the tripwire is triggered. `input` is what the model would be shown: the newest "
        "message is the last. And the SDK starts guardrail and model at the same time, unless you say otherwise.",
        f"{_WAIT} lets the model wait. `GuardrailFunctionOutput` takes the sentence first, and then "
        "`tripwire_triggered=`, True or False.",
        f"`card = {_PATTERN[1:-1]}`. Below {_WAIT}: `found = card.search(input[-1]['content']) is not None`, "
        f"if found {_TELL}, and `return GuardrailFunctionOutput('…', tripwire_triggered=found)`.",
    ),
)
async def guarded(ws: Workshop, answer: Any) -> str:
    """No card number reaches the model, in whatever turn; Security is told of each, once; all else is answered."""
    async with _talks(ws, answer, _tell_security) as begin:
        with advised(_MISTAKES):
            cards, first, gray = [await begin() for _ in range(3)]
            await _answered(cards, "How is the weather in Oslo?", "That holds no number at all.")
            with ws.fault("tell_security.fails_after_effect"):
                await together(_all_refused(ws, cards), _let_through(gray), _refused(ws, first, _CARDS[0]))
        await _never_seen(cards)
        await _told_once(ws, cards, len(_CARDS))
        await _told_once(ws, gray, 0)
    return (
        "Four messages with card numbers, in a row and in groups, were refused with a sentence before the model saw "
        "them, also in the turns after. Security was told of each, once. What is no card number was answered."
    )


async def _all_refused(ws: Workshop, talk: Talk) -> None:
    for card in _CARDS:
        await _refused(ws, talk, card)
    await _answered(talk, "What's my card number?", "That holds no number at all.")


async def _let_through(talk: Talk) -> None:
    for text, why in _GRAY.items():
        await _answered(talk, text, why)


async def _answered(talk: Talk, text: str, why: str) -> None:
    reply = await talk.say(text)
    if talk.problem == "Refused":
        raise Wrong(f"{text!r} was refused: {reply!r}", f"{why} Nothing else is to be refused.")
    if talk.problem:
        raise Wrong(f"{text!r} was not answered: {reply!r}", "A guardrail lets pass what it does not refuse.")


async def _refused(ws: Workshop, talk: Talk, card: str) -> None:
    """Send a card number, and look what becomes of it."""
    text, before = f"Please pay with my card {card}, thank you.", len(await talk.asked())
    told = ws.ledger.count(_NOTED, workflow=talk.handle.id)
    reply = await talk.say(text)
    calls = len(await talk.asked()) - before
    if talk.problem not in ("", "Refused"):
        raise Wrong(
            f"{text!r} failed with {talk.problem}: {reply!r}",
            "That is no refusal: what fails is remembered, and the model sees it in the next turn. Return the output "
            "with its tripwire triggered.",
        )
    if not talk.problem:
        raise _let_pass(card, reply)
    if calls:
        what = f"{text!r} was refused, and the model had been shown it all the same: {calls} call on the bill."
        advice = "By default the SDK asks the model while a guardrail still works. The decorator takes an argument that"
        raise Wrong(what, f"{advice} lets the model wait.")
    if ws.ledger.count(_NOTED, workflow=talk.handle.id) == told:
        raise Wrong(
            f"{text!r} was refused, and Security was not told.", f"Call the activity before you refuse: {_TELL}."
        )
    if reply == _BY_DEFAULT or not re.search(r"[A-Za-z]+ [\w ]*[A-Za-z]", reply) or reply.startswith(("{", "[", "(")):
        what = f"{text!r} was refused, and the user was told {reply!r}."
        raise Wrong(what, "She has to know why. The first part of the output, `output_info`, is a sentence for her.")
    if card in reply:
        what = f"{text!r} was refused with {reply!r}, which has the number in it."
        raise Wrong(what, "The transcript keeps that sentence. Leave the number out.")


def _let_pass(card: str, reply: str) -> Wrong:
    what = f"A message with the card number {card} was not refused. The reply was {reply!r}."
    if card == _CARDS[0]:
        advice = "Sixteen digits in a row, in the newest message: `input` has the whole conversation, oldest first."
    elif " " in card:
        advice = "People write them in groups of four, with spaces between."
    else:
        advice = "People write them in groups of four, with dashes between."
    return Wrong(what, advice)


async def _never_seen(talk: Talk) -> None:
    shown = str([asked.messages for asked in await talk.asked()])
    if seen := [card for card in _CARDS if card in shown]:
        what = f"The card number {seen[0]} was refused, and the model was shown it in a later turn."
        raise Wrong(what, "Let the tripwire end the turn: then the conversation does not remember it.")


async def _told_once(ws: Workshop, talk: Talk, cards: int) -> None:
    told = ws.ledger.count(_NOTED, workflow=talk.handle.id)
    if told != cards:
        what = f"{cards} messages of a conversation had a card number, and Security was told {told} times."
        raise Wrong(what, "Tell it of what you refuse, once, and of nothing else.")
    for entry in ws.ledger.entries(_NOTED):
        digits = re.sub(r"\D", "", str(entry.details["what"]))
        if entry.details["workflow"] == talk.handle.id and any(re.sub(r"\D", "", card) in digits for card in _CARDS):
            what = f"Security was told {entry.details['what']!r}, which has the number in it."
            raise Wrong(what, "The history keeps that. Say that there was a card number, not which.")
