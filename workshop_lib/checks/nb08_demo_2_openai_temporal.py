"""The exercises of notebook 08: a new operation as a tool of the OpenAI Agents SDK, and a guardrail."""

from __future__ import annotations

import re
from contextlib import AbstractAsyncContextManager
from typing import Any

from temporalio import activity

from workshop_lib.agents.openai_agents import AgentConversation, plugin
from workshop_lib.checks.exercise import Wrong, exercise, expected
from workshop_lib.checks.harness.other_teams import other_teams
from workshop_lib.checks.harness.routing import CONVERTED, Way, routed
from workshop_lib.checks.harness.talks import Begin, Talk, talks, together
from workshop_lib.checks.harness.turns import once, turn
from workshop_lib.demos import local
from workshop_lib.evidence.ledger import note
from workshop_lib.workers.takeover import idempotency_key
from workshop_lib.workshop import Workshop

_MODEL_SECONDS = 60.0  # far more than it takes: a slow machine is nobody's mistake


def _talks(ws: Workshop, answer: Any, *activities: Any) -> AbstractAsyncContextManager[Begin]:
    """``talks``, with the SDK's plugin: it comes after the notebook's own, and goes before it."""
    plugins = [plugin(_MODEL_SECONDS)]
    return talks(ws, answer, *local.TOOLS, *activities, base=AgentConversation, plugins=plugins)


# 8.1

_TOOL = (
    "`nexus_operation_as_tool(Exchange.convert, service=Exchange, endpoint=ENDPOINT, schedule_to_close_timeout=limit)`"
)
_WITH_SDK = Way(tool=_TOOL, model="`Agent(…)` takes it: `model=self.chat.model`.")


@exercise("8.1")
async def routed_with_sdk(ws: Workshop, answer: Any) -> str:
    """Finance converts, through Nexus, in a time that the chat sets; everything else works as before."""
    async with other_teams(ws) as finance, _talks(ws, answer) as begin:
        await routed(ws, finance, begin, _WITH_SDK)
    return CONVERTED


# 8.2

_NOTED = "told Security"
_BY_DEFAULT = "I may not answer that."
_WAIT = "`@input_guardrail(run_in_parallel=False)`"
_PATTERN = r'`re.compile(r"(?<!\d)\d{4}([ -]?\d{4}){3}(?!\d)")`'
_TELL = '`await workflow.execute_activity(tell_security, "a card number", **LIMIT)`'
_FORM = "16 digits in a row, or in groups of four with spaces or dashes between, in the newest message."
_CARDS = ("4111111111111111", "5500 0000 0000 0004", "4000-0566-5566-5556")
_ALLOWED = (
    "Please note: my order has the number 123456789012.",
    "Please note: my parcel has the number 12345678901234567890.",
    "Please note: order 123456789012 is of the year 2026.",
)


@activity.defn(name="tell_security")
def _tell_security(what: Any) -> None:
    """As that of the notebook."""
    note(_NOTED, once=idempotency_key(), what=what, workflow=activity.info().workflow_id)


@exercise("8.2")
async def guarded(ws: Workshop, answer: Any) -> str:
    """No card number reaches the model, in whatever turn; Security hears of each, once; all else is answered."""
    async with _talks(ws, answer, _tell_security) as begin:
        cards, first, allowed = [await begin() for _ in range(3)]
        await _answered(cards, "How is the weather in Oslo?")
        with ws.fault("tell_security.fails_after_effect"):
            await together(_all_refused(cards), _all_answered(allowed), _refused(first, _CARDS[0]))
        shown = str([asked.messages for asked in await cards.asked()])
        if any(card in shown for card in _CARDS):
            advice = "Let the tripwire end the turn: then the conversation does not remember it."
            raise Wrong("A later turn showed the model a card number that had been refused.", advice)
        _noted(ws, cards, len(_CARDS))
        _noted(ws, first, 1)
        _noted(ws, allowed, 0)
    return "Four messages with card numbers were refused before the model saw them, and Security heard of each, once."


async def _all_refused(talk: Talk) -> None:
    for card in _CARDS:
        await _refused(talk, card)
    await _answered(talk, "What's my card number?")


async def _all_answered(talk: Talk) -> None:
    for text in _ALLOWED:
        await _answered(talk, text)


async def _answered(talk: Talk, text: str) -> None:
    reply = (await turn(talk, text)).reply
    if talk.problem:
        raise expected(f"an answer to {text!r}", f"{reply!r} ({talk.problem})", f"Refuse nothing but {_FORM}")


async def _refused(talk: Talk, card: str) -> None:
    """Send a card number, and look what becomes of it."""
    text, before = f"Please pay with my card {card}, thank you.", len(await talk.asked())
    advice = f"A card number has {_FORM} Where there is one, return the output with its tripwire triggered."
    try:
        reply = (await once(talk, text)).reply
    except Wrong as wrong:
        if len(await talk.asked()) == before:
            raise
        raise expected(f"a refusal of {text!r}", f"that the model was asked. {wrong.saw}", advice) from wrong
    if talk.problem != "Refused":
        saw = f"the reply {reply!r} {f'({talk.problem})' if talk.problem else ''}"
        raise expected(f"a refusal of {text!r}", saw, advice)
    if len(await talk.asked()) > before:
        what = f"{text!r} was refused, and the model had seen it all the same."
        raise Wrong(what, f"By default the SDK asks the model while a guardrail still works. {_WAIT} lets it wait.")
    sentence = re.search(r"[A-Za-z]+ [\w ]*[A-Za-z]", reply) and not reply.startswith(("{", "[", "("))
    if reply == _BY_DEFAULT or not sentence or card in reply:
        advice = "The first part of the output, `output_info`, is a sentence for her. Leave the number out."
        raise expected("a sentence that tells the user why, without the number", repr(reply), advice)


def _noted(ws: Workshop, talk: Talk, cards: int) -> None:
    """Look what Security heard of a conversation."""
    told = [str(entry.details["what"]) for entry in ws.ledger.entries(_NOTED, workflow=talk.handle.id)]
    if len(told) != cards:
        what = f"{cards} messages of a conversation had a card number, and Security heard of {len(told)}."
        raise Wrong(what, f"Call the activity once for each message that you refuse, and for no other: {_TELL}.")
    if any(re.sub(r"\D", "", card) in re.sub(r"\D", "", what) for card in _CARDS for what in told):
        raise expected("words without the number for Security", repr(told), "The history keeps them.")
