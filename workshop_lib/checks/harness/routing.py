"""What exercises 7.1 and 8.1 have in common: Finance's new operation is a tool of an agent, in whatever way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from workshop_lib.agents.conversation import Chat
from workshop_lib.checks.exercise import Wrong
from workshop_lib.checks.harness.other_teams import Team, operations
from workshop_lib.checks.harness.talks import MODELS, Begin, Talk, advised, together
from workshop_lib.demos import litellm_temporal, local
from workshop_lib.evidence.history import history, spoken
from workshop_lib.teams.finance.contract import ENDPOINT
from workshop_lib.workshop import Workshop

_MOST = timedelta(minutes=1)
_LEAST = timedelta(seconds=1.6)  # with less, the server does not even send a call
_CLOSED = "The exchange is closed until nine"
_OTHERS = [tool.name for tool in litellm_temporal.tools(Chat())]  # both demos have the same ones


@dataclass(frozen=True)
class Way:
    """How an exercise makes the operation a tool, for advice.

    Attributes:
        tool: The call that makes the tool.
        list: How it comes into the agent's list.
        model: How the agent is told which model to ask.
        mistakes: Advice on what the code may do wrong, by a part of what is seen.
    """

    tool: str
    list: str
    model: str
    mistakes: Mapping[str, str] = field(default_factory=dict)


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
    with advised(way.mistakes):
        reply = await talk.say("Convert 250 dollars to EUR.")
    await _named_model(talk, way)
    await _through_nexus(talk, reply, way)
    await _limited(talk)
    if "225" not in reply:
        what = f"Finance says that 250 dollars are 225 euros, and the customer was told {reply!r}."
        raise Wrong(what, f"What the operation returns has to be what the tool returns. {way.tool} does that.")
    await _on_record(talk)
    with ws.fault("read_quote.fails"), advised(way.mistakes):
        replies = await together(
            talk.say("How much is 40 dollars in JPY?"),
            other.say("What is the price of ACME, and what is the IP address of web-1?"),
        )
    await _remembers(talk)
    if "6080" not in replies[0].replace(",", ""):
        what = f"A customer asked for 40 dollars in yen. Finance says 6080, and the customer was told {replies[0]!r}."
        raise Wrong(what, "Hand what the model gives on to Finance, and what Finance gives on to the model.")
    if "120.6" not in replies[1] or "192.0.2.11" not in replies[1]:
        what = f"A customer asked for the price of ACME and the address of web-1, and was told {replies[1]!r}."
        raise Wrong(what, f"The tools from before have to work as before. {way.list}")
    finance.refusals.reason = _CLOSED
    with advised(way.mistakes):
        reply = await talk.say("Convert 30 dollars to GBP.")
    if _CLOSED not in reply:
        what = f"Finance refused a call, with the reason {_CLOSED!r}, and the customer was told {reply!r}."
        advice = "What goes wrong is for the model, with its reason. Catch nothing in your tool: the loop tells it."
        raise Wrong(what, advice)


async def _named_model(talk: Talk, way: Way) -> None:
    asked = await talk.asked()
    if asked and asked[0].model != "offline":
        named = f"asked {asked[0].model}" if asked[0].model else "named no model"
        what = f"The conversation was started for the model 'offline', and your agent {named}."
        raise Wrong(what, f"Which model it is, says the chat, not the code. {way.model}")


async def _through_nexus(talk: Talk, reply: str, way: Way) -> None:
    """Look for the operation, on the way that the contract says; and for the tools that there are."""
    asked = await talk.asked()
    shown = [tool["name"] for tool in asked[0].tools] if asked else []
    if missing := [name for name in _OTHERS if name not in shown]:
        what = f"The model may call {', '.join(shown) or 'nothing'}. What it could call before is gone: "
        raise Wrong(f"{what}{', '.join(missing)}.", f"The new tool comes besides the others. {way.list}")
    for called in await operations(talk):
        if called.endpoint != ENDPOINT:
            what = f"Your agent called {called.operation} at the endpoint {called.endpoint!r}: {reply!r}"
            raise Wrong(what, "That leads to another team. The contract has the name of its own: `ENDPOINT`.")
        if called.service != "Exchange":
            what = f"Your agent called the operation {called.operation} of the service {called.service}: {reply!r}"
            raise Wrong(what, "Both the operation and the service are named, and belong together: `Exchange`.")
        if called.operation == "convert":
            return
    raise _not_asked(
        [step.name for step in (await history(talk.handle)).steps if step.kind == "activity"],
        [name for name in shown if name not in _OTHERS],
        [entry.tool for entry in await talk.lines("call")],
        reply,
        way,
    )


def _not_asked(activities: list[str], new: list[str], used: list[str], reply: str, way: Way) -> Wrong:
    what = f"Finance was not asked. The customer was told {reply!r}."
    if own := [name for name in activities if name not in (*MODELS, *(each.__name__ for each in local.TOOLS))]:
        advice = f"Finance's rates are Finance's to know. Call its operation: {way.tool}."
        return Wrong(f"Your tool calls an activity of your own, {own[0]}. {what}", advice)
    if not new:
        return Wrong(f"The model was shown no tool that converts. {what}", f"Make one, and list it. {way.list}")
    if not set(new) & set(used) and "225" not in reply:
        advice = "It chooses by name, description and parameters; the contract has all three."
        return Wrong(f"The model did not use {new[0]}. {what}", f"{advice} {way.tool} takes them from there.")
    advice = (
        f"A rate in your code is wrong tomorrow, and code that runs in no Worker of Finance's is not theirs. {way.tool}"
    )
    return Wrong(f"Your tool {new[0]} answers by itself. {what}", f"{advice} calls the operation.")


async def _limited(talk: Talk) -> None:
    """Look how long the agent would wait for Finance."""
    for called in await operations(talk):
        limit = called.schedule_to_close_timeout.ToTimedelta()
        code = "`timedelta(seconds=self.chat.tool_seconds)`"
        if limit > timedelta(days=1):  # what the conversation itself may take
            what = (
                f"No limit has reached Temporal. If nobody at Finance answers, the operation waits for {spoken(limit)}."
            )
            raise Wrong(what, f"The chat says how long one use of a tool may take: {code}, for all attempts together.")
        if limit > _MOST:
            what = f"The operation may take {spoken(limit)}, with all attempts. Nobody waits that long for an answer."
            raise Wrong(what, f"The chat says how long one use of a tool may take: {code}.")
        if limit < _LEAST:
            what = f"The operation may take {spoken(limit)}. With so little time, the server does not even send it."
            raise Wrong(what, f"The chat says how long one use of a tool may take, in seconds: {code}.")


async def _on_record(talk: Talk) -> None:
    """Look for the call and its result in the transcript."""
    for kind, what in (("call", "that the tool was called"), ("result", "what the tool gave")):
        if not await talk.lines(kind):
            advice = (
                "Whoever looks at the chat has to see it. The loop tells each tool call to a function: `self.note`."
            )
            raise Wrong(f"The customer was told 225 euros, and the transcript does not say {what}.", advice)


async def _remembers(talk: Talk) -> None:
    """Look whether the model was shown the first message again, with the second."""
    shown = [str(message.get("content")) for message in (await talk.asked())[-1].messages]
    if not any("250" in text for text in shown):
        what = "At the second message of a conversation, the model was not shown the first."
        raise Wrong(what, "Then it cannot answer 'And in yen?'. Hand over all of `messages`, not only the newest.")
