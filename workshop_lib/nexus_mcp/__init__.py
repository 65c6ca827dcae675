"""A bridge between MCP and Temporal Nexus: each call of a tool is a durable Nexus operation.

- ``directory``: a team lists the Nexus operations that are tools. The list itself is a Nexus operation, too.
- ``gateway``: an MCP server for clients outside Temporal. Their calls become standalone Nexus operations.
- ``tools``: the same tools for an agent that runs in a workflow.
- ``transport``: the same tools for an agent that uses MCP's own client.

MCP's extension *Tasks* fits such operations, because an operation's id could be the task's id. The SDK's server does
not support it yet. It would go into ``gateway.Gateway._call``, which starts the operation and waits for it.

This package imports nothing else of the workshop, so you can copy it into your own project. A team needs temporalio,
nexus-rpc and pydantic. A caller also needs mcp (2.3 or newer), which brings jsonschema; ``tools`` needs openai-agents.
On a server where standalone operations are switched off, the gateway calls from a Workflow (``by_workflow``).
"""
