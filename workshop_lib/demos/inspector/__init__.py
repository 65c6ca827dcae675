"""The command line of the MCP Inspector, for ``demos/clients.py``. `make js` installs it."""
