"""The Nexus contract of a directory: callers import it, and no handler's code."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import nexusrpc


@dataclass(frozen=True)
class Tool:
    """A Nexus operation, as MCP describes a tool.

    Attributes:
        name: Its name for the model.
        description: What it is for. The model chooses by it.
        input_schema: JSON schema of its arguments, always an object.
        output_schema: JSON schema of its result, always an object.
        service: The Nexus service.
        operation: The operation's name in that service.
        argument: Arguments in MCP are always an object. Where the operation's input is something else, or nothing, this
            names the argument that holds the input. If it is empty, the arguments together are the input.
        result: The same for the operation's output.
        seconds: The team's limit for one call, including retries, in seconds; 0 leaves it to the caller.
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
        """Return how long one call may take, including retries.

        Args:
            usual: The caller's limit, for tools without a limit of their team.
        """
        return timedelta(seconds=self.seconds) if self.seconds else usual


@nexusrpc.service
class Directory:
    """Lists what a team offers to agents. An endpoint has at most one, next to the services that it lists."""

    tools: nexusrpc.Operation[None, list[Tool]]
