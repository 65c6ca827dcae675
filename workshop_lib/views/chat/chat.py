"""``await chat(handle)``: a conversation with a running agent, by typing or from a cell."""

import asyncio
import secrets
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import temporalio.client as tc
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from workshop_lib.agents.conversation import Line, Reply
from workshop_lib.evidence.messages import Display, WorkshopError, in_notebook, valid_text
from workshop_lib.views.chat.controls import Controls, show
from workshop_lib.views.chat.transcript import written
from workshop_lib.views.patience import LOOK_EVERY, patiently
from workshop_lib.workers.waiting import LONGEST_WAIT

_PATIENCE = 3600.0  # seconds without a change, after which it stops looking
_QUERY_TAKES = 2.0  # shorter than EXPLAIN_AFTER: the line below the transcript explains the wait
_UNHEARD = (
    "The agent does not answer: none of its Workers is running, or the server is down. Nothing is lost. "
    "→ Start them again, and the conversation continues."
)
_UNREAD = "Its transcript cannot be read, because none of its Workers is running."
_ENDED = "This conversation has ended."
_T = TypeVar("_T")
_newest: dict[str, "Chatter"] = {}  # by workflow id


async def chat(handle: tc.WorkflowHandle[Any, Any], *messages: str) -> list[Reply]:
    """Show a conversation with an agent, and a box to type in, which still works after the cell has ended.

    Args:
        handle: A handle of an agent's workflow, from ``client.start_workflow`` or ``client.get_workflow_handle``.
        messages: Messages to send, each after the answer to the one before. After an interrupt, no more of them are
            sent, and the last one still gets its answer.

    Returns:
        The replies to ``messages``. If a message could not be answered, its reply has the reason and a ``problem``.

    Raises:
        WorkshopError: There is no such conversation.
    """
    view = Chatter(handle)
    await view.look()
    if handle.id in _newest:
        _newest[handle.id].close()
    _newest[handle.id] = view
    if in_notebook():
        view.controls = Controls(view.send, view.decide, view.end)
        view.draw()
        show(view.controls.all)
    view.follow()
    replies = _Replies()
    try:
        for text in messages:
            replies.append(await asyncio.shield(view.send(text)))  # an interrupt does not take the message back
    finally:
        if not in_notebook():
            view.close()
    return replies


class _Replies(list[Reply]):
    """The replies. The cell of the chat, which shows them already, does not display them again. Other cells do."""

    def __init__(self) -> None:
        super().__init__()
        self._cell = _cell()

    def _ipython_display_(self) -> None:
        if self._cell != _cell():
            raise NotImplementedError  # IPython then shows it as any list


def _cell() -> int:
    ipython = sys.modules.get("IPython")
    return getattr(ipython.get_ipython() if ipython else None, "execution_count", 0)


@dataclass
class _Sent:
    """A message that is sent: its update's id, the transcript's last line at that time, and whether it is shown."""

    text: str
    id: str
    after: int
    shown: bool = False


class Chatter:
    """One chat on the page: the conversation, and the messages that are sent.

    Args:
        handle: A handle of the agent's workflow.
    """

    def __init__(self, handle: tc.WorkflowHandle[Any, Any]) -> None:
        self._handle = handle
        self._entries: list[Line] = []
        self._sent: list[_Sent] = []
        self._found: set[int] = set()  # the numbers of the transcript's lines that are messages of this chat
        self._gate = asyncio.Lock()  # messages reach the agent in the order in which they were sent
        self._tasks: set[asyncio.Task[Any]] = set()  # asyncio itself keeps no task alive
        self._follower: asyncio.Task[None] | None = None
        self._display, self._drawn = Display(), ("", "")
        self._problem = self._silence = ""
        self._ending = self._ended = self._closed = False
        self.controls: Controls | None = None

    # What a person does

    def send(self, text: str) -> asyncio.Task[Reply]:
        """Send a message, behind those that were sent before.

        Args:
            text: The message.

        Returns:
            A task with the reply.
        """
        after = _last(self._entries)
        # Each retry has the same id, so that the message arrives once. The random part keeps it different from the ids
        # of other notebooks and of earlier kernels, whose replies would otherwise answer this message.
        sent = _Sent(text, f"chat-{after}-{secrets.token_hex(4)}", after)
        self._sent.append(sent)
        self._problem = ""
        self.draw()
        self.follow()
        return self._start(self._deliver(sent))

    def decide(self, number: int, yes: bool) -> asyncio.Task[None]:
        """Answer a question of the agent's.

        Args:
            number: The number of the transcript's line that asks.
            yes: Whether it is approved.
        """
        # The id makes two clicks one decision. A later no is not taken for an earlier yes.
        decision = partial(self._handle.execute_update, "decide", args=[number, yes], id=f"decide-{number}-{yes}")
        return self._start(self._act(decision))

    def end(self) -> asyncio.Task[None]:
        """End the conversation. Messages that were sent before are still answered."""
        self._ending = True
        self.draw()
        return self._start(self._end())

    async def _end(self) -> None:
        async with self._gate:
            await self._act(partial(self._handle.signal, "end_chat"))
            self._ending = not self._problem
        self.draw()

    async def _act(self, call: Callable[[], Awaitable[Any]]) -> None:
        self._problem = ""
        try:
            async with asyncio.timeout(LONGEST_WAIT):
                await patiently(call)
        except Exception as error:
            self._problem = _why(error)[0]
        await self.look()
        self.follow()

    async def _deliver(self, sent: _Sent) -> Reply:
        try:
            return await self._answer(sent)
        except Exception as error:
            self._problem, problem = _why(error)
            return Reply(self._problem, problem)
        finally:
            self._sent.remove(sent)
            await self.look()

    async def _answer(self, sent: _Sent) -> Reply:
        accepted = tc.WorkflowUpdateStage.ACCEPTED
        start = partial(
            self._handle.start_update, "send_message", valid_text(sent.text), id=sent.id, wait_for_stage=accepted
        )
        async with asyncio.timeout(LONGEST_WAIT):
            async with self._gate:
                update = await patiently(partial(start, result_type=Reply))
            reply: Reply = await patiently(update.result)
        return reply

    # What there is to see

    async def look(self) -> None:
        """Ask for the transcript once, and show it.

        Raises:
            WorkshopError: There is no such conversation.
        """
        ended = self._ended
        try:
            async with asyncio.timeout(_QUERY_TAKES):  # `rpc_timeout` limits each of the SDK's attempts
                ended = (await self._handle.describe()).status != tc.WorkflowExecutionStatus.RUNNING
                # A handle from `get_workflow_handle` does not know the type of the result.
                entries: list[Line] = await self._handle.query("transcript", result_type=list[Line])
            self._silence = ""
            self._entries = max(entries, self._entries, key=_last)  # answers may arrive in another order
        except (TimeoutError, RPCError, tc.WorkflowQueryFailedError) as error:
            if isinstance(error, RPCError) and error.status == RPCStatusCode.NOT_FOUND:
                raise WorkshopError(f"There is no conversation {self._handle.id!r}.") from error
            self._silence = _UNREAD if ended else _UNHEARD
        self._ended = ended  # only now, because without its last lines, an ended conversation lacks results
        self._find_sent()
        self.draw()

    def _find_sent(self) -> None:
        """Find sent messages in the transcript, so that they are not shown as waiting, too."""
        for sent in self._sent:
            for entry in self._entries:
                mine = entry.kind == "user" and entry.text == sent.text and entry.number > sent.after
                if not sent.shown and mine and entry.number not in self._found:
                    sent.shown = True
                    self._found.add(entry.number)

    def follow(self) -> None:
        """Look repeatedly, at increasing intervals, while a change is expected."""
        if self._follower:
            self._follower.cancel()
        self._follower = self._start(self._follow())

    async def _follow(self) -> None:
        seen, since = self._entries, time.monotonic()
        while self._busy and (idle := time.monotonic() - since) < _PATIENCE:
            await asyncio.sleep(min(max(LOOK_EVERY, idle / 50), 2))
            await self.look()
            if self._entries != seen:
                seen, since = self._entries, time.monotonic()

    @property
    def _busy(self) -> bool:
        expected = self._ending or self._silence or self._answering or self.questions
        return not self._closed and bool(self._sent or (expected and not self._ended))

    @property
    def _answering(self) -> bool:
        said = [entry.kind for entry in self._entries if entry.kind in ("user", "agent")]
        return said[-1:] == ["user"]

    @property
    def questions(self) -> list[Line]:
        """The agent's questions that are not answered."""
        decided = {entry.of for entry in self._entries if entry.kind == "decision"}
        return [] if self.over else [e for e in self._entries if e.kind == "approval" and e.number not in decided]

    @property
    def over(self) -> bool:
        """Whether this chat can no longer send messages."""
        return self._ended or self._ending or self._closed

    def draw(self) -> None:
        """Show the conversation, if it has changed."""
        ended = self._ended or (self._ending and not self._sent)
        status = [self._problem, _ENDED if ended else "", self._silence]
        if not any(status) and self._answering:
            status = ["The agent is waiting for a decision." if self.questions else "The agent is working …"]
        waiting = [sent.text for sent in self._sent if not sent.shown]
        line = " ".join(dict.fromkeys(filter(None, status)))
        if (drawn := written(self._entries, line, waiting=waiting, ended=self._ended)) != self._drawn:
            self._display.show(*drawn)
            self._drawn = drawn
        if self.controls:
            self.controls.follow(self.over, self.questions)

    def close(self) -> None:
        """Stop looking, and take no more messages, because a newer chat shows this conversation."""
        self._closed = True
        self._problem = self._problem or ("A newer chat shows this conversation." if self.controls else "")
        if self._follower:
            self._follower.cancel()
        self.draw()

    def _start(self, work: Coroutine[Any, Any, _T]) -> asyncio.Task[_T]:
        """Run something beside the cell. Its error is shown below the transcript."""

        def done(task: asyncio.Task[Any]) -> None:
            self._tasks.discard(task)
            if not task.cancelled() and (error := task.exception()):
                self._problem = _why(error)[0]
                self.draw()

        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(done)
        return task


def _last(entries: list[Line]) -> int:
    return entries[-1].number if entries else 0


def _why(error: BaseException) -> tuple[str, str]:
    """The reason of an error as a sentence, and as a word."""
    cause = error.cause if isinstance(error, tc.WorkflowUpdateFailedError) else error
    if isinstance(cause, ApplicationError):
        return cause.message, cause.type or "ApplicationError"
    if isinstance(error, RPCError) and error.status == RPCStatusCode.NOT_FOUND:
        return _ENDED, "Ended"
    if "Timeout" in type(error).__name__:  # asyncio's, or the SDK's
        then = "→ See whether the message is in the conversation before you send it again."
        return f"No answer within {LONGEST_WAIT:.0f} seconds. {then}", "Timeout"
    return " ".join(str(error).split()) or type(error).__name__, type(error).__name__
