"""The Finance team's SQLite database: prices of stocks at the exchange."""

import json
from pathlib import Path

from workshop_lib.teams.database import opened

QUOTES: dict[str, float] = json.loads(Path(__file__).with_name("quotes.json").read_text(encoding="utf-8"))
_TABLES = "CREATE TABLE IF NOT EXISTS quotes (ticker TEXT PRIMARY KEY, price REAL)"
_ROWS = {"INSERT OR IGNORE INTO quotes VALUES (?, ?)": QUOTES.items()}


def quote(ticker: str) -> float | None:
    """Return the price of a stock at the exchange, in dollars; None if it is not traded there.

    Args:
        ticker: The stock's ticker symbol, in small or capital letters.

    Raises:
        sqlite3.OperationalError: Another connection has locked the database for longer than a second.
    """
    with opened("finance.db", _TABLES, _ROWS) as database:
        row = database.execute("SELECT price FROM quotes WHERE ticker = ?", (ticker.upper(),)).fetchone()
    return float(row[0]) if row else None
