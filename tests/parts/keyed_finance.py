"""Finance's computer, cured of the second workflow: a call that is made again finds the workflow of the first."""

from uuid import uuid4

from mcp.server.mcpserver import Context
from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.worker import Worker

from workshop_lib.demos.openai_mcp_temporal import KEY
from workshop_lib.server.connections import Connections
from workshop_lib.teams.finance.contract import StockPrice, StockQuery, Ticker
from workshop_lib.teams.finance.mcp_server import LIMIT, SERVICE
from workshop_lib.teams.finance.worker import NAMESPACE, TASK_QUEUE
from workshop_lib.teams.finance.worker import worker as nexus_worker
from workshop_lib.teams.finance.workflows import PriceStock
from workshop_lib.teams.mcp_serving import TeamServer, connected, listen, told

server = TeamServer("finance", lifespan=connected(NAMESPACE), log_level="WARNING")


@server.tool()
async def stock_price(ticker: Ticker, ctx: Context[Client]) -> StockPrice:
    """The price of a stock right now, in dollars."""
    with told():
        return await ctx.request_context.lifespan_context.execute_workflow(
            PriceStock.run,
            StockQuery(ticker),
            id=f"stock-price-{(ctx.request_context.meta or {}).get(KEY, uuid4())}",
            task_queue=TASK_QUEUE,
            execution_timeout=LIMIT,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,  # enough here: the first one still runs
        )


async def worker(ws: Connections) -> Worker:
    await listen(SERVICE, server)
    return await nexus_worker(ws)
