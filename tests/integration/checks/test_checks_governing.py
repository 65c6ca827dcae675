"""The exercises of notebook 06: every right answer passes, every wrong one gets advice of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import answers_nb06 as answers
import pytest
from answers_nb06 import door, signed_door
from exercises import cases, is_told, passes

from workshop_lib.governance.identity import Verifier

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("own_progress")]

RIGHT: dict[str, dict[str, Any]] = {
    "6.1": {
        "by the rules": door(answers.by_the_rules),
        "the other way round": door(answers.the_other_way_round),
        "unclear is nobody": door(answers.unclear_is_nobody),
    },
    "6.2": {
        "as in the solution": signed_door(answers.verified),
        "rule first": signed_door(answers.rule_first),
        "links must agree": signed_door(answers.links_must_agree),
        "the library's verifier first": answers.ByTheLibrary,
    },
    "6.3": {"by the log": answers.by_the_log, "up the links": answers.up_the_links, "its entries": answers.first_entry},
}
WRONG: dict[str, dict[str, tuple[Any, str]]] = {
    "6.1": {
        "open to all": (door(answers.open_to_all), "Compare the caller with `RULES`"),
        "open to nobody": (door(answers.open_to_nobody), "which the rules allow, and was refused"),
        "PermissionError": (door(answers.python_errors), "tries again until the caller's time is up"),
        "ApplicationError": (door(answers.application_error), "A refusal is a HandlerError"),
        "INTERNAL": (door(answers.internal), "the error has the type INTERNAL"),
        "to be tried again": (door(answers.retryable), "Leave `retryable_override` out"),
        "ValueError not caught": (door(answers.uncaught), "`caller` raises ValueError then: catch it"),
        "unclear is fine": (door(answers.unclear_is_fine), "If nobody knows who calls, refuse"),
        "any link": (door(answers.first_link), "without a link, and got in"),
        "KeyError": (door(answers.no_rule_no_key), "`RULES.get(operation, [])` is empty then"),
        "no rule is open": (
            door(answers.no_rule_is_open),
            "Sales called list_customers, which has no rule, and got in",
        ),
        "one list": (door(answers.one_list), "Marketing called stock_price, and got in"),
        "too strict": (door(answers.too_strict), "Marketing called calculate_roi, which the rules allow"),
        "too late": (door(answers.too_late), "refused when the operation had run"),
        "no await": (door(answers.no_await), "Is an `await` missing?"),
        "nothing back": (door(answers.nothing_back), "and return its answer"),
        "silent": (door(answers.silent), "and your code returned None"),
        "says nothing": (door(answers.says_nothing), "lacks: marketing, stock_price"),
        "trusts a header": (door(answers.trusts_a_header), "a header of its own that said sales, and got in"),
        "names nobody": (door(answers.no_rule_no_name), "lacks: sales, list_customers"),
        "no rule is for one": (door(answers.no_rule_is_its_own), "Marketing called list_customers, which has no rule"),
        "clients only": (door(answers.only_clients), "Sales called stock_price from a workflow"),
        "waits": (door(answers.waits), "your code has not decided"),
        "BAD_REQUEST": (door(answers.bad_request), "the error has the type BAD_REQUEST"),
        "a failed operation": (door(answers.failed_operation), "A refusal is a HandlerError"),
        "takes a verifier": (signed_door(answers.verified), "Keep its `__init__` as it was"),
        "an object": (door(answers.by_the_rules)(), "Hand in the class itself: `Door`"),
        "the wrong class": (answers.DoorFor, "Hand in `Door`, not the class behind it"),
    },
    "6.2": {
        "no verify": (signed_door(answers.no_verify), "Call `self.verifier.verify(…)` first"),
        "no spend": (signed_door(answers.no_spend), "Call `self.verifier.spend(claims, ctx.request_id)`"),
        "no rule": (signed_door(answers.no_rule), "compare `claims.namespace`"),
        "by the links": (signed_door(answers.by_the_links), "Links can be forged"),
        "reads it itself": (signed_door(answers.reads_it_itself), "Let `verify` read the token"),
        "a random request": (signed_door(answers.random_request), "under the request's own id"),
        "one request": (signed_door(answers.constant_request), "before you let it through"),
        "any audience": (signed_door(answers.any_audience), "`whom`, as it stands there"),
        "a nonce for a request": (signed_door(answers.nonce_for_request), "with just that id"),
        "trusts a header": (signed_door(answers.signed_trusts_a_header), "a header of its own that said sales"),
        "KeyError": (signed_door(answers.signed_no_key), "`RULES.get(operation, [])` is empty then"),
        "no rule is open": (signed_door(answers.signed_no_rule_is_open), "which has no rule, and got in"),
        "whom is None": (signed_door(answers.nobody_is_called), "`verify` needs the call that is made"),
        "no whom": (signed_door(answers.forgets_whom), "`verify` needs the call that is made"),
        "one operation": (signed_door(answers.one_operation), "`whom`, as it stands there"),
        "swapped": (signed_door(answers.swapped), "`self.verifier.spend(claims, ctx.request_id)`"),
        "INTERNAL": (signed_door(answers.signed_internal), "the error has the type INTERNAL"),
        "says nothing": (signed_door(answers.signed_says_nothing), "lacks: marketing, stock_price"),
        "an object": (signed_door(answers.verified)(Verifier({}, Path())), "Hand in the class itself: `SignedDoor`"),
        "too late": (signed_door(answers.signed_too_late), "refused when the operation had run"),
        "no verifier": (answers.NoVerifier, "Keep its `__init__` as it was"),
    },
    "6.3": {
        "itself": (answers.itself, "That is the workflow that you were given"),
        "the direct caller": (answers.direct_caller, "That one is not the first"),
        "no namespace": (answers.no_namespace, "Put the namespace before it"),
        "another namespace": (answers.wrong_namespace, "its namespace is not"),
        "a list": (answers.a_link, "Return a text"),
        "hard-coded": (answers.hard_coded, "That one is not the first"),
        "in a circle": (answers.in_a_circle, "Stop where `links` is empty"),
        "past the end": (answers.past_the_end, "whoever has none began it"),
        "in one namespace": (answers.in_one_namespace, "Let `unified_log(handle)` follow the links"),
        "two up": (answers.two_up, "That one is not the first"),
        "the run": (answers.the_run, "That is the id of its run"),
        "only sales": (answers.only_sales, "its namespace is not"),
        "the last": (answers.the_last, "That is the workflow that you were given"),
        "another sign": (answers.another_sign, "with a slash between"),
        "no await": (answers.no_await_of_the_log, "is an `await` missing?"),
        "nothing": (answers.nothing, "Return a text"),
        "two arguments": (answers.two_arguments, "takes one handle"),
        "a text": ("sales/chat-3", "Hand in the function"),
        "not async": (answers.not_async, "an `async def`, without a call"),
    },
}
STUBS: dict[str, Any] = {
    "6.1": door(answers.unsolved),
    "6.2": signed_door(answers.signed_unsolved),
    "6.3": answers.nobody,
}


@pytest.mark.full  # the notebooks themselves are run with the first of each
@pytest.mark.parametrize(("number", "answer"), cases(RIGHT))
async def test_every_right_answer_passes(number: str, answer: Any, capsys: pytest.CaptureFixture[str]) -> None:
    await passes(number, answer, capsys)


@pytest.mark.full
@pytest.mark.parametrize(("number", "case"), cases(WRONG))
async def test_every_wrong_answer_gets_its_own_advice(
    number: str, case: tuple[Any, str], capsys: pytest.CaptureFixture[str]
) -> None:
    answer, advice = case
    await is_told(number, answer, [advice, "is not right yet"], capsys)


@pytest.mark.parametrize("number", STUBS)
async def test_a_stub_is_not_solved_yet(number: str, capsys: pytest.CaptureFixture[str]) -> None:
    await is_told(number, STUBS[number], ["is not solved yet"], capsys)
