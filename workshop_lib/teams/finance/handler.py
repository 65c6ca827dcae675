"""The Finance team's Nexus handler: what happens when somebody calls its contract."""

# No `from __future__ import annotations`: the SDK reads the operations' types from the annotations.

from nexusrpc.handler import StartOperationContext, service_handler, sync_operation
from temporalio.nexus import WorkflowHandle, WorkflowRunOperationContext, workflow_run_operation

from workshop_lib.teams.finance.contract import (
    Amount,
    Converted,
    Exchange,
    Finance,
    Roi,
    RoiQuery,
    StockPrice,
    StockQuery,
)
from workshop_lib.teams.finance.workflows import PriceStock

RATES = {"EUR": 0.9, "GBP": 0.77, "JPY": 152.0}  # what a dollar is


@service_handler(service=Finance)
class FinanceHandler:
    """Handles ``Finance``."""

    @workflow_run_operation
    async def stock_price(self, ctx: WorkflowRunOperationContext, query: StockQuery) -> WorkflowHandle[StockPrice]:
        """Start a workflow: reading a quote can fail and be tried again, and takes as long as it takes."""
        # The same for each attempt of one call, so a second attempt finds the first one's workflow.
        return await ctx.start_workflow(PriceStock.run, query, id=f"stock-price-{ctx.request_id}")

    @sync_operation
    async def calculate_roi(self, ctx: StartOperationContext, query: RoiQuery) -> Roi:
        """Answer at once: it is arithmetic, with nothing that a workflow would have to protect."""
        return roi(query)


def roi(query: RoiQuery) -> Roi:
    """The return on an investment.

    Args:
        query: What was invested, and what came back.
    """
    gain = query.returned - query.invested
    return Roi(round(100 * gain / query.invested, 2), round(gain, 2))


@service_handler(service=Exchange)
class ExchangeHandler:
    """Handles ``Exchange``."""

    @sync_operation
    async def convert(self, ctx: StartOperationContext, amount: Amount) -> Converted:
        """Answer at once."""
        return converted(amount)


def converted(amount: Amount) -> Converted:
    """Dollars in another currency.

    Args:
        amount: How many, and which currency.
    """
    return Converted(round(amount.dollars * RATES[amount.currency], 2), amount.currency)
