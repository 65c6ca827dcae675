"""What runs beside a notebook: its Temporal Server, Workers and services; its cells, ids and ledger."""

import asyncio
import atexit
import importlib
import os
import sys
from contextlib import AbstractAsyncContextManager
from typing import ClassVar

from workshop_lib.agents.model import settings as llm
from workshop_lib.cells import magic
from workshop_lib.cells.imports import without_collector
from workshop_lib.cells.quiet import quieten
from workshop_lib.cells.workflow_cells import Cells, Edit
from workshop_lib.evidence.ledger import Ledger
from workshop_lib.evidence.messages import WorkshopError, in_notebook, notebook_names, say
from workshop_lib.evidence.state import STATE_VARIABLE, StateFolder, notebook_key
from workshop_lib.faults import surroundings
from workshop_lib.faults.fault import Fault
from workshop_lib.faults.interceptor import Faults
from workshop_lib.faults.kinds import HTTP, MODEL, cannot_die, parse
from workshop_lib.server import outside as outside_service
from workshop_lib.server.connections import Connections
from workshop_lib.server.devserver import DevServer
from workshop_lib.workers.background import BackgroundLoop
from workshop_lib.workers.in_process import InProcessWorker
from workshop_lib.workers.pool import WorkerPool
from workshop_lib.workers.process import Process
from workshop_lib.workers.spawned import Launcher, SpawnedWorker

_WAIT_SECONDS = 60.0  # a guard only: each step is bounded
_NO_PAGE = (
    "Your browser cannot open its Web UI, because it runs on another machine than this notebook.\n"
    "→ `timeline`, `history` and the `temporal` commands that cells print show the same."
)


class Workshop(Connections):
    """What runs beside one notebook. ``await Workshop.start()`` makes it.

    Attributes:
        ledger: The side effects that happened.
        run: See ``WorkerPool.run``; also ``spawn``, ``serve``, ``serves`` and ``stop``.
        copy_cell: See ``Cells.copy``.
        current: The workshop of this kernel, once started.
    """

    current: ClassVar["Workshop | None"] = None
    _starting: ClassVar[asyncio.Lock] = asyncio.Lock()

    def __init__(self, folder: StateFolder, server: DevServer) -> None:
        self._folder = folder
        self.ledger = Ledger(folder.path / "ledger.db")
        self._background = BackgroundLoop()
        self._launcher = Launcher(folder, self.id)
        self._faults = Faults(folder.path, may_die=False)
        self._cells = Cells(folder.cells, notebook_names())
        self._cells.subscribe(self._end_former_code)  # before the Workers get the new code
        self._pool = WorkerPool(self._cells, self._background, self._launcher)
        super().__init__(server, self._pool.polled, self._faults)
        self.run, self.spawn = self._pool.run, self._pool.spawn
        self.serve, self.stop = self._pool.serve, self._pool.stop
        self.serves = self._pool.serves
        self.refuse_if_red, self.copy_cell = self._cells.refuse_if_red, self._cells.copy

    @classmethod
    async def start(cls, *, model: bool = False, calls_model: bool = True) -> "Workshop":
        """Start this notebook's Temporal Server, or find it again, and say in one line what is used.

        Running the cell again returns the same workshop. After a kernel restart, the workflows that are still open are
        listed.

        Args:
            model: Whether the notebook uses a language model. If so, the offline model is started, and a real model
                that ``WORKSHOP_MODEL`` names is asked whether it accepts our key.
            calls_model: Whether this process calls the model. If so, LiteLLM is imported meanwhile.

        Raises:
            WorkshopError: The server does not start, or the outside service or model does not answer.
        """
        async with cls._starting:
            known = cls.current
            ws = cls.current = known or await cls._first_start(model, calls_model)
            if known:
                await ws._begin(model, calls_model)
            if model:
                say(f"Language model: {llm.described()}")
                await llm.probe()
            if not known:
                await ws._list_open()
            return ws

    @classmethod
    def started(cls) -> "Workshop":
        """The workshop of this kernel.

        Raises:
            WorkshopError: It is not started.
        """
        if cls.current is None:
            what = "The workshop is not started."
            raise WorkshopError(what, then="Run the set-up cell first: `await Workshop.start()`.")
        return cls.current

    @classmethod
    async def _first_start(cls, model: bool, calls_model: bool) -> "Workshop":
        quieten()
        magic.let_interrupts_wake_the_loop()
        folder = StateFolder.claim(notebook_key())
        _say_whether_renamed(folder)
        ws: Workshop | None = None
        try:
            ws = cls(folder, outside_service.chosen(folder))
            await ws._begin(model, calls_model)
        except BaseException:  # also after an interrupt, the next try must find everything free
            await ws.close() if ws is not None else folder.release()
            raise
        os.environ[STATE_VARIABLE] = str(folder.path)
        atexit.register(ws._pool.stop_at_exit)
        return ws

    async def _begin(self, model: bool, calls_model: bool) -> None:
        greeting = asyncio.create_task(self._greet())
        try:
            if self.server.prefix:  # an outside service, whose answer an import would delay by blocking the loop
                await greeting
            if model:
                await self._serve_model(calls_model)
            await greeting
        finally:
            greeting.cancel()
            await asyncio.wait([greeting])

    async def _serve_model(self, called_here: bool) -> None:
        if self.serves(llm.SERVICE):
            return
        serving = asyncio.create_task(self.serve(llm.SERVICE, "workshop_lib.agents.model.server"))
        try:
            await asyncio.sleep(0.05)  # until the processes are starting
            if called_here:
                _import_litellm()
        finally:
            await serving

    async def close(self) -> None:
        """Stop the Workers, the services and the server. What the notebook did stays on disk."""
        atexit.unregister(self._pool.stop_at_exit)
        await self.stop(*self.workers, *self._pool.services.values())
        await self.server.close()
        self._background.end()
        self._folder.release()
        os.environ.pop(STATE_VARIABLE, None)
        Workshop.current = None

    async def reset(self) -> None:
        """End every open workflow of this notebook and empty its ledger. Its Workers keep running.

        A Workflow that began a moment ago may stay: the server lists what is open a little later.
        """
        executions = await self.open_executions()
        await self.terminate(executions, "ws.reset()")
        self.ledger.clear()
        say(f"Reset: {_executions(len(executions))} ended, ledger emptied.")

    @property
    def workers(self) -> tuple[InProcessWorker | SpawnedWorker, ...]:
        """See ``WorkerPool.workers``."""
        return self._pool.workers

    def id(self, kind: str) -> str:
        """A new id, such as ``order-3``. No id is given twice, even after a restart.

        Args:
            kind: The part before the number.
        """
        return f"{kind}-{self.ledger.next_id(kind)}"

    def launch(self, module: str, *arguments: str) -> Process:
        """Run a module, such as a ``%%workflow`` cell, as a program in its own process.

        Args:
            module: Its name, as for ``python -m``.
            arguments: The program's ``sys.argv[1:]``.

        Returns:
            The process, with ``kill()`` and ``await wait(seconds)``. It ends with the kernel.
        """
        return self._launcher.python(module, *arguments, piped=False)

    def fault(self, name: str, *, times: int = 1, seconds: float = 3.0, skip: int = 0) -> Fault:
        """Make something fail while a with-block runs: ``with ws.fault("charge_customer.fails", times=2) as fault:``.

        It works in all Workers whose connections come from ``ws.connection``, in any process, without a restart.

        Args:
            name: What fails and how, as in ``faults.kinds.KINDS``; the error for an unknown name lists them.
            times: How often it happens at most, in all processes together. A fault of the server, a file or a task
                queue happens once.
            seconds: The duration of ``is_slow``, ``delays``, ``locked``, ``flooded`` and ``dies``. The last three end
                with the with-block at the latest.
            skip: How many occasions pass before it happens, such as 2 for the third call of an activity.

        Returns:
            A context manager with ``fired``, how often it happened, and ``at``, when.

        Raises:
            WorkshopError: There is no such fault, or it would kill the kernel.
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
            say(f"{_executions(len(executions))} of the former code ended now: {ids}.")

    async def _greet(self) -> None:
        self._faults.clear()  # a kernel that was killed in a with-block may have left some
        await self.server.start()
        version = f"Temporal Server {await self.version()}"
        if isinstance(self.server, outside_service.OutsideService):
            text = f"{version} at {self.server.address}, from {self.server.origin}.\n"
            text += f"Your namespaces and Nexus endpoints there begin with {self.server.prefix}. "
            say(text + "Cells that would kill the server or change its settings say so, and continue without.")
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
            lines += ["→ They continue as soon as a Worker polls their task queue. `await ws.reset()` ends them all."]
            say(f"{_executions(len(executions))} still open from before:\n" + "\n".join(lines))


def _around(ws: Workshop, fault: str) -> AbstractAsyncContextManager[bool] | None:
    """What breaks the surroundings of the Workers; None for a fault of an activity or an HTTP service."""
    target, kind = parse(fault)
    if kind == "dies":
        return surroundings.server_down(ws.server)
    if kind == "locked":
        path = ws._folder.path / target
        if not path.exists():  # connecting to it would create it
            raise WorkshopError(f"There is no database {path} yet.", then="Place an order first, or correct the name.")
        return surroundings.locked(path)
    if kind == "flooded":
        return surroundings.flooded(ws, target)
    if kind not in HTTP + MODEL:
        _refuse_without_activity(fault, [worker for worker in ws.workers if worker.running])
    elif target not in ws._pool.services:
        then = f"Start it first: `await ws.serve({target!r}, module)`."
        raise WorkshopError(f"No service is called {target!r}.", then=then)
    return None


def _refuse_without_activity(fault: str, running: list[InProcessWorker | SpawnedWorker]) -> None:
    activity, kind = parse(fault)
    able = [worker for worker in running if activity in worker.activities]
    if not able:
        known = ", ".join(sorted({known for worker in running for known in worker.activities})) or "none"
        say(f"No running Worker has an activity {activity!r}. There are: {known}.", "warn")
    elif kind.startswith("dies_") and all(isinstance(worker, InProcessWorker) for worker in able):
        raise cannot_die(fault)


def _import_litellm() -> None:
    """Import what the notebook needs next, while processes are starting."""
    if "litellm" not in sys.modules:
        with without_collector():
            for name in ("litellm", "openai.resources.chat", "mcp"):  # LiteLLM imports the others with its first call
                importlib.import_module(name)


def _say_whether_renamed(folder: StateFolder) -> None:
    if folder.former:
        names = " and ".join(folder.former)
        say(
            f"There are workflows of {names}, but no such notebook. Is this notebook the same one?\n"
            "→ To continue them, give it its former name again and restart its kernel. `make reset` removes them."
        )


def _executions(count: int) -> str:
    return f"{count} Workflow" + ("" if count == 1 else "s")


def _run_workflow_cell(line: str, cell: str) -> None:
    Workshop.started()._cells.run(line, cell)


magic.install(_run_workflow_cell)
