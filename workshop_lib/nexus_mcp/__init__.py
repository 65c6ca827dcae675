"""A bridge between MCP and Temporal Nexus: each call of a tool is a durable Nexus operation.

- ``directory``: a team tells which of its Nexus operations are tools. Discovery is a Nexus operation itself.
- ``gateway``: an MCP server for clients outside of Temporal. Their calls become standalone Nexus operations.
- ``tools``: the same tools for an agent that runs in a workflow.

This package knows no team and nothing else of the workshop. Copy it into a project of your own: it needs temporalio,
nexus-rpc and pydantic; the gateway mcp (2.3 or newer); ``tools`` openai-agents; and who calls, jsonschema, which mcp
brings along. The gateway needs a Temporal Server with ``nexusoperation.enableStandalone=true``.
"""
