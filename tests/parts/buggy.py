"""A Finance team whose code has bugs. Spawned by the tests."""

from nexusrpc.handler import StartOperationContext, service_handler, sync_operation
from temporalio import workflow
from temporalio.nexus import WorkflowHandle, WorkflowRunOperationContext, workflow_run_operation
from temporalio.worker import Worker

from workshop_lib.server.connections import Connections
from workshop_lib.teams.finance.contract import Finance, Roi, RoiQuery, StockPrice, StockQuery
from workshop_lib.teams.offering import offer


@workflow.defn
class BuggyPrice:
    @workflow.run
    async def run(self, query: StockQuery) -> StockPrice:
        return StockPrice(query.ticker, 1 / 0)


@service_handler(service=Finance)
class BuggyHandler:
    @workflow_run_operation
    async def stock_price(self, ctx: WorkflowRunOperationContext, query: StockQuery) -> WorkflowHandle[StockPrice]:
        return await ctx.start_workflow(BuggyPrice.run, query, id=f"buggy-{ctx.request_id}")

    @sync_operation
    async def calculate_roi(self, ctx: StartOperationContext, query: RoiQuery) -> Roi:
        return Roi(1 / 0, 0)


async def worker(ws: Connections) -> Worker:
    settings = {"task_queue": "buggy", "nexus_service_handlers": [BuggyHandler()], "workflows": [BuggyPrice]}
    return await offer(ws, "buggy", "finance", settings)
