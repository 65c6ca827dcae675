"""The Nexus contract of a directory: what callers import, without any code of a handler."""

# No `from __future__ import annotations`: in a workflow's sandbox, a string could not be resolved to its type.

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import nexusrpc

DISCOVERY_LIMIT = timedelta(seconds=3)
"""How long a directory may take to answer. It reads nothing: what takes longer is a team that is down."""


@dataclass(frozen=True)
class Tool:
    """A Nexus operation, as MCP describes a tool.

    Attributes:
        name: Its name for the model.
        description: What it is for, in words that the model chooses by.
        input_schema: JSON schema of its arguments, always an object.
        output_schema: JSON schema of its result, always an object.
        service: The Nexus service.
        operation: The operation's name in that service.
        argument: MCP's arguments are an object, and an operation's input may be another thing, or nothing. Then this
            names the one argument that holds the input. Empty: the arguments together are the input.
        result: The same for the operation's output.
    """

    name: str
    description: str
    input_schema: dict[str, Any]
    output_schema: dict[str, Any]
    service: str
    operation: str
    argument: str
    result: str


@nexusrpc.service
class Directory:
    """What a team offers to agents. Each Nexus endpoint has at most one, beside the services that it lists."""

    tools: nexusrpc.Operation[None, list[Tool]]
