"""What happened: histories, the ledger, failures and progress, and the messages that report it."""
