"""Makes faults happen in the Workers of one process, where an activity begins and ends."""

import asyncio
import inspect
import os
import signal
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import temporalio.client as tc
import temporalio.worker as tw
from temporalio import activity, workflow
from temporalio.exceptions import ApplicationError, CancelledError

from workshop_lib.evidence.messages import say
from workshop_lib.evidence.state import read_json, update_json
from workshop_lib.faults.kinds import AFTER, BEFORE, FILE, cannot_die


class Faults(tc.Interceptor, tw.Interceptor):
    """Makes the faults of one notebook happen in one process.

    Args:
        folder: The notebook's state folder.
        may_die: Whether this process may be killed. The kernel must not be.
    """

    def __init__(self, folder: Path, *, may_die: bool) -> None:
        self.file = folder / FILE
        self._may_die = may_die
        self._refused: set[str] = set()

    def intercept_activity(self, next: tw.ActivityInboundInterceptor) -> tw.ActivityInboundInterceptor:
        """See base class."""
        faults = self

        class Activities(tw.ActivityInboundInterceptor):
            async def execute_activity(self, input: tw.ExecuteActivityInput) -> Any:
                if slow := await faults._suffer(*BEFORE):
                    input.fn = _slowed(input.fn, slow)
                result = await super().execute_activity(input)
                await faults._suffer(*AFTER)
                return result

        return Activities(next)

    def workflow_interceptor_class(
        self, input: tw.WorkflowInterceptorClassInput
    ) -> type[tw.WorkflowInboundInterceptor]:
        """See base class."""
        faults = self

        class Steps(tw.WorkflowOutboundInterceptor):
            def start_activity(self, input: tw.StartActivityInput) -> workflow.ActivityHandle[Any]:
                handle = super().start_activity(input)

                def reported(done: asyncio.Task[Any]) -> None:  # in the next workflow task
                    if not done.cancelled() and done.exception() is None and not workflow.unsafe.is_replaying():
                        with workflow.unsafe.sandbox_unrestricted():
                            faults.take(input.activity, "dies_after_report")

                handle.add_done_callback(reported)
                return handle

        class Workflows(tw.WorkflowInboundInterceptor):
            def init(self, outbound: tw.WorkflowOutboundInterceptor) -> None:
                super().init(Steps(outbound))

        return Workflows

    def clear(self) -> None:
        """End all faults."""
        update_json(self.file, lambda content: content.clear())

    def take(self, target: str, *kinds: str) -> dict[str, Any]:
        """The fault that happens now, which is counted; empty if none is due.

        Args:
            target: The activity or service.
            kinds: The kinds of faults that can happen at this point.
        """
        names = [f"{target}.{kind}" for kind in kinds]
        taken: dict[str, Any] = {}

        def due(content: dict[str, Any]) -> list[dict[str, Any]]:
            found = [fault for fault in content.values() if fault["name"] in names and fault["left"]]
            return [fault for fault in found if self._may_happen(fault["name"])]

        def fire(content: dict[str, Any]) -> None:
            for fault in due(content):
                if fault["skip"]:
                    fault["skip"] -= 1
                    continue
                fault["left"] -= 1
                fault["at"].append(time.time())
                taken.update(fault)
                return

        if due(read_json(self.file)):  # rarely true, and only then a lock is needed
            update_json(self.file, fire)
        if taken:
            _report(taken)
        return taken

    async def _suffer(self, *kinds: str) -> float:
        """Make a fault of the running activity happen, if one is due. Returns by how many seconds to slow it down."""
        info = activity.info()
        fault = self.take(info.activity_type, *kinds)
        kind = fault["name"].rpartition(".")[2] if fault else ""
        if kind in ("", "is_slow"):
            return float(fault.get("seconds", 0))
        if kind in ("hangs", "times_out"):
            limit = info.start_to_close_timeout or info.schedule_to_close_timeout or timedelta(0)
            await _idle(limit.total_seconds() + 0.1)  # until the server's timeout has fired
        raise ApplicationError(f"The fault {fault['name']}", type="Fault")

    def _may_happen(self, name: str) -> bool:
        if self._may_die or ".dies_" not in name:
            return True
        if name not in self._refused:
            self._refused.add(name)
            say(str(cannot_die(name)), "warn")
        return False


def _report(fault: dict[str, Any]) -> None:
    if ".dies_" in fault["name"]:
        # This becomes the last line of its log, which the notebook shows when a Worker stops unexpectedly.
        print(f"killed by the fault {fault['name']}", file=sys.stderr, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    if len(fault["at"]) == 1 and fault["says"]:  # the end of the with-block gives the number
        say(fault["says"])


def _slowed(function: Callable[..., Any], seconds: float) -> Callable[..., Any]:
    # Inside the activity, so that other interceptors continue meanwhile, such as the one that sends heartbeats.
    if inspect.iscoroutinefunction(function):

        async def slow(*arguments: Any) -> Any:
            await asyncio.sleep(seconds)
            return await function(*arguments)

        return slow

    def slow_thread(*arguments: Any) -> Any:
        until = time.monotonic() + seconds
        while time.monotonic() < until:  # in short steps, between which the SDK can cancel the thread
            time.sleep(0.02)
        return function(*arguments)

    return slow_thread


async def _idle(seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if activity.is_cancelled():  # for a `def` activity, the SDK cancels only its thread, not this coroutine
            raise CancelledError("Cancelled")
        await asyncio.sleep(0.02)
