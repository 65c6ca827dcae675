"""Answers to the exercises of notebook 05, right and wrong. A plain module: the sandbox imports it."""

# No `from __future__ import annotations`: see workshop_lib/agents/conversation.py, and nexusrpc reads the types.

import asyncio
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

import nexusrpc
from nexusrpc.handler import OperationHandler, StartOperationContext, operation_handler, service_handler, sync_operation
from temporalio import activity, nexus, workflow
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.exceptions import ApplicationError, NexusOperationError

with workflow.unsafe.imports_passed_through():
    from agents_of import agents_of

    from workshop_lib.agents import loop
    from workshop_lib.agents.conversation import Answer, Chat, Conversation, Message
    from workshop_lib.agents.model.calls import ask_model
    from workshop_lib.evidence.failures import reason
    from workshop_lib.evidence.ledger import note
    from workshop_lib.teams.it.contract import ENDPOINT, IT, HostAddress, HostQuery
    from workshop_lib.teams.it.data import address
    from workshop_lib.teams.it.workflows import FindHost

# 5.1

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


@service_handler(service=HostService)
class NewestWay:
    @nexus.temporal_operation
    async def get_ip(
        self, ctx: nexus.TemporalStartOperationContext, client: nexus.TemporalNexusClient, query: HostQuery
    ) -> nexus.TemporalOperationResult[HostAddress]:
        return await client.start_workflow(FindHost.run, query, id=f"host-{ctx.request_id}")


class Starts(nexus.TemporalOperationHandler[HostQuery, HostAddress]):
    async def start_operation(
        self, ctx: nexus.TemporalStartOperationContext, client: nexus.TemporalNexusClient, input: HostQuery
    ) -> nexus.TemporalOperationResult[HostAddress]:
        return await client.start_workflow(FindHost.run, input, id=f"host-{ctx.request_id}")


@service_handler(service=HostService)
class HandlerOfItsOwn:
    @operation_handler
    def get_ip(self) -> OperationHandler[HostQuery, HostAddress]:
        return Starts()


@service_handler(service=HostService)
class Computes:
    @sync_operation
    async def get_ip(self, ctx: StartOperationContext, query: HostQuery) -> HostAddress:
        return HostAddress(query.host, address(query.host) or "")


@service_handler(service=HostService)
class Waits:
    @sync_operation
    async def get_ip(self, ctx: StartOperationContext, query: HostQuery) -> HostAddress:
        client, queue = nexus.client(), nexus.info().task_queue
        return await client.execute_workflow(FindHost.run, query, id=f"host-{ctx.request_id}", task_queue=queue)


async def starts_and_returns_nothing(ctx: Context, query: HostQuery) -> None:
    await ctx.start_workflow(FindHost.run, query, id=f"host-{ctx.request_id}")


@nexusrpc.service
class EmptyService:
    """As the stub has it."""


@service_handler(service=EmptyService)
class EmptyHandler:
    """As the stub has it."""


# 5.2

TEN = timedelta(seconds=10)


class Hosts(Conversation):
    """All of exercise 5.2 but ``get_ip``."""

    answered_by = "get_ip"

    async def answer(self, messages: list[Message]) -> Answer:
        tool = loop.Tool("get_ip", loop.summary(HostQuery), HostQuery, self.get_ip)
        return await loop.answer("Use your tools.", messages, [tool], partial(ask_model, self.chat), self.note)

    async def get_ip(self, query: HostQuery) -> Any:
        raise NotImplementedError


asking = agents_of(Hosts)


def it() -> Any:
    return workflow.create_nexus_client(service=IT, endpoint=ENDPOINT)


@asking
async def asks(self: Hosts, query: HostQuery) -> Any:
    return await it().execute_operation(IT.get_ip, query, schedule_to_close_timeout=TEN)


@asking
async def starts_and_waits(self: Hosts, query: HostQuery) -> Any:
    begun = await it().start_operation(IT.get_ip, query, schedule_to_close_timeout=TEN)
    return await begun


@asking
async def says_why(self: Hosts, query: HostQuery) -> Any:
    try:
        return await it().execute_operation(IT.get_ip, query, schedule_to_close_timeout=TEN)
    except NexusOperationError as error:
        return f"Error: no address. {reason(error)}"


@asking
async def no_host_tool(self: Hosts, query: HostQuery) -> Any:
    raise ApplicationError("not solved yet", non_retryable=True)


@asking
async def a_timer(self: Hosts, query: HostQuery) -> Any:
    async with asyncio.timeout(10):
        return await it().execute_operation(IT.get_ip, query)


@asking
async def as_child(self: Hosts, query: HostQuery) -> Any:
    return await workflow.execute_child_workflow(FindHost.run, query, id=f"child-{workflow.uuid4()}", task_queue="it")


@asking
async def only_starts(self: Hosts, query: HostQuery) -> Any:
    return await it().start_operation(IT.get_ip, query, schedule_to_close_timeout=TEN)


@asking
async def makes_up(self: Hosts, query: HostQuery) -> Any:
    try:
        return await it().execute_operation(IT.get_ip, query, schedule_to_close_timeout=TEN)
    except NexusOperationError:
        return HostAddress(query.host, "192.0.2.99")


@asking
async def says_the_same(self: Hosts, query: HostQuery) -> Any:
    try:
        return await it().execute_operation(IT.get_ip, query, schedule_to_close_timeout=TEN)
    except NexusOperationError:
        return f"There is no host {query.host}."


@asking
async def knows_by_heart(self: Hosts, query: HostQuery) -> Any:
    return HostAddress(query.host, {"db-1": "192.0.2.21"}.get(query.host, "?"))


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


@dataclass
class MayBeNone:
    ticker: str
    currency: str | None = None


@dataclass
class Required:
    ticker: str
    currency: str


@dataclass
class EurosByDefault:
    ticker: str
    currency: str = "EUR"


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


def convert(query: Any, factor: float) -> Price:
    return Price(query.ticker, round(PRICES[query.ticker] * factor, 2), query.currency)


def knows_no_other_ticker(query: Any) -> Price:
    if query.currency not in RATES:
        raise ApplicationError("The currency is USD or EUR.", non_retryable=True)
    return convert(query, RATES[query.currency])


def priced(query: Any) -> Price:
    if query.ticker not in PRICES:
        raise ApplicationError(f"The ticker is one of {', '.join(PRICES)}.", non_retryable=True)
    return knows_no_other_ticker(query)


def bad_request(query: Any) -> Price:
    try:
        return convert(query, RATES[query.currency])
    except KeyError as error:
        known = ", ".join([*RATES, *PRICES])
        raise nexusrpc.HandlerError(f"Take of: {known}.", type=nexusrpc.HandlerErrorType.BAD_REQUEST) from error


def none_is_dollars(query: MayBeNone) -> Price:
    return priced(PriceQuery(query.ticker, query.currency or "USD"))


def divides(query: Any) -> Price:
    return convert(query, 1 / RATES[query.currency])


def key_error(query: Any) -> Price:
    return convert(query, RATES[query.currency])


def takes_any(query: Any) -> Price:
    return convert(query, RATES.get(query.currency, 1))


def no_price(query: Any) -> Price:
    raise ApplicationError("not solved yet", non_retryable=True)


# 5.4

LIMIT: dict[str, Any] = {"start_to_close_timeout": timedelta(seconds=5)}


@activity.defn
def note_question(text: str) -> None:
    note("question", text=text)


class Clerks(Conversation):
    """All of exercise 5.4 but ``answer``."""

    workflow_type = "Clerk"

    async def ask(self, messages: list[Message]) -> Answer:
        return await loop.answer("Be brief.", messages, [], partial(ask_model, self.chat), self.note)


answering = agents_of(Clerks)


async def keep(messages: list[Message]) -> None:
    await workflow.execute_activity(note_question, messages[-1]["content"], **LIMIT)


@answering
async def patched(self: Clerks, messages: list[Message]) -> Answer:
    if workflow.patched("note-questions"):
        await keep(messages)
    return await self.ask(messages)


@answering
async def patched_each_time(self: Clerks, messages: list[Message]) -> Answer:
    if not workflow.patched(f"note-questions-{self.chat.answered}"):
        return await self.ask(messages)
    await keep(messages)
    return await self.ask(messages)


@answering
async def patched_locally(self: Clerks, messages: list[Message]) -> Answer:
    if workflow.patched("note-questions"):
        await workflow.execute_local_activity(note_question, messages[-1]["content"], **LIMIT)
    return await self.ask(messages)


@answering
async def no_notes(self: Clerks, messages: list[Message]) -> Answer:
    raise ApplicationError("not solved yet", non_retryable=True)


@answering
async def unpatched(self: Clerks, messages: list[Message]) -> Answer:
    await keep(messages)
    return await self.ask(messages)


@answering
async def starts_the_note(self: Clerks, messages: list[Message]) -> Answer:
    if workflow.patched("note-questions"):
        workflow.start_activity(note_question, messages[-1]["content"], **LIMIT)
    return await self.ask(messages)


@workflow.defn(name="Clerk")
class AskedInRun(Clerks):
    @workflow.run
    async def run(self, chat: Chat) -> int:
        self.noting = workflow.patched("note-questions")
        return await self.converse()

    async def answer(self, messages: list[Message]) -> Answer:
        if self.noting:
            await keep(messages)
        return await self.ask(messages)


@answering
async def ignores_the_result(self: Clerks, messages: list[Message]) -> Answer:
    workflow.patched("note-questions")
    await keep(messages)
    return await self.ask(messages)


@answering
async def by_itself(self: Clerks, messages: list[Message]) -> Answer:
    note("question", text=messages[-1]["content"])
    return await self.ask(messages)


@answering
async def not_when_replaying(self: Clerks, messages: list[Message]) -> Answer:
    if not workflow.unsafe.is_replaying():
        await keep(messages)
    return await self.ask(messages)


RIGHT: dict[str, dict[str, Any]] = {
    "5.1": {
        "the request": started_as(lambda ctx, query: f"host-{ctx.request_id}"),
        "temporal_operation": NewestWay,
        "a handler of its own": HandlerOfItsOwn,
    },
    "5.2": {"as in the solution": asks, "starts and waits": starts_and_waits, "catches, and says why": says_why},
    "5.3": {
        "as in the solution": pricing(priced),
        "a bad request": pricing(bad_request),
        "None is dollars": pricing(none_is_dollars, MayBeNone),
    },
    "5.4": {
        "as in the solution": patched,
        "a patch for each question": patched_each_time,
        "a local activity": patched_locally,
    },
}
WRONG: dict[str, dict[str, tuple[Any, str]]] = {
    "5.1": {
        "computes": (Computes, "Your handler answers by itself"),
        "waits": (Waits, "Your handler waits for its Workflow to end"),
        "the host": (started_as(lambda ctx, query: query.host), "Two callers may ask for the same host"),
        "uuid4": (started_as(lambda ctx, query: str(uuid.uuid4())), "not of a clock or a random number"),
        "joins": (
            started_as(lambda ctx, query: "get-ip", id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING),
            "a separate Workflow, with its own query",
        ),
        "nothing": (starting(starts_and_returns_nothing), "Return what `start_workflow` gives"),
    },
    "5.2": {
        "a timer": (a_timer, "The operation has no limit. Your timer only asks"),
        "a child on IT's queue": (as_child, "Your agent ran IT's FindHost itself"),
        "only starts": (only_starts, "Wait for its result"),
        "makes up": (makes_up, "Catch nothing"),
        "says the same": (says_the_same, "Expected two reasons"),
        "by heart": (knows_by_heart, "IT was not asked"),
    },
    "5.3": {
        "required": (pricing(priced, Required), "to both classes"),
        "euros by default": (pricing(priced, EurosByDefault), "takes euros for dollars"),
        "divides": (pricing(divides), "do not divide"),
        "KeyError": (pricing(key_error), "was refused with KeyError: 'GBP'. Nexus takes that for a passing problem"),
        "KeyError for a ticker": (pricing(knows_no_other_ticker), "Look for the ticker in `PRICES` first"),
        "takes any": (pricing(takes_any), "Expected a refusal for"),
    },
    "5.4": {
        "unpatched": (unpatched, "Your code asks for it in any case"),
        "starts the note": (starts_the_note, "Is an `await` missing?"),
        "asked in run": (AskedInRun, "An Update is handled before `run` begins"),
        "ignores the result": (ignores_the_result, "notes the question in an old conversation all the same"),
        "by itself": (by_itself, "A side effect belongs in an Activity"),
        "not when replaying": (not_when_replaying, "What decides must be the same in each replay"),
    },
}
STUBS: dict[str, Any] = {"5.1": EmptyHandler, "5.2": no_host_tool, "5.3": pricing(no_price), "5.4": no_notes}
