"""The Finance team's activities."""

from temporalio import activity
from temporalio.exceptions import ApplicationError

from workshop_lib.evidence.ledger import note
from workshop_lib.teams.finance.data import quote


@activity.defn
def read_quote(ticker: str) -> float:
    """Read the price of a stock at the exchange, in dollars.

    Args:
        ticker: The stock's ticker symbol.

    Raises:
        ApplicationError: The stock is not traded (``UnknownTicker``).
        sqlite3.OperationalError: The database is locked.
    """
    price = quote(ticker)
    note("quote", ticker=ticker.upper(), namespace=activity.info().namespace)
    if price is None:
        raise ApplicationError(f"No stock {ticker.upper()} is traded.", type="UnknownTicker", non_retryable=True)
    return price
