"""The exercises of notebook 02: every right answer passes, every wrong one gets advice of its own."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import answers_nb02 as answers
import pytest
from temporalio.common import RetryPolicy

from workshop_lib.checks.exercise import check
from workshop_lib.evidence.progress import progress

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("own_progress")]

TENTH, SECOND = timedelta(milliseconds=100), timedelta(seconds=1)
FINAL = ["CardDeclined"]


def policy(**change: Any) -> RetryPolicy:
    settings = {"initial_interval": TENTH, "maximum_interval": SECOND, "non_retryable_error_types": FINAL}
    return RetryPolicy(**{**settings, **change})


RIGHT = {
    "2.1": {
        "as in the solution": policy(),
        "more that is final": policy(non_retryable_error_types=["CardDeclined", "Refunded"]),
        "always the same pause": policy(backoff_coefficient=1.0, maximum_interval=None),
    },
    "2.2": {"the order": answers.charging(answers.order_id), "the workflow": answers.in_async},
    "2.3": {"a list": answers.Right, "nested": answers.ByHand},
    "2.4": {"the last item": answers.goes_on, "all items": answers.goes_on_with_a_list},
}
WRONG: dict[str, dict[str, tuple[Any, str]]] = {
    "2.1": {
        "untouched": (RetryPolicy(), '"CardDeclined"'),
        "a wrong name": (policy(non_retryable_error_types=["CardDeclinedError"]), "not retry: CardDeclinedError"),
        "the class": (policy(non_retryable_error_types=["ApplicationError"]), "not retry: ApplicationError"),
        "three attempts": (policy(maximum_attempts=3), "gave up after 3 attempts"),
        "one attempt": (policy(maximum_attempts=1), "gave up after 1 attempts"),
        "outage is final": (policy(non_retryable_error_types=[*FINAL, "HTTPStatusError"]), "no other error among"),
        "a late first retry": (policy(initial_interval=SECOND), "after a tenth of a second"),
        "no longest pause": (policy(maximum_interval=None), "grow to 10 s"),
        "a text": (policy(non_retryable_error_types="CardDeclined"), "a list of texts"),
        "a class": (policy(non_retryable_error_types=[ValueError]), "a list of texts"),
        "a number": (policy(initial_interval=0.1), "Write `timedelta(seconds=0.1)`"),
        "a dict": ({"maximum_attempts": 3}, "Hand in a `RetryPolicy(…)`"),
    },
    "2.2": {
        "no key": (answers.charging(answers.no_key), "charged 3 times, without a key"),
        "uuid4": (answers.charging(answers.random_key), "Each attempt had a key of its own"),
        "a clock": (answers.charging(answers.clock_key), "not from a clock"),
        "the attempt": (answers.charging(answers.attempt_key), "or the attempt"),
        "no text": (answers.charging(answers.order_key), "The key must be a text"),
        "a fixed key": (answers.charging(answers.fixed_key), "was not charged at all"),
        "the activity's id": (answers.charging(answers.activity_key), "Another order needs another key"),
        "the customer": (answers.charging(answers.customer_key), "was not charged at all"),
        "a memory": (answers.remembers, "What a process remembers dies with it"),
        "nothing returned": (answers.returns_nothing, "Return what `charge` returns"),
        "no activity": (answers.order_id, "Keep `@activity.defn`"),
    },
    "2.3": {
        "no undo": (answers.NoUndo, "nothing was undone"),
        "the wrong exception": (answers.CatchesTheWrongOne, "what a failed step raises is `ActivityError`"),
        "no release": (answers.NoRelease, "the goods stayed put aside"),
        "forwards": (answers.Forwards, "Undo the last step first"),
        "noted after": (answers.NotedAfter, "*before* you charge"),
        "one path only": (answers.OnePathOnly, "Declan's card was declined, and the goods stayed put aside"),
        "swallowed": (answers.Swallows, "When all is undone, `raise`"),
        "undone always": (answers.UndoesAlways, "undo only in `except`"),
        "nothing returned": (answers.ReturnsNothing, "the tracking number"),
    },
    "2.4": {
        "no heartbeat": (answers.no_heartbeat, "Send one after each item"),
        "no details": (answers.no_details, "began at item 1 again"),
        "one too far": (answers.skips_one, "Never packed: [9]"),
        "noted too early": (answers.noted_too_early, "Never packed: [9]"),
        "not a list": (answers.not_a_list, "Your activity fails: TypeError"),
        "no activity": (answers.pack_one, "Keep `@activity.defn`"),
    },
}


@pytest.mark.parametrize(("number", "name"), [(number, name) for number in RIGHT for name in RIGHT[number]])
async def test_right_answers_pass(number: str, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    await check(number, RIGHT[number][name])
    assert f"✓ Exercise {number} passed" in capsys.readouterr().out
    assert progress()[number].passed


@pytest.mark.sampled
@pytest.mark.parametrize(("number", "name"), [(number, name) for number in WRONG for name in WRONG[number]])
async def test_wrong_answers_are_refused_with_their_own_advice(
    number: str, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    answer, advice = WRONG[number][name]
    await check(number, answer)
    text = capsys.readouterr().out
    assert f"✗ Exercise {number} is not right yet." in text
    assert advice in text
    assert not progress()[number].passed


@pytest.mark.parametrize(
    ("number", "stub"), [("2.2", answers.stub), ("2.3", answers.Stub), ("2.4", answers.stub_packing)]
)
async def test_a_stub_is_not_solved_yet(number: str, stub: Any, capsys: pytest.CaptureFixture[str]) -> None:
    await check(number, stub)
    assert f"○ Exercise {number} is not solved yet" in capsys.readouterr().out
    assert progress()[number].error == ""
