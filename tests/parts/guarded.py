"""Agents of the OpenAI Agents SDK with guardrails, approvals and handoffs; and an agent with a bug."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from temporalio import activity, workflow

with workflow.unsafe.imports_passed_through():
    from agents import Agent, GuardrailFunctionOutput, OutputGuardrail, RunContextWrapper, function_tool, handoff
    from temporalio.openai_agents.workflow import activity_as_tool

    from workshop_lib.agents.conversation import Answer, Chat, Conversation, Message
    from workshop_lib.agents.openai_agents import AgentConversation
    from workshop_lib.teams.support.activities import calculator, weather
    from workshop_lib.workers import takeover

REFUSED = "Secrets are not for me."
SECRET = "TOPSECRET-4711"


async def keep_secrets_in(context: RunContextWrapper[None], agent: Agent[Any], said: Any) -> GuardrailFunctionOutput:
    return GuardrailFunctionOutput(output_info=REFUSED, tripwire_triggered=SECRET in said)


@activity.defn
def wire_money(amount: float) -> str:
    """Send money.

    Args:
        amount: In dollars.
    """
    return f"Sent {amount}."


@function_tool
async def open_vault() -> str:
    """Say what is in the vault."""
    return SECRET


def tool(function: Any) -> Any:
    return activity_as_tool(function, **takeover.limits(timedelta(seconds=60)))


def agent(function: Any) -> Any:
    """A decorator: a function becomes a workflow class that has it as its ``agent``, and takes its place here."""

    async def run(self: Any, chat: Chat) -> int:
        return await self.converse()  # type: ignore[no-any-return]

    # As if the class were written out: the SDK looks, and the sandbox finds it by its name.
    run.__qualname__, run.__module__ = f"{function.__name__}.run", __name__
    del run.__annotations__["self"]
    members = {"run": workflow.run(run), "agent": function, "__module__": __name__}
    return workflow.defn(type(function.__name__, (AgentConversation,), members))


@agent
def Approving(self: Any) -> Agent[None]:
    """Sends money, as soon as a person agrees."""
    sends = replace(tool(wire_money), needs_approval=True)
    return Agent("approving", tools=[sends, tool(weather)], model=self.chat.model)


@agent
def Leaking(self: Any) -> Agent[None]:
    """Knows a secret, and keeps it."""
    door = OutputGuardrail(keep_secrets_in, name="keep_secrets_in")
    return Agent("leaking", tools=[open_vault], output_guardrails=[door], model=self.chat.model)


@agent
def Handing(self: Any) -> Agent[None]:
    """Three agents: the first hands over to the second, the second to the third, and the third back to the first."""
    third = Agent[None]("third", tools=[tool(calculator)], model=self.chat.model)
    second = Agent[None]("second", tools=[tool(weather)], handoffs=[handoff(third)], model=self.chat.model)
    first = Agent[None]("first", handoffs=[second], model=self.chat.model)
    third.handoffs.append(first)
    return first


@workflow.defn
class Buggy(Conversation):
    """Divides by zero, if it is asked to."""

    @workflow.run
    async def run(self, chat: Chat) -> int:
        return await self.converse()

    async def answer(self, messages: list[Message]) -> Answer:
        text = str(1 / len(messages[-1]["content"].replace("nothing", "")))
        return Answer(text, [{"role": "assistant", "content": text}])
