"""What exercises 7.1 and 8.1 have in common: Finance's new operation is a tool of an agent, in whatever way."""

from contextlib import AbstractAsyncContextManager
from datetime import timedelta

from workshop_lib.agents.conversation import Chat
from workshop_lib.checks.exercise import require
from workshop_lib.checks.harness.handled import other_teams
from workshop_lib.checks.harness.talks import MODEL_SECONDS, MODELS, Begin, Turn, asks_the_chats_model, holds, limited
from workshop_lib.demos import litellm_temporal
from workshop_lib.evidence.history import spoken
from workshop_lib.workshop import Workshop

_SHORT = 5.0  # seconds: what another chat sets
_CLOSED = "The exchange is closed until nine"
_OTHERS = {tool.name for tool in litellm_temporal.tools(Chat())}  # both demos have the same ones


async def routed(ws: Workshop, talks: AbstractAsyncContextManager[Begin]) -> None:
    """Customers have money converted, also when Finance refuses, and use the other tools as before.

    Args:
        ws: The workshop.
        talks: With the agent.

    Raises:
        Wrong: It is not so.
    """
    async with other_teams(ws) as teams, talks as begin:
        talk = await begin()
        first = await talk.turn("Convert 250 dollars to EUR.", _limited)
        missing = sorted(_OTHERS - {tool["name"] for tool in (await talk.asked())[0].tools})
        require(not missing, "the new tool beside the six others", f"that {missing} are missing", "others")
        await asks_the_chats_model(begin)
        await (await begin(tool_seconds=_SHORT)).once("Convert 20 dollars to EUR.", lambda turn: _limited(turn, _SHORT))
        used = [step for step in first.steps if step.name not in MODELS and step.kind not in ("update", "signal")]
        called = ("Exchange", "convert") in [(step.service, step.name) for step in used]
        saw = f"{', '.join(step.title for step in used) or 'nothing'} in the history, and the reply {first.reply!r}"
        require(called, "Finance's operation `convert` in the history", saw, "tool")
        holds(first.reply, "225", advice="pass on")
        noted = await talk.lines("call") and await talk.lines("result")
        require(noted, "the call and its result in the transcript", "neither, or only one of them", "note")
        with ws.fault("read_quote.fails"):
            second = await talk.turn("How much is 40 dollars in JPY?", _limited)
            third = await (await begin()).turn("What is the price of ACME, and what is the IP address of web-1?")
        remembers = any("250" in str(message.get("content")) for message in (await talk.asked())[-1].messages)
        require(remembers, "a model that sees the whole conversation", "a second message without the first", "messages")
        holds(second.reply, "6080", advice="pass on")
        holds(third.reply, "120.6", "192.0.2.11", advice="others")
        teams.reason = _CLOSED
        holds((await talk.turn("Convert 30 dollars to GBP.", _limited)).reply, _CLOSED, advice="swallowed")


def _limited(turn: Turn, seconds: float = MODEL_SECONDS) -> None:
    """Look how long the agent would wait for Finance in a chat with this limit."""
    most = timedelta(seconds=seconds)
    for call in turn.calls:
        limited(call.limit, f"the chat's limit for the call, {spoken(most)}", most=most)
