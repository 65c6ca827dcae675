"""Workers in the kernel's process, each on its own loop.

A Worker on the kernel's loop would stall whenever a cell blocks. On its own loop it keeps polling and heartbeating, and
an activity that blocks its loop stalls nothing else.
"""

import asyncio
import os
from collections.abc import Callable
from datetime import timedelta

from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import Worker

from workshop_lib.evidence.failures import describe
from workshop_lib.evidence.messages import WorkshopError, say
from workshop_lib.workers.background import BackgroundLoop
from workshop_lib.workers.reasons import Polled

START_SECONDS = 120.0  # a guard only
STOP_SECONDS = 30.0
_SILENT = (RPCStatusCode.UNAVAILABLE, RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.CANCELLED)


async def begin(worker: Worker) -> asyncio.Task[None]:
    """Run a Worker. Returns the running task as soon as it polls or has failed."""
    running = asyncio.create_task(worker.run())
    while not (worker.is_running or running.done()):
        await asyncio.sleep(0.001)
    return running


def offer(worker: Worker) -> tuple[list[Polled], list[str]]:
    """What a Worker polls, and the names under which its activities are registered."""
    config = worker.config(active_config=True)
    kinds = {"workflow": "workflows", "activity": "activities", "nexus": "nexus_service_handlers"}
    polls = [(worker.client.namespace, worker.task_queue, kind) for kind, name in kinds.items() if config.get(name)]
    # The SDK's decorator leaves its definition in this attribute; there is no public way (tests/unit/house/test_sdk.py)
    definitions = (getattr(each, "__temporal_activity_definition", None) for each in config.get("activities", []))
    return polls, [definition.name for definition in definitions if definition is not None and definition.name]


class InProcessWorker:
    """A Worker in the kernel's process. ``Workshop.run`` makes it.

    Args:
        build: Makes the Worker; called for each start, because a stopped Worker cannot be started again.
        client: The Worker's client.
        task_queue: The Worker's task queue.
        uses: The modules of its workflows and activities.
    """

    wanted = True  # unlike a process, it cannot be killed

    def __init__(self, build: Callable[[], Worker], client: Client, task_queue: str, uses: set[str]) -> None:
        self._build, self._client, self.uses = build, client, uses
        self.place = (client.namespace, task_queue)
        self.pid = os.getpid()  # it polls from the kernel
        self.polls: list[Polled] = []
        self.activities: list[str] = []
        self._loop: BackgroundLoop | None = None
        self._worker: Worker | None = None
        self._task: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        namespace, queue = self.place
        return f"Worker {'on' if self.running else '(stopped) of'} task queue {queue!r} in namespace {namespace!r}"

    @property
    def running(self) -> bool:
        """Whether it polls."""
        return self._worker is not None and self._worker.is_running

    async def start(self) -> None:
        """Build the Worker and wait until it polls.

        Raises:
            WorkshopError: It cannot be built or started; the reason is in the message.
        """
        loop = self._loop = BackgroundLoop()
        try:
            await loop.acall(self._start(), START_SECONDS)
        except BaseException as error:
            loop.end()
            self._loop = None
            if isinstance(error, WorkshopError) or not isinstance(error, Exception):
                raise
            then = "Fix what the last line names, and run the cell again."
            raise WorkshopError("The Worker did not start.", "\n".join(describe(error)), then) from error

    async def _start(self) -> None:
        await self._find_namespace()
        worker = self._worker = self._build()
        try:
            task = self._task = await begin(worker)
            if task.done():
                task.result()
        except BaseException:  # also after an interrupt, the next Worker needs the task queue
            await worker.shutdown()
            raise
        self.polls, self.activities = offer(worker)
        task.add_done_callback(self._ended)

    async def _find_namespace(self) -> None:
        # This comes before the Worker is built. A Worker that was built and cannot run blocks its task queue until the
        # kernel ends, and the SDK retries for as long as the server is silent, without giving a reason.
        request = DescribeNamespaceRequest(namespace=self._client.namespace)
        try:
            # If the server is down, this fails immediately. A busy machine may take long to answer.
            await self._client.workflow_service.describe_namespace(request, timeout=timedelta(seconds=30))
        except RPCError as error:
            if error.status not in _SILENT:
                raise
            then = "If you killed it, run `await ws.server.restart()`. Then run this cell again."
            raise WorkshopError("The Worker did not start: the Temporal Server does not answer.", then=then) from error

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            say(f"{self} has ended:\n" + "\n".join(describe(error)), "warn")

    async def stop(self) -> None:
        """Stop it, waiting for its activities for at most ``STOP_SECONDS``.

        Raises:
            WorkshopError: An activity blocks. The Worker stops when the activity returns.
        """
        if self._loop is None:
            return
        try:
            await self._loop.acall(self._stop(), STOP_SECONDS)
        except TimeoutError:
            what = f"{self} did not stop within {STOP_SECONDS:.0f} s."
            then = "Wait until the activity returns and run this cell again, or restart the kernel.\n"
            then += "In an `async def` activity, await instead of blocking."
            raise WorkshopError(what, "One of its activities blocks and cannot be cancelled.", then) from None
        if self._loop is not None:  # another call may have stopped it meanwhile
            self._loop.end()
            self._loop = None

    async def _stop(self) -> None:
        assert self._worker is not None
        assert self._task is not None
        # Unlike `await`, this does not cancel them at the time limit.
        await asyncio.wait([self._task, asyncio.ensure_future(self._worker.shutdown())])
