"""The Nexus contract of a directory: what callers import, without any code of a handler."""

# No `from __future__ import annotations`: in a workflow's sandbox, a string could not be resolved to its type.

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import nexusrpc


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
        seconds: How long one call may take, including retries, as its team says; 0 leaves it to the caller.
    """

    name: str
    description: str
    input_schema: dict[str, Any]
    output_schema: dict[str, Any]
    service: str
    operation: str
    argument: str
    result: str
    seconds: float = 0.0

    def limit(self, usual: timedelta) -> timedelta:
        """How long one call may take, including retries.

        Args:
            usual: The caller's limit, where the team has none.
        """
        return timedelta(seconds=self.seconds) if self.seconds else usual


@nexusrpc.service
class Directory:
    """What a team offers to agents. Each Nexus endpoint has at most one, beside the services that it lists."""

    tools: nexusrpc.Operation[None, list[Tool]]
