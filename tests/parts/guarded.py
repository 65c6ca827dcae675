"""An agent of the OpenAI Agents SDK with a guardrail at its door."""

# No `from __future__ import annotations`: see workshop_lib/agents/conversation.py.

from typing import Any

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from agents import Agent, GuardrailFunctionOutput, InputGuardrail, RunContextWrapper

    from workshop_lib.agents.conversation import Chat
    from workshop_lib.agents.openai_agents import AgentConversation
    from workshop_lib.demos import local

REFUSED = "Secrets are not for me."


async def keep_secrets_out(context: RunContextWrapper[None], agent: Agent[Any], said: Any) -> GuardrailFunctionOutput:
    """Trip over the last message when it speaks of a secret."""
    return GuardrailFunctionOutput(output_info=REFUSED, tripwire_triggered="secret" in said[-1]["content"])


@workflow.defn
class Guarded(AgentConversation):
    """Has no tools, and hears no secrets."""

    @workflow.run
    async def run(self, chat: Chat) -> int:
        """Talk, until the chat is ended."""
        return await self.converse()

    def agent(self) -> Agent[None]:
        """See base class."""
        # Beside the model's call, it would trip when the model has seen the message.
        door = InputGuardrail(keep_secrets_out, name="keep_secrets_out", run_in_parallel=False)
        return Agent("guarded", instructions=local.INSTRUCTIONS, input_guardrails=[door], model=self.chat.model)
