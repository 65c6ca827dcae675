"""What happened: histories, the ledger, failures, progress, and how it is said."""
