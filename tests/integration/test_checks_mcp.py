"""The exercises of notebooks 09 and 10: every right answer passes, every wrong one gets advice of its own."""

from __future__ import annotations

from typing import Any

import answers_demo_mcp as mcp
import pytest
from exercises import cases, is_told, passes

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("own_progress", "with_model")]

RIGHT: dict[str, dict[str, Any]] = {
    "9.1": {
        "as in the solution": mcp.price,
        "joins": mcp.joins,
        "repeats what failed": mcp.repeats_failed,
        "another id of the key": mcp.hashed,
    },
    "9.2": {
        "as in the solution": mcp.CarefulAgent,
        "changed": mcp.changed,
        "removed": mcp.removed,
    },
}
WRONG: dict[str, dict[str, tuple[Any, str]]] = {
    "9.1": {
        "a random id": (mcp.random_id, "What is made anew in each call"),
        "a key and a random id": (mcp.key_and_random, "What is made anew in each call"),
        "the ticker": (mcp.ticker_id, "The key names that, and a ticker does not"),
        "one id": (mcp.fixed_id, "The key names that, and a ticker does not"),
        "only the key": (mcp.only_the_key, "Catch `WorkflowAlreadyStartedError`"),
        "only joins": (mcp.only_joins, "For one that has ended there is another argument"),
        "only refuses": (mcp.only_refuses, "It was refused"),
        "joins and refuses": (mcp.joins_and_refuses, "when its workflow had ended. It was refused"),
        "only catches": (mcp.only_catches, "For one that has ended there is another argument"),
        "terminates": (mcp.terminates, "The first caller still waits"),
        "ends on leaving": (mcp.ends_on_leaving, "is left alone, whoever waits for it"),
        "no await": (mcp.no_await, "An `await` is missing"),
        "no await of the result": (mcp.no_await_of_result, "An `await` is missing"),
        "a handle": (mcp.handle_only, "A handle is no price yet"),
        "untyped": (mcp.untyped, "The answer was a dict"),
        "swallows": (mcp.swallows, "a way on which `price` returns nothing"),
        "swallows failures": (mcp.swallows_failures, "A failure is for the caller"),
        "forgets the reason": (mcp.forgets_reason, "A failure is for the caller"),
        "zero": (mcp.zero, "make nothing up"),
        "made up": (mcp.made_up, "make nothing up"),
        "by heart": (mcp.by_heart, "Finance had not been asked"),
        "remembers calls": (mcp.remembers, "What a process keeps in a variable ends with it"),
        "remembers results": (mcp.remembers_results, "What a process keeps in a variable ends with it"),
        "a workflow": (mcp.CarefulAgent, "which is no function"),
        "a text": ("price", "which is no function"),
    },
    "9.2": {
        "everything": (mcp.everything, "which ALLOWED does not name"),
        "denies": (mcp.denies, "What is forbidden can never be named in full"),
        "instructs": (mcp.instructs, "A model need not obey"),
        "empty": (mcp.empty, "no tool at all"),
        "objects among names": (mcp.objects_in_names, "no tool at all"),
        "only its own": (mcp.only_local, "which ALLOWED does not name"),
        "only local": (mcp.local_before, "ALLOWED names get_ip, stock_price, too"),
        "throws away": (mcp.throws_away, "which ALLOWED does not name"),
        "replaces nothing": (mcp.replaces_nothing, "which ALLOWED does not name"),
        "no return": (mcp.no_return, "Does it say `return`?"),
        "the tools": (mcp.returns_tools, "returns the agent, not its tools"),
        "a generator": (mcp.a_generator, "in square brackets"),
        "names": (mcp.names, "Keep the objects"),
        "no await": (mcp.no_await_92, "is an `await` missing"),
        "inverted": (mcp.inverted, "It is the other way round"),
        "one missing": (mcp.one_missing, "ALLOWED names weather, too"),
        "one missing later": (mcp.one_missing_later, "as soon as a server has it"),
        "by words": (mcp.by_words, "current_project_metrics, ip_history, which ALLOWED does not name"),
        "no agent": (mcp.price, "inherits `McpConversation`"),
    },
}
STUBS: dict[str, dict[str, Any]] = {
    "9.1": {"the stub": mcp.stub},
    "9.2": {"the stub": mcp.stub_92},
}


@pytest.mark.parametrize(("number", "answer"), cases(RIGHT))
async def test_every_right_answer_passes(number: str, answer: Any, capsys: pytest.CaptureFixture[str]) -> None:
    await passes(number, answer, capsys)


@pytest.mark.sampled
@pytest.mark.parametrize(("number", "case"), cases(WRONG))
async def test_every_wrong_answer_gets_its_own_advice(
    number: str, case: tuple[Any, str], capsys: pytest.CaptureFixture[str]
) -> None:
    await is_told(number, case[0], [case[1], "is not right yet"], capsys)


@pytest.mark.parametrize(("number", "answer"), cases(STUBS))
async def test_a_stub_is_not_solved_yet(number: str, answer: Any, capsys: pytest.CaptureFixture[str]) -> None:
    await is_told(number, answer, ["is not solved yet"], capsys)
