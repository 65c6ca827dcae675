"""Workflows of the checks of notebooks 05 and 06. A separate module, because the sandbox imports it again."""

# No `from __future__ import annotations`: see workshop_lib/agents/conversation.py.

from datetime import timedelta
from functools import partial
from typing import Any

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from workshop_lib.agents import loop
    from workshop_lib.agents.conversation import Answer, Chat, Conversation, Message
    from workshop_lib.agents.model.calls import ask_model


@workflow.defn
class Calling:
    """Call one Nexus operation, knowing of its contract no more than names and JSON."""

    @workflow.run
    async def run(
        self,
        endpoint: str,
        service: str,
        operation: str,
        given: Any,
        seconds: float,
        headers: dict[str, str] | None = None,
    ) -> Any:
        """Return what the operation returns.

        Args:
            endpoint: The endpoint's name.
            service: The service's name.
            operation: The operation's name.
            given: Its input.
            seconds: How long it may take, including retries.
            headers: Of the call.
        """
        client = workflow.create_nexus_client(service=service, endpoint=endpoint)
        limit = timedelta(seconds=seconds)
        return await client.execute_operation(operation, given, schedule_to_close_timeout=limit, headers=headers)


@workflow.defn(name="Clerk")
class OldClerk(Conversation):
    """The Clerk of exercise 5.4, as it was before the change."""

    @workflow.run
    async def run(self, chat: Chat) -> int:
        """See base class."""
        return await self.converse()

    async def answer(self, messages: list[Message]) -> Answer:
        """See base class."""
        return await loop.answer("Be brief.", messages, [], partial(ask_model, self.chat), self.note)
