"""Failures by name, injected at the seams, so that business code has no trace of them.

``with ws.fault("charge_customer.dies_after_effect", times=1) as fault:`` writes one entry to a file of the notebook's
state folder. Every Worker reads it where an activity begins and ends, in whichever process it runs. What surrounds the
Workers (server, database, task queue) is broken for real, from the outside.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import math
import os
import re
import signal
import sqlite3
import sys
import time
import uuid
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

import temporalio.client as tc
import temporalio.worker as tw
from temporalio import activity, workflow
from temporalio.exceptions import ApplicationError, CancelledError

from workshop_lib.connections import Connections
from workshop_lib.devserver import HOST, DevServer
from workshop_lib.messages import WorkshopError, say
from workshop_lib.state import read_json, update_json
from workshop_lib.workers import BackgroundLoop

_FILE = "faults.json"
_BEFORE = ("fails", "fails_before_effect", "hangs", "is_slow", "dies_before_effect")
_AFTER = ("fails_after_effect", "times_out", "dies_after_effect")
HTTP = ("drops", "drops_answer", "delays", "answers_401", "answers_404", "answers_429", "answers_500", "answers_503")
MODEL = (
    "garbles_arguments",
    "forgets_arguments",
    "invents_field",
    "mistypes_field",
    "invents_tool",
    "answers_nonsense",
)
_CHANGE_SECONDS = 40.0  # for what begins or ends around the workers; a server takes 0.3, at most 30
_REQUEST_SECONDS = 120.0
_JUNK = 200  # executions in a flood
_LIMIT = timedelta(minutes=1)  # of each, should the kernel die in the flood

KINDS = {
    "fails": "ACTIVITY.fails: it raises an error, and Temporal tries again",
    "fails_before_effect": "ACTIVITY.fails_before_effect: the same",
    "fails_after_effect": "ACTIVITY.fails_after_effect: it does its work, and then raises an error",
    "times_out": "ACTIVITY.times_out: it does its work, and answers when its start-to-close timeout is over",
    "hangs": "ACTIVITY.hangs: it does nothing, until it is cancelled or its start-to-close timeout is over",
    "is_slow": "ACTIVITY.is_slow: it waits for `seconds`, and then does its work",
    "dies_before_effect": "ACTIVITY.dies_before_effect: its worker process kills itself before the work",
    "dies_after_effect": "ACTIVITY.dies_after_effect: … after the work, before the server knows of it",
    "dies_after_report": "ACTIVITY.dies_after_report: … when the workflow is handed the result",
    "locked": "FILE.locked, as in orders.db.locked: the notebook's SQLite file cannot be written for `seconds`",
    "flooded": f"QUEUE.flooded: {_JUNK} other workflows wait in the task queue for `seconds`",
    "drops": "SERVICE.drops: an HTTP service cuts the connection, and does nothing",
    "drops_answer": "SERVICE.drops_answer: … does its work, and cuts the connection",
    "delays": "SERVICE.delays: … does its work, and answers `seconds` later",
    "answers_401": "SERVICE.answers_401: … refuses the key",
    "answers_404": "SERVICE.answers_404: … knows no such address, or no such model",
    "answers_429": "SERVICE.answers_429: … has had too many requests, and asks to wait for `seconds` (Retry-After)",
    "answers_500": "SERVICE.answers_500: … answers with an error of its own",
    "answers_503": "SERVICE.answers_503: … answers that it is overloaded",
    "garbles_arguments": "model.garbles_arguments: the offline model writes arguments that are no JSON",
    "forgets_arguments": "model.forgets_arguments: … writes null in the place of arguments",
    "invents_field": "model.invents_field: … gives an argument that the tool does not have",
    "mistypes_field": "model.mistypes_field: … gives arguments of a wrong type",
    "invents_tool": "model.invents_tool: … calls a tool that does not exist",
    "answers_nonsense": "model.answers_nonsense: … answers with something that is no JSON at all",
    "dies": "server.dies: the Temporal Server is killed, and started again after `seconds`",
}


def parse(name: str) -> tuple[str, str]:
    """What a fault's name says: whom it befalls, and what happens.

    Args:
        name: Such as ``charge_customer.fails``.

    Raises:
        WorkshopError: There is no such fault; the message lists those that there are.
    """
    target, _, kind = name.rpartition(".")
    if not target or kind not in KINDS or (target == "server") != (kind == "dies"):
        known = "\n".join(f"  {line}" for line in KINDS.values())
        raise WorkshopError(f"There is no fault {name!r}.", f"There are:\n{known}", "Put one of these names there.")
    return target, kind


class Faults(tc.Interceptor, tw.Interceptor):
    """Lets the faults of one notebook happen in the Workers of one process.

    Args:
        folder: The notebook's state folder.
        may_die: Whether this process may be killed. The kernel may not.
    """

    def __init__(self, folder: Path, *, may_die: bool) -> None:
        self.file = folder / _FILE
        self._may_die = may_die
        self._refused: set[str] = set()

    def intercept_activity(self, next: tw.ActivityInboundInterceptor) -> tw.ActivityInboundInterceptor:
        """See base class."""
        return _Activities(next, self)

    def workflow_interceptor_class(
        self, input: tw.WorkflowInterceptorClassInput
    ) -> type[tw.WorkflowInboundInterceptor]:
        """See base class."""
        faults = self

        class Workflows(tw.WorkflowInboundInterceptor):
            def init(self, outbound: tw.WorkflowOutboundInterceptor) -> None:
                super().init(_Steps(outbound, faults))

        return Workflows

    def clear(self) -> None:
        """End what a with-block left on."""
        update_json(self.file, lambda content: content.clear())

    def take(self, target: str, *kinds: str) -> dict[str, Any]:
        """The fault that is to happen here and now, counted as fired; empty if there is none.

        Args:
            target: Whom it befalls.
            kinds: What may happen to it here.
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

        if due(read_json(self.file)):  # nearly never; and only then a lock
            update_json(self.file, fire)
        if taken:
            _tell(taken)
        return taken

    def _may_happen(self, name: str) -> bool:
        if self._may_die or ".dies_" not in name:
            return True
        if name not in self._refused:
            self._refused.add(name)
            say(str(cannot_die(name)), "warn")
        return False


def cannot_die(name: str) -> WorkshopError:
    """What to say where a fault would have to kill the kernel.

    Args:
        name: Of the fault.
    """
    return WorkshopError(
        f"{name} does not happen.",
        "The Worker runs in the notebook's own process, whose death would be the notebook's.",
        "Run it in a process of its own: `await ws.spawn(Worker, client, …)`.",
    )


def _tell(fault: dict[str, Any]) -> None:
    if ".dies_" in fault["name"]:
        # The last line of its log, which the notebook shows when a worker ends by itself.
        print(f"killed by the fault {fault['name']}", file=sys.stderr, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    if len(fault["at"]) == 1:  # the end of the with-block tells of the others
        say(f"Fault: {fault['name']}")


class _Activities(tw.ActivityInboundInterceptor):
    def __init__(self, next: tw.ActivityInboundInterceptor, faults: Faults) -> None:
        super().__init__(next)
        self._faults = faults

    async def execute_activity(self, input: tw.ExecuteActivityInput) -> Any:
        slow = await self._suffer(*_BEFORE)
        if slow:
            input.fn = _slowed(input.fn, slow)
        result = await super().execute_activity(input)
        await self._suffer(*_AFTER)
        return result

    async def _suffer(self, *kinds: str) -> float:
        """Let a fault happen, if one is due. Returns for how many seconds the activity itself is to be slow."""
        info = activity.info()
        fault = self._faults.take(info.activity_type, *kinds)
        if not fault:
            return 0.0
        kind = parse(fault["name"])[1]
        if kind == "is_slow":
            return float(fault["seconds"])
        if kind in ("hangs", "times_out"):
            limit = info.start_to_close_timeout or info.schedule_to_close_timeout or timedelta(0)
            await _idle(limit.total_seconds() + 0.1)  # later than the server's own clock
        raise ApplicationError(f"The fault {fault['name']}", type="Fault")


def _slowed(function: Callable[..., Any], seconds: float) -> Callable[..., Any]:
    # Slow inside: what other interceptors do around the activity, such as heartbeats, goes on meanwhile.
    if inspect.iscoroutinefunction(function):

        async def slow(*arguments: Any) -> Any:
            await asyncio.sleep(seconds)
            return await function(*arguments)

        return slow

    def slow_thread(*arguments: Any) -> Any:
        until = time.monotonic() + seconds
        while time.monotonic() < until:  # in steps, between which the SDK can cancel the thread
            time.sleep(0.02)
        return function(*arguments)

    return slow_thread


async def _idle(seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if activity.is_cancelled():  # of a `def` activity, the SDK cancels its thread only, and not this coroutine
            raise CancelledError("Cancelled")
        await asyncio.sleep(0.02)


class _Steps(tw.WorkflowOutboundInterceptor):
    """Sees the moment at which a workflow is handed an activity's result: the next workflow task."""

    def __init__(self, next: tw.WorkflowOutboundInterceptor, faults: Faults) -> None:
        super().__init__(next)
        self._faults = faults

    def start_activity(self, input: tw.StartActivityInput) -> workflow.ActivityHandle[Any]:
        handle = super().start_activity(input)

        def reported(done: asyncio.Task[Any]) -> None:
            if not done.cancelled() and done.exception() is None and not workflow.unsafe.is_replaying():
                with workflow.unsafe.sandbox_unrestricted():
                    self._faults.take(input.activity, "dies_after_report")

        handle.add_done_callback(reported)
        return handle


@dataclass
class Fault:
    """One failure, on while its with-block runs. ``Workshop.fault`` makes it.

    Attributes:
        name: Its name, as in ``KINDS``.
        times: How often it happens at most, in all processes together.
        seconds: How long it lasts, if it is of those that last.
        skip: How many chances it lets pass first.
        file: Where the Workers look for it.
        background: The loop for what is broken around the Workers.
        around: Breaks that and fixes it, for a fault of such a kind.
    """

    name: str
    times: int
    seconds: float
    skip: int
    file: Path
    background: BackgroundLoop
    around: AbstractAsyncContextManager[None] | None = None

    def __post_init__(self) -> None:
        self._key = uuid.uuid4().hex
        self._at: list[float] = []
        self._over = asyncio.Event()
        self._held: asyncio.Task[None] | None = None

    @property
    def fired(self) -> int:
        """How often it has happened so far."""
        return len(self.at)

    @property
    def at(self) -> list[float]:
        """When it happened, in seconds since the epoch, the first time first."""
        self._at = read_json(self.file).get(self._key, {"at": self._at})["at"]
        return self._at

    @property
    def over(self) -> bool:
        """Whether it will not happen any more."""
        return self._held.done() if self._held is not None else self.fired >= self.times

    def __enter__(self) -> Fault:
        entry = {"name": self.name, "left": self.times, "skip": self.skip, "seconds": self.seconds, "at": []}
        try:
            if self.around is not None:
                self.background.call(self._begin(self.around), _CHANGE_SECONDS)
            else:
                update_json(self.file, lambda content: content.update({self._key: entry}))
        except BaseException:  # an interrupted cell, too: nobody else would end it
            self._end()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._end()
        if self.fired != 1:
            say(f"Fault {self.name}: happened {self.fired} times.")

    def _end(self) -> None:
        def clear(content: dict[str, Any]) -> None:
            self._at = content.pop(self._key, {"at": self._at})["at"]

        update_json(self.file, clear)
        if self.around is not None:
            self.background.call(self._finish(), _CHANGE_SECONDS)

    async def _begin(self, around: AbstractAsyncContextManager[None]) -> None:
        await around.__aenter__()
        self._held = asyncio.create_task(self._hold(around))
        self._at.append(time.time())
        say(f"Fault: {self.name}")

    async def _hold(self, around: AbstractAsyncContextManager[None]) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._over.wait(), self.seconds)
        await around.__aexit__(None, None, None)

    async def _finish(self) -> None:
        self._over.set()
        if self._held is not None:
            await asyncio.wait([self._held])  # unlike `await`, leaves it alone when the cell is interrupted
            self._held.result()


@contextlib.asynccontextmanager
async def server_down(server: DevServer) -> AsyncIterator[None]:
    """Kill the server, and in the end start it again on the same database.

    Args:
        server: The embedded server.
    """
    try:
        await server.kill()
        yield
    finally:
        await server.start()


@contextlib.asynccontextmanager
async def locked(path: Path) -> AsyncIterator[None]:
    """Hold an SQLite database's exclusive lock: everybody else's writing waits, and fails after a while.

    Args:
        path: Its file.
    """
    database = sqlite3.connect(path, timeout=10, check_same_thread=False)
    try:
        await asyncio.to_thread(database.execute, "BEGIN EXCLUSIVE")
        yield
    finally:
        database.close()


@contextlib.asynccontextmanager
async def flooded(connections: Connections, queue: str) -> AsyncIterator[None]:
    """Put work into a task queue that no Worker can do, and in the end take it out again.

    Args:
        connections: To the service.
        queue: The task queue, in namespace ``default``.
    """
    # Without the workshop's interceptors: nobody waits for these, so nobody has to be told why.
    client = await tc.Client.connect(**{**await connections.connection("default"), "interceptors": []})
    handles = [client.get_workflow_handle(f"junk-{uuid.uuid4().hex}") for _ in range(_JUNK)]
    starts = [client.start_workflow("Junk", id=h.id, task_queue=queue, execution_timeout=_LIMIT) for h in handles]
    try:
        await asyncio.gather(*starts)
        yield
    finally:
        # One that was not started yet cannot be terminated, and need not be; the rest ends at its limit at the latest.
        await asyncio.gather(*(handle.terminate() for handle in handles), return_exceptions=True)


async def proxy(faults: Faults, name: str, url: str) -> asyncio.Server:
    """Stand before an HTTP service and pass each request on, unless a fault is to happen.

    Args:
        faults: Of this process.
        name: What the service is called in the faults' names.
        url: Its address, ``http://…``.

    Returns:
        The listening server, on a loopback port of its own.
    """
    service = urlsplit(url)

    async def serve(reader: StreamReader, writer: StreamWriter) -> None:
        with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
            async with asyncio.timeout(_REQUEST_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
                fault = faults.take(name, *HTTP)
                kind = parse(fault["name"])[1] if fault else ""
                if kind.startswith("answers_"):
                    await _answer(kind.removeprefix("answers_"), fault["seconds"], reader, writer)
                elif kind != "drops":
                    await _pass_on(head, reader, writer, service, fault)
        writer.close()

    return await asyncio.start_server(serve, HOST, 0)


async def _answer(status: str, seconds: float, reader: StreamReader, writer: StreamWriter) -> None:
    body = '{"error": {"message": "the workshop made this fail"}}'  # the form that OpenAI's errors have
    more = f"Retry-After: {math.ceil(seconds)}\r\n" if status == "429" else ""  # whole seconds, as HTTP has it
    head = f"HTTP/1.1 {status} Fault\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    writer.write(f"{head}{more}Connection: close\r\n\r\n{body}".encode())
    writer.write_eof()
    await reader.read()  # what is left of the request: closing before it is read would take the answer back


async def _pass_on(
    head: bytes, reader: StreamReader, writer: StreamWriter, service: SplitResult, fault: dict[str, Any]
) -> None:
    back, there = await asyncio.open_connection(service.hostname, service.port)
    head = re.sub(rb"(?im)^connection:.*\r\n", b"", head)  # one request a connection: a second would pass unseen
    there.write(head.removesuffix(b"\r\n") + b"Connection: close\r\n\r\n")
    asking = asyncio.create_task(_pump(reader, there))
    try:
        answer = await back.read(65536)  # when it begins, the work is done
        if fault.get("name", "").endswith(".drops_answer"):
            return
        if fault:
            await asyncio.sleep(fault["seconds"])
        writer.write(answer)
        await _pump(back, writer)
    finally:
        asking.cancel()
        there.close()


async def _pump(source: StreamReader, sink: StreamWriter) -> None:
    while data := await source.read(65536):
        sink.write(data)
        await sink.drain()
