"""The IT team: metrics of its issue tracker, and the addresses of its hosts."""
