"""The agent loop and what surrounds it, without a workflow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import litellm
import pytest
from temporalio.exceptions import ApplicationError

from workshop_lib.agents import loop
from workshop_lib.agents.conversation import Message
from workshop_lib.agents.model import calls
from workshop_lib.teams.support.activities import calculator

pytestmark = pytest.mark.anyio

ASKED: list[Message] = [{"role": "user", "content": "hello"}]


@dataclass
class NoArguments:
    """Of a tool that takes none."""


@pytest.mark.parametrize("content", [None, ""])
async def test_an_empty_answer_is_not_remembered_as_one(content: str | None) -> None:
    async def ask(messages: list[Message], tools: list[dict[str, Any]]) -> Message:
        return {"role": "assistant", "content": content}

    answer = await loop.answer("", ASKED, [], ask)
    assert answer.text
    assert answer.messages[-1]["content"] == answer.text


@pytest.mark.parametrize(
    ("known", "rounds", "said"),
    [(True, loop.MOST_ROUNDS, f"after {loop.MOST_ROUNDS} rounds"), (False, loop.MOST_MISTAKES, "Unknown tool 'do'")],
)
async def test_a_model_that_never_stops_calling_tools_is_stopped(known: bool, rounds: int, said: str) -> None:
    call = {"id": "1", "type": "function", "function": {"name": "do", "arguments": "{}"}}

    async def ask(messages: list[Message], tools: list[dict[str, Any]]) -> Message:
        return {"role": "assistant", "content": None, "tool_calls": [call]}

    async def do(arguments: Any = None) -> str:
        return "done"

    answer = await loop.answer("", ASKED, [loop.Tool("do", "", NoArguments, do)] if known else [], ask)
    assert said in answer.text
    assert len(answer.messages) == 2 * rounds + 1


async def test_a_long_result_is_cut() -> None:
    call = {"id": "1", "type": "function", "function": {"name": "do", "arguments": "{}"}}

    async def ask(messages: list[Message], tools: list[dict[str, Any]]) -> Message:
        more = {"tool_calls": [call]} if messages[-1]["role"] == "user" else {}
        return {"role": "assistant", "content": "done", **more}

    async def do(arguments: Any) -> str:
        return "x" * 2 * loop.LONGEST_RESULT

    answer = await loop.answer("", ASKED, [loop.Tool("do", "", NoArguments, do)], ask)
    assert len(answer.messages[1]["content"]) < loop.LONGEST_RESULT + 10


@pytest.mark.parametrize(
    ("header", "seconds"), [("2", 2.0), ("-5", 0.0), ("inf", None), ("Wed, 21 Oct 2026 07:28:00 GMT", None)]
)
def test_retry_after_may_be_anything(header: str, seconds: float | None) -> None:
    error = litellm.exceptions.RateLimitError("too many", "openai", "offline")
    vars(error)["litellm_response_headers"] = {"retry-after": header}
    wait = calls.explained(error).next_retry_delay
    assert (None if wait is None else wait.total_seconds()) == seconds


def test_schemas_come_from_signature_and_docstring() -> None:
    tool = loop.activity_tool(calculator)
    function = tool.schema["function"]
    assert function["description"].startswith("Work out an arithmetic expression")
    described = function["parameters"]["properties"]["expression"]
    assert (described["type"], described["description"][:14]) == ("string", "The expression")
    assert function["parameters"]["required"] == ["expression"]


@pytest.mark.parametrize(
    ("expression", "value"), [("12 * (3 + 4)", 84), ("-2 ** 2", -4), ("7 / 2", 3.5), ("0.1 + 0.2", 0.3), ("10 % 4", 2)]
)
def test_the_calculator_calculates(expression: str, value: float) -> None:
    assert calculator(expression) == value


@pytest.mark.parametrize(
    "expression",
    ["", "1 / 0", "9 ** 9 ** 9", "__import__('os')", "a + 1", "'a' * 9", "-" * 10_000 + "1", "1;2"],
)
def test_the_calculator_refuses_the_rest_for_good(expression: str) -> None:
    with pytest.raises(ApplicationError) as refused:
        calculator(expression)
    assert refused.value.non_retryable
