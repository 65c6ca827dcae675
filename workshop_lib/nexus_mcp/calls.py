"""A call of a tool, from the caller's side: checks the arguments, and puts the outcome into MCP's form."""

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from jsonschema import Draft202012Validator
from mcp_types import CallToolResult, TextContent
from mcp_types import Tool as McpTool
from nexusrpc import HandlerError, HandlerErrorType
from referencing import Registry
from temporalio import exceptions
from temporalio.service import RPCError

from .contract import Tool

_MOST_PROBLEMS, _LONGEST = 5, 300  # how many are reported, and how many characters of each
_VERBS = {"TimedOut": "timed out", "Cancelled": "was cancelled"}
_VERBS |= dict.fromkeys(("UNAUTHORIZED", "UNAUTHENTICATED"), "refused this caller")
OFFERS_NOTHING = ("NOT_FOUND", "PERMISSION_DENIED", "UNAUTHENTICATED", "UNAUTHORIZED")
"""Kinds of failures of a directory that are permanent. After any other failure, the team may be back soon."""
_PYDANTICS = re.compile(r"\n\s*For further information visit \S+|\s\[type=.*?\](?=\n|$)")


def described(tool: Tool) -> McpTool:
    """Describe a tool as the result of ``tools/list`` does.

    Args:
        tool: The tool.
    """
    schemas: Any = {"input_schema": tool.input_schema, "output_schema": tool.output_schema}
    return McpTool(name=tool.name, description=tool.description, **schemas)


def problems(tool: Tool, arguments: Mapping[str, Any]) -> str:
    """Say what is wrong with the arguments of a call, in a text for the model. It is empty if nothing is wrong.

    Args:
        tool: The tool that is called.
        arguments: The model's arguments.
    """
    try:
        json.dumps(arguments, allow_nan=False)
    except ValueError:
        return f"Invalid arguments for {tool.name}. NaN and infinity are no numbers of JSON."
    # With an empty registry, nothing is fetched if the schema refers to another address.
    validator = Draft202012Validator(tool.input_schema, registry=Registry())
    try:
        found = sorted(validator.iter_errors(arguments), key=lambda error: list(map(str, error.absolute_path)))
    except Exception as error:  # a team may send any schema, and an error would stop a workflow
        return f"The arguments of {tool.name} cannot be checked. {type(error).__name__}: {error}"[:_LONGEST]
    wrong = [
        f"{'.'.join(map(str, error.absolute_path))}: {error.message}".removeprefix(": ")[:_LONGEST]
        for error in found[:_MOST_PROBLEMS]
    ]
    return f"Invalid arguments for {tool.name}. {'; '.join(wrong)}" if wrong else ""


def operation_input(tool: Tool, arguments: Mapping[str, Any]) -> Any:
    """Make the input of the Nexus operation behind a tool.

    Args:
        tool: The tool that is called.
        arguments: Arguments in which ``problems`` found none.
    """
    return arguments.get(tool.argument) if tool.argument else dict(arguments)


class Why(NamedTuple):
    """Why a Nexus operation failed.

    Attributes:
        kind: The name that the code that failed gave it, such as ``UnknownTicker`` or ``UNAUTHORIZED``.
        text: One or more sentences.
    """

    kind: str
    text: str


def why(error: BaseException) -> Why:
    """Find the reason in the error of an operation: what the code that failed said itself.

    Args:
        error: The SDK's error, from inside or outside a workflow.
    """
    chain = [error]
    while cause := chain[-1].__cause__:
        chain.append(cause)
    handler = next((each for each in chain if isinstance(each, HandlerError)), None)
    last = next((each for each in chain if isinstance(each, exceptions.ApplicationError)), chain[-1])
    if any(isinstance(each, exceptions.TimeoutError | TimeoutError) for each in chain):  # the caller has one, too
        return Why("TimedOut", "There was no answer in time.")
    if isinstance(last, exceptions.CancelledError):
        return Why("Cancelled", "Somebody called it off.")
    if isinstance(last, RPCError):
        return Why(last.status.name, last.message)
    text = _PYDANTICS.sub("", str(getattr(last, "message", "") or last)).strip()
    if handler and (handler is last or handler.type.name in _VERBS or handler.type == HandlerErrorType.BAD_REQUEST):
        return Why(handler.type.name, text)
    return Why(getattr(last, "type", None) or type(last).__name__, text)


def failure(tool: Tool, error: BaseException) -> str:
    """Say why a call failed, in a text for the model that names the kind of the failure.

    Args:
        tool: The tool that was called.
        error: The error of its operation.
    """
    kind, text = why(error)
    if kind == HandlerErrorType.BAD_REQUEST.name:
        return f"Invalid arguments for {tool.name}. {text}"
    return f"Error: {tool.name} {_VERBS.get(kind, 'failed')} ({kind}). {text}"


def answered(tool: Tool, value: Any) -> CallToolResult:
    """Make the result of a call that succeeded.

    Args:
        tool: The tool that was called.
        value: The result of its operation.
    """
    try:
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, allow_nan=False)
    except ValueError:
        what = "It answered with NaN or infinity, which JSON does not have."
        return failed(f"Error: {tool.name} failed (NoJson). {what}")
    structured = {tool.result: value} if tool.result else value
    return CallToolResult(content=[TextContent(text=text)], structured_content=structured)


def failed(text: str) -> CallToolResult:
    """Make the result of a call that failed.

    Args:
        text: The reason, in a text for the model.
    """
    return CallToolResult(content=[TextContent(text=text)], is_error=True)
