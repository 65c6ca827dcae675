"""A team's side of the bridge: a Nexus service that lists operations of the team as tools, with their schemas.

Pydantic makes the schemas from the types in the contract, just as MCP's own server does from a function's types.
"""

import dataclasses
import enum
import inspect
import re
import sys
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any, get_args

import nexusrpc
from nexusrpc.handler import StartOperationContext, service_handler, sync_operation
from pydantic import BaseModel, TypeAdapter
from pydantic.errors import PydanticUserError

from .contract import Directory, Tool

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")  # with any other name, a client or a provider refuses the whole list
_INPUT, _OUTPUT = "input", "result"  # as MCP's own server names a result that is not an object


@service_handler(service=Directory)
class DirectoryHandler:
    """Handles ``Directory``: ``Worker(…, nexus_service_handlers=[FinanceHandler(), DirectoryHandler({…})])``.

    A directory is for discovery, not for access control: anyone who knows the name of an operation can call it, listed
    or not. What guards the Worker, such as ``governance.allowlist``, guards its directory, too.

    Args:
        offered: The operations that are tools, by contract: ``{Finance: [Finance.stock_price]}``. The description
            is the docstring of the operation's input type, or else that of its output type.
        limits: How long a call may take, including retries, by the operation's name. For the others, callers decide.

    Raises:
        ValueError: An operation is not in its contract, two tools have the same name, or a name cannot be a tool's.
        TypeError: An operation has a type that JSON schema cannot describe.
    """

    def __init__(
        self,
        offered: Mapping[type, Iterable[nexusrpc.Operation[Any, Any]]],
        limits: Mapping[str, timedelta] | None = None,
    ) -> None:
        seconds = {name: limit.total_seconds() for name, limit in (limits or {}).items()}
        self._tools = [
            _tool(service, operation, seconds.get(operation.name, 0.0))
            for service, listed in offered.items()
            for operation in listed
        ]
        names = [tool.name for tool in self._tools]
        if unknown := seconds.keys() - set(names):
            raise ValueError(f"There is a limit for {', '.join(sorted(unknown))}, which is not offered.")
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"Two tools of one team cannot have one name: {', '.join(sorted(twice))}.")

    @sync_operation
    async def tools(self, ctx: StartOperationContext, nothing: None) -> list[Tool]:
        """List the tools."""
        return self._tools


def _tool(service: type, operation: nexusrpc.Operation[Any, Any], seconds: float) -> Tool:
    definition = nexusrpc.get_service_definition(service)
    if definition is None or operation.name not in definition.operation_definitions:
        raise ValueError(f"{operation.name} is not an operation of {service.__name__}. Is that a Nexus contract?")
    name = f"{definition.name}.{operation.name}"
    if not _NAME.fullmatch(operation.name):
        raise ValueError(f"{operation.name!r} cannot be a tool's name: 1 to 64 of the characters A-Z a-z 0-9 _ -")
    try:
        input_schema, argument = _input(operation.input_type)
        output_type: Any = operation.output_type
        output_schema, result = _object(TypeAdapter(output_type).json_schema(mode="serialization"), _OUTPUT)
    except PydanticUserError as error:
        raise TypeError(f"{name} cannot be a tool: {error.message}") from error
    about = _docstring(operation.input_type) or _docstring(operation.output_type) or name
    place = {"service": definition.name, "operation": operation.name, "argument": argument, "result": result}
    return Tool(operation.name, about, input_schema, output_schema, **place, seconds=seconds)


def _input(kind: Any) -> tuple[dict[str, Any], str]:
    if kind is type(None):
        return {"type": "object", "properties": {}, "additionalProperties": False}, _INPUT
    schema, argument = _object(TypeAdapter(kind).json_schema(), _INPUT)
    for each in (schema, *schema.get("$defs", {}).values()):
        if "properties" in each:
            # A data converter may drop a field that it does not know, and something else is done than was asked.
            each.setdefault("additionalProperties", False)
    if argument and type(None) in get_args(kind):
        del schema["required"]
    return schema, argument


def _object(schema: dict[str, Any], name: str) -> tuple[dict[str, Any], str]:
    """Make it the schema of an object, as MCP requires. Returns the name of the property that this added, if any."""
    definitions = schema.pop("$defs", {})
    if "$ref" in schema:  # a type that refers to itself
        schema = dict(definitions[schema["$ref"].rpartition("/")[2]])
    added = "" if "properties" in schema else name
    if added:
        schema = {"type": "object", "properties": {name: schema}, "required": [name]}
    return {**schema, **({"$defs": definitions} if definitions else {})}, added


def _docstring(kind: Any) -> str:
    """The first paragraph of the docstring, if somebody wrote it for the contract, and not one of a library."""
    own = isinstance(kind, type) and kind.__module__.partition(".")[0] not in sys.stdlib_module_names
    if not (own and (dataclasses.is_dataclass(kind) or issubclass(kind, BaseModel | enum.Enum | dict | tuple))):
        return ""
    text = inspect.cleandoc(kind.__dict__.get("__doc__") or "")
    return "" if text.startswith(f"{kind.__name__}(") else " ".join(text.partition("\n\n")[0].split())
