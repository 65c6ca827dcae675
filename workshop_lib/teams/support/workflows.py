"""The support team's agents: one that talks to customers, a specialist that it asks, and a cashier."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Any

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from pydantic import ConfigDict

    from workshop_lib.agents import loop
    from workshop_lib.agents.conversation import Answer, Chat, Conversation, Message
    from workshop_lib.agents.model.calls import ask_model
    from workshop_lib.teams.support import activities
    from workshop_lib.workers import takeover


def tool(function: Callable[..., Any], chat: Chat) -> loop.Tool:
    """Make a tool of one of the team's activities.

    Args:
        function: The activity.
        chat: The settings: how long one use of a tool may take.
    """
    return loop.activity_tool(function, **takeover.limits(timedelta(seconds=chat.tool_seconds)))


DISPATCHER = (
    "You are the shop's assistant. Use your tools. Ask the specialist about orders, refunds and the shop's rules."
)
PURPOSE = "Ask the specialist, who knows the shop's handbook (returns, shipping, warranty) and can refund orders."
SPECIALIST = "You know the shop's handbook, and you can pay money back. Answer in one or two sentences."
CASHIER = "You pay money back to customers. A person has to agree to each refund."


@dataclass(frozen=True)
class Question:
    """A question of one agent to another.

    Attributes:
        question: The question, in plain words.
        chat: The settings: which model to use, and how long it may take.
    """

    question: str
    chat: Chat


@workflow.defn
class Specialist:
    """Knows the handbook, and can refund."""

    @workflow.run
    async def run(self, asked: Question) -> str:
        """Answer one question.

        Args:
            asked: The question.
        """
        tools = [tool(activities.search_documents, asked.chat), tool(activities.refund, asked.chat)]
        messages: list[Message] = [{"role": "user", "content": asked.question}]
        return (await loop.answer(SPECIALIST, messages, tools, partial(ask_model, asked.chat))).text


@dataclass(frozen=True)
class ToSpecialist:
    """The arguments with which the dispatcher's model asks the specialist.

    Attributes:
        question: The whole question.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")
    question: str


@workflow.defn
class Dispatcher(Conversation):
    """Talks to a customer, and asks the specialist for what it cannot do itself."""

    @workflow.run
    async def run(self, chat: Chat) -> int:
        """Talk until the chat is ended.

        Args:
            chat: See ``Conversation``.

        Returns:
            How many messages were answered.
        """
        return await self.converse()

    async def answer(self, messages: list[Message]) -> Answer:
        """See base class."""
        tools = [
            tool(activities.calculator, self.chat),
            tool(activities.weather, self.chat),
            loop.Tool("ask_specialist", PURPOSE, ToSpecialist, self._ask_specialist),
        ]
        return await loop.answer(DISPATCHER, messages, tools, partial(ask_model, self.chat), self.note)

    async def _ask_specialist(self, call: ToSpecialist) -> str:
        settings = replace(self.chat, turns=[], entries=[], replies={})
        return await workflow.execute_child_workflow(
            Specialist.run,
            Question(call.question, settings),
            id=f"{workflow.info().workflow_id}-specialist-{self.chat.entry_count}",
            execution_timeout=timedelta(minutes=5),
            task_timeout=workflow.info().task_timeout,
        )


@workflow.defn
class Cashier(Conversation):
    """Pays money back after a person has agreed."""

    @workflow.run
    async def run(self, chat: Chat) -> int:
        """Talk until the chat is ended.

        Args:
            chat: See ``Conversation``.

        Returns:
            How many messages were answered.
        """
        return await self.converse()

    async def answer(self, messages: list[Message]) -> Answer:
        """See base class."""
        paying = tool(activities.refund, self.chat)

        async def pay(call: Any) -> Any:
            if not await self.approved(f"Pay {call.amount:.2f} dollars back for {call.order}?"):
                return "Error: refused. A person decided against it."
            return await paying.call(call)

        return await loop.answer(
            CASHIER, messages, [replace(paying, call=pay)], partial(ask_model, self.chat), self.note
        )
