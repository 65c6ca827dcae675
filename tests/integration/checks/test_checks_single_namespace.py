"""The exercises of notebook 04: every right answer passes, every wrong one gets advice of its own."""

from __future__ import annotations

from typing import Any

import answers_nb04 as answers
import pytest
from exercises import cases, is_told, passes

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("own_progress", "with_model")]
RIGHT: dict[str, dict[str, Any]] = {
    "4.1": {
        "as in the solution": answers.AsInTheSolution,
        "by name": answers.ByName,
        "says why": answers.SaysWhy,
    },
    "4.2": {
        "as in the solution": answers.MyAssistant,
        "no id": answers.WithoutAnId,
        "workflow.uuid4": answers.WithAUuid,
        "start, then await": answers.InTwoSteps,
        "the class itself": answers.GivesTheClass,
        "beside another tool": answers.TwoTools,
        "explains the failure": answers.Explains,
    },
    "4.3": {
        "as in the solution": answers.ReportAgent,
        "no id": answers.WithoutAnOrderId,
        "in a task": answers.InATask,
    },
}
_ASK = "Ask for it: `found = await workflow.execute_activity("
_LET_PASS = "Let the failure of `count_issues` pass"
WRONG: dict[str, dict[str, tuple[Any, str]]] = {
    "4.1": {
        "no timeout": (answers.NoTimeout, "Give each call `start_to_close_timeout"),
        "no timeout to record": (answers.NoTimeoutToRecord, "Give each call `start_to_close_timeout"),
        "records first": (answers.RecordsFirst, "Count first, then make one `text`"),
        "records something else": (answers.RecordsSomethingElse, "both keep and return that"),
        "records the metrics": (answers.RecordsTheMetrics, "Your workflow kept on record {"),
        "records twice": (answers.RecordsTwice, "Ask for `record` once"),
        "never records": (answers.NeverRecords, "Ask for `record`, with `await`"),
        "notes itself": (answers.NotesItself, "Ask for `record`, with `await`"),
        "counts itself": (answers.CountsItself, _ASK),
        "awaits the function": (answers.AwaitsTheFunction, "A plain call runs the function in the workflow"),
        "records itself": (answers.RecordsItself, "not a plain call"),
        "makes numbers up": (answers.MakesNumbersUp, _ASK),
        "swallows the unknown": (answers.SwallowsTheUnknown, _LET_PASS),
        "swallows it quietly": (answers.SwallowsQuietly, _LET_PASS),
        "records the failure": (answers.RecordsTheFailure, "Keep a text when `count_issues` has worked"),
        "loses the reason": (answers.LosesTheReason, "failed with another reason"),
        "a plain error": (answers.RaisesAPlainError, _LET_PASS),
        "tries for ever": (answers.TriesForEver, _LET_PASS),
        "counts once only": (answers.CountsOnceOnly, "no `maximum_attempts`"),
        "records once only": (answers.RecordsOnceOnly, "no `maximum_attempts`"),
        "returns the metrics": (answers.ReturnsTheMetrics, "Your workflow returned {"),
        "records and returns them": (answers.RecordsAndReturnsTheMetrics, "Make a sentence of it"),
        "returns nothing": (answers.ReturnsNothing, "End with `return text`"),
        "no await of the count": (answers.NoAwaitOfTheCount, "is an `await` missing?"),
        "no await of the record": (answers.NoAwaitOfTheRecord, "Ask for `record`, with `await`"),
        "no numbers": (answers.NoNumbers, "It lacks `found.open` and `found.closed`"),
        "only the open": (answers.OnlyTheOpen, "It lacks `found.closed`"),
        "no project": (answers.NoProject, "It lacks `found.project`"),
        "gives the query": (answers.GivesTheQuery, "takes the project's name, a text"),
        "no workflow": (answers.record, "Keep `@workflow.defn`"),
    },
    "4.2": {
        "no tool": (answers.NoTool, "The model was shown no tool"),
        "only the method": (answers.OnlyTheMethod, "The list holds tools, not methods"),
        "calls the method": (answers.CallsTheMethod, "Hand in the method itself, without a call"),
        "mixes the arguments": (answers.MixesTheArguments, "The description comes before the type"),
        "no description": (answers.NoDescription, "the model used it all the same"),
        "useless description": (answers.UselessDescription, "Describe it in the words of a customer"),
        "useless name": (answers.UselessName, "Describe it in the words of a customer"),
        "other arguments": (answers.OtherArguments, "takes closed, days, open, project"),
        "a text as arguments": (answers.TextArguments, "takes no arguments with a name"),
        "gives the project": (answers.GivesTheProject, "takes the query itself, not a part of it"),
        "constant id": (answers.ConstantId, "asked for two projects at once, and both calls had the id"),
        "id of the conversation": (answers.IdOfTheConversation, "Each call needs an id of its own"),
        "id of the project": (answers.IdOfTheProject, "Two customers asked for the same project"),
        "uuid4": (answers.RandomId, "A replay must come to the same id"),
        "id of an object": (answers.IdOfAnObject, "A replay must come to the same id"),
        "only starts": (answers.OnlyStarts, "waits for the start only"),
        "returns the handle": (answers.ReturnsTheHandle, "gives a handle, not the result"),
        "an activity": (answers.AnActivity, "its activity stands in the agent's own history"),
        "runs it itself": (answers.RunsItself, "its activity stands in the agent's own history"),
        "calls the function": (answers.CallsTheFunction, "the agent's history shows nothing of it"),
        "no await": (answers.NoAwait, "Is an `await` missing?"),
        "returns no metrics": (answers.ReturnsNoMetrics, "Return its result"),
        "calls run": (answers.CallsRun, "Hand in `MeasureProject.run` without a call"),
        "hushes up": (answers.HushesUp, "Let the failure of the child pass"),
        "raises its own": (answers.RaisesItsOwn, "Let the failure of the child pass"),
        "in a hurry": (answers.InAHurry, "no limit"),
        "no agent": (answers.AsInTheSolution, "inherits `Conversation`"),
    },
    "4.3": {
        "waits": (answers.Waits, "Only start it"),
        "awaits the handle": (answers.AwaitsTheHandle, "The customer had to wait for the report"),
        "dies with its parent": (answers.DiesWithItsParent, "the report was terminated with the conversation"),
        "cancelled with its parent": (answers.CancelledWithItsParent, "the report was canceled with the conversation"),
        "in a task, with its parent": (answers.InATaskWithItsParent, "ParentClosePolicy.ABANDON"),
        "in a task, later": (answers.InATaskAtTheEnd, "no child workflow was started"),
        "an activity": (answers.AnActivityInATask, "no child workflow was started"),
        "constant id": (answers.ConstantOrderId, "Each order needs an id of its own"),
        "one order a conversation": (answers.OneOrderAConversation, "Each order needs an id of its own"),
        "id of the project": (answers.OrderIdOfTheProject, "Each order needs an id of its own"),
        "swallows the second order": (answers.SwallowsTheSecondOrder, "Each order needs an id of its own"),
        "starts nothing": (answers.StartsNothing, "Start it before you return"),
        "no await": (answers.NoAwaitOfTheStart, "Start it before you return, with `await`"),
        "gives the handle": (answers.GivesTheHandle, "Return a sentence for the customer"),
        "says nothing": (answers.SaysNothing, "Return a sentence: the report is on its way"),
        "orders the text": (answers.OrdersTheText, "takes the query itself, not a part of it"),
        "no agent": (answers.record, "inherits `Conversation`"),
        "no agent, but a workflow": (answers.AsInTheSolution, "inherits `Conversation`"),
    },
}
STUBS: dict[str, dict[str, Any]] = {
    "4.1": {"the stub": answers.NoReport},
    "4.2": {"the stub": answers.NotBegun, "half of it": answers.NoMethod},
    "4.3": {"the stub": answers.NoOrder},
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
