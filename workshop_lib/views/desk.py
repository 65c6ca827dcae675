"""``await desk(client, endpoint)``: the calls that wait for an approver, to be decided by code or by keyboard."""

import asyncio
import json
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import ipywidgets
from temporalio.client import Client
from temporalio.worker import Worker

from workshop_lib.evidence.failures import reason as why_of
from workshop_lib.evidence.history import spoken
from workshop_lib.evidence.messages import Display, WorkshopError, in_notebook
from workshop_lib.governance.policy.contract import Approval, Approvals, Waiting
from workshop_lib.nexus_mcp.by_workflow import CallOperation
from workshop_lib.views.chat.controls import choice, show
from workshop_lib.views.chat.transcript import safe
from workshop_lib.views.patience import LOOK_EVERY
from workshop_lib.workshop import Workshop

_QUEUE = "approvals"
_ANSWER_SECONDS = 300.0  # for one question to the owner, including retries
_CALLS_SECONDS = 300.0  # until the calls are there that a cell has just made


async def desk(client: Client, endpoint: str, *, calls: int = 0) -> "Desk":
    """Show the calls that this namespace may decide, each with a field for the reason and two buttons.

    It asks the tool's owner by Nexus Operations, from a Workflow in the approver's own namespace, so it needs no right
    in anybody else's. It waits for no person: ``approve`` and ``refuse`` of what it returns do what the buttons do.

    Args:
        client: Of the approver's namespace.
        endpoint: The owner's, by its name in the workshop.
        calls: How many have to be there, at least, before it is shown.

    Raises:
        WorkshopError: The workshop is not started, or so many calls do not come.
    """
    ws = Workshop.started()
    ws.run(Worker, client, task_queue=_QUEUE, workflows=[CallOperation])
    made = Desk(client, ws.namespace(endpoint), lambda: ws.id("approval"))
    try:
        async with asyncio.timeout(_CALLS_SECONDS):
            while len(await made.ask()) < calls:
                await asyncio.sleep(LOOK_EVERY)
    except TimeoutError:
        held = "The call may have been refused, or decided already. Look at the owner's record."
        raise WorkshopError(f"Fewer than {calls} calls wait for {client.namespace}.", then=held) from None
    made.show()
    return made


class Desk:
    """What waits for one approver.

    Attributes:
        waiting: The calls that wait, as far as they were asked for, the oldest first.

    Args:
        client: Of the approver's namespace.
        endpoint: The owner's, by its real name.
        new_id: Makes the id of a Workflow.
    """

    def __init__(self, client: Client, endpoint: str, new_id: Callable[[], str]) -> None:
        self._client, self._endpoint, self._new_id = client, endpoint, new_id
        self.waiting: list[Waiting] = []
        self._display, self._problem = Display(), ""
        self._decided: list[str] = []
        self._rows: ipywidgets.VBox | None = None
        self._tasks: set[asyncio.Task[None]] = set()  # asyncio itself keeps no task alive

    async def look(self) -> None:
        """Ask what waits now, and draw it again."""
        await self.ask()
        self.show()

    async def approve(self, id: str, reason: str) -> None:
        """Let a call run.

        Args:
            id: Of a call that waits.
            reason: For the record.

        Raises:
            WorkflowFailureError: The owner does not take the decision; it says why.
        """
        await self._decide(Approval(id, True, reason))

    async def refuse(self, id: str, reason: str) -> None:
        """Let a call fail.

        Args:
            id: As for ``approve``.
            reason: For the caller and for the record.

        Raises:
            WorkflowFailureError: As for ``approve``.
        """
        await self._decide(Approval(id, False, reason))

    async def ask(self) -> list[Waiting]:
        """Ask what waits now."""
        self.waiting = await self._call(Approvals.waiting.name, None, list[Waiting])
        return self.waiting

    async def _decide(self, approval: Approval) -> None:
        what = next((_asked(each) for each in self.waiting if each.id == approval.id), approval.id)
        await self._call(Approvals.decide.name, approval, str)
        verdict = "✓ approved" if approval.approve else "✗ refused"
        self._decided.append(f"{verdict}: {what}; reason: {approval.reason or 'none given'}")
        await self.look()

    async def _call(self, operation: str, given: Any, result: Any) -> Any:
        arguments = [self._endpoint, Approvals.__name__, operation, given, _ANSWER_SECONDS]
        return await self._client.execute_workflow(
            "CallOperation", args=arguments, id=self._new_id(), task_queue=_QUEUE, result_type=result
        )

    def show(self) -> None:
        """Draw what waits, with a row to decide each call in a notebook."""
        texts = [_described(each) for each in self.waiting]
        count = {0: "Nothing waits", 1: "1 call waits"}.get(len(texts), f"{len(texts)} calls wait")
        title = f"{count} for {self._client.namespace}. {self._problem}".strip()
        items = "".join(f"<li>{safe(text)}</li>" for text in texts)
        decided = "".join(f"{safe(text)}<br>" for text in self._decided)
        lines = [title, *(f"  {text}" for text in [*texts, *self._decided])]
        self._display.show(f"<b>{safe(title)}</b><ol>{items}</ol>{decided}", "\n".join(lines))
        if not in_notebook():
            return
        if self._rows is None:
            self._rows = ipywidgets.VBox()
            show(self._rows)
        self._rows.children = [self._row(number, each) for number, each in enumerate(self.waiting, 1)]

    def _row(self, number: int, call: Waiting) -> ipywidgets.HBox:
        said = ipywidgets.Text(placeholder="Your reason", description=f"{number}.", tooltip=_described(call))
        return choice(said, _described(call), lambda yes, row: self._soon(Approval(call.id, yes, said.value), row))

    def _soon(self, approval: Approval, row: ipywidgets.HBox) -> None:
        async def decided() -> None:
            try:
                self._problem = ""
                await self._decide(approval)
            except Exception as error:  # without it, the row would stay off, and nobody would know why
                self._problem = why_of(error)
                self.show()

        for each in row.children:
            each.disabled = True
        task = asyncio.get_running_loop().create_task(decided())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _asked(call: Waiting) -> str:
    return f"{call.caller} asks for {call.operation} {json.dumps(call.input)}"


def _described(call: Waiting) -> str:
    now = time.time()
    waited, left = (spoken(timedelta(seconds=max(1, round(each)))) for each in (now - call.since, call.until - now))
    return f"{_asked(call)}; rule {call.rule!r}; has waited {waited}, {left} left"
