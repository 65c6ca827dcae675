"""The agent loop and what surrounds it, without a workflow."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import litellm
import pytest
from agents import Agent, FunctionTool
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from workshop_lib.agents import loop
from workshop_lib.agents.conversation import Chat, Message, Reply
from workshop_lib.agents.discovery import DiscoveringConversation
from workshop_lib.agents.model import calls
from workshop_lib.agents.operations import operation_tool
from workshop_lib.teams.finance.contract import ENDPOINT, Finance
from workshop_lib.teams.support.activities import calculator

ASKED: list[Message] = [{"role": "user", "content": "hello"}]
CALL = {"id": "1", "type": "function", "function": {"name": "do", "arguments": "{}"}}
LIMIT = timedelta(seconds=5)


@dataclass
class NoArguments:
    """Of a tool that takes none."""


async def do(arguments: Any = None) -> str:
    return "x" * 2 * loop.LONGEST_RESULT


@pytest.mark.parametrize(
    ("known", "calls", "rounds", "said"),
    [
        (True, 1, loop.MOST_ROUNDS, f"after {loop.MOST_ROUNDS} rounds"),
        (False, 1, loop.MOST_MISTAKES, "Unknown tool 'do'"),
        (True, 60, 1, loop.TOO_MUCH),
    ],
)
async def test_a_model_that_never_stops_calling_tools_is_stopped_and_long_results_are_cut(
    known: bool, calls: int, rounds: int, said: str
) -> None:
    async def ask(messages: list[Message], tools: list[dict[str, Any]]) -> Message:
        return {"role": "assistant", "content": None, "tool_calls": [CALL] * calls}

    answer = await loop.answer("", ASKED, [loop.Tool("do", "", NoArguments, do)] if known else [], ask)
    assert said in answer.text
    assert len(answer.messages) == (1 + calls) * rounds + 1
    assert len(answer.messages[1]["content"]) < loop.LONGEST_RESULT + 10


@pytest.mark.parametrize(
    ("header", "seconds"), [("2", 2.0), ("-5", 0.0), ("inf", None), ("Wed, 21 Oct 2026 07:28:00 GMT", None)]
)
def test_retry_after_may_be_anything(header: str, seconds: float | None) -> None:
    error = litellm.exceptions.RateLimitError("too many", "openai", "offline")
    vars(error)["litellm_response_headers"] = {"retry-after": header}
    wait = calls.explained(error).next_retry_delay
    assert (None if wait is None else wait.total_seconds()) == seconds


async def test_whether_the_time_is_over_is_not_judged_by_the_clock_of_this_machine() -> None:
    environment, error = ActivityEnvironment(), litellm.exceptions.RateLimitError("too many", "openai", "offline")
    server = datetime(2000, 1, 1, tzinfo=UTC)
    times = {"scheduled_time": server, "started_time": server + timedelta(seconds=30)}
    environment.info = replace(environment.info, **times)  # type: ignore[arg-type]
    over = [environment.run(calls.explained, error, left).non_retryable for left in (40.0, 20.0)]
    assert over == [False, True]


def test_schemas_come_from_signature_and_docstring_or_from_the_contract() -> None:
    function = loop.activity_tool(calculator).schema["function"]
    assert function["description"].startswith("Work out an arithmetic expression")
    described = function["parameters"]["properties"]["expression"]
    assert (described["type"], described["description"][:14]) == ("string", "The expression")
    assert function["parameters"]["required"] == ["expression"]
    function = operation_tool(Finance.calculate_roi, Finance, ENDPOINT, LIMIT).schema["function"]
    assert function["description"] == "The return on an investment (ROI), in percent."
    invested = function["parameters"]["properties"]["invested"]
    assert (invested["type"], invested["exclusiveMinimum"]) == ("number", 0)
    assert invested["description"]
    assert function["parameters"]["additionalProperties"] is False


async def test_what_is_handed_to_the_next_execution_is_bounded() -> None:
    talk = Discovering(Chat())
    for number in range(30):
        talk._keep(str(number), Reply("x" * 100_000))
    assert list(talk.chat.replies) == ["29"]
    for number in range(30):
        talk._keep(str(number), Reply("x"))
    assert list(talk.chat.replies) == [str(number) for number in range(10, 30)]


class Discovering(DiscoveringConversation):
    """Has a tool of its own, and a team that offers one of the same name."""

    def agent(self) -> Agent[None]:
        return Agent("a", tools=[self.tool("own", {"name": "calculator"})])

    def teams(self) -> list[str]:
        return ["team"]

    async def offered(self, team: str) -> list[dict[str, Any]]:
        raise NotImplementedError

    def tool(self, team: str, described: dict[str, Any]) -> FunctionTool:
        return FunctionTool(described["name"], team, {}, on_invoke_tool=do)  # type: ignore[arg-type]


async def test_a_teams_tool_does_not_take_the_place_of_an_own_one() -> None:
    agent = await Discovering(Chat(offered={"team": [{"name": "calculator"}, {"name": "dividend"}]})).ready()
    found = [tool for tool in agent.tools if isinstance(tool, FunctionTool)]
    assert [(tool.name, tool.description) for tool in found] == [("calculator", "own"), ("dividend", "team")]


@pytest.mark.parametrize(
    "expression", ["", "1 / 0", "9 ** 9 ** 9", "__import__('os')", "'a' * 9", "-" * 10_000 + "1", "(-8) ** 0.5"]
)
def test_the_calculator_refuses_the_rest_permanently(expression: str) -> None:
    with pytest.raises(ApplicationError) as refused:
        calculator(expression)
    assert refused.value.non_retryable
    assert expression[-3:] != "0.5" or "no real number" in str(refused.value)
