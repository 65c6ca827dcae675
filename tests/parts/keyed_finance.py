"""Finance's computer, cured of the second workflow: a call that is made again finds the workflow of the first."""

# No `from __future__ import annotations`: the SDK reads the tools' types from the annotations.

from typing import Annotated, Any
from uuid import uuid4

from mcp.server.mcpserver import Context
from pydantic import Field
from temporalio.client import Client, WorkflowHandle
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.worker import Worker

from workshop_lib.demos.openai_mcp_temporal import KEY
from workshop_lib.server.connections import Connections
from workshop_lib.teams.finance.contract import ENDPOINT, StockPrice, StockQuery
from workshop_lib.teams.finance.mcp_server import LIMIT, SERVICE
from workshop_lib.teams.finance.worker import NAMESPACE, TASK_QUEUE, WORKER
from workshop_lib.teams.finance.workflows import PriceStock
from workshop_lib.teams.mcp_serving import TeamServer, connected, listen, told
from workshop_lib.teams.offering import offer

server = TeamServer("finance", lifespan=connected(NAMESPACE), log_level="WARNING")


@server.tool()
async def stock_price(
    ticker: Annotated[str, Field(pattern="^[A-Za-z]{1,5}$", description="The stock's ticker symbol, such as ACME.")],
    ctx: Context[Client],
) -> StockPrice:
    """The price of a stock right now, in dollars."""
    client = ctx.request_context.lifespan_context
    key = (ctx.request_context.meta or {}).get(KEY) or uuid4()
    id = f"stock-price-{key}"
    with told():
        try:
            return await client.execute_workflow(
                PriceStock.run,
                StockQuery(ticker),
                id=id,
                task_queue=TASK_QUEUE,
                execution_timeout=LIMIT,
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
            )
        except WorkflowAlreadyStartedError:  # whether it still runs or has ended
            found: WorkflowHandle[Any, StockPrice] = client.get_workflow_handle(id, result_type=StockPrice)
            return await found.result()


async def worker(ws: Connections) -> Worker:
    """The Worker, not yet running, beside the MCP server."""
    await listen(SERVICE, server)
    return await offer(ws, ENDPOINT, NAMESPACE, WORKER)
