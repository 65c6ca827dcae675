"""Answers to the exercises of notebook 09, right and wrong. A plain module: the sandbox imports it."""

# No `from __future__ import annotations`: see workshop_lib/agents/conversation.py.

from dataclasses import replace
from typing import Any
from uuid import uuid4

from temporalio import workflow
from temporalio.client import Client, WorkflowFailureError
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import ApplicationError, WorkflowAlreadyStartedError

with workflow.unsafe.imports_passed_through():
    from agents import Agent
    from agents_of import agents_of

    from workshop_lib.demos import local
    from workshop_lib.demos.openai_mcp_temporal import McpAgent
    from workshop_lib.teams.finance.contract import StockPrice, StockQuery
    from workshop_lib.teams.finance.workflows import PriceStock

# 9.1


REFUSE = WorkflowIDReusePolicy.REJECT_DUPLICATE


async def run(client: Client, ticker: str, id: str, **options: Any) -> StockPrice:
    options["task_queue"] = "finance"
    result: StockPrice = await client.execute_workflow(PriceStock.run, StockQuery(ticker), id=id, **options)
    return result


def keyed(name: str, id: str, **options: Any) -> Any:
    """An answer to 9.1: its name here, the workflow's id, and how it is started."""

    async def price(client: Client, ticker: str, key: str) -> Any:
        mine = id.format(ticker=ticker, key=key)
        try:
            return await run(client, ticker, mine, **options)
        except WorkflowAlreadyStartedError:
            return await client.get_workflow_handle(mine, result_type=StockPrice).result()

    price.__name__ = name  # another process finds it by this
    return price


JOIN = WorkflowIDConflictPolicy.USE_EXISTING
price = keyed("price", "stock-price-{key}", id_reuse_policy=REFUSE)
joins = keyed("joins", "{key}/{ticker}", id_reuse_policy=REFUSE, id_conflict_policy=JOIN)
ticker_id = keyed("ticker_id", "stock-price-{ticker}", id_reuse_policy=REFUSE)
FAILED = WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY
again_after_failure = keyed("again_after_failure", "{key}", id_reuse_policy=FAILED)


async def stub(client: Client, ticker: str, key: str) -> StockPrice:
    raise ApplicationError("not solved yet", non_retryable=True)


async def random_id(client: Client, ticker: str, key: str) -> StockPrice:
    return await run(client, ticker, f"stock-price-{uuid4()}")


async def only_refuses(client: Client, ticker: str, key: str) -> StockPrice:
    return await run(client, ticker, key, id_reuse_policy=REFUSE)


async def forgets_reason(client: Client, ticker: str, key: str) -> Any:
    try:
        return await price(client, ticker, key)
    except WorkflowFailureError:
        raise ValueError("no price") from None


DONE: dict[str, StockPrice] = {}


async def remembers_results(client: Client, ticker: str, key: str) -> StockPrice:
    if key not in DONE:
        DONE[key] = await run(client, ticker, key, id_conflict_policy=JOIN)
    return DONE[key]


# 9.2

ALLOWED = {"stock_price", "jira_metrics", "get_ip", "calculator", "weather"}


class Base92(McpAgent):
    """All of exercise 9.2 but ``ready``."""

    answered_by = "ready"


filtering = agents_of(Base92)


@filtering
async def careful(self: McpAgent) -> Agent[None]:
    agent = await McpAgent.ready(self)
    return replace(agent, tools=[tool for tool in agent.tools if tool.name in ALLOWED])


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
async def denies(self: McpAgent) -> Agent[None]:
    agent = await McpAgent.ready(self)
    denied = {"calculate_roi", "set_project", "get_project", "current_project_metrics", "ip_history"}
    return replace(agent, tools=[tool for tool in agent.tools if tool.name not in denied])


@filtering
async def instructs(self: McpAgent) -> Agent[None]:
    agent = await McpAgent.ready(self)
    return replace(agent, instructions=f"{local.INSTRUCTIONS} Never use set_project or calculate_roi.")


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
async def remembers_tools(self: Any) -> Agent[None]:
    agent = await McpAgent.ready(self)
    if not hasattr(self, "kept"):
        self.kept = [tool for tool in agent.tools if tool.name in ALLOWED]
    return replace(agent, tools=self.kept)


RIGHT: dict[str, dict[str, Any]] = {
    "9.1": {"as in the solution": price, "joins": joins},
    "9.2": {"as in the solution": careful, "removed": removed},
}
WRONG: dict[str, dict[str, tuple[Any, str]]] = {
    "9.1": {
        "a random id": (random_id, "began another workflow"),
        "the ticker": (ticker_id, "The key names the call"),
        "only refuses": (only_refuses, "Catch `WorkflowAlreadyStartedError`"),
        "remembers results": (remembers_results, "a process forgets"),
        "again after a failure": (again_after_failure, "had failed, came again"),
        "forgets the reason": (forgets_reason, "A failure is for the caller"),
    },
    "9.2": {
        "denies": (denies, "What is forbidden can never be named in full"),
        "instructs": (instructs, "A model need not obey"),
        "replaces nothing": (replaces_nothing, "which ALLOWED does not name"),
        "remembers tools": (remembers_tools, "as soon as a server has it"),
        "no return": (no_return, "'NoneType' object has no attribute"),
    },
}
STUBS: dict[str, Any] = {"9.1": stub, "9.2": stub_92}
