"""The exercises of notebook 03: every right answer passes, every wrong one gets advice of its own."""

from __future__ import annotations

from typing import Any

import answers_nb03 as answers
import pytest
from exercises import cases, is_told, passes

from workshop_lib.checks.exercise import check
from workshop_lib.evidence.ledger import note
from workshop_lib.evidence.progress import progress
from workshop_lib.workshop import Workshop

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("own_progress", "with_model")]
RIGHT: dict[str, dict[str, Any]] = {
    "3.1": {"as in the solution": answers.shipping(answers.cost)},
    "3.2": {"by hand": answers.ByHand, "matching": answers.ByMatching, "library": answers.FromTheLibrary},
    "3.3": {"asks first": answers.AsksFirst, "by itself": answers.ByItself, "raises": answers.RaisesARefusal},
    "3.4": {"the library's key": answers.vouchers(answers.library_key), "its own": answers.vouchers(answers.own_key)},
}
WRONG: dict[str, dict[str, tuple[Any, str]]] = {
    "3.1": {
        "no docstring": (answers.shipping(answers.cost, None), "Begin the function with a docstring"),
        "one price": (answers.shipping(lambda kilograms, country: 5 + 2 * kilograms), "It should be 27"),
        "no weight": (answers.shipping(lambda kilograms, country: 15), "It should be 27"),
        "a text": (answers.shipping(lambda kilograms, country: "27 dollars"), "does not have the type"),
        "other parameters": (answers.ship, "Keep its parameters: kilograms, country"),
        "no activity": (answers.cost, "Keep `@activity.defn`"),
    },
    "3.2": {
        "naive": (answers.Naive, "`json.loads` raises ValueError"),
        "only JSON": (answers.OnlyJson, "Compare `name` first"),
        "no fields": (answers.NoFields, "Do not drop it in silence"),
        "no types": (answers.NoTypes, "Look at its type"),
        "no object": (answers.NoObject, "look whether it is a `dict` first"),
        "no object, no fields": (answers.NoObjectButFields, "look whether it is a `dict` first"),
        "mute": (answers.Mute, "Return the weather as text"),
        "no activity": (answers.NoActivity, "Let an activity do it"),
        "no agent": (answers.cost, "inherits `Conversation`"),
    },
    "3.3": {
        "never asks": (answers.NeverAsks, "Nobody was asked, and the money was paid"),
        "no await": (answers.NoAwait, "Nobody was asked, and the money was paid"),
        "pays first": (answers.PaysFirst, "paid before anybody had decided"),
        "ignores the answer": (answers.IgnoresTheAnswer, "A person said no, and the money was paid"),
        "asks once": (answers.AsksOnce, "Nobody was asked this time"),
        "says too little": (answers.SaysTooLittle, "The amount and the order belong in it"),
        "in a hurry": (answers.InAHurry, "wait at least a day"),
        "pays nobody": (answers.PaysNobody, "the money was paid 0 times"),
        "tells nothing": (answers.TellsNothing, "Return a text that says so"),
        "pays by itself": (answers.PaysByItself, "Not in activity context"),
    },
    "3.4": {
        "uuid4": (answers.vouchers(answers.random_key), "no random number"),
        "a clock": (answers.vouchers(answers.clock_key), "no clock"),
        "the attempt": (answers.vouchers(answers.attempt_key), "no attempt"),
        "the workflow": (answers.vouchers(answers.workflow_key), "another voucher in the same conversation"),
        "no run": (answers.vouchers(answers.forgets_the_run), "ids of activities start anew in each run"),
        "the activity's id": (answers.vouchers(answers.activity_key), "ids of activities start anew in each run"),
        "nothing posted": (answers.posts_nothing, "with a key that no other activity has"),
    },
}
STUBS = {
    "3.1": {"the stub": answers.shipping(answers.unfinished)},
    "3.2": {"the stub": answers.Unfinished},
    "3.3": {"the stub": answers.NoPay},
    "3.4": {"the stub": answers.vouchers(answers.unfinished)},
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
    await is_told(number, case[0], [case[1], "is not right yet"], capsys)


async def test_what_the_notebook_paid_back_itself_is_not_held_against_an_answer(
    ws: Workshop, capsys: pytest.CaptureFixture[str]
) -> None:
    last = int(ws.id("order").partition("-")[2])
    for number in range(last + 1, last + 5):
        note("refund", order=f"order-{number}", amount=30)
    await check("3.3", answers.AsksFirst)
    assert progress()["3.3"].passed, capsys.readouterr().out
    ws.ledger.clear()  # other tests take these ids for orders of their own


@pytest.mark.parametrize(("number", "answer"), cases(STUBS))
async def test_a_stub_is_not_solved_yet(number: str, answer: Any, capsys: pytest.CaptureFixture[str]) -> None:
    await is_told(number, answer, ["is not solved yet"], capsys)
