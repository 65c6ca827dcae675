"""The Finance team: prices of stocks, and the return on an investment."""
