"""Workers beside a notebook, each on a loop of its own in the kernel's process.

A Worker on the kernel's own loop would stall whenever a cell blocks. On a loop of its own it goes on polling and
heartbeating, and an activity that blocks its loop stalls nobody else.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import contextvars
import os
import threading
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any, TypeVar

from temporalio.api.workflowservice.v1 import GetSystemInfoRequest
from temporalio.service import RPCError
from temporalio.worker import Worker

from workshop_lib.evidence.failures import describe
from workshop_lib.evidence.messages import WorkshopError, say
from workshop_lib.workers.waiting import Polled

START_SECONDS = 15.0
STOP_SECONDS = 10.0
_GRACE = 1.0  # between the limit inside a loop and the one of who waits for it

T = TypeVar("T")


class BackgroundLoop:
    """An asyncio loop on a thread of its own. A cell that blocks the kernel's loop stalls nothing here."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name="workshop-loop", daemon=True).start()

    def call(self, work: Coroutine[Any, Any, T], seconds: float) -> T:
        """Run a coroutine there and wait for it, blocking the calling thread.

        Args:
            work: The coroutine.
            seconds: How long to wait at most, also if something blocks that loop.

        Raises:
            TimeoutError: It took longer; it is cancelled.
        """
        result, cancel = self._submit(work, seconds)
        try:
            return result.result(seconds + _GRACE)
        except BaseException:  # an interrupt, too, must not leave it going on unnoticed
            cancel()
            raise

    async def acall(self, work: Coroutine[Any, Any, T], seconds: float) -> T:
        """Run a coroutine there and wait for it without blocking the calling loop. See ``call``."""
        result, cancel = self._submit(work, seconds)
        try:
            return await asyncio.wait_for(asyncio.wrap_future(result), seconds + _GRACE)
        except BaseException:
            cancel()
            raise

    def end(self) -> None:
        """Stop the loop, and with it its thread, once it has done what it does now and its tasks are cancelled."""

        async def wind_up() -> None:
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            if others:
                await asyncio.wait(others, timeout=_GRACE)
            self._loop.stop()

        self._loop.call_soon_threadsafe(lambda: self._loop.create_task(wind_up()))

    def _submit(
        self, work: Coroutine[Any, Any, T], seconds: float
    ) -> tuple[concurrent.futures.Future[T], Callable[[], object]]:
        result: concurrent.futures.Future[T] = concurrent.futures.Future()
        task: list[asyncio.Task[T]] = []

        def start() -> None:
            # An empty context: with the cell's own, IPython would take what an activity prints for output of a cell
            # that is long over, and drop it.
            task.append(self._loop.create_task(_bounded(work, seconds), context=contextvars.Context()))
            task[0].add_done_callback(lambda done: _copy_outcome(done, result))

        self._loop.call_soon_threadsafe(start)
        return result, lambda: self._loop.call_soon_threadsafe(lambda: task and task[0].cancel())


async def _bounded(work: Coroutine[Any, Any, T], seconds: float) -> T:
    async with asyncio.timeout(seconds):
        return await work


def _copy_outcome(done: asyncio.Task[T], result: concurrent.futures.Future[T]) -> None:
    if not result.set_running_or_notify_cancel():
        return
    if done.cancelled():
        result.set_exception(asyncio.CancelledError())
    elif (error := done.exception()) is not None:
        result.set_exception(error)
    else:
        result.set_result(done.result())


def polled_by(worker: Worker) -> list[Polled]:
    """What a Worker takes from its task queue."""
    config = worker.config(active_config=True)
    kinds = {"workflow": "workflows", "activity": "activities", "nexus": "nexus_service_handlers"}
    place = (worker.client.namespace, worker.task_queue)
    return [(*place, kind) for kind, name in kinds.items() if config.get(name)]


def activities_of(worker: Worker) -> list[str]:
    """The names under which a Worker's activities are registered."""
    # The SDK's decorator leaves its definition in this attribute.
    functions = worker.config(active_config=True).get("activities", [])
    definitions = (getattr(function, "__temporal_activity_definition", None) for function in functions)
    return [definition.name for definition in definitions if definition is not None and definition.name]


class InProcessWorker:
    """A Worker in the kernel's process. ``Workshop.run`` makes it.

    Args:
        build: Makes the Worker; called for each start, because a stopped Worker cannot be started again.
        place: Its namespace and task queue.
        uses: The modules of its workflows and activities.
    """

    def __init__(self, build: Callable[[], Worker], place: tuple[str, str], uses: Callable[[], set[str]]) -> None:
        self._build, self.place, self.uses = build, place, uses
        self.polls: list[Polled] = []
        self.activities: list[str] = []
        self.wanted = True
        self._loop = BackgroundLoop()
        self._worker: Worker | None = None
        self._task: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        namespace, queue = self.place
        return f"Worker {'on' if self.running else '(stopped) of'} task queue {queue!r} in namespace {namespace!r}"

    @property
    def pid(self) -> int:
        """The process that it polls from: the kernel."""
        return os.getpid()

    @property
    def running(self) -> bool:
        """Whether it polls."""
        return self._worker is not None and self._worker.is_running

    async def start(self) -> None:
        """Build the Worker and wait until it polls.

        Raises:
            WorkshopError: It cannot be built or started; the reason is in the message.
        """
        try:
            await self._loop.acall(self._start(), START_SECONDS)
        except Exception as error:
            if isinstance(error, WorkshopError):
                raise
            raise WorkshopError(
                "The Worker did not start.",
                "\n".join(describe(error)),
                "Fix what the last line names, and run the cell again.",
            ) from error

    async def _start(self) -> None:
        worker = self._worker = self._build()
        try:
            # First, because the SDK tries for as long as the server is silent, and gives no reason.
            request = GetSystemInfoRequest()
            await worker.client.workflow_service.get_system_info(request, timeout=timedelta(seconds=3))
            self._task = asyncio.create_task(worker.run())
            while not worker.is_running:
                if self._task.done():
                    self._task.result()
                await asyncio.sleep(0.001)
        except BaseException as error:
            await self._give_up(worker)
            if isinstance(error, RPCError):
                raise WorkshopError(
                    "The Worker did not start: the Temporal Server does not answer.",
                    then="If you killed it: `await ws.server.restart()`. Then run this cell again.",
                ) from error
            raise
        self.polls, self.activities = polled_by(worker), activities_of(worker)
        self._task.add_done_callback(self._ended)

    async def _give_up(self, worker: Worker) -> None:
        if worker.is_running:
            await worker.shutdown()
            return
        if self._task is not None:
            self._task.cancel()
        # One that was built and never ran blocks its queue for good. The SDK offers no public way to take it back.
        with contextlib.suppress(Exception):
            await worker._bridge_worker.finalize_shutdown()

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            say(f"{self} ended by itself:\n" + "\n".join(describe(error)), "warn")

    async def stop(self) -> None:
        """Stop it, waiting for its activities for at most ``STOP_SECONDS``. One that was stopped for good stays so.

        Raises:
            WorkshopError: An activity blocks and does not return. The worker stops when it does.
        """
        if not self.wanted:
            return  # its loop has ended
        try:
            stopped = await self._loop.acall(self._stop(), STOP_SECONDS + _GRACE)
        except TimeoutError:
            stopped = False
        if not stopped:
            raise WorkshopError(
                f"{self} has not stopped after {STOP_SECONDS:.0f} s.",
                "One of its activities blocks and cannot be cancelled.",
                "Wait for it to return and run this cell again, or restart the kernel. In an `async def` activity, "
                "await instead of blocking.",
            )

    async def _stop(self) -> bool:
        if self._worker is None or self._task is None:
            return True
        shutdown = asyncio.ensure_future(self._worker.shutdown())
        await asyncio.wait([self._task, shutdown], timeout=STOP_SECONDS, return_when=asyncio.ALL_COMPLETED)
        return self._task.done()

    def discard(self) -> None:
        """End the loop of a worker that has stopped and is not to start again."""
        self.wanted = False
        self._loop.end()


def run(work: Coroutine[Any, Any, T], seconds: float = 30) -> T:
    """Run a coroutine to its end from synchronous code: a widget's callback, a plain function.

    In a notebook the kernel's loop already runs, and asyncio refuses to run it again; nest-asyncio allows it. It is
    applied when this function is first called, not before. In cells, plain ``await`` is better.

    Args:
        work: The coroutine.
        seconds: How long it may take. The limit stands around the coroutine itself: one around a nested run
            would not fire on Python 3.11, and the cell would hang.

    Raises:
        TimeoutError: It took longer; it is cancelled.
    """
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(_bounded(work, seconds))
    import nest_asyncio

    nest_asyncio.apply(loop)
    return loop.run_until_complete(_bounded(work, seconds))
