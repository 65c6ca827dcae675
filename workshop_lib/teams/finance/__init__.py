"""The Finance team: prices of stocks, and what an investment has returned."""
