"""``await panel(…)``: switch failures on and off while orders keep coming, and watch the orders."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import ipywidgets
from temporalio.client import WorkflowExecutionStatus, WorkflowHandle
from temporalio.service import RPCError

from workshop_lib.evidence.history import history
from workshop_lib.evidence.messages import Display, WorkshopError, in_notebook
from workshop_lib.faults.fault import Fault
from workshop_lib.views.chat.controls import show
from workshop_lib.views.patience import LOOK_EVERY, patiently
from workshop_lib.views.timeline import draw
from workshop_lib.workshop import Workshop

_EVERY = 0.35  # seconds from one order to the next
_TIMES = 3  # how often a failure happens after one press of its button
_LASTS = 1.0  # seconds
_TO_END = 120.0  # seconds in which the last orders must end

Place = Callable[[], Awaitable[WorkflowHandle[Any, Any]]]


async def panel(place: Place, faults: Sequence[str], *, script: Sequence[str] = (), seconds: float = 20) -> None:
    """Place orders, and show a button for each failure, until the time is over and every order has ended.

    A failure that is switched on happens a few times or for a second. Switching it off ends it.

    Args:
        place: Starts one order, and returns its handle. The workflow has the order's id.
        faults: The failures' names, as for ``Workshop.fault``.
        script: Failures that are switched on automatically, one after another, spread over the time.
        seconds: How long orders keep coming.

    Raises:
        WorkshopError: The workshop is not started, or an order is still open two minutes after the last was placed.
    """
    ws = Workshop.started()
    orders, switches = _Orders(ws, place), {name: _Switch(ws, name) for name in faults}
    if in_notebook():
        show(ipywidgets.HBox([each.button for each in switches.values()], layout={"flex_flow": "row wrap"}))
    shown = Display()
    working = [asyncio.create_task(each) for each in (orders.keep_coming(seconds), _play(script, switches, seconds))]
    try:
        async with asyncio.timeout(seconds + _TO_END):
            while orders.open or not all(task.done() for task in working):
                await asyncio.sleep(LOOK_EVERY)
                for switch in switches.values():
                    switch.release()
                shown.show(*await orders.picture(switches))
            await asyncio.gather(*working)
    except TimeoutError:
        what = "These orders are still open: " + ", ".join(each.id for each in orders.open)
        then = "See what one is waiting for: `await timeline(client.get_workflow_handle(id))`."
        raise WorkshopError(what, f"They did not end within {_TO_END:.0f} s.", then) from None
    finally:
        for task in working:
            task.cancel()
        for switch in switches.values():
            switch.button.value, switch.button.disabled = False, True  # a press would hit the cells that follow
    shown.show(*await orders.picture(switches))


class _Switch:
    """One failure, which is on while its button is down."""

    def __init__(self, ws: Workshop, name: str) -> None:
        self._ws, self._name = ws, name
        self._faults: list[Fault] = []
        self.button = ipywidgets.ToggleButton(description=name, layout={"width": "auto"})
        self.button.observe(self._pressed, "value")

    def _pressed(self, change: dict[str, Any]) -> None:
        if change["new"]:
            self._faults.append(self._ws.fault(self._name, times=_TIMES, seconds=_LASTS).__enter__())
        else:
            for fault in self._faults[-1:]:  # none, if it could not be switched on
                fault.__exit__(None, None, None)

    def release(self) -> None:
        """Release the button when the failure is over, so that it can be pressed again."""
        if self.button.value and all(fault.over for fault in self._faults[-1:]):
            self.button.value = False

    @property
    def fired(self) -> int:
        """How often it has happened."""
        return sum(fault.fired for fault in self._faults)


async def _play(script: Sequence[str], switches: dict[str, _Switch], seconds: float) -> None:
    for name in script:
        await asyncio.sleep(seconds / (len(script) + 1))
        switches[name].button.value = True


class _Orders:
    """The orders that were placed, and what the ledger says about them."""

    def __init__(self, ws: Workshop, place: Place) -> None:
        self._ws, self._place = ws, place
        self._ends: dict[WorkflowHandle[Any, Any], asyncio.Task[WorkflowExecutionStatus | None]] = {}

    async def keep_coming(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            with contextlib.suppress(RPCError):  # the server is down
                handle = await self._place()
                self._ends[handle] = asyncio.create_task(_end(handle))
            await asyncio.sleep(_EVERY)

    @property
    def open(self) -> list[WorkflowHandle[Any, Any]]:
        return [handle for handle, end in self._ends.items() if not end.done()]

    async def picture(self, switches: dict[str, _Switch]) -> tuple[str, str]:
        charged: Counter[str] = Counter()
        for entry in self._ws.ledger.entries():
            charged[entry.details.get("order", "")] += {"charge": 1, "refund": -1}.get(entry.effect, 0)
        ends = {handle.id: task.result() for handle, task in self._ends.items() if task.done()}
        completed = sum(end == WorkflowExecutionStatus.COMPLETED for end in ends.values())
        undone = sum(end == WorkflowExecutionStatus.FAILED and not charged[id] for id, end in ends.items())
        twice = sum(charged[handle.id] > 1 for handle in self._ends)
        line = (
            f"placed {len(self._ends)} · completed {completed} · undone {undone} · on their way {len(self.open)} · "
            f"charged twice {twice} · lost {len(ends) - completed - undone}"
        )
        counts = {name: switch.fired for name, switch in switches.items()}
        happened = " · ".join(f"{name} {count}×" for name, count in counts.items() if count) or "no failure yet"
        drawn = text = ""
        for latest in [*self.open[:1], *reversed(self._ends)][:1]:
            with contextlib.suppress(RPCError):
                record = await history(latest)
                drawn, text = draw(record), repr(record)
        return f"<p><b>{line}</b><br>{happened}</p>{drawn}", f"{line}\n{happened}\n{text}"


async def _end(handle: WorkflowHandle[Any, Any]) -> WorkflowExecutionStatus | None:
    while (status := (await patiently(handle.describe)).status) == WorkflowExecutionStatus.RUNNING:
        with contextlib.suppress(Exception):  # it failed, or the server is down
            await handle.result()
    return status
