"""The support team's agent, and what a conversation promises besides test_demos.py."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest
from demo_talks import Handle, ask, begin, said
from runs import lengths
from temporalio.client import Client, WorkflowUpdateFailedError, WorkflowUpdateStage
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker
from waits import until

from workshop_lib.agents.conversation import LONGEST_MESSAGE, Conversation
from workshop_lib.teams.support.worker import TASK_QUEUE, WORKER
from workshop_lib.teams.support.workflows import Dispatcher
from workshop_lib.workshop import Workshop

ACCEPTED = WorkflowUpdateStage.ACCEPTED
WEATHER = "What's the weather in Oslo?"
REFUND = "Please refund $30 for {}, it was broken."


@pytest.fixture(scope="module")
async def support(ws: Workshop, client: Client, with_model: None) -> Client:
    await ws.serve("audit", "workshop_lib.teams.support.audit")
    await ws.serve("refunds", "workshop_lib.teams.support.refunds")
    ws.run(Worker, client, **WORKER, activity_executor=ThreadPoolExecutor(20))
    return client


@pytest.fixture
async def handle(ws: Workshop, support: Client) -> Handle:
    return await begin(ws, support, Dispatcher, TASK_QUEUE, model_seconds=5, tool_seconds=5)


async def still_answers(handle: Handle) -> None:
    assert "-4" in (await ask(handle, WEATHER)).text


async def refused(handle: Handle, text: str) -> str:
    with pytest.raises(WorkflowUpdateFailedError) as failed:
        await ask(handle, text)
    assert isinstance(failed.value.cause, ApplicationError)
    return str(failed.value.cause.type)


async def test_a_tool_that_is_down_fails_alone(ws: Workshop, handle: Handle, support: Client) -> None:
    order = ws.id("order")
    with ws.fault("refunds.answers_503", times=1000) as fault:
        asked = asyncio.create_task(ask(handle, REFUND.format(order)))
        await until(lambda: fault.fired)
        other = await begin(ws, support, Dispatcher, TASK_QUEUE)
        await still_answers(other)
        reply = await asked
    assert "fail" in reply.text
    assert "503" in reply.text
    assert ws.ledger.count("refund", order=order) == 0
    assert order in (await ask(handle, REFUND.format(order))).text
    assert ws.ledger.count("refund", order=order) == 1


async def test_an_audit_that_is_down_for_a_moment_costs_no_second_refund(ws: Workshop, support: Client) -> None:
    handle, order = await begin(ws, support, Dispatcher, TASK_QUEUE), ws.id("order")
    with ws.fault("audit.answers_503", times=2):
        await ask(handle, REFUND.format(order))
    with ws.fault("refunds.drops_answer", times=2):
        await ask(handle, REFUND.format(f"{order}0001"))
    for each in (order, f"{order}0001"):
        assert ws.ledger.count("refund", order=each) == 1
        assert sum(each in entry.details["what"].split() for entry in ws.ledger.entries("audit")) == 1


async def test_long_messages_in_any_script_do_not_fill_the_transcript(handle: Handle) -> None:
    for bad in ("  ", "x" * (LONGEST_MESSAGE + 1)):
        assert await refused(handle, bad) == "BadMessage"
    for _ in range(30):
        await ask(handle, "щ" * LONGEST_MESSAGE)
    told = await handle.query(Conversation.transcript)
    assert sum(len(entry.text) for entry in told) <= 80_000
    assert told[-1].kind == "agent"
    await still_answers(handle)


async def test_a_message_that_is_sent_again_after_a_continue_as_new_is_answered_once(
    ws: Workshop, support: Client
) -> None:
    handle = await begin(ws, support, Dispatcher, TASK_QUEUE, most_events=10)
    first = await handle.execute_update(Conversation.send_message, "What is 6 * 7?", id="message-1")
    await ask(handle, "hello")
    assert len(await lengths(support, handle.id)) >= 2
    assert await handle.execute_update(Conversation.send_message, "What is 6 * 7?", id="message-1") == first
    assert [line.text for line in await said(handle, "user")] == ["What is 6 * 7?", "hello"]


async def test_a_conversation_without_a_quiet_moment_asks_for_one(ws: Workshop, support: Client) -> None:
    handle = await begin(ws, support, Dispatcher, TASK_QUEUE, most_events=25)
    answered, busy = 0, 0

    async def insist(number: int) -> None:
        nonlocal answered, busy
        for turn in range(10):
            try:
                await handle.execute_update(Conversation.send_message, "hello", id=f"{number}-{turn}")
                answered += 1
            except WorkflowUpdateFailedError as error:
                busy += getattr(error.cause, "type", None) == "Busy"

    await asyncio.gather(*(insist(number) for number in range(8)))
    assert answered + busy == 80
    runs = await lengths(support, handle.id)
    assert busy
    assert max(runs) < 4 * 25 + 10 * 15  # what was accepted before is still answered
    await handle.signal(Conversation.end_chat)
    assert await handle.result() == answered


async def test_what_was_sent_before_the_end_is_answered(ws: Workshop, support: Client) -> None:
    handle = await begin(ws, support, Dispatcher, TASK_QUEUE)
    started = [await handle.start_update(Conversation.send_message, WEATHER, wait_for_stage=ACCEPTED) for _ in range(3)]
    await handle.signal(Conversation.end_chat)
    assert await refused(handle, "hello") == "Ended"
    assert ["-4" in (await update.result()).text for update in started] == [True] * 3
    assert await handle.result() == 3
