"""Workers beside a notebook: on a background loop of the kernel's process, or as processes of their own.

A Worker on the kernel's own loop would stall whenever a cell blocks. On a loop of its own it goes on polling and
heartbeating. A Worker in its own process can be killed for real.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import json
import os
import pickle
import signal
import sys
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from typing import Any, TypeVar

from temporalio.worker import Worker

from workshop_lib.failures import cell_line, describe
from workshop_lib.messages import WorkshopError, say
from workshop_lib.processes import Process
from workshop_lib.state import STATE_VARIABLE, StateFolder

START_SECONDS = 15.0
STOP_SECONDS = 10.0
READY = "\x1eready "  # how a spawned worker says, on its standard output, which queues it polls

T = TypeVar("T")


class BackgroundLoop:
    """An asyncio loop on a thread of its own. A cell that blocks the kernel's loop stalls nothing here."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name="workshop-workers", daemon=True).start()

    def call(self, work: Coroutine[Any, Any, T], seconds: float) -> T:
        """Run a coroutine there and wait for it, blocking the calling thread.

        Args:
            work: The coroutine.
            seconds: How long to wait at most.

        Raises:
            TimeoutError: It took longer; it is cancelled.
        """
        return self._submit(work, seconds).result()

    async def acall(self, work: Coroutine[Any, Any, T], seconds: float) -> T:
        """Run a coroutine there and wait for it without blocking the calling loop. See ``call``."""
        return await asyncio.wrap_future(self._submit(work, seconds))

    def _submit(self, work: Coroutine[Any, Any, T], seconds: float) -> concurrent.futures.Future[T]:
        async def bounded() -> T:
            async with asyncio.timeout(seconds):
                return await work

        result: concurrent.futures.Future[T] = concurrent.futures.Future()

        def start() -> None:
            # An empty context: with the cell's own, IPython would take what an activity prints for output of a cell
            # that is long over, and drop it.
            task = self._loop.create_task(bounded(), context=contextvars.Context())
            task.add_done_callback(lambda done: _copy_outcome(done, result))

        self._loop.call_soon_threadsafe(start)
        return result


def _copy_outcome(done: asyncio.Task[T], result: concurrent.futures.Future[T]) -> None:
    if result.cancelled():
        return
    if done.cancelled():
        result.set_exception(asyncio.CancelledError())
    elif (error := done.exception()) is not None:
        result.set_exception(error)
    else:
        result.set_result(done.result())


class InProcessWorker:
    """A Worker on the background loop, where its coroutines must be called. ``Workshop.run`` makes it.

    Args:
        build: Makes the Worker; called for each start, because a stopped Worker cannot be started again.
        uses: The modules of its workflows and activities.
    """

    def __init__(self, build: Callable[[], Worker], uses: Callable[[], set[str]]) -> None:
        self._build, self.uses = build, uses
        self._worker: Worker | None = None
        self._task: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        where = ", ".join(f"task queue {queue!r} in namespace {namespace!r}" for namespace, queue in self.polls)
        return f"<Worker {'on' if self.running else 'stopped, was on'} {where}>"

    @property
    def polls(self) -> list[tuple[str, str]]:
        """Namespace and task queue."""
        return [(self._worker.client.namespace, self._worker.task_queue)] if self._worker else []

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
            async with asyncio.timeout(START_SECONDS):
                self._worker = self._build()
                self._task = asyncio.create_task(self._worker.run())
                while not self._worker.is_running:
                    if self._task.done():
                        self._task.result()
                    await asyncio.sleep(0.001)
        except Exception as error:
            raise WorkshopError(
                "The Worker did not start.",
                "\n".join(describe(error)),
                "Mend what the last line names, and run the cell again.",
            ) from error
        self._task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            say(f"{self} ended by itself:\n" + "\n".join(describe(error)), "warn")

    async def stop(self) -> None:
        """Stop it, waiting for its activities for at most ``STOP_SECONDS``.

        Raises:
            WorkshopError: A blocking activity does not return. The worker stops when it does.
        """
        if self._worker is None or self._task is None or self._task.done():
            return
        shutdown = asyncio.ensure_future(self._worker.shutdown())
        await asyncio.wait([self._task], timeout=STOP_SECONDS)
        if not self._task.done():
            raise WorkshopError(
                f"{self} has not stopped after {STOP_SECONDS:.0f} s.",
                "One of its activities blocks a thread and cannot be cancelled.",
                "Wait for the activity to return and run this cell again, or restart the kernel.",
            )
        await shutdown


class SpawnedWorker:
    """A Worker in a process of its own. ``Workshop.spawn`` makes it; it ends with the kernel.

    Args:
        launch: Starts the process; called for each start.
        name: What to call it in a notebook.
        uses: The modules of its workflows and activities.
    """

    def __init__(self, launch: Callable[[], Process], name: str, uses: Callable[[], set[str]]) -> None:
        self._launch, self.name, self.uses = launch, name, uses
        self._process: Process | None = None
        self.polls: list[tuple[str, str]] = []  # namespace and task queue

    def __repr__(self) -> str:
        return f"<{self.name}, process {self.pid}, {'running' if self.running else 'ended'}>"

    @property
    def pid(self) -> int | None:
        """Its process id, also when it has ended."""
        return self._process.pid if self._process else None

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.running

    async def start(self) -> None:
        """Start the process and wait until it polls.

        Raises:
            WorkshopError: It ended instead, or takes longer than ``START_SECONDS``.
        """
        process = self._process = self._launch()
        ready = threading.Event()
        threading.Thread(target=self._forward, args=(process, ready), daemon=True).start()
        deadline = asyncio.get_running_loop().time() + START_SECONDS
        while not ready.is_set():
            late = asyncio.get_running_loop().time() > deadline
            if late or not process.running:
                process.close()
                await process.wait(STOP_SECONDS)
                raise WorkshopError(
                    f"{self.name} {'does not poll yet' if late else 'ended before it polled'}.",
                    _last_words(process),
                    "Mend what that line names, and run the cell again.",
                )
            await asyncio.sleep(0.005)

    def kill(self) -> None:
        """End it with SIGKILL: no shutdown, no last heartbeat, nothing sent. A crash."""
        if self._process is not None:
            self._process.kill()

    async def stop(self) -> None:
        """Ask it to stop (SIGTERM), and kill it if it has not after ``STOP_SECONDS``."""
        if self._process is not None:
            self._process.signal(signal.SIGTERM)
            if not await self._process.wait(STOP_SECONDS):
                self._process.close()
                await self._process.wait(STOP_SECONDS)

    def _forward(self, process: Process, ready: threading.Event) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            text = line.decode(errors="replace").rstrip("\n")
            if text.startswith(READY):
                self.polls = [(namespace, queue) for namespace, queue in json.loads(text.removeprefix(READY))]
                ready.set()
            else:
                print(f"[{self.name}] {text}", flush=True)


def _last_words(process: Process) -> str:
    text = process.log.read_text(errors="replace").strip()
    last = text.splitlines()[-1:] or ["It left no message."]
    where = cell_line(text)
    return last[0] + (f" ({where})" if where else "")


def worker_command(what: str | dict[str, Any], namespace: str = "") -> list[str]:
    """The command line that runs a worker in a process of its own (see ``worker_process.py``).

    Args:
        what: A module with a coroutine function ``worker(ws)``, or the arguments of a Worker.
        namespace: Where the Worker's client is to connect.

    Raises:
        WorkshopError: An argument belongs to the notebook alone and cannot be handed to another process.
    """
    command = [sys.executable, "-m", "workshop_lib.worker_process"]
    if isinstance(what, str):
        return [*command, "module", what]
    return [*command, "pickled", namespace, _pickled(what).hex()]


def _pickled(arguments: dict[str, Any]) -> bytes:
    sendable = {name: value for name, value in arguments.items() if not isinstance(value, Executor)}
    for value in sendable.values():
        for item in value if isinstance(value, list | tuple) else [value]:
            thing = item if isinstance(item, type) or callable(item) else type(item)
            if getattr(thing, "__module__", None) == "__main__":
                raise WorkshopError(
                    f"{getattr(thing, '__qualname__', thing)} cannot run in a process of its own.",
                    "It stands in an ordinary cell, which exists in this notebook's kernel only.",
                    "Move its definition to a %%workflow cell and run that cell; any process can import it from there.",
                )
    try:
        return pickle.dumps(sendable)
    except (pickle.PicklingError, TypeError, AttributeError) as error:
        raise WorkshopError(
            "These Worker arguments cannot be handed to another process.",
            f"{type(error).__name__}: {error}",
            "Write a module with `async def worker(ws)` that returns the Worker, and spawn it by its name.",
        ) from error


def worker_environment(folder: StateFolder) -> dict[str, str]:
    """The environment of a spawned worker: it imports this notebook's cells and finds its server and ledger.

    Args:
        folder: The notebook's state folder.
    """
    # What this process can import, cells included, that one can, too.
    path = os.pathsep.join(filter(None, sys.path))
    # A stale .pyc would run the cell before the edit.
    return {
        **os.environ,
        STATE_VARIABLE: str(folder.path),
        "PYTHONPATH": path,
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
    }


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

    async def bounded() -> T:
        async with asyncio.timeout(seconds):
            return await work

    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(bounded())
    import nest_asyncio

    nest_asyncio.apply(loop)
    return loop.run_until_complete(bounded())
