"""Every agent keeps its promises: messages in order, errors as sentences, a bounded memory, and it never gets stuck."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from temporalio.client import Client, WorkflowHandle, WorkflowUpdateFailedError, WorkflowUpdateStage
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

from workshop_lib.conversation import LONGEST_MESSAGE, Chat, Entry, Reply, tokens
from workshop_lib.teams.support.worker import WORKER
from workshop_lib.teams.support.workflows import Dispatcher
from workshop_lib.workshop import Workshop

pytestmark = pytest.mark.anyio

Handle = WorkflowHandle[Dispatcher, int]
ACCEPTED = WorkflowUpdateStage.ACCEPTED
ALWAYS = 1000
WEATHER = "What's the weather in Oslo?"
REFUND = "Please refund $30 for {}, it was broken."


@pytest.fixture(scope="module")
async def support(ws: Workshop) -> AsyncIterator[Client]:
    """The support team's Worker beside the tests, and its services."""
    await Workshop.start(model=True)
    await ws.serve("audit", "workshop_lib.teams.support.audit")
    await ws.serve("refunds", "workshop_lib.teams.support.refunds")
    client = await Client.connect(**await ws.connection("default"))
    worker = ws.run(Worker, client, **WORKER, activity_executor=ThreadPoolExecutor(20))
    first = await begin(ws, client)
    await ask(first, "What is 1 + 1?")  # LiteLLM imports the rest of itself with its first call
    await first.terminate()
    yield client
    await ws.stop(worker)


async def begin(ws: Workshop, client: Client, chat: Chat | None = None, queue: str = "support") -> Handle:
    return await client.start_workflow(
        Dispatcher.run,
        chat or Chat(model="offline"),
        id=ws.id("chat"),
        task_queue=queue,
        execution_timeout=timedelta(minutes=5),
    )


@pytest.fixture
async def handle(ws: Workshop, support: Client) -> AsyncIterator[Handle]:
    """One conversation with short limits."""
    made = await begin(ws, support, Chat(model="offline", model_seconds=3, tool_seconds=3))
    yield made
    await made.terminate()


async def ask(handle: Handle, text: str) -> Reply:
    return await handle.execute_update(Dispatcher.send_message, text)


async def transcript(handle: Handle, kind: str) -> list[Entry]:
    return [entry for entry in await handle.query(Dispatcher.transcript) if entry.kind == kind]


async def still_answers(handle: Handle) -> None:
    began = time.monotonic()
    assert "-4" in (await ask(handle, WEATHER)).text
    assert time.monotonic() - began < 3


async def refused(handle: Handle, text: str) -> str:
    with pytest.raises(WorkflowUpdateFailedError) as failed:
        await ask(handle, text)
    assert isinstance(failed.value.cause, ApplicationError)
    return str(failed.value.cause.type)


async def test_messages_at_once_have_their_own_answers_in_order(handle: Handle) -> None:
    sums = [f"What is {number} * 11?" for number in range(2, 10)]
    started = [await handle.start_update(Dispatcher.send_message, text, wait_for_stage=ACCEPTED) for text in sums]
    replies = await asyncio.gather(*(update.result() for update in started))
    assert [str(number * 11) in reply.text for number, reply in enumerate(replies, 2)] == [True] * 8
    assert [entry.text for entry in await transcript(handle, "user")] == sums
    said = [entry.kind for entry in await handle.query(Dispatcher.transcript)]
    assert said == ["user", "call", "result", "agent"] * 8, "one is answered before the next begins"


@pytest.mark.parametrize(("status", "kind"), [("401", "AuthenticationError"), ("404", "NotFoundError")])
async def test_a_permanent_error_is_not_retried_and_told(ws: Workshop, handle: Handle, status: str, kind: str) -> None:
    with ws.fault(f"model.answers_{status}", times=ALWAYS) as fault:
        reply = await ask(handle, WEATHER)
    assert (reply.problem, fault.fired) == (kind, 1)
    assert status in reply.text
    await still_answers(handle)


async def test_a_rate_limit_is_waited_for_as_long_as_the_provider_asks(ws: Workshop, support: Client) -> None:
    handle = await begin(ws, support)
    with ws.fault("model.answers_429", times=8, seconds=1) as fault:
        reply = await ask(handle, WEATHER)
    assert (reply.problem, fault.fired) == ("", 8)
    gaps = [later - earlier for earlier, later in zip(fault.at, fault.at[1:], strict=False)]
    assert min(gaps) >= 0.95
    await still_answers(handle)
    await handle.terminate()


@pytest.mark.parametrize(
    ("fault", "seconds", "problem"),
    [
        ("answers_500", 1.0, "InternalServerError"),
        ("answers_503", 1.0, "ServiceUnavailableError"),
        ("answers_429", 1.0, "RateLimitError"),
        ("answers_429", 3600.0, "RateLimitError"),
        ("answers_nonsense", 1.0, "InternalServerError"),
        ("delays", 60.0, "TimeoutError"),
    ],
)
async def test_a_model_that_is_down_for_good_ends_in_a_sentence(
    ws: Workshop, handle: Handle, fault: str, seconds: float, problem: str
) -> None:
    began = time.monotonic()
    with ws.fault(f"model.{fault}", times=ALWAYS, seconds=seconds):
        reply = await ask(handle, WEATHER)
    assert reply.problem == problem
    assert reply.text.startswith("I could not answer that. ")
    assert time.monotonic() - began < 5
    await still_answers(handle)


@pytest.mark.parametrize("times", [1, ALWAYS])
@pytest.mark.parametrize(
    "mistake", ["garbles_arguments", "forgets_arguments", "invents_tool", "invents_field", "mistypes_field"]
)
async def test_the_models_mistakes_are_its_own_to_repair(
    ws: Workshop, handle: Handle, mistake: str, times: int
) -> None:
    with ws.fault(f"model.{mistake}", times=times) as fault:
        reply = await ask(handle, WEATHER)
    assert reply.problem == ""
    if times == 1:
        assert fault.fired == 1
        assert "-4" in reply.text
        results = [entry.text for entry in await transcript(handle, "result")]
        assert results[0].startswith(("Invalid arguments", "Unknown tool"))
        assert results[1:] == ["Oslo: snow, -4 °C"]
    else:
        assert 1 < fault.fired < 10
        assert "-4" not in reply.text
    await still_answers(handle)


async def test_a_tool_may_take_longer_than_a_person_waits(ws: Workshop, support: Client) -> None:
    handle = await begin(ws, support)
    ledger = ws.ledger.count("refund")
    order, began = ws.id("order"), time.monotonic()
    with ws.fault("refund.is_slow", seconds=15) as fault:
        asked = asyncio.create_task(ask(handle, REFUND.format(order)))
        while not fault.fired:
            await asyncio.sleep(0.05)
        other = await begin(ws, support)
        await still_answers(other)  # meanwhile
        assert order in (await asked).text
    assert fault.fired == 1
    assert time.monotonic() - began > 15  # in one attempt: a second would have been quick
    assert ws.ledger.count("refund") == ledger + 1
    await asyncio.gather(handle.terminate(), other.terminate())


async def test_a_tool_that_is_down_fails_alone(ws: Workshop, handle: Handle, support: Client) -> None:
    order = ws.id("order")
    with ws.fault("refunds.answers_503", times=ALWAYS) as fault:
        asked = asyncio.create_task(ask(handle, REFUND.format(order)))
        while not fault.fired:
            await asyncio.sleep(0.05)
        other = await begin(ws, support)
        await still_answers(other)
        reply = await asked
    assert "fail" in reply.text
    assert "503" in reply.text
    assert ws.ledger.count("refund", order=order) == 0
    assert order in (await ask(handle, REFUND.format(order))).text
    assert ws.ledger.count("refund", order=order) == 1
    await other.terminate()


async def test_an_audit_that_is_down_for_a_moment_costs_no_second_refund(ws: Workshop, support: Client) -> None:
    handle, order = await begin(ws, support), ws.id("order")
    with ws.fault("audit.answers_503", times=2):
        await ask(handle, REFUND.format(order))
    with ws.fault("refunds.drops_answer", times=2):
        await ask(handle, REFUND.format(f"{order}0001"))
    for each in (order, f"{order}0001"):
        assert ws.ledger.count("refund", order=each) == 1
        assert sum(each in entry.details["what"].split() for entry in ws.ledger.entries("audit")) == 1
    await handle.terminate()


async def test_what_was_done_before_the_model_failed_is_told(ws: Workshop, handle: Handle) -> None:
    order = ws.id("order")
    with ws.fault("model.answers_503", times=ALWAYS, skip=3):  # the dispatcher's second call
        reply = await ask(handle, REFUND.format(order))
    assert reply.problem == "ServiceUnavailableError"
    assert f"paid back for {order}" in reply.text
    assert ws.ledger.count("refund", order=order) == 1
    await still_answers(handle)


async def test_a_specialist_that_is_cancelled_is_told_of(ws: Workshop, handle: Handle, support: Client) -> None:
    with ws.fault("search_documents.is_slow", seconds=20) as fault:
        asked = asyncio.create_task(ask(handle, "What does the handbook say about the warranty?"))
        while not fault.fired:
            await asyncio.sleep(0.02)
        (started,) = [e for e in await ws.open_executions(["Specialist"]) if e.id.startswith(f"{handle.id}-")]
        await support.get_workflow_handle(started.id).cancel()
        reply = await asked
    assert "ask specialist" in reply.text
    assert "ancelled" in reply.text
    await still_answers(handle)


async def test_long_messages_in_any_script_do_not_fill_the_transcript(ws: Workshop, handle: Handle) -> None:
    for _ in range(30):
        await ask(handle, "щ" * LONGEST_MESSAGE)
    said = await handle.query(Dispatcher.transcript)
    assert sum(len(entry.text) for entry in said) <= 80_000
    assert said[-1].kind == "agent"
    await still_answers(handle)


async def test_conversations_do_not_wait_for_each_other(ws: Workshop, support: Client) -> None:
    handles = [await begin(ws, support) for _ in range(4)]
    await asyncio.gather(*(ask(handle, "hello") for handle in handles))
    began = time.monotonic()
    with ws.fault("model.delays", times=4, seconds=5) as fault:
        replies = await asyncio.gather(*(ask(handle, "hello") for handle in handles))
    assert time.monotonic() - began < 7
    assert fault.fired == 4
    assert [reply.problem for reply in replies] == [""] * 4
    await asyncio.gather(*(handle.terminate() for handle in handles))


async def test_200_turns_stay_small_and_the_first_is_remembered(ws: Workshop, support: Client) -> None:
    handle = await begin(ws, support, Chat(model="offline", memory_tokens=500, most_events=400))
    await ask(handle, "My name is Ann, and I live in Oslo.")
    bills = len(ws.ledger.entries("model call"))
    for number in range(199):
        await ask(handle, f"What is {number} * 2?")
    assert "Ann" in (await ask(handle, "What's my name?")).text
    used = [entry.details["tokens"] for entry in ws.ledger.entries("model call")[bills:]]
    assert max(used) < 1_500
    runs = await lengths(support, handle.id)
    assert len(runs) >= 4
    assert max(runs) < 600
    await handle.signal(Dispatcher.end_chat)
    assert await handle.result() == 201  # the last execution's


async def lengths(client: Client, workflow_id: str) -> list[int]:
    """Of the histories of all executions of a conversation."""
    run: str | None = (
        await client.get_workflow_handle(workflow_id).describe()
    ).raw_description.workflow_execution_info.first_run_id
    found = []
    while run:
        events = [event async for event in client.get_workflow_handle(workflow_id, run_id=run).fetch_history_events()]
        found.append(len(events))
        run = events[-1].workflow_execution_continued_as_new_event_attributes.new_execution_run_id
    return found


async def test_a_message_that_is_sent_again_after_a_continue_as_new_is_answered_once(
    ws: Workshop, support: Client
) -> None:
    handle = await begin(ws, support, Chat(model="offline", most_events=10))
    first = await handle.execute_update(Dispatcher.send_message, "What is 6 * 7?", id="message-1")
    await ask(handle, "hello")
    assert len(await lengths(support, handle.id)) >= 2
    assert await handle.execute_update(Dispatcher.send_message, "What is 6 * 7?", id="message-1") == first
    assert len(await transcript(handle, "user")) == 2
    await handle.terminate()


async def test_bad_messages_are_refused(handle: Handle) -> None:
    assert await refused(handle, "  ") == "BadMessage"
    assert await refused(handle, "x" * (LONGEST_MESSAGE + 1)) == "BadMessage"
    assert await transcript(handle, "user") == []


async def test_a_conversation_without_a_quiet_moment_asks_for_one(ws: Workshop, support: Client) -> None:
    handle = await begin(ws, support, Chat(model="offline", most_events=25))
    answered, busy = 0, 0

    async def insist(number: int) -> None:
        nonlocal answered, busy
        for turn in range(10):
            try:
                await handle.execute_update(Dispatcher.send_message, "hello", id=f"{number}-{turn}")
                answered += 1
            except WorkflowUpdateFailedError as error:
                busy += getattr(error.cause, "type", None) == "Busy"

    await asyncio.gather(*(insist(number) for number in range(8)))
    assert answered + busy == 80
    runs = await lengths(support, handle.id)
    assert busy
    assert max(runs) < 4 * 25 + 10 * 15  # what was accepted before is still answered
    await handle.signal(Dispatcher.end_chat)
    assert await handle.result() == answered


async def test_what_was_sent_before_the_end_is_answered(ws: Workshop, support: Client) -> None:
    handle = await begin(ws, support)
    started = [await handle.start_update(Dispatcher.send_message, WEATHER, wait_for_stage=ACCEPTED) for _ in range(3)]
    await handle.signal(Dispatcher.end_chat)
    assert await refused(handle, "hello") == "Ended"
    assert ["-4" in (await update.result()).text for update in started] == [True] * 3
    assert await handle.result() == 3


def test_the_memory_keeps_the_first_turn_and_the_newest() -> None:
    chat = Chat(memory_tokens=100)
    for number in range(50):
        chat.remember([{"role": "user", "content": f"message {number}"}, {"role": "assistant", "content": "x" * 50}])
    told = [turn[0]["content"] for turn in chat.turns]
    assert told[0] == "message 0"
    assert told[1:] == [f"message {number}" for number in range(51 - len(told), 50)]
    assert tokens(chat.turns[1:]) <= 100 < tokens(chat.turns[1:]) + tokens([chat.turns[1]])


def test_a_turn_that_alone_fills_the_memory_is_remembered_all_the_same() -> None:
    chat = Chat(memory_tokens=100)
    chat.remember([{"role": "user", "content": "first"}])
    chat.remember([{"role": "user", "content": "x" * 10_000}])
    assert len(chat.turns) == 2


def test_a_long_line_of_the_transcript_is_cut() -> None:
    agent = Dispatcher(Chat())
    agent.note("result", "x" * 2 * LONGEST_MESSAGE, "weather")
    assert len(agent.transcript()[0].text) < LONGEST_MESSAGE + 10


def test_tokens_are_counted_by_the_rule_of_thumb() -> None:
    assert tokens([{"a": "b" * 391}]) == 100
