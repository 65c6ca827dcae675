"""One message to an agent and its reply, judged by what the server recorded of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

from workshop_lib.checks.harness.recorded import PAUSE
from workshop_lib.checks.harness.talks import Talk, together
from workshop_lib.evidence.history import Step, history
from workshop_lib.evidence.messages import WorkshopError

_MOST_TURNS = 20
_FOREVER = timedelta(days=9)


@dataclass(frozen=True)
class Turn:
    """What is recorded of one message, while it is answered or afterwards.

    Attributes:
        answered: Whether it has its reply.
        resting: Whether the agent's code waits, and has nothing else to do.
        steps: What the agent has asked for since the message came.
        reply: What the user was answered.
    """

    answered: bool
    resting: bool
    steps: list[Step]
    reply: str = ""

    @property
    def calls(self) -> list[Step]:
        """The Nexus operations."""
        return [step for step in self.steps if step.kind == "nexus operation"]

    @property
    def late(self) -> bool:
        """Whether a limit ended before what it limits did: on a slow machine, that is nobody's mistake."""
        fired = [step for step in self.steps if step.kind == "timer" and step.status == "completed"]
        return any(step.status == "timed out" for step in self.steps) or any(
            call.scheduled <= timer.closed and (call.closed is None or timer.closed <= call.closed)
            for call in self.calls
            for timer in fired
            if timer.closed is not None
        )


Judge = Callable[[Turn], None]
"""Looks at a turn from time to time until it is over, and once more then; raises ``Wrong``."""


async def turn(talk: Talk, text: str, judge: Judge = lambda turn: None) -> Turn:
    """Send a message, and send it again if the machine was too slow for a limit on the way.

    Args:
        talk: The conversation.
        text: The message.
        judge: Sees each of these turns.

    Raises:
        Wrong: The judge says so, or there is no reply.
        WorkshopError: A limit ended each time.
    """
    for _ in range(_MOST_TURNS):
        made = await once(talk, text, judge)
        if not made.late:
            return made
    what = f"{text!r} could not be answered within the limits of your code: this machine is too slow just now."
    raise WorkshopError(what, then="Stop what else runs on it, and check again.")


async def once(talk: Talk, text: str, judge: Judge = lambda turn: None) -> Turn:
    """Send a message once.

    Args:
        talk: The conversation.
        text: The message.
        judge: Sees the turn.

    Raises:
        Wrong: The judge says so, or there is no reply.
    """
    before = len((await history(talk.handle)).steps)
    sent = talk.send(text)

    async def reply() -> Turn:
        return Turn(True, True, [], await talk.reply(sent, text))

    async def watch() -> Turn:
        while True:
            await asyncio.wait([sent], timeout=PAUSE)
            answered, told = sent.done(), await history(talk.handle)
            made = Turn(answered, told.resting, told.steps[before:])
            judge(made)
            if answered:
                return made

    replied, made = await together(reply(), watch())
    return replace(made, reply=replied.reply)


def limit_of(step: Step) -> timedelta:
    """How long a step may take; for one without a limit, as long as the conversation of a check does.

    Args:
        step: Any.
    """
    return step.limit or _FOREVER
