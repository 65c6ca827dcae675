"""The Finance team's workflows. Only Finance's handler and its MCP server start them."""

from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from workshop_lib.teams.finance import activities
    from workshop_lib.teams.finance.contract import StockPrice, StockQuery
    from workshop_lib.workers.takeover import limits

FEE = 0.005  # what callers pay on top of the exchange's price, as a fraction of it


@workflow.defn
class PriceStock:
    """Reads a stock's quote and adds Finance's fee."""

    @workflow.run
    async def run(self, query: StockQuery) -> StockPrice:
        """Price one stock.

        Args:
            query: Which stock.

        Raises:
            ActivityError: The stock is not traded (``UnknownTicker``), or its quote could not be read for ten minutes.
        """
        price = await workflow.execute_activity(
            activities.read_quote,
            query.ticker,
            **limits(timedelta(minutes=10)) | {"start_to_close_timeout": timedelta(seconds=30)},
        )
        return StockPrice(query.ticker.upper(), round(price * (1 + FEE), 2))
