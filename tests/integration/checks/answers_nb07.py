"""Answers to the exercises of notebook 07, right and wrong. A plain module: the sandbox imports it."""

# No `from __future__ import annotations`: see workshop_lib/agents/conversation.py.

import asyncio
from datetime import timedelta
from functools import partial
from typing import Any, Literal

from temporalio import activity, workflow
from temporalio.exceptions import ApplicationError, NexusOperationError

with workflow.unsafe.imports_passed_through():
    from agents_of import agents_of
    from pydantic import TypeAdapter

    from workshop_lib.agents import loop
    from workshop_lib.agents.conversation import Answer, Chat, Conversation, Message
    from workshop_lib.agents.model.calls import ask_model
    from workshop_lib.agents.operations import operation_tool
    from workshop_lib.demos.litellm_temporal import tools
    from workshop_lib.evidence.failures import cancelled, reason
    from workshop_lib.teams.finance.contract import ENDPOINT, Amount, Converted, Exchange, Finance, StockQuery

# 7.1


class Base71(Conversation):
    """All of exercise 7.1 but ``answer``."""

    def convert(self, endpoint: str = ENDPOINT, service: Any = Exchange, seconds: float = 0) -> loop.Tool:
        limit = timedelta(seconds=seconds or self.chat.tool_seconds)
        return operation_tool(Exchange.convert, service, endpoint, limit)

    async def with_tools(self, messages: list[Message], *mine: Any, note: Any = True) -> Answer:
        ask = partial(ask_model, self.chat)
        return await loop.answer("Use your tools.", messages, mine, ask, self.note if note else None)

    async def with_call(self, messages: list[Message], call: Any, description: str = "") -> Answer:
        tool = loop.Tool("convert", description or loop.summary(Amount), Amount, call)
        return await self.with_tools(messages, *tools(self.chat), tool)


routing = agents_of(Base71)


@routing
async def solution(self: Base71, messages: list[Message]) -> Answer:
    ask = partial(ask_model, self.chat)
    limit = timedelta(seconds=self.chat.tool_seconds)
    convert = operation_tool(Exchange.convert, Exchange, ENDPOINT, limit)
    mine = [*tools(self.chat), convert]
    return await loop.answer("Use your tools.", messages, mine, ask, self.note)


@routing
async def appended(self: Base71, messages: list[Message]) -> Answer:
    mine = tools(self.chat)
    mine.append(self.convert(seconds=60))
    return await self.with_tools(messages, *mine)


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
async def by_names(self: Base71, messages: list[Message]) -> Answer:
    async def call(amount: Amount) -> Any:
        exchange: Any = workflow.create_nexus_client(service="Exchange", endpoint=ENDPOINT)
        limit = timedelta(seconds=self.chat.tool_seconds)
        begun = await exchange.start_operation("convert", amount, schedule_to_close_timeout=limit)
        return await begun

    return await self.with_call(messages, call)


@routing
async def tells_itself(self: Base71, messages: list[Message]) -> Answer:
    async def call(amount: Amount) -> Any:
        try:
            return await self.convert().call(amount)
        except NexusOperationError as error:
            return f"Error: no exchange. {reason(error)}"

    return await self.with_call(messages, call)


@routing
async def own_loop(self: Base71, messages: list[Message]) -> Answer:
    mine = [*tools(self.chat), self.convert()]
    new: list[Message] = []
    while True:
        said = await ask_model(self.chat, messages + new, [tool.schema for tool in mine])
        new.append(said)
        if not said.get("tool_calls"):
            return Answer(said["content"], new)
        for call in said["tool_calls"]:
            name, arguments = call["function"]["name"], call["function"]["arguments"]
            number = self.note("call", arguments, name)
            text, _ = await loop.use(mine, name, arguments)
            self.note("result", text, name, number)
            new.append({"role": "tool", "tool_call_id": call["id"], "content": text})


@routing
async def stub(self: Base71, messages: list[Message]) -> Answer:
    raise ApplicationError("not solved yet", non_retryable=True)


@routing
async def only_convert(self: Base71, messages: list[Message]) -> Answer:
    return await self.with_tools(messages, self.convert())


@routing
async def only_before(self: Base71, messages: list[Message]) -> Answer:
    return await self.with_tools(messages, *tools(self.chat))


@routing
async def no_tools(self: Base71, messages: list[Message]) -> Answer:
    return await self.with_tools(messages)


@routing
async def some_gone(self: Base71, messages: list[Message]) -> Answer:
    return await self.with_tools(messages, *tools(self.chat)[:4], self.convert())


@routing
async def no_limit(self: Base71, messages: list[Message]) -> Answer:
    async def call(amount: Amount) -> Converted:
        exchange = workflow.create_nexus_client(service=Exchange, endpoint=ENDPOINT)
        return await exchange.execute_operation(Exchange.convert, amount)

    return await self.with_call(messages, call)


@routing
async def start_limit(self: Base71, messages: list[Message]) -> Answer:
    async def call(amount: Amount) -> Converted:
        exchange = workflow.create_nexus_client(service=Exchange, endpoint=ENDPOINT)
        limit = timedelta(seconds=4)
        return await exchange.execute_operation(Exchange.convert, amount, schedule_to_start_timeout=limit)

    return await self.with_call(messages, call)


@routing
async def minutes(self: Base71, messages: list[Message]) -> Answer:
    return await self.with_tools(messages, *tools(self.chat), self.convert(seconds=240))


@routing
async def milliseconds(self: Base71, messages: list[Message]) -> Answer:
    return await self.with_tools(messages, *tools(self.chat), self.convert(seconds=0.4))


@routing
async def no_timedelta(self: Base71, messages: list[Message]) -> Answer:
    convert = operation_tool(Exchange.convert, Exchange, ENDPOINT, self.chat.tool_seconds)  # type: ignore[arg-type]
    return await self.with_tools(messages, *tools(self.chat), convert)


@routing
async def endpoint_of_it(self: Base71, messages: list[Message]) -> Answer:
    return await self.with_tools(messages, *tools(self.chat), self.convert("it"))


@routing
async def endpoint_unknown(self: Base71, messages: list[Message]) -> Answer:
    return await self.with_tools(messages, *tools(self.chat), self.convert("exchange"))


@routing
async def other_service(self: Base71, messages: list[Message]) -> Answer:
    return await self.with_tools(messages, *tools(self.chat), self.convert(service=Finance))


RATES = {"EUR": 0.9, "GBP": 0.77, "JPY": 152.0}


@routing
async def arithmetic(self: Base71, messages: list[Message]) -> Answer:
    async def call(amount: Amount) -> float:
        return amount.dollars * RATES[amount.currency]

    return await self.with_call(messages, call)


@routing
async def the_handler(self: Base71, messages: list[Message]) -> Answer:
    from workshop_lib.teams.finance.handler import ExchangeHandler

    async def call(amount: Amount) -> Any:
        return await ExchangeHandler().convert(None, amount)  # type: ignore[arg-type]

    return await self.with_call(messages, call)


@routing
async def by_calculator(self: Base71, messages: list[Message]) -> Answer:
    calculator = next(tool for tool in tools(self.chat) if tool.name == "calculator")

    async def call(amount: Amount) -> Any:
        return await calculator.call(calculator.arguments(expression=f"{amount.dollars} * {RATES[amount.currency]}"))

    return await self.with_call(messages, call)


@activity.defn
def convert_dollars(dollars: float, currency: Literal["EUR", "GBP", "JPY"]) -> float:
    """Convert dollars to another currency: EUR, GBP or JPY.

    Args:
        dollars: How many dollars.
        currency: The currency wanted.
    """
    return dollars * RATES[currency]


@routing
async def an_activity(self: Base71, messages: list[Message]) -> Answer:
    limit = timedelta(seconds=2)
    tool = loop.activity_tool(convert_dollars, start_to_close_timeout=limit, schedule_to_close_timeout=limit)
    return await self.with_tools(messages, *tools(self.chat), tool)


@activity.defn
def exchange_money(dollars: float, to: str) -> float:
    """Convert dollars.

    Args:
        dollars: How many.
        to: The currency wanted.
    """
    return dollars * RATES[to]


@routing
async def not_understood(self: Base71, messages: list[Message]) -> Answer:
    tool = loop.activity_tool(exchange_money, start_to_close_timeout=timedelta(seconds=2))
    return await self.with_tools(messages, *tools(self.chat), tool)


@routing
async def not_noted(self: Base71, messages: list[Message]) -> Answer:
    return await self.with_tools(messages, *tools(self.chat), self.convert(), note=False)


@routing
async def forgets(self: Base71, messages: list[Message]) -> Answer:
    return await self.with_tools(messages[-1:], *tools(self.chat), self.convert())


@routing
async def other_chat(self: Base71, messages: list[Message]) -> Answer:
    mine = [*tools(self.chat), self.convert()]
    return await loop.answer("Use your tools.", messages, mine, partial(ask_model, Chat()), self.note)


@routing
async def other_model(self: Base71, messages: list[Message]) -> Answer:
    mine, ask = [*tools(self.chat), self.convert()], partial(ask_model, Chat(model="gpt-5", model_seconds=1))
    return await loop.answer("Use your tools.", messages, mine, ask, self.note)


@routing
async def swallows(self: Base71, messages: list[Message]) -> Answer:
    async def call(amount: Amount) -> Any:
        try:
            return await self.convert().call(amount)
        except NexusOperationError:
            return "Error: Finance is not available."

    return await self.with_call(messages, call)


@routing
async def returns_zero(self: Base71, messages: list[Message]) -> Answer:
    async def call(amount: Amount) -> Any:
        try:
            return await self.convert().call(amount)
        except Exception:
            return Converted(0, amount.currency)

    return await self.with_call(messages, call)


@routing
async def returns_nothing(self: Base71, messages: list[Message]) -> Answer:
    async def call(amount: Amount) -> None:
        await self.convert().call(amount)

    return await self.with_call(messages, call)


@routing
async def always_euros(self: Base71, messages: list[Message]) -> Answer:
    async def call(amount: Amount) -> Any:
        return await self.convert().call(Amount(amount.dollars, "EUR"))

    return await self.with_call(messages, call)


@routing
async def no_await_of_call(self: Base71, messages: list[Message]) -> Answer:
    async def call(amount: Amount) -> Any:
        return self.convert().call(amount)

    return await self.with_call(messages, call)


@routing
async def append_returns_none(self: Base71, messages: list[Message]) -> Answer:
    mine: Any = tools(self.chat).append(self.convert())  # type: ignore[func-returns-value]
    ask = partial(ask_model, self.chat)
    return await loop.answer("Use your tools.", messages, mine, ask, self.note)


@routing
async def list_in_list(self: Base71, messages: list[Message]) -> Answer:
    return await self.with_tools(messages, tools(self.chat), self.convert())


@routing
async def bare_operation(self: Base71, messages: list[Message]) -> Answer:
    return await self.with_tools(messages, *tools(self.chat), Exchange.convert)


@routing
async def text_only(self: Base71, messages: list[Message]) -> Any:
    return (await self.with_tools(messages, *tools(self.chat), self.convert())).text


@routing
async def no_return(self: Base71, messages: list[Message]) -> Any:
    await self.with_tools(messages, *tools(self.chat), self.convert())


@routing
async def no_await(self: Base71, messages: list[Message]) -> Any:
    return self.with_tools(messages, *tools(self.chat), self.convert())


# 7.2


class Base72(Conversation):
    """All of exercise 7.2 but ``stock_price``."""

    answered_by = "stock_price"

    async def answer(self, messages: list[Message]) -> Answer:
        new: list[Message] = []
        tool = loop.Tool("stock_price", loop.summary(StockQuery), StockQuery, self.stock_price)
        for _ in range(5):
            said = await ask_model(self.chat, messages + new, [tool.schema])
            new.append(said)
            if not said.get("tool_calls"):
                return Answer(said["content"], new)
            for call in said["tool_calls"]:
                arguments = call["function"]["arguments"]
                number = self.note("call", arguments, tool.name)
                query = TypeAdapter(StockQuery).validate_json(arguments)
                text = await self.stock_price(query)
                self.note("result", text, tool.name, number)
                new.append({"role": "tool", "tool_call_id": call["id"], "content": text})
        raise ApplicationError("Five rounds, and no answer.", non_retryable=True)

    async def stock_price(self, query: StockQuery) -> Any:
        raise ApplicationError("not solved yet", non_retryable=True)


pricing = agents_of(Base72)
THREE = timedelta(seconds=3)


def asked(query: StockQuery, limit: timedelta | None = THREE, endpoint: str = ENDPOINT, **options: Any) -> Any:
    finance = workflow.create_nexus_client(service=Finance, endpoint=endpoint)
    options["schedule_to_close_timeout"] = limit
    return finance.execute_operation(Finance.stock_price, query, **options)


@pricing
async def told(self: Base72, query: StockQuery) -> str:
    finance = workflow.create_nexus_client(service=Finance, endpoint=ENDPOINT)
    try:
        price = await finance.execute_operation(Finance.stock_price, query, schedule_to_close_timeout=THREE)
    except NexusOperationError as error:
        return f"Error: {reason(error)}"
    return f"{price.ticker} costs {price.price} dollars."


@pricing
async def told_unless_cancelled(self: Base72, query: StockQuery) -> str:
    try:
        price = await asked(query)
        return f"{price.ticker}: ${price.price:.2f}"
    except NexusOperationError as error:
        if cancelled(error):
            raise
        return f"I cannot say what {query.ticker} costs. {reason(error)}"


@pricing
async def told_of_causes(self: Base72, query: StockQuery) -> str:
    try:
        price = await asked(query)
    except Exception as error:
        inner: BaseException = error
        while inner.__cause__:
            inner = inner.__cause__
        return f"Finance did not answer within 3 seconds, or said: {inner}"
    return str(price)


@pricing
async def started_first(self: Base72, query: StockQuery) -> str:
    finance = workflow.create_nexus_client(service=Finance, endpoint=ENDPOINT)
    try:
        begun = await finance.start_operation(Finance.stock_price, query, schedule_to_close_timeout=THREE)
        price = await begun
    except NexusOperationError as error:
        return f"Error: {reason(error)}"
    return f"{price.ticker} costs {price.price} dollars."


@pricing
async def waits_itself(self: Base72, query: StockQuery) -> str:
    try:
        price = await asyncio.wait_for(asked(query, None), 3)
    except TimeoutError:
        return "Error: Finance did not answer within 3 seconds."
    except NexusOperationError as error:
        return f"Error: {reason(error)}"
    return f"{price.ticker} costs {price.price} dollars."


@pricing
async def waits_no_longer(self: Base72, query: StockQuery) -> str:
    try:
        given_up = workflow.NexusOperationCancellationType.TRY_CANCEL
        price = await asyncio.wait_for(asked(query, None, cancellation_type=given_up), 3)
    except TimeoutError:
        return "Error: Finance did not answer within 3 seconds."
    except NexusOperationError as error:
        return f"Error: {reason(error)}"
    return f"{price.ticker} costs {price.price} dollars."


@pricing
async def waits_beside(self: Base72, query: StockQuery) -> str:
    asking = asyncio.create_task(asked(query, None))
    await asyncio.wait([asking], timeout=3)
    if not asking.done():
        return "Error: Finance did not answer within 3 seconds."
    try:
        return f"{query.ticker} costs {asking.result().price} dollars."
    except NexusOperationError as error:
        return f"Error: {reason(error)}"


@pricing
async def two_seconds(self: Base72, query: StockQuery) -> str:
    try:
        price = await asked(query, timedelta(seconds=2))
    except NexusOperationError as error:
        return f"Error: {reason(error)}"
    return f"{price.ticker} costs {price.price} dollars."


@pricing
async def stub_72(self: Base72, query: StockQuery) -> str:
    raise ApplicationError("not solved yet", non_retryable=True)


@pricing
async def catches_nothing(self: Base72, query: StockQuery) -> str:
    price = await asked(query)
    return f"{price.ticker} costs {price.price} dollars."


@pricing
async def no_limit_72(self: Base72, query: StockQuery) -> str:
    try:
        price = await asked(query, None)
    except NexusOperationError as error:
        return f"Error: {reason(error)}"
    return f"{price.ticker} costs {price.price} dollars."


@pricing
async def start_limit_72(self: Base72, query: StockQuery) -> str:
    try:
        price = await asked(query, None, schedule_to_start_timeout=THREE)
    except NexusOperationError as error:
        return f"Error: {reason(error)}"
    return f"{price.ticker} costs {price.price} dollars."


@pricing
async def five_seconds(self: Base72, query: StockQuery) -> str:
    try:
        price = await asked(query, timedelta(seconds=5))
    except NexusOperationError as error:
        return f"Error: {reason(error)}"
    return f"{price.ticker} costs {price.price} dollars."


@pricing
async def four_seconds(self: Base72, query: StockQuery) -> str:
    try:
        price = await asked(query, timedelta(seconds=4))
    except NexusOperationError as error:
        return f"Error: {reason(error)}"
    return f"{price.ticker} costs {price.price} dollars."


@pricing
async def three_minutes(self: Base72, query: StockQuery) -> str:
    try:
        price = await asked(query, timedelta(minutes=3))
    except NexusOperationError as error:
        return f"Error: {reason(error)}"
    return f"{price.ticker} costs {price.price} dollars."


@pricing
async def hasty(self: Base72, query: StockQuery) -> str:
    try:
        price = await asked(query, timedelta(milliseconds=800))
    except NexusOperationError as error:
        return f"Error: {reason(error)}"
    return f"{price.ticker} costs {price.price} dollars."


@pricing
async def chat_limit(self: Base72, query: StockQuery) -> str:
    try:
        price = await asked(query, timedelta(seconds=self.chat.tool_seconds))
    except NexusOperationError as error:
        return f"Error: {reason(error)}"
    return f"{price.ticker} costs {price.price} dollars."


@pricing
async def plain_number(self: Base72, query: StockQuery) -> str:
    price = await asked(query, 3)  # type: ignore[arg-type]
    return f"{price.ticker} costs {price.price} dollars."


@pricing
async def says_error(self: Base72, query: StockQuery) -> str:
    try:
        price = await asked(query)
    except NexusOperationError as error:
        return f"Error: {error}"
    return f"{price.ticker} costs {price.price} dollars."


@pricing
async def says_same(self: Base72, query: StockQuery) -> str:
    try:
        price = await asked(query)
    except NexusOperationError:
        return "Error: Finance did not answer."
    return f"{price.ticker} costs {price.price} dollars."


@pricing
async def raises_own(self: Base72, query: StockQuery) -> str:
    try:
        price = await asked(query)
    except NexusOperationError as error:
        raise ApplicationError(f"Error: {reason(error)}", non_retryable=True) from None
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
async def tries_for_ever(self: Base72, query: StockQuery) -> str:
    while True:
        try:
            price = await asked(query)
            return f"{price.ticker} costs {price.price} dollars."
        except NexusOperationError:
            await workflow.sleep(0.2)


@pricing
async def tries_timeouts_again(self: Base72, query: StockQuery) -> str:
    said = ""
    for _ in range(2):
        try:
            price = await asked(query, timedelta(seconds=1.5))
            return f"{price.ticker} costs {price.price} dollars."
        except NexusOperationError as error:
            said = reason(error)
            if isinstance(error.cause, ApplicationError) or "traded" in said:
                break
    return f"Error: {said}"


@pricing
async def catches_timeouts(self: Base72, query: StockQuery) -> str:
    try:
        price = await asked(query)
    except TimeoutError:
        return "Error: Finance did not answer within 3 seconds."
    return f"{price.ticker} costs {price.price} dollars."


@pricing
async def catches_application_errors(self: Base72, query: StockQuery) -> str:
    try:
        price = await asked(query)
    except ApplicationError as error:
        return f"Error: {reason(error)}"
    return f"{price.ticker} costs {price.price} dollars."


@pricing
async def catches_the_start(self: Base72, query: StockQuery) -> str:
    finance = workflow.create_nexus_client(service=Finance, endpoint=ENDPOINT)
    try:
        begun = await finance.start_operation(Finance.stock_price, query, schedule_to_close_timeout=THREE)
    except NexusOperationError as error:
        return f"Error: {reason(error)}"
    price = await begun
    return f"{price.ticker} costs {price.price} dollars."


@pricing
async def catches_refusals(self: Base72, query: StockQuery) -> str:
    try:
        price = await asked(query)
    except NexusOperationError as error:
        if "traded" in reason(error):
            return f"Error: {reason(error)}"
        raise
    return f"{price.ticker} costs {price.price} dollars."


@pricing
async def nothing_on_failure(self: Base72, query: StockQuery) -> Any:
    try:
        price = await asked(query)
    except NexusOperationError:
        return None
    return f"{price.ticker} costs {price.price} dollars."


@pricing
async def empty_on_failure(self: Base72, query: StockQuery) -> str:
    try:
        price = await asked(query)
    except NexusOperationError as error:
        return reason(error) if "traded" in reason(error) else ""
    return f"{price.ticker} costs {price.price} dollars."


@pricing
async def the_price_itself(self: Base72, query: StockQuery) -> Any:
    try:
        return await asked(query)
    except NexusOperationError as error:
        return f"Error: {reason(error)}"


@pricing
async def a_number(self: Base72, query: StockQuery) -> Any:
    try:
        return (await asked(query)).price
    except NexusOperationError as error:
        return f"Error: {reason(error)}"


@pricing
async def a_dict(self: Base72, query: StockQuery) -> Any:
    try:
        price = await asked(query)
    except NexusOperationError as error:
        return {"error": reason(error)}
    return {"price": price.price}


@pricing
async def never_returns(self: Base72, query: StockQuery) -> Any:
    try:
        await asked(query)
    except NexusOperationError as error:
        return f"Error: {reason(error)}"


@pricing
async def forgets_price(self: Base72, query: StockQuery) -> str:
    try:
        await asked(query)
    except NexusOperationError as error:
        return f"Error: {reason(error)}"
    return f"I found the price of {query.ticker}."


@pricing
async def last_known(self: Base72, query: StockQuery) -> str:
    try:
        price = await asked(query)
    except NexusOperationError as error:
        if "traded" in reason(error):
            return reason(error)
        return f"{query.ticker} costs about 100 dollars."
    return f"{price.ticker} costs {price.price} dollars."


@pricing
async def by_heart(self: Base72, query: StockQuery) -> str:
    return f"{query.ticker} costs 120.6 dollars."


@pricing
async def asks_it(self: Base72, query: StockQuery) -> str:
    try:
        price = await asked(query, endpoint="it")
    except NexusOperationError as error:
        return f"Error: {reason(error)}"
    return f"{price.ticker} costs {price.price} dollars."


@pricing
async def asks_nobody(self: Base72, query: StockQuery) -> str:
    try:
        price = await asked(query, endpoint="stocks")
    except NexusOperationError as error:
        return f"Error: {reason(error)}"
    return f"{price.ticker} costs {price.price} dollars."


@pricing
async def no_await_72(self: Base72, query: StockQuery) -> str:
    try:
        price = asked(query)
    except NexusOperationError as error:
        return f"Error: {reason(error)}"
    return f"{price.ticker} costs {price.price} dollars."


@pricing
async def handle_only(self: Base72, query: StockQuery) -> str:
    finance = workflow.create_nexus_client(service=Finance, endpoint=ENDPOINT)
    try:
        price: Any = await finance.start_operation(Finance.stock_price, query, schedule_to_close_timeout=THREE)
    except NexusOperationError as error:
        return f"Error: {reason(error)}"
    return f"{price.ticker} costs {price.price} dollars."


@pricing
async def misspelt(self: Base72, query: StockQuery) -> str:
    try:
        price = await asked(query)
    except NexusOperationError as error:
        return f"Error: {error.reason}"  # type: ignore[attr-defined]
    return f"{price.ticker} costs {price.price} dollars."


@pricing
async def gives_up_for_good(self: Base72, query: StockQuery) -> str:
    if self.chat.memory_tokens == 0:
        return "Error: Finance is down."
    try:
        price = await asked(query)
    except NexusOperationError as error:
        if "traded" not in reason(error):
            self.chat.memory_tokens = 0
        return f"Error: {reason(error)}"
    return f"{price.ticker} costs {price.price} dollars."
