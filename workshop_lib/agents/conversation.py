"""What every agent offers a client: it answers messages in order, remembers them, and has a transcript and an end.

An agent is a workflow class that inherits from ``Conversation``. Its method ``answer`` answers one message.
``send_message`` is an update, so the client gets the answer to its message. ``transcript`` is a query, and ``end_chat``
a signal.
"""

import asyncio
import contextlib
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
"""One message of a model's conversation, in the form that the agent's SDK uses."""

LONGEST_MESSAGE = 4_000  # characters
LONGEST_TURN = 50_000  # tokens, results of tools included: all of it is in each request, and the server takes 2 MB
SORRY = "I could not answer that."
_MOST_LINES = 200  # of the transcript
_MOST_CHARACTERS = 80_000  # of all lines together; as JSON, a character may take twelve bytes
_MOST_REPLIES = 20  # kept for a client that asks again after a continue-as-new; the server lets 10 wait at once
_CHARACTERS_A_TOKEN = 4  # a rule of thumb for English; each model has its own tokenizer


@dataclass(frozen=True)
class Line:
    """One line of a transcript.

    Attributes:
        number: 1, 2, … within a conversation.
        kind: ``user``, ``agent``, ``call`` or ``result`` of a tool, ``approval`` (a question to a person) or
            ``decision`` (the person's answer).
        text: The text that is shown.
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
        text: The text for the user.
        problem: Empty, or the type of the error that the text is about.
    """

    text: str
    problem: str = ""


@dataclass(frozen=True)
class Answer:
    """How an agent answered one message.

    Attributes:
        text: The text for the user.
        messages: The messages that the model should remember, with tool calls and results; the answer is the last one.
        problem: Empty, or the type of the error that the text is about.
        remembered: Whether this turn, with the user's message, is shown to the model again.
    """

    text: str
    messages: list[Message]
    problem: str = ""
    remembered: bool = True


@dataclass
class Chat:
    """The settings of a conversation, and what one execution of it hands over to the next.

    Attributes:
        model: ``"offline"`` for the workshop's offline model; empty for the one that ``WORKSHOP_MODEL`` names.
        model_seconds: How long one answer of the model may take, including retries.
        tool_seconds: How long one use of a tool may take, including retries.
        memory_tokens: How many tokens of earlier turns the model is shown again, besides the first turn.
        most_events: After how many events in its history the conversation continues as new.
        turns: The turns that are remembered: the first, and the newest ones.
        entries: The newest lines of the transcript.
        entry_count: How many lines there have been.
        answered: How many messages have been answered.
        replies: The newest replies, by update id.
        offered: The last list of tools of each team, if the agent asks other teams for theirs.
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
        """Add a turn to the memory. When it is full, the oldest turn but the first is forgotten.

        Args:
            turn: The user's message and what followed from it.
        """
        if tokens(turn) > LONGEST_TURN:
            turn = [turn[0], turn[-1]]  # the question and the answer, without what the tools said
        self.turns.append(turn)
        while len(self.turns) > 2 and tokens(self.turns[1:]) > self.memory_tokens:
            del self.turns[1]


def tokens(messages: Iterable[Any]) -> int:
    """Estimate how many tokens messages have: a quarter of their characters as JSON.

    Args:
        messages: Messages of a conversation.
    """
    return sum(len(json.dumps(message)) for message in messages) // _CHARACTERS_A_TOKEN


class Conversation(ABC):
    """The base of an agent's workflow class.

    Args:
        chat: The settings; after a continue-as-new, also what the last execution handed over.
    """

    @workflow.init
    def __init__(self, chat: Chat) -> None:
        self.chat = chat
        self._turn = asyncio.Lock()  # lets them in one by one, in the order in which they came
        self._answering: dict[asyncio.Task[Any], None] = {}  # in this order, also in a replay
        self._ended = False

    @abstractmethod
    async def answer(self, messages: list[Message]) -> Answer:
        """Answer the last message.

        Args:
            messages: The messages that are remembered, and the user's message.

        Raises:
            Exception: The message cannot be answered. The user is shown the reason, and the conversation goes on.
        """

    async def converse(self) -> int:
        """Take messages until ``end_chat``. The agent's ``run`` awaits it.

        Returns:
            How many messages were answered.
        """
        try:
            await workflow.wait_condition(lambda: (self._ended or self._long()) and workflow.all_handlers_finished())
        except asyncio.CancelledError:
            # The SDK cancels `run` alone. What a message waits for would go on, for nobody.
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
        """Answer one message. Messages are answered one after another, in the order in which they arrive.

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
            # There was no pause in which it could have continued as new.
            raise ApplicationError("Too many messages wait here. Send this one again in a moment.", type="Busy")

    async def _take_turn(self, text: str) -> Reply:
        text = valid_text(text)
        said = {"role": "user", "content": text}
        self.note("user", text)
        problem = ""
        try:
            answer = await self.answer([*(message for turn in self.chat.turns for message in turn), said])
        except Exception as error:  # else the workflow task would fail and be retried forever
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
        kept = self.chat.replies = {**self.chat.replies, update: reply}
        texts = [each.text for each in kept.values()]  # the next execution is given them all, and the server takes 2 MB
        while len(texts) > _MOST_REPLIES or (len(texts) > 1 and tokens(texts) > LONGEST_TURN):
            del texts[0], kept[next(iter(kept))]

    def note(self, kind: str, text: str, tool: str = "", of: int = 0) -> int:
        """Add a line to the transcript.

        Args:
            kind: See ``Line``.
            text: See ``Line``.
            tool: See ``Line``.
            of: See ``Line``.

        Returns:
            The number of the line.
        """
        self.chat.entry_count += 1
        line = Line(self.chat.entry_count, kind, shortened(text, LONGEST_MESSAGE), tool, of)  # a query has a limit
        self.chat.entries.append(line)
        while len(self.chat.entries) > _MOST_LINES or sum(len(e.text) for e in self.chat.entries) > _MOST_CHARACTERS:
            del self.chat.entries[0]
        return self.chat.entry_count

    async def approved(self, question: str, hours: float = 24.0) -> bool:
        """Ask a person for approval, and wait for the decision. Workers and servers may restart meanwhile.

        Args:
            question: What the person should approve.
            hours: How long to wait. If nobody answers, or the conversation ends, that counts as a no.
        """
        number = self.note("approval", question)
        with contextlib.suppress(TimeoutError):
            limit = timedelta(hours=hours)
            await workflow.wait_condition(lambda: self._ended or self._decision(number) is not None, timeout=limit)
        made = self._decision(number)
        if made is None:
            self.note("decision", "no", of=number)
        return made is not None and made.text == "yes"

    def _decision(self, number: int) -> Line | None:
        return next((line for line in self.chat.entries if line.kind == "decision" and line.of == number), None)

    @workflow.update
    def decide(self, number: int, yes: bool) -> None:
        """Answer a question for approval.

        Args:
            number: The number of the transcript's line that asks.
            yes: Whether the person approves.
        """
        self.note("decision", "yes" if yes else "no", of=number)

    @decide.validator
    def _check_decision(self, number: int, yes: bool) -> None:
        asked = any(line.kind == "approval" and line.number == number for line in self.chat.entries)
        if not asked or self._decision(number):
            raise ApplicationError(f"No question with number {number} is waiting for a decision.", type="NotAsked")

    @workflow.query
    def transcript(self) -> list[Line]:
        """The newest lines of the transcript, oldest first."""
        return self.chat.entries

    @workflow.signal
    def end_chat(self) -> None:
        """Answer the messages that were accepted so far, and end."""
        self._ended = True
