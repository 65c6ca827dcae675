"""Answers to the exercises of notebook 07, right and wrong. A plain module: the sandbox imports it."""

# No `from __future__ import annotations`: see workshop_lib/agents/conversation.py.

import asyncio
import json
from datetime import timedelta
from functools import partial
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ApplicationError, NexusOperationError

with workflow.unsafe.imports_passed_through():
    from agents_of import agents_of

    from workshop_lib.agents import loop
    from workshop_lib.agents.conversation import Answer, Conversation, Message
    from workshop_lib.agents.model.calls import ask_model
    from workshop_lib.agents.operations import operation_tool
    from workshop_lib.demos.litellm_temporal import tools
    from workshop_lib.evidence.failures import reason
    from workshop_lib.teams.finance.contract import ENDPOINT, Amount, Converted, Exchange, Finance, StockQuery

# 7.1


class Base71(Conversation):
    """All of exercise 7.1 but ``answer``."""

    def convert(self) -> loop.Tool:
        limit = timedelta(seconds=self.chat.tool_seconds)
        return operation_tool(Exchange.convert, Exchange, ENDPOINT, limit)

    async def with_tools(self, messages: list[Message], *mine: Any) -> Answer:
        return await loop.answer("Use your tools.", messages, mine, partial(ask_model, self.chat), self.note)

    async def with_call(self, messages: list[Message], call: Any) -> Answer:
        tool = loop.Tool("convert", loop.summary(Amount), Amount, call)
        return await self.with_tools(messages, *tools(self.chat), tool)


routing = agents_of(Base71)


@routing
async def solution(self: Base71, messages: list[Message]) -> Answer:
    return await self.with_tools(messages, *tools(self.chat), self.convert())


@routing
async def own_tool(self: Base71, messages: list[Message]) -> Answer:
    async def call(amount: Amount) -> str:
        exchange = workflow.create_nexus_client(service=Exchange, endpoint=ENDPOINT)
        limit = timedelta(seconds=10)
        made = await exchange.execute_operation(Exchange.convert, amount, schedule_to_close_timeout=limit)
        return f"{amount.dollars} dollars are {made.amount} {made.currency}."

    tool = loop.Tool("exchange_rates", "Convert dollars to euros, pounds or yen.", Amount, call)
    return await self.with_tools(messages, tool, *tools(self.chat))


@routing
async def stub(self: Base71, messages: list[Message]) -> Answer:
    raise ApplicationError("not solved yet", non_retryable=True)


@routing
async def only_convert(self: Base71, messages: list[Message]) -> Answer:
    return await self.with_tools(messages, self.convert())


@routing
async def no_limit(self: Base71, messages: list[Message]) -> Answer:
    async def call(amount: Amount) -> Converted:
        exchange = workflow.create_nexus_client(service=Exchange, endpoint=ENDPOINT)
        return await exchange.execute_operation(Exchange.convert, amount)

    return await self.with_call(messages, call)


RATES = {"EUR": 0.9, "GBP": 0.77, "JPY": 152.0}


@routing
async def arithmetic(self: Base71, messages: list[Message]) -> Answer:
    async def call(amount: Amount) -> float:
        return amount.dollars * RATES[amount.currency]

    return await self.with_call(messages, call)


@routing
async def swallows(self: Base71, messages: list[Message]) -> Answer:
    async def call(amount: Amount) -> Any:
        try:
            return await self.convert().call(amount)
        except NexusOperationError:
            return "Error: Finance is not available."

    return await self.with_call(messages, call)


@routing
async def always_euros(self: Base71, messages: list[Message]) -> Answer:
    async def call(amount: Amount) -> Any:
        return await self.convert().call(Amount(amount.dollars, "EUR"))

    return await self.with_call(messages, call)


# 7.2


class Base72(Conversation):
    """All of exercise 7.2 but ``stock_price``."""

    answered_by = "stock_price"

    async def answer(self, messages: list[Message]) -> Answer:
        tool = loop.Tool("stock_price", loop.summary(StockQuery), StockQuery, self.stock_price)
        new: list[Message] = []
        while True:
            new.append(await ask_model(self.chat, messages + new, [tool.schema]))
            if not new[-1].get("tool_calls"):
                return Answer(new[-1]["content"], new)
            for call in new[-1]["tool_calls"]:
                given = json.loads(call["function"]["arguments"])
                text = await self.stock_price(StockQuery(**given))
                new.append({"role": "tool", "tool_call_id": call["id"], "content": text})

    async def stock_price(self, query: StockQuery) -> Any:
        raise ApplicationError("not solved yet", non_retryable=True)


pricing = agents_of(Base72)
THREE = timedelta(seconds=3)


def asked(query: StockQuery, limit: timedelta | None = THREE, **options: Any) -> Any:
    finance = workflow.create_nexus_client(service=Finance, endpoint=ENDPOINT)
    options["schedule_to_close_timeout"] = limit
    return finance.execute_operation(Finance.stock_price, query, **options)


async def in_words(asking: Any) -> str:
    try:
        price = await asking
    except TimeoutError:
        return "Error: Finance did not answer within 3 seconds."
    except NexusOperationError as error:
        return f"Error: {reason(error)}"
    return f"{price.ticker} costs {price.price} dollars."


@pricing
async def told(self: Base72, query: StockQuery) -> str:
    return await in_words(asked(query))


@pricing
async def started_first(self: Base72, query: StockQuery) -> str:
    finance = workflow.create_nexus_client(service=Finance, endpoint=ENDPOINT)

    async def begin_and_wait() -> Any:
        return await (await finance.start_operation(Finance.stock_price, query, schedule_to_close_timeout=THREE))

    return await in_words(begin_and_wait())


@pricing
async def waits_itself(self: Base72, query: StockQuery) -> str:
    return await in_words(asyncio.wait_for(asked(query, None), 3))


@pricing
async def waits_no_longer(self: Base72, query: StockQuery) -> str:
    given_up = workflow.NexusOperationCancellationType.TRY_CANCEL
    return await in_words(asyncio.wait_for(asked(query, None, cancellation_type=given_up), 3))


@pricing
async def waits_beside(self: Base72, query: StockQuery) -> str:
    asking = asyncio.create_task(asked(query, None))
    await asyncio.wait([asking], timeout=3)
    return await in_words(asking) if asking.done() else "Error: Finance did not answer within 3 seconds."


@pricing
async def stub_72(self: Base72, query: StockQuery) -> str:
    raise ApplicationError("not solved yet", non_retryable=True)


@pricing
async def catches_nothing(self: Base72, query: StockQuery) -> str:
    price = await asked(query)
    return f"{price.ticker} costs {price.price} dollars."


@pricing
async def says_error(self: Base72, query: StockQuery) -> str:
    try:
        price = await asked(query)
    except NexusOperationError as error:
        return f"Error: {error}"
    return f"{price.ticker} costs {price.price} dollars."


@pricing
async def tries_again(self: Base72, query: StockQuery) -> str:
    for _ in range(3):
        try:
            price = await asked(query, timedelta(seconds=1))
            return f"{price.ticker} costs {price.price} dollars."
        except NexusOperationError as error:
            said = reason(error)
    return f"Error: {said}"


@pricing
async def last_known(self: Base72, query: StockQuery) -> str:
    try:
        price = await asked(query)
    except NexusOperationError as error:
        if "traded" in reason(error):
            return reason(error)
        return f"{query.ticker} costs about 100 dollars."
    return f"{price.ticker} costs {price.price} dollars."


RIGHT: dict[str, dict[str, Any]] = {
    "7.1": {"as in the solution": solution, "a tool of its own": own_tool},
    "7.2": {"as in the solution": told, "starts and waits": started_first, "waits beside it": waits_beside},
}
WRONG: dict[str, dict[str, tuple[Any, str]]] = {
    "7.1": {
        "only convert": (only_convert, "can no longer call"),
        "no limit": (no_limit, "your call waits for 9 days"),
        "arithmetic": (arithmetic, "Finance was not asked to convert"),
        "swallows": (swallows, "the loop gives the reason to the model"),
        "always euros": (always_euros, "Expected a reply with '6080'"),
    },
    "7.2": {
        "catches nothing": (catches_nothing, "raised an error, and the model learned nothing"),
        "a timer": (waits_itself, "Let Temporal limit the call"),
        "a timer, and gives up": (waits_no_longer, "find nexus operation handle"),
        "tries again": (tries_again, "Call once, without a loop"),
        "the outermost": (says_error, "the innermost has Finance's words"),
        "made up": (last_known, "the user acts on it"),
    },
}
STUBS: dict[str, Any] = {"7.1": stub, "7.2": stub_72}
