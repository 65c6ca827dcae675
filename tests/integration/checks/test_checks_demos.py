"""The exercises of notebooks 07 and 08: every right answer passes, every wrong one gets advice of its own."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import answers_nb07 as by_hand
import answers_nb08 as sdk
import pytest
from agents.run import get_default_agent_runner
from exercises import cases, is_told, passes
from temporalio.worker import Worker

from workshop_lib.demos import openai_temporal
from workshop_lib.teams.finance import worker as team_finance
from workshop_lib.teams.finance.contract import ENDPOINT
from workshop_lib.teams.offering import offered
from workshop_lib.workshop import Workshop

THREADS = ThreadPoolExecutor(4)

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("own_progress", "with_model")]

RIGHT: dict[str, dict[str, Any]] = {
    "7.1": {
        "as in the solution": by_hand.solution,
        "appended": by_hand.appended,
        "a tool of its own": by_hand.own_tool,
        "by names": by_hand.by_names,
        "catches, and says why": by_hand.tells_itself,
        "a loop of its own": by_hand.own_loop,
    },
    "7.2": {
        "as in the solution": by_hand.told,
        "unless cancelled": by_hand.told_unless_cancelled,
        "the innermost cause": by_hand.told_of_causes,
        "starts and waits": by_hand.started_first,
        "waits beside it": by_hand.waits_beside,
    },
    "8.1": {
        "as in the solution": sdk.solution,
        "described": sdk.described,
        "a tool of its own": sdk.own_tool,
    },
    "8.2": {
        "as in the solution": sdk.guarded,
        "an object": sdk.guarded_by_object,
        "looks everywhere": sdk.guarded_everywhere,
        "cleans first": sdk.guarded_by_cleaning,
    },
}
WRONG: dict[str, dict[str, tuple[Any, str]]] = {
    "7.1": {
        "only convert": (by_hand.only_convert, "What it could call before is gone"),
        "only before": (by_hand.only_before, "shown no tool that converts"),
        "no tools": (by_hand.no_tools, "may call nothing"),
        "some gone": (by_hand.some_gone, "gone: calculator, weather"),
        "no limit": (by_hand.no_limit, "No limit has reached Temporal"),
        "a limit for the start": (by_hand.start_limit, "No limit has reached Temporal"),
        "minutes": (by_hand.minutes, "may take 4 min"),
        "milliseconds": (by_hand.milliseconds, "may take 400 ms"),
        "no timedelta": (by_hand.no_timedelta, "A limit is a `timedelta`"),
        "IT's endpoint": (by_hand.endpoint_of_it, "That leads to another team"),
        "no endpoint": (by_hand.endpoint_unknown, "There is no such endpoint"),
        "another service": (by_hand.other_service, "belong together: `Exchange`"),
        "arithmetic": (by_hand.arithmetic, "answers by itself"),
        "Finance's code": (by_hand.the_handler, "answers by itself"),
        "the calculator": (by_hand.by_calculator, "answers by itself"),
        "an activity": (by_hand.an_activity, "an activity of your own"),
        "not understood": (by_hand.not_understood, "Finance's rates are Finance's to know"),
        "not noted": (by_hand.not_noted, "the transcript does not say"),
        "only the newest": (by_hand.forgets, "not only the newest"),
        "another chat": (by_hand.other_chat, "your agent named no model"),
        "another model": (by_hand.other_model, "your agent asked gpt-5"),
        "swallows": (by_hand.swallows, "What goes wrong is for the model"),
        "zero": (by_hand.returns_zero, "What goes wrong is for the model"),
        "returns nothing": (by_hand.returns_nothing, "has to be what the tool returns"),
        "always euros": (by_hand.always_euros, "40 dollars in yen"),
        "no await of the call": (by_hand.no_await_of_call, "is an `await` missing?"),
        "append": (by_hand.append_returns_none, "`append` changes a list"),
        "a list in the list": (by_hand.list_in_list, "Mind the star"),
        "the bare operation": (by_hand.bare_operation, "this is none yet"),
        "only the text": (by_hand.text_only, "not its text"),
        "no return": (by_hand.no_return, "Something returns nothing"),
        "no await": (by_hand.no_await, "is an `await` missing?"),
        "no agent": ("MyAgent", "inherits `Conversation`"),
    },
    "7.2": {
        "catches nothing": (by_hand.catches_nothing, "Your code does not catch that"),
        "no limit": (by_hand.no_limit_72, "The call has no limit for all of it"),
        "a limit for the start": (by_hand.start_limit_72, "The call has no limit for all of it"),
        "a timer": (by_hand.waits_itself, "The call has no limit for all of it"),
        "a timer, and gives up": (by_hand.waits_no_longer, "Let Temporal limit the call itself"),
        "two seconds": (by_hand.two_seconds, "less than 1.6 s left"),
        "five seconds": (by_hand.five_seconds, "The call may take 5 s"),
        "four seconds": (by_hand.four_seconds, "The call may take 4 s"),
        "three minutes": (by_hand.three_minutes, "The call may take 3 min"),
        "the chat's limit": (by_hand.chat_limit, "The call may take 4 s"),
        "hasty": (by_hand.hasty, "The call may take 800 ms"),
        "no timedelta": (by_hand.plain_number, "A limit is a `timedelta`"),
        "the outermost": (by_hand.says_error, "the innermost has Finance's words"),
        "always the same": (by_hand.says_same, "the innermost has Finance's words"),
        "raises its own": (by_hand.raises_own, "do not raise it"),
        "tries again": (by_hand.tries_again, "called Finance 3 times"),
        "tries for ever": (by_hand.tries_for_ever, "Nexus tries again by itself"),
        "tries timeouts again": (by_hand.tries_timeouts_again, "called Finance 2 times"),
        "only timeouts": (by_hand.catches_timeouts, "Your code does not catch that"),
        "only ApplicationError": (by_hand.catches_application_errors, "Your code does not catch that"),
        "only the start": (by_hand.catches_the_start, "has to stand in the `try`"),
        "only refusals": (by_hand.catches_refusals, "Your code does not catch that"),
        "None": (by_hand.nothing_on_failure, "a way on which it returns nothing"),
        "empty": (by_hand.empty_on_failure, "Say in words that there was no answer"),
        "the object": (by_hand.the_price_itself, "Make a sentence of what comes back"),
        "a number": (by_hand.a_number, "Make a sentence of what comes back"),
        "a dict": (by_hand.a_dict, "Make a sentence of what comes back"),
        "no return": (by_hand.never_returns, "a way on which it returns nothing"),
        "without the price": (by_hand.forgets_price, "The sentence lacks the price"),
        "made up": (by_hand.last_known, "a price that Finance has not told"),
        "by heart": (by_hand.by_heart, "Finance was not asked"),
        "IT": (by_hand.asks_it, "Ask Finance, with the client that is there"),
        "nobody": (by_hand.asks_nobody, "There is no such endpoint"),
        "no await": (by_hand.no_await_72, "is an `await` missing?"),
        "a handle": (by_hand.handle_only, "A handle is no price yet"),
        "misspelt": (by_hand.misspelt, "'NexusOperationError' object has no attribute 'reason'"),
        "gives up for good": (by_hand.gives_up_for_good, "For the price of GLOBX Finance was not asked"),
        "no agent": (None, "inherits `Conversation`"),
    },
    "8.1": {
        "only convert": (sdk.only_convert, "What it could call before is gone"),
        "only before": (sdk.only_before, "shown no tool that converts"),
        "no tools": (sdk.no_tools, "may call nothing"),
        "no limit": (sdk.no_limit, "No limit has reached Temporal"),
        "minutes": (sdk.minutes, "may take 4 min"),
        "no timedelta": (sdk.no_timedelta, "`timedelta(seconds="),
        "IT's endpoint": (sdk.endpoint_of_it, "That leads to another team"),
        "no endpoint": (sdk.endpoint_unknown, "There is no such endpoint"),
        "another service": (sdk.other_service, "belong together: `Exchange`"),
        "no model": (sdk.no_model, "your agent named no model"),
        "another model": (sdk.other_model, "your agent asked gpt-5"),
        "arithmetic": (sdk.arithmetic, "answers by itself"),
        "swallows": (sdk.swallows, "What goes wrong is for the model"),
        "the bare operation": (sdk.bare_operation, "an operation is none yet"),
        "a list in the list": (sdk.list_in_list, "Mind the star"),
        "append": (sdk.append_returns_none, "`append` changes a list"),
        "no return": (sdk.no_return, "Does it say `return`?"),
        "no agent of the SDK": (by_hand.solution, "inherits `AgentConversation`"),
    },
    "8.2": {
        "in parallel": (sdk.in_parallel, "the model had been shown it all the same"),
        "tells nobody": (sdk.tells_nobody, "Security was not told"),
        "no await": (sdk.no_await, "Security was not told"),
        "tells of all": (sdk.tells_of_all, "Tell it of what you refuse"),
        "refuses all": (sdk.refuses_all, "That holds no number at all"),
        "refuses digits": (sdk.refuses_digits, "12 digits are no card number"),
        "refuses twelve digits": (sdk.refuses_long, "12 digits are no card number"),
        "refuses twenty digits": (sdk.refuses_longer, "20 digits are no card number"),
        "refuses scattered digits": (sdk.refuses_scattered, "Digits that stand far apart"),
        "only in a row": (sdk.only_in_a_row, "with spaces between"),
        "only spaces": (sdk.only_spaces, "with dashes between"),
        "only the first message": (sdk.only_the_first, "`input` has the whole conversation"),
        "never": (sdk.never, "was not refused"),
        "only a text": (sdk.a_text_only, "`input` has the whole conversation"),
        "the list": (sdk.the_list, "`input` is a list of messages"),
        "the list as a dict": (sdk.the_list_as_dict, "`input` is a list of messages"),
        "no sentence": (sdk.no_sentence, "She has to know why"),
        "a flag": (sdk.a_flag, "She has to know why"),
        "a dict": (sdk.a_dict, "She has to know why"),
        "echoes": (sdk.echoes, "Leave the number out"),
        "raises": (sdk.raises, "what fails is remembered"),
        "a function": (sdk.a_function, "something that is no guardrail"),
        "of the output": (sdk.of_the_output, "something that is no guardrail"),
        "a bool": (sdk.returns_a_bool, "A guardrail returns a `GuardrailFunctionOutput`"),
        "returns nothing": (sdk.returns_nothing, "A guardrail returns a `GuardrailFunctionOutput`"),
        "not returned": (sdk.not_returned, "something that is no guardrail"),
        "one argument": (sdk.one_argument, "with three arguments"),
        "no agent": (sdk.REFUSAL, "inherits `AgentConversation`"),
    },
}
STUBS: dict[str, dict[str, Any]] = {
    "7.1": {"the stub": by_hand.stub},
    "7.2": {"the stub": by_hand.stub_72},
    "8.1": {"the stub": sdk.stub},
    "8.2": {"the stub": sdk.stub_82},
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


@pytest.mark.parametrize("spawned", [True, False])
async def test_the_notebooks_own_worker_of_finance_goes_on(
    ws: Workshop, spawned: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    if spawned:
        own: Any = await ws.spawn("workshop_lib.teams.finance.worker")
    else:
        client, settings = await offered(ws, ENDPOINT, team_finance.NAMESPACE, team_finance.WORKER)
        own = ws.run(Worker, client, **settings)
    try:
        await passes("7.2", by_hand.told, capsys)
        assert own.running
        assert (await ws.endpoints())[ENDPOINT] == (team_finance.NAMESPACE, team_finance.TASK_QUEUE)
    finally:
        await ws.stop(own)


async def test_the_notebooks_own_agents_sdk_goes_on(ws: Workshop, capsys: pytest.CaptureFixture[str]) -> None:
    own = ws.run(Worker, await openai_temporal.connect(ws), **openai_temporal.WORKER, activity_executor=THREADS)
    try:
        before = get_default_agent_runner()
        await passes("8.1", sdk.solution, capsys)
        assert own.running
        assert get_default_agent_runner() is before
    finally:
        await ws.stop(own)
