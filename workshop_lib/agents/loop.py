"""The agent loop by hand: ask the model, use the tools that it asks for, ask again, until it answers.

It runs inside a workflow. The caller passes in how to reach the model and what each tool does. Both are activities,
child workflows or Nexus operations, so nothing that is recorded in the history is done twice.
"""

import asyncio
import inspect
import json
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, create_model
from pydantic_core import to_jsonable_python
from temporalio import workflow
from temporalio.exceptions import FailureError

from workshop_lib.agents.conversation import LONGEST_TURN, Answer, Message, tokens
from workshop_lib.agents.model.messages import json_object
from workshop_lib.evidence.failures import cancelled, invalid_fields, kind, reason
from workshop_lib.evidence.messages import shortened, valid_text

MOST_ROUNDS = 10  # model calls for one message
MOST_MISTAKES = 3  # rounds in which no tool call of the model's could be used
LONGEST_RESULT = 4_000  # characters
TOO_MUCH = "I stopped: this turn has grown longer than I can read. Please ask for less at once."

Ask = Callable[[list[Message], list[dict[str, Any]]], Awaitable[Message]]
"""Asks the model: takes messages and tool schemas, and returns its next message."""
Note = Callable[[str, str, str, int], int]
"""Adds a line to the transcript: takes its kind, text, tool, and the number that it belongs to; returns its number."""


@dataclass(frozen=True)
class Tool:
    """A tool that a model may call.

    Attributes:
        name: Its name for the model.
        description: What it is for. The model chooses by it.
        arguments: A pydantic model or a dataclass of its arguments.
        call: Takes an instance of ``arguments``, and returns the result for the model: a text, or a value for JSON.
    """

    name: str
    description: str
    arguments: type
    call: Callable[[Any], Awaitable[Any]]

    @property
    def schema(self) -> dict[str, Any]:
        """The tool as OpenAI's chat completions describe it, and LiteLLM for every provider."""
        function = {"name": self.name, "description": self.description, "parameters": _schema(self.arguments)}
        return {"type": "function", "function": function}


def activity_tool(function: Callable[..., Any], **options: Any) -> Tool:
    """A tool that runs an activity. Its schema comes from the function's signature and docstring.

    Args:
        function: The activity. Its docstring describes the tool to the model, and its ``Args`` section the arguments.
        options: Options of ``workflow.execute_activity``, such as ``start_to_close_timeout``.
    """
    arguments = arguments_of(function)

    async def call(given: BaseModel) -> Any:
        values = [getattr(given, name) for name in arguments.model_fields]
        return await workflow.execute_activity(function, args=values, **options)

    return Tool(function.__name__, summary(function), arguments, call)


@cache
def arguments_of(function: Callable[..., Any]) -> type[BaseModel]:
    """Make a pydantic model of a function's arguments. It refuses any other field.

    Args:
        function: A function with type hints. The ``Args`` section of its docstring describes the fields.
    """
    described = dict(re.findall(r"(?m)^ {4}(\w+): (.+)$", (inspect.getdoc(function) or "").partition("Args:")[2]))
    fields: dict[str, Any] = {}
    for name, parameter in inspect.signature(function, eval_str=True).parameters.items():
        default = ... if parameter.default is parameter.empty else parameter.default
        fields[name] = (parameter.annotation, Field(default, description=described.get(name)))
    return create_model(function.__name__, __config__=ConfigDict(extra="forbid"), **fields)


def summary(function: Callable[..., Any]) -> str:
    """Return the first paragraph of a docstring, on one line.

    Args:
        function: A function or a class.
    """
    return " ".join((inspect.getdoc(function) or "").partition("\n\n")[0].split())


async def answer(
    instructions: str, messages: list[Message], tools: Sequence[Tool], ask: Ask, note: Note | None = None
) -> Answer:
    """Answer the last message, with the help of tools.

    Args:
        instructions: The system prompt.
        messages: The conversation so far; the last message is the user's.
        tools: The tools that the model may call.
        ask: Asks the model.
        note: Adds each tool call and its result to the transcript, as ``Conversation.note`` does.

    Raises:
        FailureError: The model could not be asked.
    """
    schemas = [tool.schema for tool in tools]
    new: list[Message] = []
    mistakes = 0
    for _ in range(MOST_ROUNDS):
        try:
            message = await ask([{"role": "system", "content": instructions}, *messages, *new], schemas)
        except FailureError as error:
            if not new or cancelled(error):
                raise
            # The user must learn what was done, and not ask for it again.
            done = shortened(" ".join(each["content"] for each in new if each["role"] == "tool"), 2 * LONGEST_RESULT)
            text = f"I could not finish that. {reason(error)} Before that, my tools said: {done}"
            return _give_up(new, text, kind(error))
        new.append(message)
        calls = message.get("tool_calls") or []
        if not calls:
            text = message.get("content") or "I have no answer to that."
            return Answer(text, [*new[:-1], {**message, "content": text}])
        used = await asyncio.gather(*(_use(note or _nobody, tools, call["function"]) for call in calls))
        new += [
            {"role": "tool", "tool_call_id": call["id"], "content": text}
            for call, (text, _) in zip(calls, used, strict=True)
        ]
        if tokens(new) > LONGEST_TURN:
            return _give_up(new, TOO_MUCH)
        mistakes += all(mistaken for _, mistaken in used)
        if mistakes == MOST_MISTAKES:
            return _give_up(new, f"I could not use my tools properly. The last try: {used[0][0]}")
    return _give_up(new, f"I stopped after {MOST_ROUNDS} rounds without an answer. Please ask for less at once.")


def _give_up(messages: list[Message], text: str, problem: str = "") -> Answer:
    return Answer(text, [*messages, {"role": "assistant", "content": text}], problem)


async def _use(note: Note, tools: Sequence[Tool], function: dict[str, str]) -> tuple[str, bool]:
    number = note("call", function["arguments"], function["name"], 0)
    text, mistaken = await use(tools, function["name"], function["arguments"])
    text = shortened(valid_text(text), LONGEST_RESULT)
    note("result", text, function["name"], number)
    return text, mistaken


def _nobody(kind: str, text: str, tool: str, of: int) -> int:
    return 0


async def use(tools: Sequence[Tool], name: str, arguments: str) -> tuple[str, bool]:
    """Use a tool for the model. An error becomes the result, so that the model can fix its call or report the error.

    Args:
        tools: All tools.
        name: The name that the model asks for.
        arguments: The JSON that the model wrote.

    Returns:
        The result for the model, and whether the call itself was a mistake.
    """
    tool = next((tool for tool in tools if tool.name == name), None)
    if tool is None:
        return f"Unknown tool {name!r}. There are: {', '.join(tool.name for tool in tools)}.", True
    try:
        given: Any = _adapter(tool.arguments).validate_python(json_object(arguments))
    except ValidationError as error:
        return f"Invalid arguments for {name}. {invalid_fields(error)}", True
    except ValueError as error:
        return f"Invalid arguments for {name}: {error}", True
    try:
        result = await tool.call(given)
    except FailureError as error:
        if cancelled(error):
            raise
        return f"Error: {name} failed. {reason(error)}", False
    return result if isinstance(result, str) else json.dumps(to_jsonable_python(result)), False


@cache
def _adapter(described: type) -> TypeAdapter[Any]:
    return TypeAdapter(described)


@cache
def _schema(arguments: type) -> dict[str, Any]:
    return _adapter(arguments).json_schema()
