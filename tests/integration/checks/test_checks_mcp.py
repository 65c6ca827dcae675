"""The exercises of notebooks 09 and 10: every right answer passes, every wrong one gets advice of its own."""

from __future__ import annotations

from typing import Any

import answers_nb09 as mcp
import answers_nb10 as nexus
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
    "10.1": {
        "as in the solution": nexus.directory,
        "the directory": nexus.MADE,
        "tuples": nexus.tuples,
        "by handlers": nexus.by_handlers,
        "in another order": nexus.other_order,
        "a handler of its own": nexus.own_handler,
    },
    "10.2": {
        "as in the solution": nexus.guarded,
        "by name": nexus.by_name,
        "this computer": nexus.this_computer,
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
        "remembers tools": (mcp.remembers_tools, "as soon as a server has it"),
        "by words": (mcp.by_words, "current_project_metrics, ip_history, which ALLOWED does not name"),
        "no agent": (mcp.price, "inherits `McpConversation`"),
    },
    "10.1": {
        "as before": (nexus.as_before, "leave it out"),
        "roi too": (nexus.roi_too, "leave it out"),
        "no convert": (nexus.no_convert, "which comes besides"),
        "only convert": (nexus.only_convert, "What was offered before"),
        "nothing": (nexus.nothing, "It lists nothing"),
        "wrong contract": (nexus.wrong_contract, "each operation stands with its own"),
        "names": (nexus.names, "List the operations themselves, not their names"),
        "names of contracts": (nexus.names_of_contracts, "The contracts are classes"),
        "no lists": (nexus.no_lists, "stand in a list"),
        "a list": (nexus.a_list, "has a list for each contract"),
        "two dicts": (nexus.two_dicts, "takes one dict"),
        "contracts": (nexus.contracts, "List the operations themselves"),
        "twice": (nexus.twice, "Name each operation once"),
        "an operation of IT": (nexus.of_it, "Two operations were asked for"),
        "renamed": (nexus.renamed, "which comes besides"),
        "a dict": (nexus.a_dict, "`DirectoryHandler` makes one of a dict"),
        "a class": (nexus.a_class, "Make an object of it"),
        "another handler": (nexus.a_handler, "no handler of a directory"),
        "no return": (nexus.no_return, "Does it say `return`?"),
        "asynchronous": (nexus.asynchronous, "without `async`"),
        "a text": ("directory", "which is no function"),
    },
    "10.2": {
        "no token": (nexus.no_token, "Whoever reaches the port may call"),
        "an empty token": (nexus.empty_token, "Whoever reaches the port may call"),
        "another token": (nexus.other_token, "The token that counts is TOKEN"),
        "the name of the token": (nexus.its_name, "The token that counts is TOKEN"),
        "any token": (nexus.any_token, "Compare it with TOKEN"),
        "both": (nexus.both, "more than Finance's"),
        "only IT": (nexus.only_it, "not Finance's tools"),
        "nobody": (nexus.nobody, "finds no tool"),
        "no such endpoint": (nexus.no_such, "Whose tools are to be served?"),
        "a text": (nexus.a_text, "Whose tools are to be served?"),
        "no limit": (nexus.no_limit, "that is told nothing"),
        "minutes": (nexus.minutes, "may take 5 min"),
        "days": (nexus.days, "may take 5 d"),
        "milliseconds": (nexus.milliseconds, "may take 5 ms"),
        "two seconds": (nexus.two_seconds, "may take 2 s"),
        "ten seconds": (nexus.ten_seconds, "may take 10 s"),
        "a number": (nexus.a_number, "A limit is a `timedelta`"),
        "the token as limit": (nexus.token_as_limit, "Whoever reaches the port may call"),
        "other hosts": (nexus.other_hosts, "Leave `security` out"),
        "other hosts without a token": (nexus.other_hosts_without, "Leave `security` out"),
        "connects": (nexus.connects, "without a call"),
        "no endpoints": (nexus.no_endpoints, "whose tools it serves"),
        "the gateway": (nexus.the_gateway, "Its `app` makes one"),
        "the method": (nexus.the_method, "which is no application"),
        "no return": (nexus.no_return_102, "Does it say `return`?"),
        "asynchronous": (nexus.asynchronous_102, "without `async`"),
        "takes nothing": (nexus.takes_nothing, "takes `connect`"),
        "a text itself": ("guarded", "which is no function"),
    },
}
STUBS: dict[str, dict[str, Any]] = {
    "9.1": {"the stub": mcp.stub},
    "9.2": {"the stub": mcp.stub_92},
    "10.1": {"the stub": nexus.stub},
    "10.2": {"the stub": nexus.stub_102},
}


@pytest.mark.sampled  # the notebooks themselves are run with the first of each
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
