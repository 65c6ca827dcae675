"""Answers to the exercises of notebook 08, right and wrong. A plain module: the sandbox imports it."""

# No `from __future__ import annotations`: see workshop_lib/agents/conversation.py.

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Literal

from temporalio import workflow
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from agents import (
        Agent,
        GuardrailFunctionOutput,
        InputGuardrail,
        function_tool,
        input_guardrail,
    )
    from agents_of import agents_of
    from temporalio.openai_agents.workflow import nexus_operation_as_tool

    from workshop_lib.agents.openai_agents import AgentConversation
    from workshop_lib.demos.openai_temporal import tools
    from workshop_lib.teams.finance.contract import ENDPOINT, Amount, Exchange

# 8.1


class Base81(AgentConversation):
    """All of exercise 8.1 but ``agent``."""

    answered_by = "agent"

    def convert(self, **options: Any) -> Any:
        limit = timedelta(seconds=self.chat.tool_seconds)
        given: dict[str, Any] = {"service": Exchange, "endpoint": ENDPOINT, "schedule_to_close_timeout": limit}
        return nexus_operation_as_tool(Exchange.convert, **given | options)

    def made(self, *mine: Any, **options: Any) -> Agent[None]:
        given: dict[str, Any] = {"instructions": "Use your tools.", "tools": list(mine), "model": self.chat.model}
        return Agent("assistant", **given | options)


routing = agents_of(Base81)


@routing
def solution(self: Base81) -> Agent[None]:
    return self.made(*tools(self.chat), self.convert())


def own_convert(limit: timedelta, **options: Any) -> Any:
    """A tool that calls Finance itself."""

    async def exchange(dollars: float, currency: Literal["EUR", "GBP", "JPY"]) -> str:
        """Convert dollars to another currency."""
        client = workflow.create_nexus_client(service=Exchange, endpoint=ENDPOINT)
        amount = Amount(dollars, currency)
        made = await client.execute_operation(Exchange.convert, amount, schedule_to_close_timeout=limit)
        return f"{dollars} dollars are {made.amount} {made.currency}."

    return function_tool(exchange, **options)


@routing
def own_tool(self: Base81) -> Agent[None]:
    return self.made(*tools(self.chat), own_convert(timedelta(seconds=10), failure_error_function=None))


@routing
def stub(self: Base81) -> Agent[None]:
    raise ApplicationError("not solved yet", non_retryable=True)


@routing
def minutes(self: Base81) -> Agent[None]:
    return self.made(*tools(self.chat), self.convert(schedule_to_close_timeout=timedelta(minutes=4)))


@routing
def no_model(self: Base81) -> Agent[None]:
    return Agent("assistant", instructions="Use your tools.", tools=[*tools(self.chat), self.convert()])


@routing
def swallows(self: Base81) -> Agent[None]:
    return self.made(*tools(self.chat), own_convert(timedelta(seconds=4)))  # errors become the SDK's own sentence


@routing
def bare_operation(self: Base81) -> Agent[None]:
    return self.made(*tools(self.chat), Exchange.convert)


# 8.2

CARD = r"(?<!\d)\d{4}([ -]?\d{4}){3}(?!\d)"
REFUSAL = "I may not read card numbers. Please send your message without it."


class Base82(AgentConversation):
    """All of exercise 8.2 but ``card_guardrail``, which stands in the class here."""

    answered_by = "card_guardrail"

    def agent(self) -> Agent[None]:
        given: dict[str, Any] = {"instructions": "Use your tools.", "tools": tools(self.chat), "model": self.chat.model}
        return Agent("assistant", **given, input_guardrails=[self.card_guardrail()])

    def card_guardrail(self) -> Any:
        raise ApplicationError("not solved yet", non_retryable=True)


guarding = agents_of(Base82)


async def tell(what: str = "a card number") -> None:
    await workflow.execute_activity("tell_security", what, start_to_close_timeout=timedelta(seconds=5))


def newest(input: Any) -> str:
    return str(input[-1]["content"])


def finding(find: Callable[[Any], Any], said: Any = REFUSAL, parallel: bool = False, telling: bool = True) -> Any:
    """A guardrail that looks as a function does."""

    @input_guardrail(run_in_parallel=parallel)
    async def no_card_numbers(context: Any, agent: Any, input: Any) -> GuardrailFunctionOutput:
        found = bool(find(input))
        if found and telling:
            await tell()
        return GuardrailFunctionOutput(said, tripwire_triggered=found)

    return no_card_numbers


def searching(pattern: str) -> Callable[[Any], Any]:
    return lambda input: re.search(pattern, newest(input))


@guarding
def guarded(self: Base82) -> Any:
    return finding(searching(CARD))


@guarding
def guarded_by_object(self: Base82) -> Any:
    async def look(context: Any, agent: Any, input: Any) -> GuardrailFunctionOutput:
        if not re.search(r"\b(?:\d{16}|\d{4}( \d{4}){3}|\d{4}(-\d{4}){3})\b", newest(input)):
            return GuardrailFunctionOutput(None, False)
        await tell()
        return GuardrailFunctionOutput(REFUSAL, True)

    return InputGuardrail(look, name="cards", run_in_parallel=False)


@guarding
def stub_82(self: Base82) -> Any:
    raise ApplicationError("not solved yet", non_retryable=True)


@guarding
def in_parallel(self: Base82) -> Any:
    return finding(searching(CARD), parallel=True)


@guarding
def refuses_longer(self: Base82) -> Any:
    return finding(searching(r"(\d{4}[ -]?){4}"))


@guarding
def only_in_a_row(self: Base82) -> Any:
    return finding(searching(r"\b\d{16}\b"))


@guarding
def raises(self: Base82) -> Any:
    @input_guardrail(run_in_parallel=False)
    async def no_card_numbers(context: Any, agent: Any, input: Any) -> GuardrailFunctionOutput:
        if re.search(CARD, newest(input)):
            await tell()
            raise ApplicationError(REFUSAL, non_retryable=True)
        return GuardrailFunctionOutput(None, False)

    return no_card_numbers


@guarding
def no_await(self: Base82) -> Any:
    return finding(searching(CARD), telling=False)


RIGHT: dict[str, dict[str, Any]] = {
    "8.1": {"as in the solution": solution, "a tool of its own": own_tool},
    "8.2": {"as in the solution": guarded, "an object": guarded_by_object},
}
WRONG: dict[str, dict[str, tuple[Any, str]]] = {
    "8.1": {
        "minutes": (minutes, "your call waits for 4 min"),
        "no model": (no_model, "which the chat names"),
        "swallows": (swallows, "Catch nothing in your tool"),
        "the bare operation": (bare_operation, "Unsupported tool type"),
    },
    "8.2": {
        "in parallel": (in_parallel, "the model had seen it all the same"),
        "no await": (no_await, "Security heard of 0"),
        "refuses twenty digits": (refuses_longer, "Refuse nothing but 16 digits"),
        "only in a row": (only_in_a_row, "Expected a refusal"),
        "raises": (raises, "with its tripwire triggered"),
    },
}
STUBS: dict[str, Any] = {"8.1": stub, "8.2": stub_82}
