"""Finance's computer. Its handler starts the workflow as any client does, and waits for it: no links lead there."""

import asyncio
import contextvars
from uuid import uuid4

from nexusrpc.handler import StartOperationContext, service_handler, sync_operation
from temporalio import nexus
from temporalio.worker import Worker

from workshop_lib.server.connections import Connections
from workshop_lib.teams.finance import worker as finance
from workshop_lib.teams.finance.contract import ENDPOINT, Finance, Roi, RoiQuery, StockPrice, StockQuery
from workshop_lib.teams.finance.handler import ExchangeHandler, roi
from workshop_lib.teams.finance.workflows import PriceStock
from workshop_lib.teams.offering import offer


@service_handler(service=Finance)
class _Waits:
    @sync_operation
    async def stock_price(self, ctx: StartOperationContext, query: StockQuery) -> StockPrice:
        priced = nexus.client().execute_workflow(
            PriceStock.run, query, id=f"stock-price-{uuid4()}", task_queue=finance.TASK_QUEUE
        )
        # In another context, because the SDK's client adds the links of the operation in whose context it is used.
        return await asyncio.create_task(priced, context=contextvars.Context())

    @sync_operation
    async def calculate_roi(self, ctx: StartOperationContext, query: RoiQuery) -> Roi:
        return roi(query)


async def worker(ws: Connections) -> Worker:
    """The Worker, not yet running."""
    handlers = [_Waits(), ExchangeHandler(), finance.DIRECTORY]
    return await offer(ws, ENDPOINT, finance.NAMESPACE, {**finance.WORKER, "nexus_service_handlers": handlers})
