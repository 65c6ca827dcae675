"""Talk to a learner's agent, with a Worker that forgets all after each step, and tell what became of it."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Any

import temporalio.client as tc
from temporalio import workflow
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.service import RPCError

from workshop_lib.agents import loop
from workshop_lib.agents.conversation import SORRY, Answer, Chat, Conversation, Line, Message, Reply
from workshop_lib.agents.model.calls import ask_model, call_model
from workshop_lib.agents.model.planner import plan
from workshop_lib.checks.exercise import NOT_SOLVED, Wrong, require
from workshop_lib.checks.harness import recorded
from workshop_lib.checks.harness.serving import serve
from workshop_lib.checks.harness.trial import FOREVER, start, worker
from workshop_lib.evidence.failures import describe
from workshop_lib.evidence.history import History, Step, history, spoken
from workshop_lib.teams.support.activities import calculator, weather
from workshop_lib.workers import takeover
from workshop_lib.workshop import Workshop

MODELS = ("call_model", "invoke_model_activity")  # the activities that ask the model
MODEL_SECONDS = 60.0  # far more than a call takes: a slow machine is nobody's mistake
_MOST_TURNS = 20
_NO_MODEL = "another"  # which nobody has
LEAST = timedelta(seconds=1.6)  # with less, the server does not even send a call


@dataclass(frozen=True)
class Turn:
    """What is recorded of one message, while it is answered or afterwards.

    Attributes:
        answered: Whether it has its reply.
        resting: Whether the agent's code waits, and has nothing else to do.
        steps: What the agent has asked for since the message came.
        reply: What the user was answered.
    """

    answered: bool
    resting: bool
    steps: list[Step]
    reply: str = ""

    @property
    def calls(self) -> list[Step]:
        """The Nexus operations."""
        return [step for step in self.steps if step.kind == "nexus operation"]

    @property
    def late(self) -> bool:
        """Whether a limit ended before what it limits did: on a slow machine, that is nobody's mistake."""
        ends = [step.closed for step in self.steps if step.kind == "timer" and step.status == "completed"]
        during = (at and call.scheduled <= at <= (call.closed or at) for call in self.calls for at in ends)
        return any(step.status == "timed out" for step in self.steps) or any(during)


Judge = Callable[[Turn], None]
"""Looks at a turn from time to time until it is over, and once more then; raises ``Wrong``."""


def limited(
    limit: timedelta | None, what: str, least: timedelta = LEAST, most: timedelta = FOREVER, advice: str = "limit"
) -> None:
    """See to it that a step has a limit that fits.

    Args:
        limit: The step's; None for one without, which may take as long as the conversation of a check does.
        what: What was expected.
        least: The shortest that is right.
        most: The longest.
        advice: As for ``require``.

    Raises:
        Wrong: It does not fit.
    """
    limit = FOREVER if limit is None else limit
    saw = spoken(limit) if timedelta(0) < limit < FOREVER - timedelta(days=1) else "none"
    saw += ", with which the server does not send a call" if timedelta(0) < limit < LEAST else ""
    require(least <= limit <= most, what, saw, advice)


def holds(reply: str, *parts: str, advice: str = "default") -> None:
    """See to it that a reply has some parts.

    Args:
        reply: The reply.
        parts: What it should have.
        advice: As for ``require``.

    Raises:
        Wrong: One of them is missing.
    """
    plain = reply.replace(",", "")  # 6,080 is 6080
    require(all(part in plain for part in parts), f"a reply with {' and '.join(map(repr, parts))}", repr(reply), advice)


@dataclass(frozen=True)
class Asked:
    """One call of the model.

    Attributes:
        model: As in ``Chat``; None if none was named.
        tools: What it may call: name, description, parameters.
        messages: What it was shown.
    """

    model: str | None
    tools: list[dict[str, Any]]
    messages: list[dict[str, Any]]


class Talk:
    """One conversation with an agent that is checked.

    Args:
        handle: Of its workflow.

    Attributes:
        problem: Of the latest reply.
    """

    def __init__(self, handle: tc.WorkflowHandle[Any, Any]) -> None:
        self.handle = handle
        self.problem = ""

    def send(self, text: str) -> asyncio.Task[Reply]:
        """Send a message, and do not wait for its reply."""
        return recorded.quietly(self.handle.execute_update("send_message", text, result_type=Reply))

    async def say(self, text: str) -> str:
        """Send a message and wait for its reply."""
        return await self.reply(self.send(text), text)

    async def once(self, text: str, judge: Judge = lambda turn: None) -> Turn:
        """Send a message once, and wait for its reply.

        Args:
            text: The message.
            judge: Sees the turn.

        Raises:
            Wrong: The judge says so, or there is no reply.
        """
        before = len((await history(self.handle)).steps)

        def look(told: History, *, answered: bool = False) -> Turn:
            made = Turn(answered, told.resting, told.steps[before:])
            judge(made)
            return made

        reply = await self.reply(self.send(text), text, look)
        return replace(look(await history(self.handle), answered=True), reply=reply)

    async def turn(self, text: str, judge: Judge = lambda turn: None) -> Turn:
        """Send a message, and send it again if the machine was too slow for a limit on the way.

        Args:
            text: The message.
            judge: Sees each of these turns.

        Raises:
            Wrong: The judge says so, or there is no reply.
            WorkshopError: A limit ended each time.
        """
        for _ in range(_MOST_TURNS):
            if not (made := await self.once(text, judge)).late:
                return made
        raise recorded.too_slow(f"{text!r} could not be answered within the limits of your code")

    async def reply(self, sent: asyncio.Task[Reply], text: str, judge: recorded.Reads = lambda told: None) -> str:
        """Wait for a reply. What went wrong with it, if it tells of that, is in ``problem``.

        Args:
            sent: From ``send``.
            text: The message.
            judge: Sees the record first, each time; may raise.

        Raises:
            Wrong: None comes, or the message fails.
        """

        def look(told: History) -> None:
            judge(told)
            recorded.unanswered(told, f"{text!r} is not answered. What does your agent wait for?")

        try:
            await recorded.until(sent, self.handle, look)
            if not sent.done():
                raise Wrong(f"{text!r} was not answered: the conversation has ended.", "It ends with `end_chat` only.")
            replied, self.problem = sent.result().text, sent.result().problem
        except tc.WorkflowUpdateFailedError as error:
            raise Wrong(f"{text!r} failed: {describe(error)[-1].strip().removeprefix('↳ ')}") from error
        except RPCError:  # the service refuses a message to code that fails each time
            recorded.blame(await history(self.handle))
            raise
        finally:
            sent.cancel()
        if NOT_SOLVED in replied or any(NOT_SOLVED in entry.text for entry in await self.lines("result")):
            raise RuntimeError(NOT_SOLVED)
        if replied.startswith(f"{SORRY} {self.problem}: "):  # what the code raised itself; a step's failure has no type
            raise recorded.wrong_code(replied.removeprefix(f"{SORRY} "))
        return replied

    async def lines(self, kind: str) -> list[Line]:
        """The lines of the transcript of a kind.

        Raises:
            Wrong: The code, which has run, cannot be run again.
        """
        while True:
            asked = asyncio.ensure_future(self.handle.query("transcript", result_type=list[Line]))
            try:
                # While the code fails, the answer would wait for it to be fixed.
                await recorded.until(asked, self.handle, recorded.blame)
                return [entry for entry in await asked if entry.kind == kind]
            except tc.WorkflowQueryFailedError as error:
                if recorded.DEADLOCK in str(error):  # where that is the code's, its tasks fail of it, too
                    continue
                what = f"It answered, and after that your code could not be run again: {error}"
                raise Wrong(what, "A replay must do the same as the first run.") from error
            finally:
                asked.cancel()

    async def asked(self) -> list[Asked]:
        """What the model was asked, call by call, as the history has it: the agent's own loop, or the Agents SDK's."""
        found = []
        async for event in self.handle.fetch_history_events():
            scheduled = event.activity_task_scheduled_event_attributes
            if scheduled.activity_type.name in MODELS:
                given = json.loads(scheduled.input.payloads[0].data)
                tools = [tool.get("function", tool) for tool in given.get("tools", [])]
                model = given.get("model", given.get("model_name"))
                found.append(Asked(model, tools, given.get("messages", given.get("input"))))
        return found


Begin = Callable[..., Awaitable[Talk]]
"""Begins a conversation, also with a first message (``first``), which is there before the agent's code has run.

Other arguments are as in ``Chat``.
"""


@asynccontextmanager
async def talks(
    ws: Workshop, answer: Any, *work: Any, queue: str = "", base: type = Conversation, **connection: Any
) -> AsyncIterator[Begin]:
    """A Worker for an agent, while the block runs, and a function that begins a conversation with it.

    Args:
        ws: The workshop.
        answer: What the learner handed in.
        work: The Activities and Workflows that the agent and its tools may call, besides the model.
        queue: The task queue; a new one if it does not matter.
        base: What the agent inherits.
        connection: As for ``connect``, for the Worker's client.

    Raises:
        Wrong: The answer is not an agent.
    """
    agent = isinstance(answer, type) and issubclass(answer, base)
    require(agent, "the class of an agent, without a call", repr(answer), f"It inherits from `{base.__name__}`.")
    await serve(ws, "model", "workshop_lib.agents.model.server")
    queue = queue or ws.id("check")
    settings: dict[str, Any] = {"workflows": [answer], "activities": [call_model]}
    for each in work:
        settings["workflows" if isinstance(each, type) else "activities"].append(each)
    # It forgets all after each step, as if it had crashed.
    settings |= {"interceptors": [takeover.Heartbeats()], "max_cached_workflows": 0}
    async with worker(ws, queue, connection, **settings) as client:

        async def begin(first: str = "", **settings: Any) -> Talk:
            chat = Chat(**{"model": "offline", "model_seconds": MODEL_SECONDS, **settings})
            run: Any = answer.run
            id = ws.id("check-chat")
            if not first:
                return Talk(await start(client, queue, run, chat, id=id))
            policy = WorkflowIDConflictPolicy.FAIL
            starts: Any = tc.WithStartWorkflowOperation(run, chat, id=id, task_queue=queue, id_conflict_policy=policy)
            update: Any = client.execute_update_with_start_workflow  # both are in the first workflow task
            sent = recorded.quietly(update("send_message", first, start_workflow_operation=starts, result_type=Reply))
            talk = Talk(await starts.workflow_handle())
            await talk.reply(sent, first)
            return talk

        yield begin


async def asks_the_chats_model(begin: Begin) -> None:
    """See to it that an agent asks the model that its chat names, also where that is another one.

    Args:
        begin: Begins a conversation with it.

    Raises:
        Wrong: It does not.
    """
    talk = await begin(model=_NO_MODEL)
    await talk.say("Hello.")
    model = (await talk.asked())[0].model
    require(model == _NO_MODEL, f"a question to the model {_NO_MODEL!r}, which the chat names", model, "model")


_TOOLS: dict[str, list[loop.Tool]] = {}  # of a Clerk, by its task queue


@workflow.defn(name="Clerk", sandboxed=False)  # its tools are a learner's, who may have them anywhere
class Clerk(Conversation):
    """The library's agent, with the tools that ``clerk`` gives it."""

    @workflow.run
    async def run(self, chat: Chat) -> int:
        """See ``Conversation.converse``."""
        return await self.converse()

    async def answer(self, messages: list[Message]) -> Answer:
        """See base class."""
        tools = _TOOLS[workflow.info().task_queue]
        return await loop.answer("Use your tools.", messages, tools, partial(ask_model, self.chat), self.note)


def clerk(ws: Workshop, *activities: Any, **settings: Any) -> AbstractAsyncContextManager[Begin]:
    """``talks`` with a ``Clerk`` whose tools are some activities.

    Args:
        ws: The workshop.
        activities: As for ``talks``.
        settings: As for ``talks``.
    """
    queue = settings.setdefault("queue", ws.id("check"))
    limits = takeover.limits(timedelta(seconds=MODEL_SECONDS))
    _TOOLS[queue] = [loop.activity_tool(activity, **limits) for activity in activities]
    return talks(ws, Clerk, *activities, **settings)


def chosen(description: str, question: str) -> bool:
    """Whether the offline model picks a tool by its description alone, among three whose names say nothing.

    Args:
        description: As the model sees it.
        question: What the tool is for, in a user's words.
    """
    parameters = {"type": "object", "properties": {"given": {"type": "string"}}, "required": ["given"]}
    described = enumerate([description, loop.summary(calculator), loop.summary(weather)])
    tools = [{"name": f"tool_{at}", "description": text, "parameters": parameters} for at, text in described]
    said = plan([{"role": "user", "content": question}], [{"type": "function", "function": each} for each in tools])
    return any(call["function"]["name"] == "tool_0" for call in said.get("tool_calls", []))
