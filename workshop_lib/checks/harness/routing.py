"""What exercises 7.1 and 8.1 have in common: Finance's new operation is a tool of an agent, in whatever way."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from workshop_lib.agents.conversation import Chat
from workshop_lib.checks.exercise import Wrong, expected
from workshop_lib.checks.harness.other_teams import Team
from workshop_lib.checks.harness.talks import MODELS, Begin, Talk, together
from workshop_lib.checks.harness.turns import Turn, limit_of, turn
from workshop_lib.demos import litellm_temporal
from workshop_lib.evidence.history import spoken
from workshop_lib.workshop import Workshop

_LEAST = timedelta(seconds=1.6)  # with less, the server does not even send a call
_MOST = timedelta(minutes=1)
_CLOSED = "The exchange is closed until nine"
CONVERTED = "Finance converted dollars, through Nexus, in limited time. Why it refused a call, the customer learned."
_LIST = "Write a new list: `mine = [*tools(self.chat), convert]`."
_CALL = ("Exchange", "convert")
_OTHERS = {tool.name for tool in litellm_temporal.tools(Chat())}  # both demos have the same ones


@dataclass(frozen=True)
class Way:
    """How an exercise makes the operation a tool, for advice.

    Attributes:
        tool: The call that makes the tool.
        model: How the agent learns which model to ask.
    """

    tool: str
    model: str


async def routed(ws: Workshop, finance: Team, begin: Begin, way: Way) -> None:
    """Customers have money converted, also when Finance refuses, and use the other tools as before.

    Args:
        ws: The workshop.
        finance: Finance.
        begin: Begins a conversation.
        way: The exercise's.

    Raises:
        Wrong: It is not so.
    """
    talk, other = await begin(), await begin()
    first = await turn(talk, "Convert 250 dollars to EUR.", _limited)
    await _asked(talk, way)
    _by_finance(first, way)
    _holds(first, "225", f"Return what the operation returns. {way.tool} does that.")
    if not (await talk.lines("call") and await talk.lines("result")):
        advice = "Someone who reads the chat must see each tool call. Hand `self.note` to the loop."
        raise expected("the call and its result in the transcript", "neither, or one of them only", advice)
    with ws.fault("read_quote.fails"):
        second, third = await together(
            turn(talk, "How much is 40 dollars in JPY?", _limited),
            turn(other, "What is the price of ACME, and what is the IP address of web-1?"),
        )
    if not any("250" in str(message.get("content")) for message in (await talk.asked())[-1].messages):
        advice = "The model cannot answer 'And in yen?' then. Hand over all of `messages`, not only the newest."
        raise expected("a model that sees the whole conversation", "a second message without the first", advice)
    _holds(second, "6080", "Hand the model's arguments to Finance, and Finance's result to the model.")
    _holds(third, "120.6", f"The other tools must work as before. {_LIST}")
    _holds(third, "192.0.2.11", f"The other tools must work as before. {_LIST}")
    finance.refusals.reason = _CLOSED
    refused = await turn(talk, "Convert 30 dollars to GBP.", _limited)
    _holds(refused, _CLOSED, "Catch nothing in your tool: the loop gives the reason to the model.")


def _limited(turn: Turn) -> None:
    """Look how long the agent would wait for Finance."""
    for call in turn.calls:
        limit, code = limit_of(call), "`timedelta(seconds=self.chat.tool_seconds)`"
        if not _LEAST <= limit <= _MOST:
            advice = f"The chat says how long one use of a tool may take, including retries: {code}."
            why = " The server does not send a call that has so little time." if limit < _LEAST else ""
            raise Wrong(f"If nobody at Finance answers, your call waits for {spoken(limit)}.{why}", advice)


async def _asked(talk: Talk, way: Way) -> None:
    """Look which model was asked, and which tools it was shown."""
    asked = (await talk.asked())[:1]
    if [each.model for each in asked] != ["offline"]:
        named = [each.model for each in asked]
        raise expected("a question to the model 'offline', which the chat names", f"the models {named}", way.model)
    shown = {tool["name"] for tool in asked[0].tools}
    if missing := _OTHERS - shown:
        what = f"The model can no longer call {', '.join(sorted(missing))}."
        raise Wrong(what, f"The new tool joins the others. {_LIST}")


def _by_finance(turn: Turn, way: Way) -> None:
    """Look for the operation, where the contract says it is."""
    used = [step for step in turn.steps if step.name not in MODELS and step.kind not in ("update", "signal")]
    if _CALL not in [(step.service, step.name) for step in used]:
        saw = " and ".join(f"{step.title} {step.service} {step.endpoint}".strip() for step in used) or "no call at all"
        what = f"Finance was not asked to convert: {saw} is recorded, and the customer read {turn.reply!r}."
        raise Wrong(what, f"Only Finance knows today's rates. Make its operation a tool: {way.tool}. {_LIST}")


def _holds(turn: Turn, part: str, advice: str) -> None:
    if part not in turn.reply.replace("6,080", "6080"):
        raise expected(f"a reply with {part!r}", repr(turn.reply), advice)
