"""What is the same for whoever calls a tool: its arguments are checked before, and its outcome is put in MCP's form."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from jsonschema import Draft202012Validator
from jsonschema.exceptions import UnknownType
from mcp_types import CallToolResult, TextContent
from mcp_types import Tool as McpTool
from nexusrpc import HandlerError, HandlerErrorType
from referencing import Registry
from referencing.exceptions import Unresolvable
from temporalio.exceptions import ApplicationError, CancelledError, TimeoutError
from temporalio.service import RPCError

from .contract import Tool

_MOST_PROBLEMS, _LONGEST = 5, 300  # how many are told, and how many characters of each
_VERBS = {
    "UNAUTHORIZED": "refused this caller",
    "UNAUTHENTICATED": "refused this caller",
    "TimedOut": "timed out",
    "Cancelled": "was cancelled",
}
OFFERS_NOTHING = ("NOT_FOUND", "PERMISSION_DENIED", "UNAUTHENTICATED", "UNAUTHORIZED")
"""Kinds of a directory's failure that will be the same at the next try. After the others, a team may be back soon."""
_PYDANTICS = re.compile(r"\n\s*For further information visit \S+|\s\[type=.*?\](?=\n|$)")


def described(tool: Tool) -> McpTool:
    """A tool, as ``tools/list`` has it.

    Args:
        tool: The tool.
    """
    schemas: Any = {"input_schema": tool.input_schema, "output_schema": tool.output_schema}
    return McpTool(name=tool.name, description=tool.description, **schemas)


def problems(tool: Tool, arguments: Mapping[str, Any]) -> str:
    """What is wrong with the arguments of a call, in sentences for a model; empty if nothing is.

    Args:
        tool: What is called.
        arguments: As the model gave them.
    """
    # An empty registry: a schema that refers to somewhere else must not make us fetch that.
    validator = Draft202012Validator(tool.input_schema, registry=Registry())
    try:
        found = sorted(validator.iter_errors(arguments), key=lambda error: list(map(str, error.absolute_path)))
    except (Unresolvable, UnknownType, re.error, RecursionError) as error:
        return f"The arguments of {tool.name} cannot be checked. {type(error).__name__}: {error}"[:_LONGEST]
    told = [
        f"{'.'.join(map(str, error.absolute_path))}: {error.message}".removeprefix(": ")[:_LONGEST]
        for error in found[:_MOST_PROBLEMS]
    ]
    return f"Invalid arguments for {tool.name}. {'; '.join(told)}" if told else ""


def operation_input(tool: Tool, arguments: Mapping[str, Any]) -> Any:
    """The input of the Nexus operation behind a tool.

    Args:
        tool: What is called.
        arguments: Checked ones.
    """
    return arguments.get(tool.argument) if tool.argument else dict(arguments)


class Why(NamedTuple):
    """Why a Nexus operation came to nothing.

    Attributes:
        kind: What whoever failed calls it, such as ``UnknownTicker`` or ``UNAUTHORIZED``.
        text: A sentence or more.
    """

    kind: str
    text: str


def why(error: BaseException) -> Why:
    """What stands behind the error of an operation: what the code that failed said itself.

    Args:
        error: From the SDK, on either side of a workflow.
    """
    chain = list(_chain(error))
    handler = next((each for each in chain if isinstance(each, HandlerError)), None)
    last = next((each for each in chain if isinstance(each, ApplicationError)), chain[-1])
    if any(isinstance(each, TimeoutError) for each in chain):
        return Why("TimedOut", "There was no answer in time.")
    if isinstance(last, CancelledError):
        return Why("Cancelled", "Somebody called it off.")
    if isinstance(last, RPCError):
        return Why(last.status.name, last.message)
    text = _PYDANTICS.sub("", str(getattr(last, "message", "") or last)).strip()
    if handler and (handler is last or handler.type.name in _VERBS or handler.type == HandlerErrorType.BAD_REQUEST):
        return Why(handler.type.name, text)
    return Why(getattr(last, "type", None) or type(last).__name__, text)


def failure(tool: Tool, error: BaseException) -> str:
    """Why a call failed, in a sentence for a model. It names the kind of the failure.

    Args:
        tool: What was called.
        error: What its operation failed with.
    """
    kind, text = why(error)
    if kind == HandlerErrorType.BAD_REQUEST.name:
        return f"Invalid arguments for {tool.name}. {text}"
    return f"Error: {tool.name} {_VERBS.get(kind, 'failed')} ({kind}). {text}"


def answered(tool: Tool, value: Any) -> CallToolResult:
    """The result of a call.

    Args:
        tool: What was called.
        value: What its operation returned.
    """
    try:
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, allow_nan=False)
    except ValueError:
        what = "It answered with NaN or infinity, which JSON does not have."
        return failed(f"Error: {tool.name} failed (NoJson). {what}")
    structured = {tool.result: value} if tool.result else value
    return CallToolResult(content=[TextContent(text=text)], structured_content=structured)


def failed(text: str) -> CallToolResult:
    """The result of a call that came to nothing.

    Args:
        text: Why, in a sentence for a model.
    """
    return CallToolResult(content=[TextContent(text=text)], is_error=True)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__
