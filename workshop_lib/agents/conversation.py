"""What every agent offers a client: messages that are answered in order, a transcript, a memory, an end.

An agent is a workflow class that inherits from ``Conversation`` and says in ``answer`` how one message is answered.
``send_message`` is an update, so the client gets its own answer; ``transcript`` is a query; ``end_chat`` is a signal.
"""

# No `from __future__ import annotations` here: the SDK compares the annotations of `__init__` with those of the
# `run` of a class in another module, and a string is not equal to a class.

import asyncio
import json
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ApplicationError, FailureError

from workshop_lib.evidence.failures import cancelled, describe, kind, reason
from workshop_lib.evidence.messages import shortened, valid_text

Message = dict[str, Any]
"""One message of a model's conversation, in whichever form the agent's model takes it."""

LONGEST_MESSAGE = 4_000  # characters
LONGEST_TURN = 50_000  # tokens, with what the tools said: all of it is in each request, and the server takes 2 MB
SORRY = "I could not answer that."
_MOST_LINES = 200  # of the transcript
_MOST_CHARACTERS = 80_000  # of all of them; as JSON, one may take twelve bytes
_MOST_REPLIES = 20  # remembered, should a client ask again across a continue-as-new; the server lets 10 wait at once
_CHARACTERS_A_TOKEN = 4  # a rule of thumb for English; each model has its own tokenizer


@dataclass(frozen=True)
class Line:
    """One line of a transcript.

    Attributes:
        number: 1, 2, … in one conversation.
        kind: ``user``, ``agent``, ``call`` and ``result`` (of a tool), ``approval`` (a question to a human) or
            ``decision`` (its answer).
        text: What is shown.
        tool: The tool's name, for ``call`` and ``result``.
        of: The number of the call that a result belongs to, or of the approval that a decision answers.
    """

    number: int
    kind: str
    text: str
    tool: str = ""
    of: int = 0


@dataclass(frozen=True)
class Reply:
    """The answer to one message.

    Attributes:
        text: For the user.
        problem: Empty, or the type of the error that the text is about.
    """

    text: str
    problem: str = ""


@dataclass(frozen=True)
class Answer:
    """How an agent answered one message.

    Attributes:
        text: For the user.
        messages: What the model is to remember of it, tool calls and results included; the answer is the last.
        problem: Empty, or the type of the error that the text is about.
        remembered: Whether the model is shown this turn again, with the user's message.
    """

    text: str
    messages: list[Message]
    problem: str = ""
    remembered: bool = True


@dataclass
class Chat:
    """What a conversation is started with, and what one execution of it hands to the next.

    Attributes:
        model: ``"offline"`` for the workshop's offline model; empty for the one that ``WORKSHOP_MODEL`` names.
        model_seconds: How long one answer of the model may take, including retries.
        tool_seconds: How long one use of a tool may take, including retries.
        memory_tokens: How much of the conversation the model is shown again, besides its first turn.
        most_events: How long the workflow's history may grow before the conversation continues as new.
        turns: What is remembered: the first turn, and the newest ones.
        entries: The newest lines of the transcript.
        entry_count: How many lines there were.
        answered: How many messages were answered.
        replies: The newest replies, by update id.
        offered: The tools of other teams, as each listed them last, where the agent asks for them.
    """

    model: str = ""
    model_seconds: float = 40.0
    tool_seconds: float = 60.0
    memory_tokens: int = 2_000
    most_events: int = 1_000
    turns: list[list[Message]] = field(default_factory=list)
    entries: list[Line] = field(default_factory=list)
    entry_count: int = 0
    answered: int = 0
    replies: dict[str, Reply] = field(default_factory=dict)
    offered: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def remember(self, turn: list[Message]) -> None:
        """Add one turn to the memory. The first turn is kept, the middle is forgotten when the newest fill it.

        Args:
            turn: The user's message and what followed from it.
        """
        if tokens(turn) > LONGEST_TURN:
            turn = [turn[0], turn[-1]]  # the question and the answer, without what the tools said
        self.turns.append(turn)
        while len(self.turns) > 2 and tokens(self.turns[1:]) > self.memory_tokens:
            del self.turns[1]


def tokens(messages: Iterable[Any]) -> int:
    """Roughly how many tokens messages have: a quarter of their characters, as JSON.

    Args:
        messages: Of a conversation.
    """
    return sum(len(json.dumps(message)) for message in messages) // _CHARACTERS_A_TOKEN


class Conversation(ABC):
    """The base of an agent's workflow class.

    Args:
        chat: What it is started with, also after a continue-as-new.
    """

    @workflow.init
    def __init__(self, chat: Chat) -> None:
        self.chat = chat
        self._turn = asyncio.Lock()  # lets its waiters in one by one, in the order in which they came
        self._answering: dict[asyncio.Task[Any], None] = {}  # in this order, also in a replay
        self._ended = False

    @abstractmethod
    async def answer(self, messages: list[Message]) -> Answer:
        """Answer the last message.

        Args:
            messages: What is remembered of the conversation, and the user's message.

        Raises:
            Exception: It cannot be answered. The user learns why, and the conversation goes on.
        """

    async def converse(self) -> int:
        """Take messages until ``end_chat``. The agent's ``run`` awaits it.

        Returns:
            How many messages were answered.
        """
        try:
            await workflow.wait_condition(lambda: (self._ended or self._long()) and workflow.all_handlers_finished())
        except asyncio.CancelledError:
            # The SDK cancels `run` alone. What a message waits for would go on, and nobody would hear of it.
            for task in list(self._answering):
                task.cancel()
            await workflow.wait_condition(workflow.all_handlers_finished)
            raise
        if not self._ended:
            workflow.continue_as_new(self.chat)
        return self.chat.answered

    def _long(self) -> bool:
        info = workflow.info()
        return info.is_continue_as_new_suggested() or info.get_current_history_length() > self.chat.most_events

    @workflow.update
    async def send_message(self, text: str) -> Reply:
        """Answer one message. Messages are answered one after another, in the order in which they came.

        Args:
            text: The user's message.
        """
        update, task = workflow.current_update_info(), asyncio.current_task()
        assert update is not None
        assert task is not None
        self._answering[task] = None
        task.add_done_callback(self._answering.pop)
        async with self._turn:
            if update.id not in self.chat.replies:
                self._keep(update.id, await self._take_turn(text))
            return self.chat.replies[update.id]

    @send_message.validator
    def _check_message(self, text: str) -> None:
        if self._ended:
            raise ApplicationError("This conversation has ended. Start another one.", type="Ended")
        if not text.strip() or len(text) > LONGEST_MESSAGE:
            raise ApplicationError(f"A message has 1 to {LONGEST_MESSAGE} characters.", type="BadMessage")
        if workflow.info().get_current_history_length() > 4 * self.chat.most_events:
            # There was never a quiet moment in which it could have continued as new.
            raise ApplicationError("Too many messages wait here. Send this one again in a moment.", type="Busy")

    async def _take_turn(self, text: str) -> Reply:
        text = valid_text(text)
        said = {"role": "user", "content": text}
        self.note("user", text)
        problem = ""
        try:
            answer = await self.answer([*(message for turn in self.chat.turns for message in turn), said])
        except Exception as error:  # a failed workflow task would be tried again forever, and nobody would be answered
            if cancelled(error):
                raise
            why = reason(error) if isinstance(error, FailureError) else describe(error)[-1].strip(" ↳")
            sentence = f"{SORRY} {why}"
            answer = Answer(sentence, [{"role": "assistant", "content": sentence}])
            problem = kind(error)
        if answer.remembered:
            self.chat.remember([said, *answer.messages])
        self.chat.answered += 1
        self.note("agent", answer.text)
        return Reply(answer.text, problem or answer.problem)

    def _keep(self, update: str, reply: Reply) -> None:
        self.chat.replies[update] = reply
        for oldest in list(self.chat.replies)[:-_MOST_REPLIES]:
            del self.chat.replies[oldest]

    def note(self, kind: str, text: str, tool: str = "", of: int = 0) -> int:
        """Add a line to the transcript.

        Args:
            kind: As in ``Line``.
            text: As in ``Line``.
            tool: As in ``Line``.
            of: As in ``Line``.

        Returns:
            Its number.
        """
        self.chat.entry_count += 1
        line = Line(self.chat.entry_count, kind, shortened(text, LONGEST_MESSAGE), tool, of)  # a query has a limit
        self.chat.entries.append(line)
        while len(self.chat.entries) > _MOST_LINES or sum(len(e.text) for e in self.chat.entries) > _MOST_CHARACTERS:
            del self.chat.entries[0]
        return self.chat.entry_count

    async def approved(self, question: str, hours: float = 24.0) -> bool:
        """Ask a human, and wait for the decision, through restarts of whatever there is.

        Args:
            question: What is to be approved.
            hours: How long to wait. Nobody's answer is a no, as is the end of the conversation.
        """
        number = self.note("approval", question)
        try:
            limit = timedelta(hours=hours)
            await workflow.wait_condition(lambda: self._ended or self._decision(number) is not None, timeout=limit)
        except TimeoutError:
            pass
        made = self._decision(number)
        if made is None:
            self.note("decision", "no", of=number)
        return made is not None and made.text == "yes"

    def _decision(self, number: int) -> Line | None:
        return next((line for line in self.chat.entries if line.kind == "decision" and line.of == number), None)

    @workflow.update
    def decide(self, number: int, yes: bool) -> None:
        """Answer a question to a human.

        Args:
            number: Of the transcript's entry that asks.
            yes: Whether it is approved.
        """
        self.note("decision", "yes" if yes else "no", of=number)

    @decide.validator
    def _check_decision(self, number: int, yes: bool) -> None:
        asked = any(line.kind == "approval" and line.number == number for line in self.chat.entries)
        if not asked or self._decision(number):
            raise ApplicationError(f"Nothing waits for a decision under number {number}.", type="NotAsked")

    @workflow.query
    def transcript(self) -> list[Line]:
        """The newest lines of the conversation, oldest first."""
        return self.chat.entries

    @workflow.signal
    def end_chat(self) -> None:
        """Answer what was accepted so far, and end."""
        self._ended = True
