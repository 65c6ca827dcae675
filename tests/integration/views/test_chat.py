"""A chat with a running agent: messages in order, approvals, ends, and what happens when nobody answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from clerks import Clerk
from temporalio.client import Client, WorkflowHandle
from temporalio.worker import Worker

from workshop_lib.agents.conversation import Chat, Reply
from workshop_lib.evidence.messages import WorkshopError
from workshop_lib.views.chat.chat import Chatter, _newest, chat
from workshop_lib.views.chat.controls import Controls
from workshop_lib.workers.in_process import InProcessWorker
from workshop_lib.workshop import Workshop

pytestmark = pytest.mark.anyio
Start = Callable[[], Awaitable[WorkflowHandle[Any, Any]]]


@pytest.fixture
async def settings(ws: Workshop) -> dict[str, Any]:
    """Of the Worker."""
    return {"task_queue": ws.id("queue"), "workflows": [Clerk]}


@pytest.fixture
async def handle(ws: Workshop, client: Client, settings: dict[str, Any]) -> AsyncIterator[WorkflowHandle[Any, Any]]:
    """A conversation, with a handle that knows no types."""
    worker = ws.run(Worker, client, **settings)
    id, queue = ws.id("chat"), settings["task_queue"]
    await client.start_workflow(Clerk.run, Chat(), id=id, task_queue=queue, execution_timeout=timedelta(hours=1))
    yield client.get_workflow_handle(id)
    _newest.pop(id).close()
    for execution in await ws.open_executions(["Clerk"]):
        await ws.terminate([execution], "the test is over")
    await ws.stop(*workers(ws, worker.place[1]))


def workers(ws: Workshop, queue: str) -> list[InProcessWorker]:
    return [each for each in ws.workers if isinstance(each, InProcessWorker) and each.place[1] == queue]


async def until(true: Callable[[], Any], seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not true():
            await asyncio.sleep(0.02)


async def watched(handle: WorkflowHandle[Any, Any]) -> tuple[Chatter, Controls]:
    """A chat with its controls, as in a notebook."""
    view = _newest[handle.id] = Chatter(handle)
    await view.look()
    view.controls = Controls(view)
    return view, view.controls


def enter(controls: Controls, text: str) -> None:
    """As the browser does: the key, then the text."""
    controls.box._handle_custom_msg({"event": "submit"}, [])
    controls.box.value = text


async def test_messages_get_their_own_replies_in_order_and_are_shown_live(
    handle: WorkflowHandle[Any, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert await chat(handle, "one", "two") == [Reply("You said one"), Reply("You said two")]
    text = capsys.readouterr().out
    assert "  look_up(text='one') → …\n" in text, "a call is seen while it runs"
    last = "  look_up(text='one') → found one\nAgent: You said one\nYou: two\n  look_up(text='two') → found two\n"
    assert text.endswith(f"You: one\n{last}Agent: You said two\n")
    assert await chat(handle) == []
    assert capsys.readouterr().out.endswith("Agent: You said two\n"), "an old conversation is shown"
    await until(lambda: not _newest[handle.id]._tasks, 1)  # nobody looks any more


async def test_what_is_typed_while_another_message_is_answered_is_answered_next(
    handle: WorkflowHandle[Any, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    view, controls = await watched(handle)
    for text in ("same", "same", "other"):
        enter(controls, text)
        assert controls.box.value == ""
    await until(lambda: not view._tasks)
    text = capsys.readouterr().out
    assert "\nYou: same\n  look_up(text='same') → …\nYou (waits): same\nYou (waits): other\n" in f"\n{text}"
    said = [entry.text for entry in view._entries if entry.kind == "agent"]
    assert said == ["You said same", "You said same", "You said other"]
    assert "(waits)" not in text.rpartition("You: same\n")[2]


async def test_text_that_stands_in_the_box_already_is_sent_once(handle: WorkflowHandle[Any, Any]) -> None:
    view, controls = await watched(handle)
    controls.box.value = "typed, then clicked elsewhere"
    assert not view._sent
    controls.box._handle_custom_msg({"event": "submit"}, [])
    controls.box._handle_custom_msg({"event": "submit"}, [])
    await until(lambda: view._entries and not view._tasks)
    controls.send.click()
    await until(lambda: not controls._entered)
    assert not view._sent
    assert [entry.kind for entry in view._entries] == ["user", "call", "result", "agent"]


@pytest.mark.parametrize(("yes", "said"), [(True, "Paid."), (False, "Not paid.")])
async def test_a_question_is_answered_by_a_button(handle: WorkflowHandle[Any, Any], yes: bool, said: str) -> None:
    view, controls = await watched(handle)
    enter(controls, "pay 30 dollars")
    await until(lambda: view.questions)
    (row,) = controls._questions.children
    assert "Pay 30 dollars?" in row.children[0].value
    await until(lambda: len(view._tasks) == 2)
    row.children[1 if yes else 2].click()
    row.children[1 if yes else 2].click()
    await until(lambda: not view._tasks)
    assert [entry.text for entry in view._entries[-2:]] == ["yes" if yes else "no", said]
    assert controls._questions.children == ()
    assert view._problem == ""


async def test_a_decision_that_came_too_late_says_so(handle: WorkflowHandle[Any, Any]) -> None:
    view, controls = await watched(handle)
    enter(controls, "pay 30 dollars")
    await until(lambda: view.questions)
    number = view.questions[0].number
    other, _ = await watched(handle)
    await other.decide(number, True)
    await view.decide(number, False)
    assert view._problem == f"Nothing waits for a decision under number {number}."
    await until(lambda: not view._tasks)


async def test_a_conversation_that_ended_is_shown_and_takes_no_message(
    handle: WorkflowHandle[Any, Any],
    ws: Workshop,
    client: Client,
    settings: dict[str, Any],
    capsys: pytest.CaptureFixture[str],
) -> None:
    view, controls = await watched(handle)
    await ws.stop(*workers(ws, settings["task_queue"]))
    enter(controls, "last words")
    controls.end.click()
    await until(lambda: view._silence)
    ws.run(Worker, client, **settings)
    assert controls.box.disabled
    assert controls.send.disabled
    await until(lambda: not view._tasks)
    assert await handle.result() == 1, "what was sent before is answered"
    assert capsys.readouterr().out.endswith("Agent: You said last words\n(This conversation has ended.)\n")
    (reply,) = await chat(handle, "hello?")
    assert reply == Reply("This conversation has ended.", "Ended")
    assert capsys.readouterr().out.endswith("You said last words\n(This conversation has ended.)\n")


async def test_without_a_worker_an_ended_conversation_cannot_be_read(
    handle: WorkflowHandle[Any, Any], ws: Workshop, settings: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    await chat(handle)
    await handle.terminate()
    await ws.stop(*workers(ws, settings["task_queue"]))
    await chat(handle)
    assert capsys.readouterr().out.endswith(
        "(This conversation has ended. A Worker would read its transcript, and none answers.)\n"
    )


async def test_a_message_that_is_refused_gets_the_reason_as_its_reply(handle: WorkflowHandle[Any, Any]) -> None:
    first, second = await chat(handle, "x" * 5000, "still there?")
    assert (first.problem, second.problem) == ("BadMessage", "")
    assert "1 to 4000 characters" in first.text


async def test_without_a_worker_a_message_waits_for_one(
    handle: WorkflowHandle[Any, Any], ws: Workshop, client: Client, settings: dict[str, Any]
) -> None:
    view, controls = await watched(handle)
    await ws.stop(*workers(ws, settings["task_queue"]))
    enter(controls, "first")
    await until(lambda: view._sent)
    enter(controls, "second")
    await until(lambda: "The agent does not answer" in view._drawn[1])
    assert "You (waits): first" in view._drawn[1]
    ws.run(Worker, client, **settings)
    await until(lambda: not view._tasks)
    assert [entry.text for entry in view._entries if entry.kind == "user"] == ["first", "second"]
    assert "does not answer" not in view._drawn[1]


async def test_an_interrupt_leaves_the_conversation_alone(handle: WorkflowHandle[Any, Any]) -> None:
    running = asyncio.create_task(chat(handle, "one", "two"))
    await until(lambda: handle.id in _newest and _newest[handle.id]._entries)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    interrupted = _newest[handle.id]
    await until(lambda: not interrupted._tasks)
    assert interrupted._problem == ""
    view, _ = await watched(handle)
    view.follow()
    await until(lambda: not view._tasks)
    assert [entry.text for entry in view._entries if entry.kind in ("user", "agent")] == ["one", "You said one"]


async def test_an_open_question_is_found_again(handle: WorkflowHandle[Any, Any]) -> None:
    """As after a restart of the kernel."""
    view, controls = await watched(handle)
    enter(controls, "pay 30 dollars")
    await until(lambda: view.questions)
    view.close()
    again, controls = await watched(handle)
    again.follow()
    controls._questions.children[0].children[1].click()
    await until(lambda: not again._tasks)
    assert again._entries[-1].text == "Paid."
    assert [entry.kind for entry in again._entries].count("user") == 1


async def test_a_question_that_nobody_answers_is_refused(handle: WorkflowHandle[Any, Any]) -> None:
    assert await chat(handle, "pay 30 dollars in a hurry") == [Reply("Not paid.")]
    assert _newest[handle.id]._entries[-2].text == "no"


async def test_the_end_refuses_an_open_question(handle: WorkflowHandle[Any, Any]) -> None:
    view, controls = await watched(handle)
    enter(controls, "pay 30 dollars")
    await until(lambda: view.questions)
    await handle.signal("end_chat")
    assert await handle.result() == 1
    await until(lambda: not view._tasks)
    assert [entry.text for entry in view._entries[-2:]] == ["no", "Not paid."]


async def test_a_newer_chat_takes_over(handle: WorkflowHandle[Any, Any]) -> None:
    view, controls = await watched(handle)
    view.follow()
    await chat(handle)
    assert controls.box.disabled
    await until(lambda: not view._tasks)


async def test_there_must_be_such_a_conversation(client: Client) -> None:
    with pytest.raises(WorkshopError, match="There is no conversation 'nobody'"):
        await chat(client.get_workflow_handle("nobody"))
    assert "nobody" not in _newest
