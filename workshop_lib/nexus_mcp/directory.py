"""A team's side of the bridge: a Nexus service that lists operations of the team as tools, with their schemas.

The schemas are made from the contracts' types by pydantic, as MCP's own server makes those of functions.
"""

# No `from __future__ import annotations`: the SDK reads the operations' types from the annotations.

import inspect
from collections.abc import Iterable, Mapping
from typing import Any, cast

import nexusrpc
from nexusrpc.handler import StartOperationContext, service_handler, sync_operation
from pydantic import TypeAdapter, ValidationError
from pydantic.errors import PydanticUserError

from .contract import Directory, Tool

_INPUT, _OUTPUT = "input", "result"  # the latter is how MCP's own server calls a result that is no object


@service_handler(service=Directory)
class DirectoryHandler:
    """Handles ``Directory``: ``Worker(…, nexus_service_handlers=[FinanceHandler(), DirectoryHandler({…})])``.

    The directory is for discovery, and no access control: who knows an operation's name can call it unlisted. What
    guards the Worker (``governance.allowlist`` for one) guards its directory, too.

    Args:
        offered: By contract, the operations that are tools: ``{Finance: [Finance.stock_price]}``. The docstring of an
            operation's input type is the tool's description; where there is none, that of its output type.

    Raises:
        ValueError: An operation is none of its contract, or two tools have one name.
        TypeError: An operation has a type that JSON schema cannot describe.
    """

    def __init__(self, offered: Mapping[type, Iterable[nexusrpc.Operation[Any, Any]]]) -> None:
        self._tools = [_tool(service, operation) for service, listed in offered.items() for operation in listed]
        names = [tool.name for tool in self._tools]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"Two tools of one team cannot have one name: {', '.join(sorted(twice))}.")

    @sync_operation
    async def tools(self, ctx: StartOperationContext, nothing: None) -> list[Tool]:
        """What the team offers."""
        return self._tools


def _tool(service: type, operation: nexusrpc.Operation[Any, Any]) -> Tool:
    definition = nexusrpc.get_service_definition(service)
    if definition is None or operation.name not in definition.operation_definitions:
        raise ValueError(f"{operation.name} is no operation of {service.__name__}. Is that a Nexus contract?")
    name = f"{definition.name}.{operation.name}"
    try:
        input_schema, argument = _input(operation.input_type)
        made: TypeAdapter[Any] = TypeAdapter(cast(Any, operation.output_type))
        output_schema, result = _object(made.json_schema(mode="serialization"), _OUTPUT)
    except PydanticUserError as error:
        raise TypeError(f"{name} cannot be a tool: {error.message}") from error
    return Tool(
        operation.name,
        _docstring(operation.input_type) or _docstring(operation.output_type) or name,
        input_schema,
        output_schema,
        definition.name,
        operation.name,
        argument,
        result,
    )


def _input(kind: Any) -> tuple[dict[str, Any], str]:
    if kind is type(None):
        return {"type": "object", "properties": {}, "additionalProperties": False}, _INPUT
    adapter: TypeAdapter[Any] = TypeAdapter(kind)
    schema, argument = _object(adapter.json_schema(), _INPUT)
    for each in (schema, *schema.get("$defs", {}).values()):
        if "properties" in each:
            # A data converter may drop a field that it does not know, and something else is done than was asked.
            each.setdefault("additionalProperties", False)
    if argument and _may_be_none(adapter):
        del schema["required"]
    return schema, argument


def _object(schema: dict[str, Any], name: str) -> tuple[dict[str, Any], str]:
    """A schema of an object, as MCP wants it, and the name of the property that had to be added for that."""
    definitions = schema.pop("$defs", {})
    if "$ref" in schema:  # a type that refers to itself
        schema = dict(definitions[schema["$ref"].rpartition("/")[2]])
    added = "" if "properties" in schema else name
    if added:
        schema = {"type": "object", "properties": {name: schema}, "required": [name]}
    return {**schema, **({"$defs": definitions} if definitions else {})}, added


def _may_be_none(adapter: TypeAdapter[Any]) -> bool:
    try:
        adapter.validate_python(None)
    except ValidationError:
        return False
    return True


def _docstring(kind: Any) -> str:
    """The first paragraph of a class's own docstring: not what Python or a base class says."""
    if not isinstance(kind, type) or kind.__module__ == "builtins":
        return ""
    text = inspect.cleandoc(kind.__dict__.get("__doc__") or "")
    return "" if text.startswith(f"{kind.__name__}(") else " ".join(text.partition("\n\n")[0].split())
