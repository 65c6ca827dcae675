"""Answers to the exercises of notebook 09, right and wrong. A plain module: the sandbox imports it."""

# No `from __future__ import annotations`: see workshop_lib/agents/conversation.py.

import asyncio
from dataclasses import replace
from typing import Any
from uuid import uuid4

from temporalio import workflow
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import ApplicationError, WorkflowAlreadyStartedError

with workflow.unsafe.imports_passed_through():
    from agents import Agent
    from agents_of import agents_of

    from workshop_lib.agents.conversation import Chat
    from workshop_lib.demos import local
    from workshop_lib.demos.openai_mcp_temporal import McpAgent
    from workshop_lib.teams.finance.contract import StockPrice, StockQuery
    from workshop_lib.teams.finance.workflows import PriceStock

# 9.1


def found(client: Client, id: str) -> WorkflowHandle[Any, StockPrice]:
    return client.get_workflow_handle(id, result_type=StockPrice)


REFUSE = WorkflowIDReusePolicy.REJECT_DUPLICATE


async def run(client: Client, ticker: str, id: str, **options: Any) -> StockPrice:
    options["task_queue"] = "finance"
    result: StockPrice = await client.execute_workflow(PriceStock.run, StockQuery(ticker), id=id, **options)
    return result


async def price(client: Client, ticker: str, key: str) -> StockPrice:
    id = f"stock-price-{key}"
    try:
        return await client.execute_workflow(
            PriceStock.run, StockQuery(ticker), id=id, task_queue="finance", id_reuse_policy=REFUSE
        )
    except WorkflowAlreadyStartedError:
        return await found(client, id).result()


async def joins(client: Client, ticker: str, key: str) -> StockPrice:
    try:
        joining = WorkflowIDConflictPolicy.USE_EXISTING
        return await run(client, ticker, f"{key}/{ticker}", id_reuse_policy=REFUSE, id_conflict_policy=joining)
    except WorkflowAlreadyStartedError:
        return await found(client, f"{key}/{ticker}").result()


async def repeats_failed(client: Client, ticker: str, key: str) -> StockPrice:
    only_failed = WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY
    try:
        return await run(client, ticker, key, id_reuse_policy=only_failed)
    except WorkflowAlreadyStartedError as error:
        handle = client.get_workflow_handle(key, run_id=error.run_id, result_type=StockPrice)
        result: StockPrice = await handle.result()
        return result


async def hashed(client: Client, ticker: str, key: str) -> StockPrice:
    id = f"stock-price-{hash(key) if not key else key[::-1]}"
    try:
        handle = await client.start_workflow(
            PriceStock.run, StockQuery(ticker), id=id, task_queue="finance", id_reuse_policy=REFUSE
        )
    except WorkflowAlreadyStartedError:
        handle = found(client, id)
    return await handle.result()


async def stub(client: Client, ticker: str, key: str) -> StockPrice:
    raise ApplicationError("not solved yet", non_retryable=True)


async def random_id(client: Client, ticker: str, key: str) -> StockPrice:
    return await run(client, ticker, f"stock-price-{uuid4()}")


async def key_and_random(client: Client, ticker: str, key: str) -> StockPrice:
    return await run(client, ticker, f"stock-price-{key}-{uuid4()}", id_reuse_policy=REFUSE)


async def ticker_id(client: Client, ticker: str, key: str) -> StockPrice:
    id = f"stock-price-{ticker}"
    try:
        return await run(client, ticker, id, id_reuse_policy=REFUSE)
    except WorkflowAlreadyStartedError:
        return await found(client, id).result()


async def fixed_id(client: Client, ticker: str, key: str) -> StockPrice:
    id = "key"
    try:
        return await run(client, ticker, id, id_reuse_policy=REFUSE)
    except WorkflowAlreadyStartedError:
        return await found(client, id).result()


async def only_the_key(client: Client, ticker: str, key: str) -> StockPrice:
    return await run(client, ticker, key)


async def only_joins(client: Client, ticker: str, key: str) -> StockPrice:
    return await run(client, ticker, key, id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING)


async def only_refuses(client: Client, ticker: str, key: str) -> StockPrice:
    return await run(client, ticker, key, id_reuse_policy=REFUSE)


async def joins_and_refuses(client: Client, ticker: str, key: str) -> StockPrice:
    joining = WorkflowIDConflictPolicy.USE_EXISTING
    return await run(client, ticker, key, id_reuse_policy=REFUSE, id_conflict_policy=joining)


async def only_catches(client: Client, ticker: str, key: str) -> StockPrice:
    try:
        return await run(client, ticker, key)
    except WorkflowAlreadyStartedError:
        return await found(client, key).result()


async def terminates(client: Client, ticker: str, key: str) -> StockPrice:
    return await run(client, ticker, key, id_conflict_policy=WorkflowIDConflictPolicy.TERMINATE_EXISTING)


async def ends_on_leaving(client: Client, ticker: str, key: str) -> StockPrice:
    try:
        return await run(client, ticker, key, id_reuse_policy=REFUSE)
    except WorkflowAlreadyStartedError:
        return await found(client, key).result()
    except asyncio.CancelledError:
        await client.get_workflow_handle(key).terminate()
        raise


async def no_await(client: Client, ticker: str, key: str) -> Any:
    return client.execute_workflow(PriceStock.run, StockQuery(ticker), id=key, task_queue="finance")


async def no_await_of_result(client: Client, ticker: str, key: str) -> Any:
    try:
        return await run(client, ticker, key, id_reuse_policy=REFUSE)
    except WorkflowAlreadyStartedError:
        return found(client, key).result()


async def handle_only(client: Client, ticker: str, key: str) -> WorkflowHandle[Any, StockPrice]:
    joining = WorkflowIDConflictPolicy.USE_EXISTING
    return await client.start_workflow(
        PriceStock.run, StockQuery(ticker), id=key, task_queue="finance", id_conflict_policy=joining
    )


async def untyped(client: Client, ticker: str, key: str) -> Any:
    try:
        return await run(client, ticker, key, id_reuse_policy=REFUSE)
    except WorkflowAlreadyStartedError:
        return await client.get_workflow_handle(key).result()


async def swallows(client: Client, ticker: str, key: str) -> StockPrice | None:
    try:
        return await run(client, ticker, key, id_reuse_policy=REFUSE)
    except Exception:
        return None


async def swallows_failures(client: Client, ticker: str, key: str) -> StockPrice:
    try:
        return await price(client, ticker, key)
    except WorkflowFailureError:
        return StockPrice(ticker, 0.0)


async def forgets_reason(client: Client, ticker: str, key: str) -> StockPrice:
    try:
        return await price(client, ticker, key)
    except WorkflowFailureError:
        raise ValueError("no price") from None


async def zero(client: Client, ticker: str, key: str) -> StockPrice:
    try:
        return await run(client, ticker, key, id_reuse_policy=REFUSE)
    except WorkflowAlreadyStartedError:
        return StockPrice(ticker, 0.0)


async def made_up(client: Client, ticker: str, key: str) -> StockPrice:
    return StockPrice(ticker, 100.0)


async def by_heart(client: Client, ticker: str, key: str) -> StockPrice:
    return StockPrice(ticker, 120.6)


CACHE: dict[str, asyncio.Future[StockPrice]] = {}


async def remembers(client: Client, ticker: str, key: str) -> StockPrice:
    if key not in CACHE:
        CACHE[key] = asyncio.ensure_future(run(client, ticker, f"stock-price-{uuid4()}"))
    return await asyncio.shield(CACHE[key])


DONE: dict[str, StockPrice] = {}


async def remembers_results(client: Client, ticker: str, key: str) -> StockPrice:
    if key not in DONE:
        DONE[key] = await run(client, ticker, key, id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING)
    return DONE[key]


# 9.2

ALLOWED = {"stock_price", "jira_metrics", "get_ip", "calculator", "weather"}


class Base92(McpAgent):
    """All of exercise 9.2 but ``ready``."""

    answered_by = "ready"


filtering = agents_of(Base92)


@workflow.defn
class CarefulAgent(McpAgent):
    @workflow.run
    async def run(self, chat: Chat) -> int:
        return await self.converse()

    async def ready(self) -> Agent[None]:
        agent = await super().ready()
        tools = [tool for tool in agent.tools if tool.name in ALLOWED]
        return replace(agent, tools=tools)


@filtering
async def changed(self: McpAgent) -> Agent[None]:
    agent = await McpAgent.ready(self)
    agent.tools = list(filter(lambda tool: tool.name in ALLOWED, agent.tools))
    return agent


@filtering
async def removed(self: McpAgent) -> Agent[None]:
    agent = await McpAgent.ready(self)
    for tool in list(agent.tools):
        if tool.name not in ALLOWED:
            agent.tools.remove(tool)
    return agent


@filtering
async def stub_92(self: McpAgent) -> Agent[None]:
    await McpAgent.ready(self)
    raise ApplicationError("not solved yet", non_retryable=True)


@filtering
async def everything(self: McpAgent) -> Agent[None]:
    return await McpAgent.ready(self)


@filtering
async def denies(self: McpAgent) -> Agent[None]:
    agent = await McpAgent.ready(self)
    denied = {"calculate_roi", "set_project", "get_project", "current_project_metrics", "ip_history"}
    return replace(agent, tools=[tool for tool in agent.tools if tool.name not in denied])


@filtering
async def instructs(self: McpAgent) -> Agent[None]:
    agent = await McpAgent.ready(self)
    return replace(agent, instructions=f"{local.INSTRUCTIONS} Never use set_project or calculate_roi.")


@filtering
async def empty(self: McpAgent) -> Agent[None]:
    return replace(await McpAgent.ready(self), tools=[])


@filtering
async def objects_in_names(self: McpAgent) -> Agent[None]:
    agent = await McpAgent.ready(self)
    allowed: list[Any] = sorted(ALLOWED)
    return replace(agent, tools=[tool for tool in agent.tools if tool in allowed])


@filtering
async def only_local(self: McpAgent) -> Agent[None]:
    agent = self.agent()
    return replace(agent, tools=[tool for tool in agent.tools if tool.name in ALLOWED])


@filtering
async def local_before(self: McpAgent) -> Agent[None]:
    agent = await McpAgent.ready(self)
    own = {"calculator", "weather"}
    return replace(agent, tools=[tool for tool in agent.tools if tool.name in own & ALLOWED])


@filtering
async def throws_away(self: McpAgent) -> Agent[None]:
    agent = await McpAgent.ready(self)
    [tool for tool in agent.tools if tool.name in ALLOWED]
    return agent


@filtering
async def replaces_nothing(self: McpAgent) -> Agent[None]:
    agent = await McpAgent.ready(self)
    replace(agent, tools=[tool for tool in agent.tools if tool.name in ALLOWED])
    return agent


@filtering
async def no_return(self: McpAgent) -> Any:
    agent = await McpAgent.ready(self)
    replace(agent, tools=[tool for tool in agent.tools if tool.name in ALLOWED])


@filtering
async def returns_tools(self: McpAgent) -> Any:
    agent = await McpAgent.ready(self)
    return [tool for tool in agent.tools if tool.name in ALLOWED]


@filtering
async def a_generator(self: McpAgent) -> Agent[None]:
    agent = await McpAgent.ready(self)
    return replace(agent, tools=(tool for tool in agent.tools if tool.name in ALLOWED))  # type: ignore[arg-type]


@filtering
async def names(self: McpAgent) -> Agent[None]:
    agent = await McpAgent.ready(self)
    return replace(agent, tools=[tool.name for tool in agent.tools if tool.name in ALLOWED])  # type: ignore[misc]


@filtering
async def no_await_92(self: McpAgent) -> Agent[None]:
    agent: Any = McpAgent.ready(self)
    return replace(agent, tools=[tool for tool in agent.tools if tool.name in ALLOWED])


@filtering
async def inverted(self: McpAgent) -> Agent[None]:
    agent = await McpAgent.ready(self)
    return replace(agent, tools=[tool for tool in agent.tools if tool.name not in ALLOWED])


@filtering
async def one_missing(self: McpAgent) -> Agent[None]:
    agent = await McpAgent.ready(self)
    return replace(agent, tools=[tool for tool in agent.tools if tool.name in ALLOWED - {"weather"}])


@filtering
async def one_missing_later(self: McpAgent) -> Agent[None]:
    agent = await McpAgent.ready(self)
    return replace(agent, tools=[tool for tool in agent.tools if tool.name in ALLOWED - {"jira_metrics"}])


@filtering
async def by_words(self: McpAgent) -> Agent[None]:
    agent = await McpAgent.ready(self)
    words = ("price", "metrics", "ip", "calculator", "weather")
    return replace(agent, tools=[tool for tool in agent.tools if any(word in tool.name for word in words)])


@filtering
async def remembers_tools(self: Any) -> Agent[None]:
    agent = await McpAgent.ready(self)
    if not hasattr(self, "kept"):
        self.kept = [tool for tool in agent.tools if tool.name in ALLOWED]
    return replace(agent, tools=self.kept)
