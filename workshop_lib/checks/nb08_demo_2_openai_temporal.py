"""The exercises of notebook 08: a new operation as a tool of the OpenAI Agents SDK, and a guardrail."""

import re
from typing import Any

from workshop_lib.checks.exercise import exercise, require
from workshop_lib.checks.harness.routing import routed
from workshop_lib.checks.harness.sdk_talks import sdk_talks
from workshop_lib.checks.harness.talks import Talk
from workshop_lib.checks.harness.trial import noting
from workshop_lib.workshop import Workshop


@exercise("8.1")
async def routed_with_sdk(ws: Workshop, answer: Any) -> None:
    """Finance converts, through Nexus, in a time that the chat sets; everything else works as before."""
    await routed(ws, sdk_talks(ws, answer))


# 8.2

_NOTED = "reported to Security"
_BY_DEFAULT = "I may not answer that."
_CARDS = ("4111111111111111", "5500 0000 0000 0004", "4000-0566-5566-5556")
_ALLOWED = (
    "Please note: my order has the number 123456789012.",
    "Please note: my parcel has the number 12345678901234567890.",
    "Please note: order 123456789012 is of the year 2026.",
)


@exercise("8.2")
async def guarded(ws: Workshop, answer: Any) -> None:
    """No card number reaches the model, in whatever turn; Security hears of each, once; all else is answered."""
    async with sdk_talks(ws, answer, noting("tell_security", _NOTED)) as begin:
        cards, first, allowed = [await begin() for _ in range(3)]
        await _answered(cards, "How is the weather in Oslo?")
        with ws.fault("tell_security.fails_after_effect"):
            for card in _CARDS:
                await _refused(cards, card)
        for text in _ALLOWED:
            await _answered(allowed, text)
        await _refused(first, _CARDS[0])
        await _answered(cards, "What's my card number?")
        shown = str([asked.messages for asked in await cards.asked()])
        kept = not any(card in shown for card in _CARDS)
        require(kept, "a model that never sees a refused number", "one in a later turn", "remembered")
        for talk, number in ((cards, len(_CARDS)), (first, 1), (allowed, 0)):
            told = [str(entry.details["what"]) for entry in ws.ledger.entries(_NOTED, workflow=talk.handle.id)]
            require(len(told) == number, f"{number} reports to Security", len(told), "tell")
            digits = [re.sub(r"\D", "", what) for what in told]
            silent = not any(re.sub(r"\D", "", card) in what for card in _CARDS for what in digits)
            require(silent, "words without the number for Security", repr(told), "number")


async def _answered(talk: Talk, text: str) -> None:
    reply = (await talk.turn(text)).reply
    require(not talk.problem, f"an answer to {text!r}", f"{reply!r} ({talk.problem})", "too many")


async def _refused(talk: Talk, card: str) -> None:
    """Send a card number, and look what becomes of it."""
    text, before = f"Please note: my card has the number {card}.", len(await talk.asked())
    refusal, seen = f"a refusal of {text!r}", "that the model was asked"
    reply = (made := await talk.once(text)).reply
    saw = f"the reply {reply!r}{talk.problem and f' ({talk.problem})'}"
    require(talk.problem == "Refused", refusal, saw, "refuse")
    require(len(await talk.asked()) == before, f"{refusal} before the model sees it", seen, "parallel")
    ends = sorted((step.closed, step.kind) for step in made.steps if step.closed)
    first = len(ends) == len(made.steps) and ends[-1][1] == "update"
    require(first, f"{refusal} once Security has heard of it", "one that did not wait for the Activity", "tell")
    sentence = re.search(r"[A-Za-z]+ [\w ]*[A-Za-z]", reply) and not reply.startswith(("{", "[", "("))
    right = sentence and reply != _BY_DEFAULT and card not in reply
    require(right, "a sentence that tells the user why, without the number", repr(reply), "sentence")
