"""The workshop beside a notebook: its Temporal Server, its running workers, its cells, its ids and its ledger."""

from __future__ import annotations

import asyncio
import atexit
import importlib
import os
import sys
from collections.abc import Coroutine
from contextlib import AbstractAsyncContextManager
from typing import Any, ClassVar

from workshop_lib.agents.model import settings as llm
from workshop_lib.cells import magic
from workshop_lib.cells.imports import without_collector
from workshop_lib.cells.quiet import quieten
from workshop_lib.cells.workflow_cells import CellError, Cells, Edit
from workshop_lib.evidence.ledger import Ledger
from workshop_lib.evidence.messages import WorkshopError, in_notebook, notebook_names, say
from workshop_lib.evidence.state import STATE_VARIABLE, StateFolder, notebook_key
from workshop_lib.faults import surroundings
from workshop_lib.faults.fault import Fault
from workshop_lib.faults.interceptor import Faults
from workshop_lib.faults.kinds import HTTP, MODEL, cannot_die, parse
from workshop_lib.programs.http_services import HttpServices
from workshop_lib.server import outside as outside_service
from workshop_lib.server.connections import Connections
from workshop_lib.server.devserver import DevServer
from workshop_lib.workers.background import BackgroundLoop
from workshop_lib.workers.in_process import InProcessWorker
from workshop_lib.workers.pool import WorkerPool
from workshop_lib.workers.process import Process
from workshop_lib.workers.spawned import Launcher, SpawnedWorker

_WAIT_SECONDS = 60.0  # for what is itself bounded, step by step
_NO_PAGE = "Your browser cannot open its Web UI, which only this hub's machine reaches.\n"
_NO_PAGE += "→ `timeline`, `history` and the `temporal` commands that cells print show the same."


class Workshop(Connections):
    """What runs beside one notebook. ``await Workshop.start()`` makes it.

    Attributes:
        ledger: The side effects that really happened.
        run: See ``WorkerPool.run``; as are ``spawn`` and ``stop``.
        serve: See ``HttpServices.serve``.
        copy_cell: See ``Cells.copy``.
        current: The workshop of this kernel, once started.
    """

    current: ClassVar[Workshop | None] = None
    _starting: ClassVar[asyncio.Lock] = asyncio.Lock()

    def __init__(self, folder: StateFolder, server: DevServer) -> None:
        self._folder = folder
        self.ledger = Ledger(folder.path / "ledger.db")
        self._background = BackgroundLoop()
        self._launcher = Launcher(folder, self.id)
        self._faults = Faults(folder.path, may_die=False)
        self._cells = Cells(folder.cells, notebook_names())
        self._cells.subscribe(self._end_former_code)  # before its Workers get the new code
        self._pool = WorkerPool(self._cells, self._background, self._launcher)
        self._services = HttpServices(self._launcher, self._background, self._faults)
        super().__init__(server, self._pool.polled, self._faults)
        self.run, self.spawn, self.stop = self._pool.run, self._pool.spawn, self._pool.stop
        self.serve = self._services.serve
        self.refuse_if_red, self.copy_cell = self._cells.refuse_if_red, self._cells.copy

    @classmethod
    async def start(cls, *, model: bool = False, calls_model: bool = True) -> Workshop:
        """Start this notebook's Temporal Server, or find it again, and say in one line what is used.

        Running the cell again gives the same workshop. After a kernel restart, the workflows that are still open
        are listed.

        Args:
            model: Whether the notebook uses a language model. The offline one is started then, and a real one that
                ``WORKSHOP_MODEL`` names is asked whether it takes our key.
            calls_model: Whether this process is to call it, and not only others that it starts. LiteLLM is imported
                for it meanwhile.

        Raises:
            WorkshopError: The server does not start, or what was asked for from outside does not answer.
        """
        async with cls._starting:
            first = cls.current is None
            if first:
                cls.current = await cls._first_start(model, calls_model)
            ws = cls.current
            assert ws is not None
            if not first:
                await ws._greet()
                await ws._serve_model(model, calls_model)
            if model:
                say(f"Language model: {llm.described()}")
                await llm.probe()
            if first:
                await ws._list_open()
            return ws

    @classmethod
    async def _first_start(cls, model: bool, calls_model: bool) -> Workshop:
        quieten()
        magic.let_interrupts_wake_the_loop()
        folder = StateFolder.claim(notebook_key())
        _say_whether_renamed(folder)
        ws: Workshop | None = None
        try:
            ws = cls(folder, outside_service.chosen(folder))
            if ws.server.prefix:  # an outside service: its answer is waited for, and an import can block the loop
                await ws._greet()
                await ws._serve_model(model, calls_model)
            else:
                await _all(ws._greet(), ws._serve_model(model, calls_model))
        except BaseException:  # an interrupted cell, too: the next try must find everything free
            await ws.close() if ws is not None else folder.release()
            raise
        os.environ[STATE_VARIABLE] = str(folder.path)
        atexit.register(ws._pool.stop_at_exit)
        return ws

    async def _serve_model(self, wanted: bool, called_here: bool) -> None:
        if not wanted or self._services.running(llm.SERVICE):
            return
        serving = asyncio.create_task(self.serve(llm.SERVICE, "workshop_lib.agents.model.server"))
        try:
            await asyncio.sleep(0.05)  # two processes are starting
            if called_here:
                _import_litellm()
        finally:
            await serving

    async def close(self) -> None:
        """Stop the workers and the server. What the notebook did stays on disk."""
        atexit.unregister(self._pool.stop_at_exit)
        await self.stop(*self.workers)
        await self._services.end()
        await self.server.close()
        self._background.end()
        self._folder.release()
        os.environ.pop(STATE_VARIABLE, None)
        Workshop.current = None

    async def reset(self) -> None:
        """End every open workflow of this notebook and empty its ledger. Its workers go on."""
        executions = await self.open_executions()
        await self.terminate(executions, "ws.reset()")
        self.ledger.clear()
        say(f"Reset: {_executions(len(executions))} ended, ledger emptied.")

    @property
    def workers(self) -> tuple[InProcessWorker | SpawnedWorker, ...]:
        """What ``run`` and ``spawn`` started and ``stop`` has not stopped; one that was killed is still among them."""
        return self._pool.workers

    def id(self, kind: str) -> str:
        """A new id, such as ``order-3``. None is given twice, also not after a restart.

        Args:
            kind: What it is for; the part before the number.
        """
        return f"{kind}-{self.ledger.next_id(kind)}"

    def launch(self, module: str, *arguments: str) -> Process:
        """Run a module, such as one of a ``%%workflow`` cell, as a program in its own process.

        Args:
            module: Its name, as for ``python -m``.
            arguments: What the program finds in ``sys.argv``.

        Returns:
            The process, with ``kill()`` and ``await wait(seconds)``. It ends with the kernel.
        """
        return self._launcher.python(module, *arguments, piped=False)

    def fault(self, name: str, *, times: int = 1, seconds: float = 3.0, skip: int = 0) -> Fault:
        """Let something fail while a with-block runs: ``with ws.fault("charge_customer.fails", times=2) as fault:``.

        Workers made with ``ws.connection`` have their part in it without a restart, in whichever process they run.

        Args:
            name: What fails and how, as in ``faults.kinds.KINDS``; an unknown name lists them.
            times: How often at most, in all processes together. What happens to the server, a file or a task queue
                happens once.
            seconds: How long it lasts, if it is of those that last: ``is_slow``, ``delays``, ``locked``, ``flooded``,
                ``dies``. The end of the with-block ends the last three earlier.
            skip: How many chances it lets pass first: 2 for the third call of an activity.

        Returns:
            A context manager with ``fired``, how often it happened, and ``at``, when.

        Raises:
            WorkshopError: There is no such fault, or it would have to kill the kernel.
        """
        return Fault(name, times, seconds, skip, self._faults.file, self._background, _around(self, name))

    def _end_former_code(self, edit: Edit) -> None:
        if edit.workflow_types and not edit.keep_open:
            self._background.call(self._end_open(edit.workflow_types), _WAIT_SECONDS)

    async def _end_open(self, types: list[str]) -> None:
        executions = await self.open_executions(types)
        await self.terminate(executions, "the %%workflow cell was edited")
        if executions:
            ids = ", ".join(execution.id for execution in executions[:5])
            say(f"{_executions(len(executions))} of the former code had not ended; ended now: {ids}.")

    async def _greet(self) -> None:
        self._faults.clear()  # what a kernel left that did not come to the end of its with-block
        await self.server.start()
        version = f"Temporal Server {await self.version()}"
        if isinstance(self.server, outside_service.OutsideService):
            text = f"{version} at {self.server.address}, from {self.server.origin}.\n"
            text += f"Your namespaces and Nexus endpoints there begin with {self.server.prefix}. "
            say(text + "A cell that would kill the server or change its settings says so, and goes on without.")
            if missing := await self.missing_rights():
                say(missing, "warn")
            return
        place = "notebook" if in_notebook() else "program"
        page = f"Web UI: {self.server.ui_url}" if self.server.ui_url else _NO_PAGE
        unused = outside_service.ignored()
        say(f"{version} runs beside this {place}. {page}" + (f"\n{unused}" if unused else ""))

    async def _list_open(self) -> None:
        executions = await self.open_executions()
        if executions:
            lines = [f"  {execution.id} ({execution.workflow_type})" for execution in executions[:10]]
            say(
                f"{_executions(len(executions))} still open from before:\n" + "\n".join(lines) + "\n"
                "→ They go on as soon as a worker polls their task queue. `await ws.reset()` ends them all."
            )


def _around(ws: Workshop, fault: str) -> AbstractAsyncContextManager[None] | None:
    """What a fault breaks around the Workers, unless it happens in them or in a proxy."""
    target, kind = parse(fault)
    if kind == "dies":
        return surroundings.server_down(ws.server)
    if kind == "locked":
        path = ws._folder.path / target
        if not path.exists():  # connecting to it would make one
            raise WorkshopError(f"There is no database {path} yet.", then="Place an order first, or fix the name.")
        return surroundings.locked(path)
    if kind == "flooded":
        return surroundings.flooded(ws, target)
    if kind not in HTTP + MODEL:
        _refuse_without_activity(fault, [worker for worker in ws.workers if worker.running])
    elif target not in ws._services.served:
        raise WorkshopError(f"No service is called {target!r}.", then=f"`await ws.serve({target!r}, module)` first.")
    return None


def _refuse_without_activity(fault: str, running: list[InProcessWorker | SpawnedWorker]) -> None:
    activity, kind = parse(fault)
    able = [worker for worker in running if activity in worker.activities]
    if not able:
        known = ", ".join(sorted({known for worker in running for known in worker.activities})) or "none"
        say(f"No running Worker has an activity {activity!r} so far. There are: {known}.", "warn")
    elif kind.startswith("dies_") and all(isinstance(worker, InProcessWorker) for worker in able):
        raise cannot_die(fault)


def _import_litellm() -> None:
    """Import what the notebook needs next, in the seconds that processes take to start."""
    if "litellm" not in sys.modules:
        with without_collector():
            for name in ("litellm", "openai.resources.chat", "mcp"):  # LiteLLM imports the others with its first call
                importlib.import_module(name)


async def _all(*coroutines: Coroutine[Any, Any, None]) -> None:
    """Run them side by side. If one fails, none goes on."""
    tasks = [asyncio.create_task(each) for each in coroutines]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


def _say_whether_renamed(folder: StateFolder) -> None:
    if folder.former:
        names = " and ".join(folder.former)
        say(
            f"The workflows of {names} are kept, but there is no such notebook any more. Is this the same one?\n"
            "→ To go on with them, give it its former name again, and restart its kernel. `make reset` forgets them."
        )


def _executions(count: int) -> str:
    return f"{count} workflow execution" + ("" if count == 1 else "s")


def _run_workflow_cell(line: str, cell: str) -> None:
    if Workshop.current is None:
        raise CellError("%%workflow needs the workshop.", then="Run the set-up cell first: `await Workshop.start()`.")
    Workshop.current._cells.run(line, cell)


magic.install(_run_workflow_cell)
