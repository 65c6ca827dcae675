"""``await panel(…)``: switch failures on and off while orders keep coming, and watch what becomes of them."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from temporalio.client import WorkflowExecutionStatus, WorkflowHandle
from temporalio.service import RPCError

from workshop_lib.evidence.history import history
from workshop_lib.evidence.messages import Display, WorkshopError, in_notebook
from workshop_lib.faults.fault import Fault
from workshop_lib.views.timeline import draw
from workshop_lib.workshop import Workshop

_EVERY = 0.35  # seconds from one order to the next
_TIMES = 3  # how often a failure happens when its button is pressed once
_LASTS = 1.0  # seconds
_TO_END = 30.0  # seconds that the last orders have after the failures

Place = Callable[[], Awaitable[WorkflowHandle[Any, Any]]]


async def panel(place: Place, faults: Sequence[str], *, script: Sequence[str] = (), seconds: float = 20) -> None:
    """Place orders, and show a button for each failure, until the time is over and every order has ended.

    A failure that is switched on happens a few times, or lasts a second. Switching it off ends it.

    Args:
        place: Starts one order, and returns its handle. The workflow's id is the order's.
        faults: The failures' names, as for ``Workshop.fault``.
        script: Failures that are switched on without anybody, one after another, over the time.
        seconds: How long orders keep coming.

    Raises:
        WorkshopError: The workshop was not started, or an order has not ended half a minute after the last failure.
    """
    ws = Workshop.current
    if ws is None:
        raise WorkshopError("The workshop is not started.", then="Run the set-up cell first: `await Workshop.start()`.")
    orders = _Orders(ws, place)
    switches = {name: _Switch(ws, name) for name in faults}
    if in_notebook():
        _show_buttons(switches)
    shown = Display()
    placing = asyncio.create_task(orders.keep_coming(seconds))
    try:
        began = time.monotonic()
        todo = list(script)
        while not placing.done() or orders.open:
            passed = time.monotonic() - began
            if passed > seconds + _TO_END:
                raise WorkshopError("Some orders have not ended: " + ", ".join(each.id for each in orders.open))
            if todo and passed > seconds * (len(script) - len(todo) + 0.5) / (len(script) + 1):
                switches[todo.pop(0)].on()
            await asyncio.wait([placing] if not placing.done() else orders.open_tasks, timeout=0.25)
            for switch in switches.values():
                switch.release()
            shown.show(*await orders.picture(list(switches.values())))
        placing.result()
    finally:
        placing.cancel()
        for switch in switches.values():
            switch.off()
    shown.show(*await orders.picture(list(switches.values())))


class _Switch:
    """One failure, to be switched on and off."""

    def __init__(self, ws: Workshop, name: str) -> None:
        self._ws, self.name = ws, name
        self._fault: Fault | None = None
        self.fired = 0
        self.button: Any = None

    def on(self) -> None:
        if self._fault is None:
            fault = self._ws.fault(self.name, times=_TIMES, seconds=_LASTS)
            self._fault = fault.__enter__()
            self._press(True)

    def off(self) -> None:
        if self._fault is not None:
            fault, self._fault = self._fault, None
            fault.__exit__(None, None, None)
            self.fired += fault.fired
            self._press(False)

    def release(self) -> None:
        """Let the button up when the failure is over, so that it can be pressed again."""
        if self._fault is not None and self._fault.over:
            self.off()

    @property
    def total(self) -> int:
        """How often it has happened."""
        return self.fired + (self._fault.fired if self._fault else 0)

    def _press(self, down: bool) -> None:
        if self.button is not None:
            self.button.value = down


def _show_buttons(switches: dict[str, _Switch]) -> None:
    import ipywidgets
    from IPython.display import display

    for switch in switches.values():
        switch.button = ipywidgets.ToggleButton(description=switch.name, layout={"width": "auto"})

        def changed(change: dict[str, Any], switch: _Switch = switch) -> None:
            if change["new"]:
                switch.on()
            else:
                switch.off()

        switch.button.observe(changed, "value")
    box = ipywidgets.HBox([each.button for each in switches.values()], layout={"flex_flow": "row wrap"})
    display(box)


class _Orders:
    """The orders placed so far, and what the ledger says of them."""

    def __init__(self, ws: Workshop, place: Place) -> None:
        self._ws, self._place = ws, place
        self._handles: dict[str, WorkflowHandle[Any, Any]] = {}
        self._ended: dict[str, asyncio.Task[WorkflowExecutionStatus | None]] = {}

    async def keep_coming(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            with contextlib.suppress(RPCError):  # the server is down: this customer comes back later
                handle = await self._place()
                self._handles[handle.id] = handle
                self._ended[handle.id] = asyncio.create_task(_end(handle))
            await asyncio.sleep(_EVERY)

    @property
    def open(self) -> list[WorkflowHandle[Any, Any]]:
        return [handle for id, handle in self._handles.items() if not self._ended[id].done()]

    @property
    def open_tasks(self) -> list[asyncio.Task[Any]]:
        return [task for task in self._ended.values() if not task.done()]

    async def picture(self, switches: list[_Switch]) -> tuple[str, str]:
        charged: Counter[str] = Counter()
        for entry in self._ws.ledger.entries():  # read once: the ledger may be long, and there are many orders
            charged[entry.details.get("order", "")] += {"charge": 1, "refund": -1}.get(entry.effect, 0)
        ends = {id: task.result() for id, task in self._ended.items() if task.done()}
        completed = sum(end == WorkflowExecutionStatus.COMPLETED for end in ends.values())
        undone = sum(end == WorkflowExecutionStatus.FAILED and not charged[id] for id, end in ends.items())
        twice = sum(charged[id] > 1 for id in self._handles)
        line = (
            f"placed {len(self._handles)} · completed {completed} · undone {undone} · on their way {len(self.open)} · "
            f"charged twice {twice} · lost {len(ends) - completed - undone}"
        )
        happened = " · ".join(f"{each.name} {each.total}×" for each in switches if each.total) or "no failure yet"
        latest = next(iter(self.open), None) or next(reversed(self._handles.values()), None)
        drawn, told = "", ""
        if latest is not None:
            with contextlib.suppress(RPCError):
                record = await history(latest)
                drawn, told = draw(record), repr(record)
        return f"<p><b>{line}</b><br>{happened}</p>{drawn}", f"{line}\n{happened}\n{told}"


async def _end(handle: WorkflowHandle[Any, Any]) -> WorkflowExecutionStatus | None:
    while True:
        with contextlib.suppress(Exception):
            await handle.result()
        with contextlib.suppress(RPCError):
            status = (await handle.describe()).status
            if status != WorkflowExecutionStatus.RUNNING:
                return status
        await asyncio.sleep(0.2)
