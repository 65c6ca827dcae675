"""The command line of the MCP Inspector, for ``demos/mcp_clients.py``. `make js` installs it."""
