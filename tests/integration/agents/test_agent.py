"""The support team's agent, and what a conversation promises besides test_demos.py."""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from runs import lengths
from temporalio.client import Client, WorkflowHandle, WorkflowUpdateFailedError, WorkflowUpdateStage
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker
from waits import until

from workshop_lib.agents.conversation import LONGEST_MESSAGE, Chat, Reply
from workshop_lib.teams.support.worker import WORKER
from workshop_lib.teams.support.workflows import Dispatcher
from workshop_lib.workshop import Workshop

Handle = WorkflowHandle[Dispatcher, int]
ACCEPTED = WorkflowUpdateStage.ACCEPTED
WEATHER = "What's the weather in Oslo?"
REFUND = "Please refund $30 for {}, it was broken."


@pytest.fixture(scope="module")
async def support(ws: Workshop) -> AsyncIterator[Client]:
    await Workshop.start(model=True)
    await ws.serve("audit", "workshop_lib.teams.support.audit")
    await ws.serve("refunds", "workshop_lib.teams.support.refunds")
    client = await Client.connect(**await ws.connection("default"))
    worker = ws.run(Worker, client, **WORKER, activity_executor=ThreadPoolExecutor(20))
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
    made = await begin(ws, support, Chat(model="offline", model_seconds=5, tool_seconds=5))
    yield made
    await made.terminate()


async def ask(handle: Handle, text: str) -> Reply:
    return await handle.execute_update(Dispatcher.send_message, text)


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


async def test_long_messages_in_any_script_do_not_fill_the_transcript(handle: Handle) -> None:
    for bad in ("  ", "x" * (LONGEST_MESSAGE + 1)):
        assert await refused(handle, bad) == "BadMessage"
    for _ in range(30):
        await ask(handle, "щ" * LONGEST_MESSAGE)
    said = await handle.query(Dispatcher.transcript)
    assert sum(len(entry.text) for entry in said) <= 80_000
    assert said[-1].kind == "agent"
    await still_answers(handle)


async def test_a_message_that_is_sent_again_after_a_continue_as_new_is_answered_once(
    ws: Workshop, support: Client
) -> None:
    handle = await begin(ws, support, Chat(model="offline", most_events=10))
    first = await handle.execute_update(Dispatcher.send_message, "What is 6 * 7?", id="message-1")
    await ask(handle, "hello")
    assert len(await lengths(support, handle.id)) >= 2
    assert await handle.execute_update(Dispatcher.send_message, "What is 6 * 7?", id="message-1") == first
    said = [line.text for line in await handle.query(Dispatcher.transcript) if line.kind == "user"]
    assert said == ["What is 6 * 7?", "hello"]
    await handle.terminate()


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
