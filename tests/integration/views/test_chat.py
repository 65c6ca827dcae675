"""A chat with a running agent: messages in order, approvals, ends, and what happens when nobody answers."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from clerks import Clerk
from temporalio.client import Client
from temporalio.worker import Worker
from waits import until

from workshop_lib.agents.conversation import Chat, Reply
from workshop_lib.views.chat.chat import Chatter, _newest, chat
from workshop_lib.views.chat.controls import Controls
from workshop_lib.workshop import Workshop


class Agent:
    """A conversation, with a handle that knows no types, and its Worker."""

    def __init__(self, ws: Workshop, client: Client) -> None:
        self.ws, self.client, self.id, self.queue = ws, client, ws.id("chat"), ws.id("queue")
        self.handle = client.get_workflow_handle(self.id)

    def begin(self) -> None:
        self.worker = self.ws.run(Worker, self.client, task_queue=self.queue, workflows=[Clerk])

    async def stop(self) -> None:
        await self.ws.stop(self.worker)

    async def watched(self) -> tuple[Chatter, Controls]:
        """A chat with its controls, as in a notebook."""
        view = _newest[self.id] = Chatter(self.handle)
        view.controls = Controls(view.send, view.decide, view.end)
        await view.look()
        return view, view.controls


@pytest.fixture
async def agent(ws: Workshop, client: Client) -> AsyncIterator[Agent]:
    made = Agent(ws, client)
    made.begin()
    hour = timedelta(hours=1)
    await client.start_workflow(Clerk.run, Chat(), id=made.id, task_queue=made.queue, execution_timeout=hour)
    yield made
    _newest.pop(made.id).close()
    for execution in await ws.open_executions(["Clerk"]):
        await ws.terminate([execution], "the test is over")
    await made.stop()


def enter(controls: Controls, text: str) -> None:
    """As the browser does: the key, then the text."""
    controls.box._handle_custom_msg({"event": "submit"}, [])
    controls.box.value = text


async def test_messages_get_their_own_replies_in_order_and_are_shown_live(
    agent: Agent, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await chat(agent.handle, "one", "two") == [Reply("You said one"), Reply("You said two")]
    text = capsys.readouterr().out
    assert "  look_up(text='one') → …\n" in text, "a call is seen while it runs"
    last = "  look_up(text='one') → found one\nAgent: You said one\nYou: two\n  look_up(text='two') → found two\n"
    assert text.endswith(f"You: one\n{last}Agent: You said two\n")
    assert await chat(agent.handle) == []
    assert capsys.readouterr().out.endswith("Agent: You said two\n"), "an old conversation is shown"
    await until(lambda: not _newest[agent.id]._tasks)  # nobody looks any more


async def test_what_is_typed_while_another_message_is_answered_is_answered_next(
    agent: Agent, capsys: pytest.CaptureFixture[str]
) -> None:
    view, controls = await agent.watched()
    for text in ("same", "same", "other"):
        enter(controls, text)
        assert controls.box.value == ""
    await until(lambda: not view._tasks)
    text = capsys.readouterr().out
    assert "\nYou: same\n  look_up(text='same') → …\nYou (waits): same\nYou (waits): other\n" in f"\n{text}"
    said = [entry.text for entry in view._entries if entry.kind == "agent"]
    assert said == ["You said same", "You said same", "You said other"]
    assert "(waits)" not in text.rpartition("You: same\n")[2]


@pytest.mark.parametrize(("yes", "said"), [(True, "Paid."), (False, "Not paid.")])
async def test_a_question_is_found_again_and_answered_by_a_button(
    agent: Agent, yes: bool, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Found again as after a restart of the kernel."""
    first, controls = await agent.watched()
    enter(controls, "pay 30 dollars")
    await until(lambda: first.questions)
    first.close()
    assert capsys.readouterr().out.endswith("(A newer chat shows this conversation.)\n")
    view, controls = await agent.watched()
    (row,) = controls.questions.children
    assert "Pay 30 dollars?" in row.children[0].value
    row.children[1 if yes else 2].click()
    row.children[1 if yes else 2].click()
    await until(lambda: not view._tasks)
    assert [entry.text for entry in view._entries[-2:]] == ["yes" if yes else "no", said]
    assert controls.questions.children == ()
    assert view._problem == ""


async def test_a_conversation_that_ended_is_shown_and_takes_no_message(
    agent: Agent, capsys: pytest.CaptureFixture[str]
) -> None:
    view, controls = await agent.watched()
    await agent.stop()
    enter(controls, "last words")
    controls.end.click()
    await until(lambda: view._silence)
    assert controls.box.disabled
    assert controls.send.disabled
    agent.begin()
    await until(lambda: not view._tasks)
    assert await agent.handle.result() == 1, "what was sent before is answered"
    assert capsys.readouterr().out.endswith("Agent: You said last words\n(This conversation has ended.)\n")
    assert await chat(agent.handle, "hello?") == [Reply("This conversation has ended.", "Ended")]
    await agent.stop()
    await chat(agent.handle)
    unread = "(This conversation has ended. Its transcript cannot be read, because none of its Workers is running.)\n"
    assert capsys.readouterr().out.endswith(unread)


async def test_an_interrupt_sends_no_more_and_leaves_the_conversation_alone(agent: Agent) -> None:
    running = asyncio.create_task(chat(agent.handle, "one", "two"))
    await until(lambda: agent.id in _newest and _newest[agent.id]._entries)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    interrupted = _newest[agent.id]
    await until(lambda: not interrupted._tasks)
    assert interrupted._problem == ""
    assert [entry.text for entry in interrupted._entries if entry.kind in ("user", "agent")] == ["one", "You said one"]
