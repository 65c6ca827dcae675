"""Answers to the exercises of notebook 05, right and wrong. A plain module: the sandbox imports it."""

# No `from __future__ import annotations`: see workshop_lib/agents/conversation.py, and nexusrpc reads the types.

import asyncio
import time
import uuid
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from functools import partial
from typing import Any, Literal

import nexusrpc
from nexusrpc.handler import StartOperationContext, service_handler, sync_operation
from temporalio import activity, nexus, workflow
from temporalio.common import RetryPolicy, WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import ApplicationError, NexusOperationError

with workflow.unsafe.imports_passed_through():
    from workshop_lib.agents import loop
    from workshop_lib.agents.conversation import Answer, Chat, Conversation, Message
    from workshop_lib.agents.model.calls import ask_model
    from workshop_lib.agents.operations import operation_tool
    from workshop_lib.evidence.ledger import note
    from workshop_lib.teams.it.activities import look_up_host
    from workshop_lib.teams.it.contract import ENDPOINT, IT, HostAddress, HostQuery
    from workshop_lib.teams.it.data import address
    from workshop_lib.teams.it.workflows import FindHost

Context = nexus.WorkflowRunOperationContext
Handle = nexus.WorkflowHandle[HostAddress]


@nexusrpc.service
class HostService:
    """The contract of exercise 5.1."""

    get_ip: nexusrpc.Operation[HostQuery, HostAddress]


def starting(start: Callable[[Context, HostQuery], Any]) -> Any:
    """A handler that starts its workflow as a function does."""

    @service_handler(service=HostService)
    class HostHandler:
        @nexus.workflow_run_operation
        async def get_ip(self, ctx: Context, query: HostQuery) -> Handle:
            return await start(ctx, query)  # type: ignore[no-any-return]

    return HostHandler


def started_as(id: Callable[[Context, HostQuery], str], **options: Any) -> Any:
    """A handler whose workflow has the id that a function makes."""
    return starting(lambda ctx, query: ctx.start_workflow(FindHost.run, query, id=id(ctx, query), **options))


REQUEST = started_as(lambda ctx, query: f"host-{ctx.request_id}")
HOST_AND_REQUEST = started_as(lambda ctx, query: f"{query.host}-{ctx.request_id}", task_queue="check-hosts")
CONSTANT = started_as(lambda ctx, query: "get-ip")
OF_THE_HOST = started_as(lambda ctx, query: f"get-ip-{query.host}")
RANDOM = started_as(lambda ctx, query: str(uuid.uuid4()))
CLOCK = started_as(lambda ctx, query: f"get-ip-{time.time_ns()}")
ONCE_AND_FOR_ALL = started_as(
    lambda ctx, query: f"get-ip-{query.host}", id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE
)
JOINS = started_as(lambda ctx, query: "get-ip", id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING)
OTHER_QUEUE = started_as(lambda ctx, query: f"host-{ctx.request_id}", task_queue="it")
TRIES_ON = started_as(lambda ctx, query: f"host-{ctx.request_id}", retry_policy=RetryPolicy())
OTHER_WORKFLOW = starting(lambda ctx, query: ctx.start_workflow("MeasureProject", query, id=f"host-{ctx.request_id}"))
ONLY_THE_NAME = starting(lambda ctx, query: ctx.start_workflow("FindHost", query.host, id=f"host-{ctx.request_id}"))


async def _by_the_client(ctx: Context, query: HostQuery) -> Any:
    client, queue = nexus.client(), nexus.info().task_queue
    return await client.start_workflow(FindHost.run, query, id=f"host-{ctx.request_id}", task_queue=queue)


async def _result(ctx: Context, query: HostQuery) -> Any:
    return await (await _by_the_client(ctx, query)).result()


async def _nothing(ctx: Context, query: HostQuery) -> None:
    await ctx.start_workflow(FindHost.run, query, id=f"host-{ctx.request_id}")


async def _misspelt(ctx: Context, query: HostQuery) -> Any:
    return await ctx.start_workflow(FindHost.run, query.hostname, id="host")  # type: ignore[attr-defined]


BY_THE_CLIENT, RESULT, NOTHING, MISSPELT = (starting(each) for each in (_by_the_client, _result, _nothing, _misspelt))


@service_handler(service=HostService)
class NoAwait:
    @nexus.workflow_run_operation
    async def get_ip(self, ctx: Context, query: HostQuery) -> Handle:
        return ctx.start_workflow(FindHost.run, query, id=f"host-{ctx.request_id}")  # type: ignore[return-value]


@service_handler(service=HostService)
class PlainDef:
    @nexus.workflow_run_operation  # type: ignore[arg-type]
    def get_ip(self, ctx: Context, query: HostQuery) -> Handle:
        return HostAddress(query.host, "192.0.2.11")  # type: ignore[return-value]


@service_handler(service=HostService)
class PlainDefOfACoroutine:
    @nexus.workflow_run_operation
    def get_ip(self, ctx: Context, query: HostQuery) -> Any:
        return ctx.start_workflow(FindHost.run, query, id=f"host-{ctx.request_id}")


@service_handler(service=HostService)
class NewestWay:
    @nexus.temporal_operation
    async def get_ip(
        self, ctx: nexus.TemporalStartOperationContext, client: nexus.TemporalNexusClient, query: HostQuery
    ) -> nexus.TemporalOperationResult[HostAddress]:
        return await client.start_workflow(FindHost.run, query, id=f"host-{ctx.request_id}")


@service_handler(service=HostService)
class Computes:
    @sync_operation
    async def get_ip(self, ctx: StartOperationContext, query: HostQuery) -> HostAddress:
        return HostAddress(query.host, address(query.host) or "")


@service_handler(service=HostService)
class ComputesInAThread:
    @sync_operation
    def get_ip(self, ctx: StartOperationContext, query: HostQuery) -> HostAddress:
        return HostAddress(query.host, address(query.host) or "")


@service_handler(service=HostService)
class Waits:
    @sync_operation
    async def get_ip(self, ctx: StartOperationContext, query: HostQuery) -> HostAddress:
        client, queue = nexus.client(), nexus.info().task_queue
        return await client.execute_workflow(FindHost.run, query, id=f"host-{ctx.request_id}", task_queue=queue)


@nexusrpc.service
class EmptyService:
    """As the stub has it."""


@service_handler(service=EmptyService)
class EmptyHandler:
    """As the stub has it."""


@nexusrpc.service
class OtherName:
    find_ip: nexusrpc.Operation[HostQuery, HostAddress]


@service_handler(service=OtherName)
class OtherNameHandler:
    @nexus.workflow_run_operation
    async def find_ip(self, ctx: Context, query: HostQuery) -> Handle:
        return await ctx.start_workflow(FindHost.run, query, id=f"host-{ctx.request_id}")


def typed(input_type: Any, output_type: Any) -> Any:
    """A handler of a contract with other types, without any of its own."""

    @nexusrpc.service
    class HostService:
        get_ip: nexusrpc.Operation[input_type, output_type]

    with warnings.catch_warnings(action="ignore"):

        @service_handler(service=HostService)
        class HostHandler:
            @nexus.workflow_run_operation
            async def get_ip(self, ctx, query):  # type: ignore[no-untyped-def]
                return await ctx.start_workflow(FindHost.run, query, id=f"host-{ctx.request_id}")

    return HostHandler


class Undecorated:
    async def get_ip(self, ctx: Context, query: HostQuery) -> Handle:
        return await ctx.start_workflow(FindHost.run, query, id=f"host-{ctx.request_id}")


# 5.2


class Hosts(Conversation):
    """All of exercise 5.2 but ``get_ip``."""

    async def answer(self, messages: list[Message]) -> Answer:
        tool = loop.Tool("get_ip", loop.summary(HostQuery), HostQuery, self.get_ip)
        return await loop.answer("Use your tools.", messages, [tool], partial(ask_model, self.chat), self.note)

    async def get_ip(self, query: HostQuery) -> Any:
        raise ApplicationError("not solved yet", non_retryable=True)


TEN = timedelta(seconds=10)


def it(endpoint: str = ENDPOINT) -> Any:
    return workflow.create_nexus_client(service=IT, endpoint=endpoint)


@workflow.defn
class HostStub(Hosts):
    @workflow.run
    async def run(self, chat: Chat) -> int:
        return await self.converse()


@workflow.defn
class Asks(Hosts):
    @workflow.run
    async def run(self, chat: Chat) -> int:
        return await self.converse()

    async def get_ip(self, query: HostQuery) -> Any:
        return await it().execute_operation(IT.get_ip, query, schedule_to_close_timeout=TEN)


@workflow.defn
class AsksByName(Hosts):
    @workflow.run
    async def run(self, chat: Chat) -> int:
        return await self.converse()

    async def get_ip(self, query: HostQuery) -> Any:
        client = workflow.create_nexus_client(service="IT", endpoint=ENDPOINT)
        found: Any = await client.execute_operation("get_ip", query, schedule_to_close_timeout=TEN)
        return f"{query.host} has the address {found['ip']}."


@workflow.defn
class HandsOn(Hosts):
    @workflow.run
    async def run(self, chat: Chat) -> int:
        return await self.converse()

    def get_ip(self, query: HostQuery) -> Any:
        return it().execute_operation(IT.get_ip, query, schedule_to_close_timeout=TEN)


@workflow.defn
class StartsAndWaits(Hosts):
    @workflow.run
    async def run(self, chat: Chat) -> int:
        return await self.converse()

    async def get_ip(self, query: HostQuery) -> Any:
        begun = await it().start_operation(IT.get_ip, query, schedule_to_close_timeout=TEN)
        return await begun


@workflow.defn
class FromTheLibrary(Hosts):
    @workflow.run
    async def run(self, chat: Chat) -> int:
        return await self.converse()

    async def get_ip(self, query: HostQuery) -> Any:
        return await operation_tool(IT.get_ip, IT, ENDPOINT, TEN).call(query)


@workflow.defn
class TellsItself(Hosts):
    @workflow.run
    async def run(self, chat: Chat) -> int:
        return await self.converse()

    async def get_ip(self, query: HostQuery) -> Any:
        try:
            return await it().execute_operation(IT.get_ip, query, schedule_to_close_timeout=TEN)
        except NexusOperationError as error:
            cause = error.cause
            while cause is not None and getattr(cause, "cause", None):
                cause = getattr(cause, "cause", None)
            return f"Error: no address. {getattr(cause, 'message', cause)}"


@workflow.defn
class NoLimit(Hosts):
    @workflow.run
    async def run(self, chat: Chat) -> int:
        return await self.converse()

    async def get_ip(self, query: HostQuery) -> Any:
        return await it().execute_operation(IT.get_ip, query)


@workflow.defn
class Hasty(Hosts):
    @workflow.run
    async def run(self, chat: Chat) -> int:
        return await self.converse()

    async def get_ip(self, query: HostQuery) -> Any:
        return await it().execute_operation(IT.get_ip, query, schedule_to_close_timeout=TEN / 5)


@workflow.defn
class Endless(Hosts):
    @workflow.run
    async def run(self, chat: Chat) -> int:
        return await self.converse()

    async def get_ip(self, query: HostQuery) -> Any:
        return await it().execute_operation(IT.get_ip, query, schedule_to_close_timeout=60 * TEN)


@workflow.defn
class LimitsTheStart(Hosts):
    @workflow.run
    async def run(self, chat: Chat) -> int:
        return await self.converse()

    async def get_ip(self, query: HostQuery) -> Any:
        return await it().execute_operation(IT.get_ip, query, schedule_to_start_timeout=TEN)


@workflow.defn
class WaitsByItself(Hosts):
    @workflow.run
    async def run(self, chat: Chat) -> int:
        return await self.converse()

    async def get_ip(self, query: HostQuery) -> Any:
        return await asyncio.wait_for(it().execute_operation(IT.get_ip, query), 10)


@workflow.defn
class AsChild(Hosts):
    @workflow.run
    async def run(self, chat: Chat) -> int:
        return await self.converse()

    async def get_ip(self, query: HostQuery) -> Any:
        return await workflow.execute_child_workflow(FindHost.run, query, id=f"child-{workflow.uuid4()}")


@workflow.defn
class AsChildElsewhere(Hosts):
    @workflow.run
    async def run(self, chat: Chat) -> int:
        return await self.converse()

    async def get_ip(self, query: HostQuery) -> Any:
        id = f"child-{workflow.uuid4()}"
        return await workflow.execute_child_workflow(FindHost.run, query, id=id, task_queue="it")


@workflow.defn
class AsActivity(Hosts):
    @workflow.run
    async def run(self, chat: Chat) -> int:
        return await self.converse()

    async def get_ip(self, query: HostQuery) -> Any:
        return await workflow.execute_activity(look_up_host, query.host, start_to_close_timeout=TEN)


@workflow.defn
class OnlyStarts(Hosts):
    @workflow.run
    async def run(self, chat: Chat) -> int:
        return await self.converse()

    async def get_ip(self, query: HostQuery) -> Any:
        return await it().start_operation(IT.get_ip, query, schedule_to_close_timeout=TEN)


@workflow.defn
class ForgetsAwait(Hosts):
    @workflow.run
    async def run(self, chat: Chat) -> int:
        return await self.converse()

    async def get_ip(self, query: HostQuery) -> Any:
        return it().execute_operation(IT.get_ip, query, schedule_to_close_timeout=TEN)


@workflow.defn
class WrongEndpoint(Hosts):
    @workflow.run
    async def run(self, chat: Chat) -> int:
        return await self.converse()

    async def get_ip(self, query: HostQuery) -> Any:
        return await it("it-team").execute_operation(IT.get_ip, query, schedule_to_close_timeout=TEN)


@workflow.defn
class NotATimedelta(Hosts):
    @workflow.run
    async def run(self, chat: Chat) -> int:
        return await self.converse()

    async def get_ip(self, query: HostQuery) -> Any:
        return await it().execute_operation(IT.get_ip, query, schedule_to_close_timeout=10)


@workflow.defn
class MakesUp(Hosts):
    @workflow.run
    async def run(self, chat: Chat) -> int:
        return await self.converse()

    async def get_ip(self, query: HostQuery) -> Any:
        try:
            return await it().execute_operation(IT.get_ip, query, schedule_to_close_timeout=TEN)
        except NexusOperationError:
            return HostAddress(query.host, "192.0.2.99")


@workflow.defn
class SaysNothing(Hosts):
    @workflow.run
    async def run(self, chat: Chat) -> int:
        return await self.converse()

    async def get_ip(self, query: HostQuery) -> Any:
        try:
            return await it().execute_operation(IT.get_ip, query, schedule_to_close_timeout=TEN)
        except NexusOperationError:
            return ""


@workflow.defn
class SaysTheSame(Hosts):
    @workflow.run
    async def run(self, chat: Chat) -> int:
        return await self.converse()

    async def get_ip(self, query: HostQuery) -> Any:
        try:
            return await it().execute_operation(IT.get_ip, query, schedule_to_close_timeout=TEN)
        except NexusOperationError:
            return f"There is no host {query.host}."


@workflow.defn
class RaisesItsOwn(Hosts):
    @workflow.run
    async def run(self, chat: Chat) -> int:
        return await self.converse()

    async def get_ip(self, query: HostQuery) -> Any:
        try:
            return await it().execute_operation(IT.get_ip, query, schedule_to_close_timeout=TEN)
        except NexusOperationError as error:
            raise ValueError("no such host") from error


@workflow.defn
class KnowsByHeart(Hosts):
    @workflow.run
    async def run(self, chat: Chat) -> int:
        return await self.converse()

    async def get_ip(self, query: HostQuery) -> Any:
        return HostAddress(query.host, {"db-1": "192.0.2.21"}.get(query.host, "?"))


@workflow.defn
class ReturnsNothing(Hosts):
    @workflow.run
    async def run(self, chat: Chat) -> int:
        return await self.converse()

    async def get_ip(self, query: HostQuery) -> Any:
        await it().execute_operation(IT.get_ip, query, schedule_to_close_timeout=TEN)


# 5.3

RATES = {"USD": 1.0, "EUR": 0.90}
PRICES = {"ACME": 120.0, "HOOLI": 310.2, "PIED": 77.0}


@dataclass
class PriceQuery:
    ticker: str
    currency: str = "USD"


@dataclass
class Price:
    ticker: str
    price: float
    currency: str = "USD"


def pricing(price: Callable[[Any], Any], query_type: Any = PriceQuery, price_type: Any = Price) -> Any:
    """A handler that prices as a function does."""

    @nexusrpc.service
    class PriceService:
        stock_price: nexusrpc.Operation[query_type, price_type]

    @service_handler(service=PriceService)
    class PriceHandler:
        @sync_operation
        async def stock_price(self, ctx: StartOperationContext, query: query_type) -> price_type:
            return price(query)

    return PriceHandler


def refuse(query: Any) -> None:
    if query.currency not in RATES:
        raise ApplicationError("The currency is USD or EUR.", non_retryable=True)


def priced(query: Any) -> Price:
    refuse(query)
    return Price(query.ticker, round(PRICES[query.ticker] * RATES[query.currency], 2), query.currency)


def bad_request(query: PriceQuery) -> Price:
    if query.currency not in RATES:
        raise nexusrpc.HandlerError("Take one of: EUR, USD.", type=nexusrpc.HandlerErrorType.BAD_REQUEST)
    return priced(query)


def failed(query: PriceQuery) -> Price:
    if query.currency not in RATES:
        known = ", ".join(RATES)
        raise nexusrpc.OperationError(f"There are: {known}.", state=nexusrpc.OperationErrorState.FAILED)
    return priced(query)


@dataclass
class MayBeNone:
    ticker: str
    currency: str | None = None


def none_is_dollars(query: MayBeNone) -> Price:
    return priced(PriceQuery(query.ticker, query.currency or "USD"))


@dataclass
class Required:
    ticker: str
    currency: str


@dataclass
class EurosByDefault:
    ticker: str
    currency: str = "EUR"


@dataclass
class Renamed:
    symbol: str
    currency: str = "USD"


@dataclass
class Amount:
    ticker: str
    amount: float
    currency: str = "USD"


@dataclass
class AsText:
    ticker: str
    price: str
    currency: str = "USD"


@dataclass
class Unmarked:
    ticker: str
    price: float


@dataclass
class Listed:
    ticker: str
    currency: Literal["USD", "EUR"] = "USD"


class Currency(StrEnum):
    USD = "USD"
    EUR = "EUR"


@dataclass
class Enumerated:
    ticker: str
    currency: Currency = Currency.USD


@dataclass
class SomethingElse:
    ticker: str
    in_euros: bool = False


def ignores(query: PriceQuery) -> Price:
    refuse(query)
    return Price(query.ticker, PRICES[query.ticker], query.currency)


def divides(query: PriceQuery) -> Price:
    refuse(query)
    return Price(query.ticker, round(PRICES[query.ticker] / RATES[query.currency], 2), query.currency)


def key_error(query: PriceQuery) -> Price:
    return Price(query.ticker, round(PRICES[query.ticker] * RATES[query.currency], 2), query.currency)


def retryable(query: PriceQuery) -> Price:
    if query.currency not in RATES:
        raise ApplicationError("The currency is USD or EUR.")
    return priced(query)


def value_error(query: PriceQuery) -> Price:
    if query.currency not in RATES:
        raise ValueError("The currency is USD or EUR.")
    return priced(query)


def says_little(query: PriceQuery) -> Price:
    if query.currency not in RATES:
        raise ApplicationError("Unknown currency.", non_retryable=True)
    return priced(query)


def takes_any(query: PriceQuery) -> Price:
    return Price(query.ticker, round(PRICES[query.ticker] * RATES.get(query.currency, 1), 2), query.currency)


def always_dollars(query: PriceQuery) -> Price:
    refuse(query)
    return Price(query.ticker, round(PRICES[query.ticker] * RATES[query.currency], 2))


def as_text(query: PriceQuery) -> AsText:
    made = priced(query)
    return AsText(made.ticker, f"{made.price:.2f} {made.currency}", made.currency)


def upside_down(query: PriceQuery) -> Price:
    if query.currency in RATES:
        raise ApplicationError("The currency is USD or EUR.", non_retryable=True)
    return priced(query)


def price_stub(query: PriceQuery) -> Price:
    raise ApplicationError("not solved yet", non_retryable=True)


@nexusrpc.service
class PriceService:
    stock_price: nexusrpc.Operation[PriceQuery, Price]


@service_handler(service=PriceService)
class PlainPrice:
    @sync_operation
    def stock_price(self, ctx: StartOperationContext, query: PriceQuery) -> Price:
        return priced(query)


# 5.4

LIMIT: dict[str, Any] = {"start_to_close_timeout": timedelta(seconds=5)}


@activity.defn
def note_question(text: str) -> None:
    note("question", text=text)


async def keep(text: str) -> None:
    await workflow.execute_activity(note_question, text, **LIMIT)


class Clerks(Conversation):
    """All of exercise 5.4 but what it is about."""

    async def ask(self, messages: list[Message]) -> Answer:
        return await loop.answer("Be brief.", messages, [], partial(ask_model, self.chat), self.note)

    async def answer(self, messages: list[Message]) -> Answer:
        raise ApplicationError("not solved yet", non_retryable=True)


@workflow.defn(name="Clerk")
class ClerkStub(Clerks):
    @workflow.run
    async def run(self, chat: Chat) -> int:
        return await self.converse()


@workflow.defn(name="Clerk")
class Patched(Clerks):
    @workflow.run
    async def run(self, chat: Chat) -> int:
        return await self.converse()

    async def answer(self, messages: list[Message]) -> Answer:
        text = messages[-1]["content"]
        if workflow.patched("note-questions"):
            await keep(text)
        return await self.ask(messages)


@workflow.defn(name="Clerk")
class PatchedInRun(Clerks):
    @workflow.run
    async def run(self, chat: Chat) -> int:
        self.noting = workflow.patched("note-questions")
        return await self.converse()

    async def answer(self, messages: list[Message]) -> Answer:
        text = messages[-1]["content"]
        if self.noting:
            await keep(text)
        return await self.ask(messages)


@workflow.defn(name="Clerk")
class BothWays(Clerks):
    @workflow.run
    async def run(self, chat: Chat) -> int:
        return await self.converse()

    async def answer(self, messages: list[Message]) -> Answer:
        text = messages[-1]["content"]
        if not workflow.patched("note-questions"):
            return await self.ask(messages)
        await keep(text)
        return await self.ask(messages)


@workflow.defn(name="Clerk")
class PatchedLocally(Clerks):
    @workflow.run
    async def run(self, chat: Chat) -> int:
        return await self.converse()

    async def answer(self, messages: list[Message]) -> Answer:
        text = messages[-1]["content"]
        if workflow.patched("note-questions"):
            await workflow.execute_local_activity(note_question, text, **LIMIT)
        return await self.ask(messages)


@workflow.defn(name="Clerk")
class PatchedEachTime(Clerks):
    @workflow.run
    async def run(self, chat: Chat) -> int:
        return await self.converse()

    async def answer(self, messages: list[Message]) -> Answer:
        text = messages[-1]["content"]
        if workflow.patched(f"note-questions-{self.chat.answered}"):
            await keep(text)
        return await self.ask(messages)


@workflow.defn(name="Clerk")
class Unpatched(Clerks):
    @workflow.run
    async def run(self, chat: Chat) -> int:
        return await self.converse()

    async def answer(self, messages: list[Message]) -> Answer:
        text = messages[-1]["content"]
        await keep(text)
        return await self.ask(messages)


@workflow.defn(name="Clerk")
class AsksFirst(Clerks):
    @workflow.run
    async def run(self, chat: Chat) -> int:
        return await self.converse()

    async def answer(self, messages: list[Message]) -> Answer:
        text = messages[-1]["content"]
        answer = await self.ask(messages)
        if workflow.patched("note-questions"):
            await keep(text)
        return answer


@workflow.defn(name="Clerk")
class IgnoresTheResult(Clerks):
    @workflow.run
    async def run(self, chat: Chat) -> int:
        return await self.converse()

    async def answer(self, messages: list[Message]) -> Answer:
        text = messages[-1]["content"]
        workflow.patched("note-questions")
        await keep(text)
        return await self.ask(messages)


@workflow.defn(name="Clerk")
class Inverted(Clerks):
    @workflow.run
    async def run(self, chat: Chat) -> int:
        return await self.converse()

    async def answer(self, messages: list[Message]) -> Answer:
        text = messages[-1]["content"]
        if not workflow.patched("note-questions"):
            await keep(text)
        return await self.ask(messages)


@workflow.defn(name="Clerk")
class TooEarly(Clerks):
    @workflow.run
    async def run(self, chat: Chat) -> int:
        return await self.converse()

    async def answer(self, messages: list[Message]) -> Answer:
        text = messages[-1]["content"]
        workflow.deprecate_patch("note-questions")
        await keep(text)
        return await self.ask(messages)


@workflow.defn(name="Clerk")
class ByItself(Clerks):
    @workflow.run
    async def run(self, chat: Chat) -> int:
        return await self.converse()

    async def answer(self, messages: list[Message]) -> Answer:
        text = messages[-1]["content"]
        note("question", text=text)
        return await self.ask(messages)


@workflow.defn(name="Clerk")
class NotWhenReplaying(Clerks):
    @workflow.run
    async def run(self, chat: Chat) -> int:
        return await self.converse()

    async def answer(self, messages: list[Message]) -> Answer:
        text = messages[-1]["content"]
        if not workflow.unsafe.is_replaying():
            await keep(text)
        return await self.ask(messages)


@workflow.defn(name="Clerk")
class OnlyTheFirst(Clerks):
    @workflow.run
    async def run(self, chat: Chat) -> int:
        return await self.converse()

    async def answer(self, messages: list[Message]) -> Answer:
        text = messages[-1]["content"]
        if self.chat.answered == 0 and workflow.patched("note-questions"):
            await keep(text)
        return await self.ask(messages)


@workflow.defn(name="Clerk")
class AlwaysTheFirst(Clerks):
    @workflow.run
    async def run(self, chat: Chat) -> int:
        return await self.converse()

    async def answer(self, messages: list[Message]) -> Answer:
        if workflow.patched("note-questions"):
            await keep(messages[0]["content"])
        return await self.ask(messages)


@workflow.defn(name="Clerk")
class NoAwaitOfNote(Clerks):
    @workflow.run
    async def run(self, chat: Chat) -> int:
        return await self.converse()

    async def answer(self, messages: list[Message]) -> Answer:
        text = messages[-1]["content"]
        if workflow.patched("note-questions"):
            workflow.execute_activity(note_question, text, **LIMIT)  # type: ignore[unused-coroutine]
        return await self.ask(messages)


@workflow.defn(name="Clerk")
class OnlyPatched(Clerks):
    @workflow.run
    async def run(self, chat: Chat) -> int:
        return await self.converse()

    async def answer(self, messages: list[Message]) -> Answer:
        workflow.patched("note-questions")
        return await self.ask(messages)


@workflow.defn(name="Clerk")
class NotesTwice(Clerks):
    @workflow.run
    async def run(self, chat: Chat) -> int:
        return await self.converse()

    async def answer(self, messages: list[Message]) -> Answer:
        text = messages[-1]["content"]
        if workflow.patched("note-questions"):
            await keep(text)
            await keep(text)
        return await self.ask(messages)


@workflow.defn(name="Clerk")
class NotesTheMessage(Clerks):
    @workflow.run
    async def run(self, chat: Chat) -> int:
        return await self.converse()

    async def answer(self, messages: list[Message]) -> Answer:
        if workflow.patched("note-questions"):
            await workflow.execute_activity(note_question, messages[-1], **LIMIT)  # type: ignore[arg-type]
        return await self.ask(messages)


@workflow.defn(name="Clerk")
class NoLimitAtAll(Clerks):
    @workflow.run
    async def run(self, chat: Chat) -> int:
        return await self.converse()

    async def answer(self, messages: list[Message]) -> Answer:
        text = messages[-1]["content"]
        if workflow.patched("note-questions"):
            await workflow.execute_activity(note_question, text)
        return await self.ask(messages)


@workflow.defn(name="Clerk")
class Unchanged(Clerks):
    @workflow.run
    async def run(self, chat: Chat) -> int:
        return await self.converse()

    async def answer(self, messages: list[Message]) -> Answer:
        return await self.ask(messages)


@workflow.defn
class OtherType(Clerks):
    @workflow.run
    async def run(self, chat: Chat) -> int:
        return await self.converse()

    async def answer(self, messages: list[Message]) -> Answer:
        return await self.ask(messages)


RIGHT: dict[str, dict[str, Any]] = {
    "5.1": {
        "the request": REQUEST,
        "the host and the request": HOST_AND_REQUEST,
        "a plain def that hands the coroutine on": PlainDefOfACoroutine,
        "temporal_operation": NewestWay,
        "without types of its own": typed(HostQuery, HostAddress),
    },
    "5.2": {
        "as in the solution": Asks,
        "by names": AsksByName,
        "a plain def": HandsOn,
        "starts and waits": StartsAndWaits,
        "the library's tool": FromTheLibrary,
        "catches, and says why": TellsItself,
    },
    "5.3": {
        "as in the solution": pricing(priced),
        "a bad request": pricing(bad_request),
        "a failed operation": pricing(failed),
        "None is dollars": pricing(none_is_dollars, MayBeNone),
        "a plain def": PlainPrice,
    },
    "5.4": {
        "as in the solution": Patched,
        "asked in run": PatchedInRun,
        "both ways": BothWays,
        "a local activity": PatchedLocally,
        "a patch for each question": PatchedEachTime,
    },
}
WRONG: dict[str, dict[str, tuple[Any, str]]] = {
    "5.1": {
        "another name": (OtherNameHandler, "call it `get_ip`"),
        "swapped types": (typed(HostAddress, HostQuery), "The other way round"),
        "other types": (typed(dict, dict), "takes dict and gives dict"),
        "text": (typed(HostQuery, str), "gives str"),
        "the contract": (HostService, "You handed in the contract"),
        "an object": (REQUEST(), "Hand in the class itself"),
        "a text": ("get_ip", "which is no handler"),
        "no decorator": (Undecorated, "Keep `@service_handler(service=HostService)`"),
        "computes": (Computes, "Your handler answers by itself"),
        "computes in a thread": (ComputesInAThread, "Your handler answers by itself"),
        "waits": (Waits, "Your handler answers by itself"),
        "a constant": (CONSTANT, "there is a workflow with the id 'get-ip' already"),
        "the host": (OF_THE_HOST, "Two callers may ask for the same host"),
        "the host, for good": (ONCE_AND_FOR_ALL, "Two callers may ask for the same host"),
        "joins": (JOINS, "a workflow of its own, with its own query"),
        "uuid4": (RANDOM, "not of a clock or a random number"),
        "a clock": (CLOCK, "not of a clock or a random number"),
        "another workflow": (OTHER_WORKFLOW, "Your handler started the workflow MeasureProject"),
        "another queue": (OTHER_QUEUE, "Leave `task_queue` out"),
        "a retry policy": (TRIES_ON, "without a retry policy"),
        "only the name": (ONLY_THE_NAME, "Hand the query on as it is"),
        "no await": (NoAwait, "An `await` is missing"),
        "a plain def": (PlainDef, "Begin it with `async def`"),
        "the client's handle": (BY_THE_CLIENT, "Return what `ctx.start_workflow` gives"),
        "the result": (RESULT, "Return what `ctx.start_workflow` gives"),
        "nothing": (NOTHING, "Return what `ctx.start_workflow` gives"),
        "misspelt": (MISSPELT, "Your handler raised an error: AttributeError"),
    },
    "5.2": {
        "no limit": (NoLimit, "You gave the operation no limit"),
        "two seconds": (Hasty, "may take 2 s"),
        "ten minutes": (Endless, "may take 10 min"),
        "a limit for the start": (LimitsTheStart, "You gave the operation no limit"),
        "a timer": (WaitsByItself, "You gave the operation no limit"),
        "a child workflow": (AsChild, "FindHost itself, as a child workflow"),
        "a child on IT's queue": (AsChildElsewhere, "FindHost itself, as a child workflow"),
        "an activity": (AsActivity, "look_up_host itself, as an activity"),
        "only starts": (OnlyStarts, "Wait for its result"),
        "no await": (ForgetsAwait, "An `await` is missing"),
        "another endpoint": (WrongEndpoint, "The endpoint is called 'it'"),
        "no timedelta": (NotATimedelta, "`schedule_to_close_timeout=timedelta(seconds=10)`"),
        "makes up": (MakesUp, "Catch nothing"),
        "says nothing": (SaysNothing, "Catch nothing"),
        "says the same": (SaysTheSame, "Two reasons, one text"),
        "raises its own": (RaisesItsOwn, "let its error pass"),
        "by heart": (KnowsByHeart, "IT was not asked"),
        "returns nothing": (ReturnsNothing, "Return what the operation returns"),
        "no agent": (priced, "inherits `Conversation`"),
    },
    "5.3": {
        "required": (pricing(priced, Required), "Give the new field a default"),
        "euros by default": (pricing(priced, EurosByDefault), "takes them for dollars"),
        "renamed": (pricing(priced, Renamed), "Keep `ticker` as it was"),
        "amount": (pricing(priced, price_type=Amount), "Keep `price` as it was"),
        "a text": (pricing(as_text, price_type=AsText), "and `price`, a number"),
        "ignores": (pricing(ignores), "Look at `query.currency`"),
        "divides": (pricing(divides), "do not divide"),
        "KeyError": (pricing(key_error), "GBP was refused with KeyError"),
        "retryable": (pricing(retryable), "Say that it is final"),
        "ValueError": (pricing(value_error), "Nexus takes that for a bug"),
        "says little": (pricing(says_little), "Say which currencies there are"),
        "an enum": (pricing(priced, Enumerated), "Say which currencies there are"),
        "takes any": (pricing(takes_any), "A caller who asked for GBP got"),
        "unmarked": (
            pricing(lambda q: Unmarked(q.ticker, 120), price_type=Unmarked),
            "does not say",
        ),
        "always dollars": (pricing(always_dollars), "The answer is in EUR, and says 'USD'"),
        "upside down": (pricing(upside_down), "Refuse only a currency"),
        "another field": (pricing(priced, SomethingElse), "Call the new field `currency`"),
    },
    "5.4": {
        "unpatched": (Unpatched, "Your code asks for it in any case"),
        "asks first": (AsksFirst, "Put it before `loop.answer`"),
        "ignores the result": (IgnoresTheResult, "`patched` is an answer"),
        "inverted": (Inverted, "without `not`"),
        "deprecated": (TooEarly, "it is too early for that"),
        "by itself": (ByItself, "A side effect belongs into an activity"),
        "not when replaying": (NotWhenReplaying, "What decides must be the same in each replay"),
        "only the first": (OnlyTheFirst, "only the first is noted"),
        "always the first": (AlwaysTheFirst, "The newest message is the last"),
        "no await": (NoAwaitOfNote, "with `await`"),
        "only patched": (OnlyPatched, "`patched` does nothing by itself"),
        "twice": (NotesTwice, "noted 2 times"),
        "the message": (NotesTheMessage, "`note_question` takes a text"),
        "no limit": (NoLimitAtAll, "Activity must have start_to_close_timeout"),
        "unchanged": (Unchanged, "the question is not noted"),
        "another type": (OtherType, "Open conversations are of the type Clerk"),
        "no agent": (priced, "Hand in the class `Clerk`"),
    },
}
STUBS: dict[str, dict[str, Any]] = {
    "5.1": {"the stub": EmptyHandler},
    "5.2": {"the stub": HostStub},
    "5.3": {"the stub": pricing(price_stub)},
    "5.4": {"the stub": ClerkStub},
}
