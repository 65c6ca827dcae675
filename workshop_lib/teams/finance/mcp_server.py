"""The Finance team's MCP server: a client of Temporal, which starts Finance's workflows.

Over HTTP: ``await ws.serve("finance-mcp", "workshop_lib.teams.finance.mcp_server")``. In the process of Finance's
Worker, so that both die together: ``await ws.spawn("workshop_lib.teams.finance.mcp_server")``. For a desktop program,
which starts its MCP servers itself: ``python -m workshop_lib.teams.finance.mcp_server``, with ``WORKSHOP_STATE`` in
its environment as the notebook has it. Each call starts a new workflow, as is usual for such servers, so a call that is
repeated starts a second one.
"""

from datetime import timedelta
from uuid import uuid4

from mcp.server.mcpserver import Context
from temporalio.client import Client
from temporalio.worker import Worker

from workshop_lib.server.connections import Connections
from workshop_lib.teams.finance.contract import Invested, Returned, Roi, RoiQuery, StockPrice, StockQuery, Ticker
from workshop_lib.teams.finance.handler import roi
from workshop_lib.teams.finance.worker import NAMESPACE, TASK_QUEUE
from workshop_lib.teams.finance.worker import worker as nexus_worker
from workshop_lib.teams.finance.workflows import PriceStock
from workshop_lib.teams.mcp_serving import TeamServer, application, connected, listen, told

SERVICE = "finance-mcp"
LIMIT = timedelta(minutes=15)  # of a workflow, longer than its steps may take
server = TeamServer("finance", lifespan=connected(NAMESPACE), log_level="WARNING")


@server.tool()
async def stock_price(ticker: Ticker, ctx: Context[Client]) -> StockPrice:
    """The price of a stock right now, in dollars."""
    client = ctx.request_context.lifespan_context
    id = f"stock-price-{uuid4()}"
    with told():
        return await client.execute_workflow(
            PriceStock.run, StockQuery(ticker), id=id, task_queue=TASK_QUEUE, execution_timeout=LIMIT
        )


@server.tool()
async def calculate_roi(invested: Invested, returned: Returned) -> Roi:
    """The return on an investment (ROI), in percent."""
    return roi(RoiQuery(invested, returned))


app = application(server)


async def worker(ws: Connections) -> Worker:
    """The team's Worker, not yet running, and the MCP server, which runs already, in one process.

    Args:
        ws: How to reach the service.
    """
    await listen(SERVICE, server)
    return await nexus_worker(ws)


if __name__ == "__main__":
    server.run()
