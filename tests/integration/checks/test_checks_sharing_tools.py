"""The exercises of notebook 05: every right answer passes, every wrong one gets advice of its own."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import answers_nb05 as answers
import pytest
from exercises import cases, is_told, passes
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Worker

from workshop_lib.teams.it import worker as team_it
from workshop_lib.teams.it.contract import HostAddress, HostQuery
from workshop_lib.teams.offering import SETTINGS
from workshop_lib.workshop import Workshop

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("own_progress", "with_model")]


RIGHT: dict[str, dict[str, Any]] = {
    "5.1": {
        "the request": answers.REQUEST,
        "the host and the request": answers.HOST_AND_REQUEST,
        "a plain def that hands the coroutine on": answers.PlainDefOfACoroutine,
        "temporal_operation": answers.NewestWay,
        "without types of its own": answers.typed(HostQuery, HostAddress),
    },
    "5.2": {
        "as in the solution": answers.Asks,
        "by names": answers.AsksByName,
        "a plain def": answers.HandsOn,
        "starts and waits": answers.StartsAndWaits,
        "the library's tool": answers.FromTheLibrary,
        "catches, and says why": answers.TellsItself,
    },
    "5.3": {
        "as in the solution": answers.pricing(answers.priced),
        "a bad request": answers.pricing(answers.bad_request),
        "a failed operation": answers.pricing(answers.failed),
        "None is dollars": answers.pricing(answers.none_is_dollars, answers.MayBeNone),
        "a plain def": answers.PlainPrice,
    },
    "5.4": {
        "as in the solution": answers.Patched,
        "asked in run": answers.PatchedInRun,
        "both ways": answers.BothWays,
        "a local activity": answers.PatchedLocally,
        "a patch for each question": answers.PatchedEachTime,
    },
}
WRONG: dict[str, dict[str, tuple[Any, str]]] = {
    "5.1": {
        "another name": (answers.OtherNameHandler, "call it `get_ip`"),
        "swapped types": (answers.typed(HostAddress, HostQuery), "The other way round"),
        "other types": (answers.typed(dict, dict), "takes dict and gives dict"),
        "text": (answers.typed(HostQuery, str), "gives str"),
        "the contract": (answers.HostService, "You handed in the contract"),
        "an object": (answers.REQUEST(), "Hand in the class itself"),
        "a text": ("get_ip", "which is no handler"),
        "no decorator": (answers.Undecorated, "Keep `@service_handler(service=HostService)`"),
        "computes": (answers.Computes, "Your handler answers by itself"),
        "computes in a thread": (answers.ComputesInAThread, "Your handler answers by itself"),
        "waits": (answers.Waits, "Your handler answers by itself"),
        "a constant": (answers.CONSTANT, "there is a workflow with the id 'get-ip' already"),
        "the host": (answers.OF_THE_HOST, "Two callers may ask for the same host"),
        "the host, for good": (answers.ONCE_AND_FOR_ALL, "Two callers may ask for the same host"),
        "joins": (answers.JOINS, "a workflow of its own, with its own query"),
        "uuid4": (answers.RANDOM, "not of a clock or a random number"),
        "a clock": (answers.CLOCK, "not of a clock or a random number"),
        "another workflow": (answers.OTHER_WORKFLOW, "Your handler started the workflow MeasureProject"),
        "another queue": (answers.OTHER_QUEUE, "Leave `task_queue` out"),
        "a retry policy": (answers.TRIES_ON, "without a retry policy"),
        "only the name": (answers.ONLY_THE_NAME, "Hand the query on as it is"),
        "no await": (answers.NoAwait, "An `await` is missing"),
        "a plain def": (answers.PlainDef, "Begin it with `async def`"),
        "the client's handle": (answers.BY_THE_CLIENT, "Return what `ctx.start_workflow` gives"),
        "the result": (answers.RESULT, "Return what `ctx.start_workflow` gives"),
        "nothing": (answers.NOTHING, "Return what `ctx.start_workflow` gives"),
        "misspelt": (answers.MISSPELT, "Your handler raised an error: AttributeError"),
    },
    "5.2": {
        "no limit": (answers.NoLimit, "You gave the operation no limit"),
        "two seconds": (answers.Hasty, "may take 2 s"),
        "ten minutes": (answers.Endless, "may take 10 min"),
        "a limit for the start": (answers.LimitsTheStart, "You gave the operation no limit"),
        "a timer": (answers.WaitsByItself, "You gave the operation no limit"),
        "a child workflow": (answers.AsChild, "FindHost itself, as a child workflow"),
        "a child on IT's queue": (answers.AsChildElsewhere, "FindHost itself, as a child workflow"),
        "an activity": (answers.AsActivity, "look_up_host itself, as an activity"),
        "only starts": (answers.OnlyStarts, "Wait for its result"),
        "no await": (answers.ForgetsAwait, "An `await` is missing"),
        "another endpoint": (answers.WrongEndpoint, "The endpoint is called 'it'"),
        "no timedelta": (answers.NotATimedelta, "`schedule_to_close_timeout=timedelta(seconds=10)`"),
        "makes up": (answers.MakesUp, "Catch nothing"),
        "says nothing": (answers.SaysNothing, "Catch nothing"),
        "says the same": (answers.SaysTheSame, "Two reasons, one text"),
        "raises its own": (answers.RaisesItsOwn, "let its error pass"),
        "by heart": (answers.KnowsByHeart, "IT was not asked"),
        "returns nothing": (answers.ReturnsNothing, "Return what the operation returns"),
        "no agent": (answers.priced, "inherits `Conversation`"),
    },
    "5.3": {
        "required": (answers.pricing(answers.priced, answers.Required), "Give the new field a default"),
        "euros by default": (answers.pricing(answers.priced, answers.EurosByDefault), "takes them for dollars"),
        "renamed": (answers.pricing(answers.priced, answers.Renamed), "Keep `ticker` as it was"),
        "amount": (answers.pricing(answers.priced, price_type=answers.Amount), "Keep `price` as it was"),
        "a text": (answers.pricing(answers.as_text, price_type=answers.AsText), "and `price`, a number"),
        "ignores": (answers.pricing(answers.ignores), "Look at `query.currency`"),
        "divides": (answers.pricing(answers.divides), "do not divide"),
        "KeyError": (answers.pricing(answers.key_error), "GBP was refused with KeyError"),
        "retryable": (answers.pricing(answers.retryable), "Say that it is final"),
        "ValueError": (answers.pricing(answers.value_error), "Nexus takes that for a bug"),
        "says little": (answers.pricing(answers.says_little), "Say which currencies there are"),
        "an enum": (answers.pricing(answers.priced, answers.Enumerated), "Say which currencies there are"),
        "takes any": (answers.pricing(answers.takes_any), "A caller who asked for GBP got"),
        "unmarked": (
            answers.pricing(lambda q: answers.Unmarked(q.ticker, 120), price_type=answers.Unmarked),
            "does not say",
        ),
        "always dollars": (answers.pricing(answers.always_dollars), "The answer is in EUR, and says 'USD'"),
        "upside down": (answers.pricing(answers.upside_down), "Refuse only a currency"),
        "another field": (answers.pricing(answers.priced, answers.SomethingElse), "Call the new field `currency`"),
    },
    "5.4": {
        "unpatched": (answers.Unpatched, "Your code asks for it in any case"),
        "asks first": (answers.AsksFirst, "Put it before `loop.answer`"),
        "ignores the result": (answers.IgnoresTheResult, "`patched` is an answer"),
        "inverted": (answers.Inverted, "without `not`"),
        "deprecated": (answers.TooEarly, "it is too early for that"),
        "by itself": (answers.ByItself, "A side effect belongs into an activity"),
        "not when replaying": (answers.NotWhenReplaying, "What decides must be the same in each replay"),
        "only the first": (answers.OnlyTheFirst, "only the first is noted"),
        "always the first": (answers.AlwaysTheFirst, "The newest message is the last"),
        "no await": (answers.NoAwaitOfNote, "with `await`"),
        "only patched": (answers.OnlyPatched, "`patched` does nothing by itself"),
        "twice": (answers.NotesTwice, "noted 2 times"),
        "the message": (answers.NotesTheMessage, "`note_question` takes a text"),
        "no limit": (answers.NoLimitAtAll, "Activity must have start_to_close_timeout"),
        "unchanged": (answers.Unchanged, "the question is not noted"),
        "another type": (answers.OtherType, "Open conversations are of the type Clerk"),
        "no agent": (answers.priced, "Hand in the class `Clerk`"),
    },
}
STUBS: dict[str, dict[str, Any]] = {
    "5.1": {"the stub": answers.EmptyHandler},
    "5.2": {"the stub": answers.HostStub},
    "5.3": {"the stub": answers.pricing(answers.price_stub)},
    "5.4": {"the stub": answers.ClerkStub},
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


@pytest.mark.parametrize(("number", "answer"), cases(STUBS))
async def test_a_stub_is_not_solved_yet(number: str, answer: Any, capsys: pytest.CaptureFixture[str]) -> None:
    await is_told(number, answer, ["is not solved yet"], capsys)


@pytest.mark.parametrize("spawned", [True, False])
async def test_the_notebooks_own_worker_of_it_goes_on(
    ws: Workshop, spawned: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    if spawned:
        own: Any = await ws.spawn("workshop_lib.teams.it.worker")
    else:
        client = await Client.connect(**await ws.connection("it", data_converter=pydantic_data_converter))
        threads = ThreadPoolExecutor(4)
        own = ws.run(Worker, client, **team_it.WORKER, **SETTINGS, activity_executor=threads)
    try:
        await passes("5.2", answers.Asks, capsys)
        assert own.running
    finally:
        await ws.stop(own)
