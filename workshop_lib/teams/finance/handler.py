"""The Finance team's Nexus handler: it runs when somebody calls the contract."""

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

RATES = {"EUR": 0.9, "GBP": 0.77, "JPY": 152.0}  # the value of a dollar


@service_handler(service=Finance)
class FinanceHandler:
    """Handles ``Finance``."""

    @workflow_run_operation
    async def stock_price(self, ctx: WorkflowRunOperationContext, query: StockQuery) -> WorkflowHandle[StockPrice]:
        """Start a workflow, because reading a quote can fail, be retried, and take long."""
        # The id is the same for each attempt of one call, so a second attempt finds the workflow of the first.
        return await ctx.start_workflow(PriceStock.run, query, id=f"stock-price-{ctx.request_id}")

    @sync_operation
    async def calculate_roi(self, ctx: StartOperationContext, query: RoiQuery) -> Roi:
        """Answer immediately: this is arithmetic, so there is nothing that a workflow would have to protect."""
        return roi(query)


def roi(query: RoiQuery) -> Roi:
    """Calculate the return on an investment.

    Args:
        query: The dollars invested and returned.
    """
    gain = query.returned - query.invested
    return Roi(round(100 * gain / query.invested, 2), round(gain, 2))


@service_handler(service=Exchange)
class ExchangeHandler:
    """Handles ``Exchange``."""

    @sync_operation
    async def convert(self, ctx: StartOperationContext, amount: Amount) -> Converted:
        """Answer immediately."""
        return converted(amount)


def converted(amount: Amount) -> Converted:
    """Convert dollars to another currency.

    Args:
        amount: The dollars, and the currency.
    """
    return Converted(round(amount.dollars * RATES[amount.currency], 2), amount.currency)
