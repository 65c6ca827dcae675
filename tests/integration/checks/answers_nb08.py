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
        output_guardrail,
    )
    from agents_of import agents_of
    from temporalio.openai_agents.workflow import nexus_operation_as_tool

    from workshop_lib.agents.openai_agents import AgentConversation
    from workshop_lib.demos.openai_temporal import operation, tools
    from workshop_lib.teams.finance.contract import ENDPOINT, Amount, Exchange, Finance

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
    limit = timedelta(seconds=self.chat.tool_seconds)
    convert = nexus_operation_as_tool(
        Exchange.convert, service=Exchange, endpoint=ENDPOINT, schedule_to_close_timeout=limit
    )
    mine = [*tools(self.chat), convert]
    return Agent("assistant", instructions="Use your tools.", tools=mine, model=self.chat.model)


@routing
def described(self: Base81) -> Agent[None]:
    return self.made(operation(Exchange.convert, Exchange, ENDPOINT, timedelta(seconds=30)), *tools(self.chat))


@routing
def own_tool(self: Base81) -> Agent[None]:
    @function_tool(failure_error_function=None)
    async def exchange(dollars: float, currency: Literal["EUR", "GBP", "JPY"]) -> str:
        """Convert dollars to another currency."""
        client = workflow.create_nexus_client(service=Exchange, endpoint=ENDPOINT)
        limit = timedelta(seconds=self.chat.tool_seconds)
        amount = Amount(dollars, currency)
        made = await client.execute_operation(Exchange.convert, amount, schedule_to_close_timeout=limit)
        return f"{dollars} dollars are {made.amount} {made.currency}."

    return self.made(*tools(self.chat), exchange)


@routing
def stub(self: Base81) -> Agent[None]:
    raise ApplicationError("not solved yet", non_retryable=True)


@routing
def only_convert(self: Base81) -> Agent[None]:
    return self.made(self.convert())


@routing
def only_before(self: Base81) -> Agent[None]:
    return self.made(*tools(self.chat))


@routing
def no_tools(self: Base81) -> Agent[None]:
    self.convert()
    return self.made()


@routing
def no_limit(self: Base81) -> Agent[None]:
    return self.made(*tools(self.chat), self.convert(schedule_to_close_timeout=None))


@routing
def minutes(self: Base81) -> Agent[None]:
    return self.made(*tools(self.chat), self.convert(schedule_to_close_timeout=timedelta(minutes=4)))


@routing
def no_timedelta(self: Base81) -> Agent[None]:
    return self.made(*tools(self.chat), self.convert(schedule_to_close_timeout=4.0))


@routing
def endpoint_of_it(self: Base81) -> Agent[None]:
    return self.made(*tools(self.chat), self.convert(endpoint="it"))


@routing
def endpoint_unknown(self: Base81) -> Agent[None]:
    return self.made(*tools(self.chat), self.convert(endpoint="exchange"))


@routing
def other_service(self: Base81) -> Agent[None]:
    return self.made(*tools(self.chat), self.convert(service=Finance))


@routing
def no_model(self: Base81) -> Agent[None]:
    return Agent("assistant", instructions="Use your tools.", tools=[*tools(self.chat), self.convert()])


@routing
def other_model(self: Base81) -> Agent[None]:
    return self.made(*tools(self.chat), self.convert(), model="gpt-5")


@routing
def arithmetic(self: Base81) -> Agent[None]:
    @function_tool
    async def convert(dollars: float, currency: Literal["EUR", "GBP", "JPY"]) -> float:
        """Convert dollars to another currency."""
        return dollars * {"EUR": 0.9, "GBP": 0.77, "JPY": 152.0}[currency]

    return self.made(*tools(self.chat), convert)


@routing
def swallows(self: Base81) -> Agent[None]:
    @function_tool  # its errors become the SDK's own sentence
    async def convert(dollars: float, currency: Literal["EUR", "GBP", "JPY"]) -> str:
        """Convert dollars to another currency."""
        client = workflow.create_nexus_client(service=Exchange, endpoint=ENDPOINT)
        limit, amount = timedelta(seconds=4), Amount(dollars, currency)
        return str(await client.execute_operation(Exchange.convert, amount, schedule_to_close_timeout=limit))

    return self.made(*tools(self.chat), convert)


@routing
def bare_operation(self: Base81) -> Agent[None]:
    return self.made(*tools(self.chat), Exchange.convert)


@routing
def list_in_list(self: Base81) -> Agent[None]:
    return self.made(tools(self.chat), self.convert())


@routing
def append_returns_none(self: Base81) -> Agent[None]:
    mine: Any = tools(self.chat).append(self.convert())  # type: ignore[func-returns-value]
    return self.made(tools=mine)


@routing
def no_return(self: Base81) -> Any:
    self.made(*tools(self.chat), self.convert())


# 8.2

CARD = r"(?<!\d)\d{4}([ -]?\d{4}){3}(?!\d)"
REFUSAL = "I may not read card numbers. Please send your message without it."


class Base82(AgentConversation):
    """All of exercise 8.2 but ``card_guardrail``, which stands in the class here."""

    answered_by = "card_guardrail"

    def agent(self) -> Agent[None]:
        guardrails = [self.card_guardrail()]
        return Agent(
            "assistant",
            instructions="Use your tools.",
            tools=tools(self.chat),
            model=self.chat.model,
            input_guardrails=guardrails,
        )

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
    card = re.compile(CARD)

    @input_guardrail(run_in_parallel=False)
    async def no_card_numbers(context: Any, agent: Any, input: Any) -> GuardrailFunctionOutput:
        found = card.search(input[-1]["content"]) is not None
        if found:
            await tell()
        return GuardrailFunctionOutput(REFUSAL, tripwire_triggered=found)

    return no_card_numbers


@guarding
def guarded_by_object(self: Base82) -> Any:
    async def look(context: Any, agent: Any, input: Any) -> GuardrailFunctionOutput:
        if not re.search(r"\b(?:\d{16}|\d{4}( \d{4}){3}|\d{4}(-\d{4}){3})\b", newest(input)):
            return GuardrailFunctionOutput(None, False)
        await tell()
        return GuardrailFunctionOutput(REFUSAL, True)

    return InputGuardrail(look, name="cards", run_in_parallel=False)


@guarding
def guarded_everywhere(self: Base82) -> Any:
    return finding(lambda input: re.search(CARD, str([message.get("content") for message in input])))


@guarding
def guarded_by_cleaning(self: Base82) -> Any:
    return finding(lambda input: re.search(r"\b\d{16}\b", re.sub(r"(?<=\d)[ -](?=\d)", "", newest(input))))


@guarding
def stub_82(self: Base82) -> Any:
    raise ApplicationError("not solved yet", non_retryable=True)


@guarding
def in_parallel(self: Base82) -> Any:
    return finding(searching(CARD), parallel=True)


@guarding
def tells_nobody(self: Base82) -> Any:
    return finding(searching(CARD), telling=False)


@guarding
def tells_of_all(self: Base82) -> Any:
    @input_guardrail(run_in_parallel=False)
    async def no_card_numbers(context: Any, agent: Any, input: Any) -> GuardrailFunctionOutput:
        await tell()
        return GuardrailFunctionOutput(REFUSAL, re.search(CARD, newest(input)) is not None)

    return no_card_numbers


@guarding
def refuses_all(self: Base82) -> Any:
    return finding(lambda input: True)


@guarding
def refuses_digits(self: Base82) -> Any:
    return finding(searching(r"\d{4}"))


@guarding
def refuses_long(self: Base82) -> Any:
    return finding(searching(r"(\d{4}[ -]?){3}"))


@guarding
def refuses_longer(self: Base82) -> Any:
    return finding(searching(r"(\d{4}[ -]?){4}"))


@guarding
def refuses_scattered(self: Base82) -> Any:
    return finding(lambda input: re.search(r"(?<!\d)\d{16}(?!\d)", re.sub(r"\D", "", newest(input))))


@guarding
def only_in_a_row(self: Base82) -> Any:
    return finding(searching(r"\b\d{16}\b"))


@guarding
def only_spaces(self: Base82) -> Any:
    return finding(searching(r"\b\d{4}( ?\d{4}){3}\b"))


@guarding
def only_the_first(self: Base82) -> Any:
    return finding(lambda input: re.search(CARD, str(input[0]["content"])))


@guarding
def never(self: Base82) -> Any:
    return finding(lambda input: False)


@guarding
def a_text_only(self: Base82) -> Any:
    return finding(lambda input: isinstance(input, str) and re.search(CARD, input))


@guarding
def the_list(self: Base82) -> Any:
    return finding(lambda input: re.search(CARD, input))


@guarding
def the_list_as_dict(self: Base82) -> Any:
    return finding(lambda input: re.search(CARD, input["content"]))


@guarding
def no_sentence(self: Base82) -> Any:
    return finding(searching(CARD), said=None)


@guarding
def a_flag(self: Base82) -> Any:
    return finding(searching(CARD), said=True)


@guarding
def a_dict(self: Base82) -> Any:
    return finding(searching(CARD), said={"reason": "There is a card number in it."})


@guarding
def echoes(self: Base82) -> Any:
    @input_guardrail(run_in_parallel=False)
    async def no_card_numbers(context: Any, agent: Any, input: Any) -> GuardrailFunctionOutput:
        found = re.search(CARD, newest(input))
        if found:
            await tell()
        return GuardrailFunctionOutput(f"I may not read {found and found[0]}.", found is not None)

    return no_card_numbers


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
def a_function(self: Base82) -> Any:
    async def no_card_numbers(context: Any, agent: Any, input: Any) -> GuardrailFunctionOutput:
        return GuardrailFunctionOutput(REFUSAL, False)

    return no_card_numbers


@guarding
def of_the_output(self: Base82) -> Any:
    @output_guardrail
    async def no_card_numbers(context: Any, agent: Any, output: Any) -> GuardrailFunctionOutput:
        return GuardrailFunctionOutput(REFUSAL, re.search(CARD, output) is not None)

    return no_card_numbers


@guarding
def returns_a_bool(self: Base82) -> Any:
    @input_guardrail(run_in_parallel=False)
    async def no_card_numbers(context: Any, agent: Any, input: Any) -> Any:
        return re.search(CARD, newest(input)) is not None

    return no_card_numbers


@guarding
def returns_nothing(self: Base82) -> Any:
    @input_guardrail(run_in_parallel=False)
    async def no_card_numbers(context: Any, agent: Any, input: Any) -> Any:
        if re.search(CARD, newest(input)):
            return GuardrailFunctionOutput(REFUSAL, True)
        return None

    return no_card_numbers


@guarding
def not_returned(self: Base82) -> Any:
    finding(searching(CARD))


@guarding
def one_argument(self: Base82) -> Any:
    @input_guardrail(run_in_parallel=False)  # type: ignore[arg-type]
    async def no_card_numbers(input: Any) -> GuardrailFunctionOutput:
        return GuardrailFunctionOutput(REFUSAL, re.search(CARD, newest(input)) is not None)

    return no_card_numbers


@guarding
def no_await(self: Base82) -> Any:
    @input_guardrail(run_in_parallel=False)
    async def no_card_numbers(context: Any, agent: Any, input: Any) -> GuardrailFunctionOutput:
        found = re.search(CARD, newest(input)) is not None
        if found:
            tell().close()
        return GuardrailFunctionOutput(REFUSAL, found)

    return no_card_numbers
