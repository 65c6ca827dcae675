"""A bridge between MCP and Temporal Nexus: each call of a tool is a durable Nexus operation.

- ``directory``: a team tells which of its Nexus operations are tools. Discovery is a Nexus operation itself.
- ``gateway``: an MCP server for clients outside of Temporal. Their calls become standalone Nexus operations.
- ``tools``: the same tools for an agent that runs in a workflow.
- ``transport``: the same for an agent that is written against MCP's own client.

MCP's extension *Tasks* fits such operations (an operation's id would be the task's), but the SDK's server has no part
for it yet. ``gateway.Gateway._call`` is the place: it starts the operation, and then waits for it.

This package knows no team and nothing else of the workshop. Copy it into a project of your own: it needs temporalio,
nexus-rpc and pydantic; who calls, mcp (2.3 or newer) with the jsonschema that it brings along; and ``tools``
openai-agents. Where a server has standalone operations off, the gateway calls from a Workflow: ``by_workflow``.
"""
