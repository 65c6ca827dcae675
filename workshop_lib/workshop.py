"""The workshop beside a notebook: its Temporal Server, its running workers, its cells, its ids and its ledger."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import importlib
import os
import signal
import sys
from collections.abc import Coroutine
from typing import Any, ClassVar

from temporalio.client import Client
from temporalio.worker import Worker

from workshop_lib.agents.model import settings as llm
from workshop_lib.cells.imports import without_collector
from workshop_lib.cells.quiet import quieten
from workshop_lib.cells.workflow_cells import CellError, Cells, workflow_types
from workshop_lib.evidence.failures import render_in_notebooks
from workshop_lib.evidence.ledger import Ledger
from workshop_lib.evidence.messages import WorkshopError, in_notebook, say
from workshop_lib.evidence.state import SERVICES, STATE_VARIABLE, StateFolder, notebook_key
from workshop_lib.faults import surroundings
from workshop_lib.faults.fault import Fault
from workshop_lib.faults.interceptor import Faults
from workshop_lib.faults.kinds import HTTP, MODEL, cannot_die, parse
from workshop_lib.server import devserver
from workshop_lib.server import outside as outside_service
from workshop_lib.server.connections import Connections
from workshop_lib.server.devserver import DevServer
from workshop_lib.workers.in_process import BackgroundLoop, InProcessWorker
from workshop_lib.workers.process import Process
from workshop_lib.workers.spawned import Service, SpawnedWorker, describe_worker, environment, javascript
from workshop_lib.workers.waiting import Polled

_WAIT_SECONDS = 60.0  # for what is itself bounded, step by step
_EXIT_SECONDS = 1.0  # for a worker to stop while the kernel ends


class Workshop(Connections):
    """What runs beside one notebook. ``await Workshop.start()`` makes it.

    Attributes:
        ledger: The side effects that really happened.
        current: The workshop of this kernel, once started.
    """

    current: ClassVar[Workshop | None] = None
    _starting: ClassVar[asyncio.Lock] = asyncio.Lock()

    def __init__(self, folder: StateFolder, server: DevServer, outside: outside_service.OutsideService | None) -> None:
        self._faults = Faults(folder.path, may_die=False)
        super().__init__(server, outside, self._polled, self._faults)
        self._folder = folder
        self._background = BackgroundLoop()
        self._running: list[InProcessWorker | SpawnedWorker] = []
        self._proxies: dict[str, asyncio.Server] = {}
        self._services: dict[str, Service] = {}
        self._cells = Cells(folder.cells, _notebook_names(), self._cell_changed)
        self.ledger = Ledger(folder.path / "ledger.db")

    @classmethod
    async def start(cls, *, model: bool = False) -> Workshop:
        """Start this notebook's Temporal Server, or find it again, and say in one line what is used.

        Running the cell again gives the same workshop. After a kernel restart, the workflows that are still open
        are listed.

        Args:
            model: Whether the notebook uses a language model. The offline one is started then, and a real one that
                ``WORKSHOP_MODEL`` names is asked whether it takes our key.

        Raises:
            WorkshopError: The server does not start, or what was asked for from outside does not answer.
        """
        async with cls._starting:
            if cls.current is not None:
                await cls.current._greet()
                await cls.current._serve_model(model)
                await cls.current._introduce_model(model)
                return cls.current
            quieten()
            if in_notebook():
                _let_interrupts_wake_the_loop()
            folder = StateFolder.claim(notebook_key())
            server = DevServer(folder)
            folder.forget(SERVICES)  # they ended with the kernel before
            ws: Workshop | None = None
            try:
                ws = cls(folder, server, outside_service.chosen(folder.path.name))
                await _all(ws._greet(), ws._serve_model(model))
            except BaseException:  # an interrupted cell, too: the next try must find everything free
                if ws is not None:
                    await ws._end_services()
                    ws._background.end()
                folder.release()
                await server.close()
                raise
            os.environ[STATE_VARIABLE] = str(folder.path)
            cls.current = ws
            atexit.register(ws._at_exit)
            await ws._introduce_model(model)
            await ws._list_open()
            return ws

    async def _serve_model(self, wanted: bool) -> None:
        running = llm.SERVICE in self._services and self._services[llm.SERVICE].running
        if not wanted or running:
            return
        serving = asyncio.create_task(self.serve(llm.SERVICE, "workshop_lib.agents.model.server"))
        try:
            if "litellm" not in sys.modules:
                # It takes two seconds, and the notebook needs it next. Two processes are starting; they take one.
                # LiteLLM would import the other two with its first call.
                await asyncio.sleep(0.05)
                with without_collector():
                    for name in ("litellm", "openai.resources.chat", "mcp"):
                        importlib.import_module(name)
        finally:
            await serving

    async def _introduce_model(self, wanted: bool) -> None:
        if wanted:
            say(f"Language model: {llm.described()}")
            await llm.probe()

    async def close(self) -> None:
        """Stop the workers and the server. What the notebook did stays on disk."""
        atexit.unregister(self._at_exit)
        await self.stop(*self._running)
        await self._end_services()
        await self._server.close()
        self._background.end()
        self._folder.release()
        os.environ.pop(STATE_VARIABLE, None)
        Workshop.current = None

    async def _end_services(self) -> None:
        for proxy in self._proxies.values():
            _close(proxy)
        await asyncio.gather(*(service.stop() for service in self._services.values()))

    async def reset(self) -> None:
        """End every open workflow of this notebook and empty its ledger. Its workers go on."""
        executions = await self.open_executions()
        await self.terminate(executions, "ws.reset()")
        self.ledger.clear()
        say(f"Reset: {_executions(len(executions))} ended, ledger emptied.")

    @property
    def server(self) -> DevServer:
        """The embedded server, to be killed and restarted.

        Raises:
            WorkshopError: An outside service is in use, which nobody here may kill.
        """
        if self._outside is not None:
            raise WorkshopError(
                f"This notebook uses {self._outside.origin}, and has no server of its own to kill.",
                then=f"Unset {outside_service.CHOICE} and restart the kernel to do this part.",
            )
        return self._server

    @property
    def workers(self) -> tuple[InProcessWorker | SpawnedWorker, ...]:
        """What ``run`` and ``spawn`` started and ``stop`` has not stopped; one that was killed is still among them."""
        return tuple(self._running)

    def id(self, kind: str) -> str:
        """A new id, such as ``order-3``. None is given twice, also not after a restart.

        Args:
            kind: What it is for; the part before the number.
        """
        return f"{kind}-{self.ledger.next_id(kind)}"

    def run(self, worker: type[Worker], client: Client, **settings: Any) -> InProcessWorker:
        """Run a Worker beside the notebook, in the place of the one that polled the same queue before.

        It takes the class and its arguments, not a Worker, because the SDK refuses a second Worker on a queue in its
        constructor: the one before must be stopped first. An edited ``%%workflow`` cell is taken up by itself.

        Args:
            worker: ``temporalio.worker.Worker``.
            client: Its client.
            settings: Its other arguments, as in the SDK.

        Raises:
            WorkshopError: The Worker cannot be built or started, or the one before does not stop.
        """
        place = (client.namespace, str(settings.get("task_queue")))
        if "deployment_config" not in settings:  # which has an id of its own
            # Else the SDK hashes the code of every module that is loaded: 0.2 s where LiteLLM is one of them.
            settings = {"build_id": "workshop", **settings}
        running = InProcessWorker(lambda: worker(client, **self._latest(settings)), place, lambda: self._uses(settings))
        self._background.call(self._put_in_place(running), _WAIT_SECONDS)
        return running

    async def _put_in_place(self, running: InProcessWorker) -> None:
        for before in [each for each in self._running if isinstance(each, InProcessWorker)]:
            if before.place == running.place:
                await self.stop(before)
        try:
            await running.start()
        except BaseException:
            running.discard()
            raise
        self._running.append(running)

    async def spawn(self, worker: str | type[Worker], client: Client | None = None, **settings: Any) -> SpawnedWorker:
        """Run a Worker in a process of its own, which can be killed for real, and wait until it polls.

        Args:
            worker: A module with a coroutine function ``worker(ws)`` that returns the Worker; or
                ``temporalio.worker.Worker``, with its arguments behind it as in ``run``; or a program in JavaScript,
                ``"package.worker.mjs"``, which finds its address, namespace and task queue in its environment.
            client: The Worker's client; the process connects in the same way.
            settings: The Worker's other arguments; of a program in JavaScript, ``task_queue`` alone. Classes and
                functions must stand in ``%%workflow`` cells or in modules, where another process can import them.

        Raises:
            WorkshopError: The worker cannot be described to another process, ends before it polls, or is written in
                JavaScript, and Node or its packages are missing.
        """

        def launch() -> Process:
            if isinstance(worker, str) and worker.endswith(".mjs"):
                assert client is not None, f"ws.spawn({worker!r}, client, task_queue=…) needs the client"
                service = client.service_client.config
                connect = {"TEMPORAL_ADDRESS": service.target_host, "TEMPORAL_API_KEY": service.api_key or ""}
                place = {"TEMPORAL_NAMESPACE": client.namespace, "TASK_QUEUE": str(settings["task_queue"])}
                return self._command(javascript(worker), worker.removesuffix(".mjs"), piped=True, **connect, **place)
            if isinstance(worker, str):
                return self._process("workshop_lib.programs.worker", "module", worker, piped=True)
            assert client is not None, "ws.spawn(Worker, client, task_queue=…) needs the client"
            described = {"worker": worker, "data_converter": client.data_converter, **self._latest(settings)}
            file = self._folder.path / f"{self.id('worker')}.pickle"
            describe_worker(described, file)
            namespace = client.namespace.removeprefix(self._prefix)
            return self._process("workshop_lib.programs.worker", "described", namespace, str(file), piped=True)

        name = worker if isinstance(worker, str) else f"worker on {settings.get('task_queue')!r}"
        spawned = SpawnedWorker(launch, name, lambda: self._uses(settings))
        await spawned.start()
        self._running.append(spawned)
        return spawned

    async def serve(self, name: str, module: str) -> Service:
        """Run an HTTP service in a process of its own, in the place of the one of this name before.

        Who asks for ``state.service_address(name)`` gets its address, and passes a proxy where ``NAME.drops``,
        ``NAME.answers_503`` and other faults can happen.

        Args:
            name: What it is called, such as ``"payments"``.
            module: Defines the service as an ASGI application ``app``.

        Raises:
            WorkshopError: It ends before it listens.
        """
        if name in self._services:
            await self._services.pop(name).stop()
        service = Service(lambda: self._process("workshop_lib.programs.http", module, piped=True), name)
        await service.start()
        self._services[name] = service
        address = await self.proxy(name, service.url)
        self._folder.write(SERVICES, {name: address})
        return service

    def launch(self, module: str, *arguments: str) -> Process:
        """Run a module, such as one of a ``%%workflow`` cell, as a program in a process of its own.

        Args:
            module: Its name, as for ``python -m``.
            arguments: What the program finds in ``sys.argv``.

        Returns:
            The process, with ``kill()`` and ``await wait(seconds)``. It ends with the kernel.
        """
        return self._process(module, *arguments)

    def _process(self, module: str, *arguments: str, piped: bool = False) -> Process:
        return self._command([sys.executable, "-m", module, *arguments], module, piped=piped)

    def _command(self, command: list[str], name: str, *, piped: bool, **variables: str) -> Process:
        log = self._folder.logs / f"{self.id(name.rpartition('.')[2])}.log"
        return Process(command, log=log, environment={**environment(self._folder), **variables}, piped=piped)

    async def stop(self, *workers: InProcessWorker | SpawnedWorker) -> None:
        """Stop workers that ``run`` or ``spawn`` started, all at once, waiting for their activities for a while.

        Raises:
            WorkshopError: An activity blocks its thread and does not let its worker stop.
        """
        await asyncio.gather(*(worker.stop() for worker in workers))
        for worker in workers:
            worker.discard()
        self._running = [worker for worker in self._running if worker not in workers]

    def fault(self, name: str, *, times: int = 1, seconds: float = 3.0, skip: int = 0) -> Fault:
        """Let something fail while a with-block runs: ``with ws.fault("charge_customer.fails", times=2) as fault:``.

        Workers made with ``ws.connection`` have their part in it without a restart, in whichever process they run.

        Args:
            name: What fails and how, as in ``faults.kinds.KINDS``; an unknown name lists them.
            times: How often at most, in all processes together. What befalls the server, a file or a task queue
                befalls it once.
            seconds: How long it lasts, if it is of those that last: ``is_slow``, ``delays``, ``locked``, ``flooded``,
                ``dies``. The end of the with-block ends the last three earlier.
            skip: How many chances it lets pass first: 2 for the third call of an activity.

        Returns:
            A context manager with ``fired``, how often it happened, and ``at``, when.

        Raises:
            WorkshopError: There is no such fault, or it would have to kill the kernel.
        """
        target, kind = parse(name)
        around = None
        if kind == "dies":
            around = surroundings.server_down(self.server)
        elif kind == "locked":
            path = self._folder.path / target
            if not path.exists():  # connecting to it would make one
                raise WorkshopError(f"There is no database {path} yet.", then="Place an order first, or fix the name.")
            around = surroundings.locked(path)
        elif kind == "flooded":
            around = surroundings.flooded(self, target)
        elif kind in HTTP + MODEL:
            if target not in self._proxies:
                raise WorkshopError(
                    f"No service is called {target!r}.", then=f"`await ws.proxy({target!r}, url)` first."
                )
        else:
            self._check_activity(name, target, kind)
        return Fault(name, times, seconds, skip, self._faults.file, self._background, around)

    def _check_activity(self, name: str, activity: str, kind: str) -> None:
        running = [worker for worker in self._running if worker.running]
        able = [worker for worker in running if activity in worker.activities]
        if not able:
            known = sorted({known for worker in running for known in worker.activities})
            say(
                f"No running Worker has an activity {activity!r} so far. There are: {', '.join(known) or 'none'}.",
                "warn",
            )
        elif kind.startswith("dies_") and all(isinstance(worker, InProcessWorker) for worker in able):
            raise cannot_die(name)

    async def proxy(self, name: str, url: str) -> str:
        """Stand before an HTTP service on loopback, so that ``NAME.drops``, ``NAME.answers_503`` and others can happen.

        Args:
            name: What the service is called in the faults' names.
            url: Its address, such as ``http://127.0.0.1:8000``.

        Returns:
            The address to use instead.
        """
        made = await self._background.acall(surroundings.proxy(self._faults, name, url), _WAIT_SECONDS)
        if name in self._proxies:
            _close(self._proxies[name])
        self._proxies[name] = made
        return f"http://{devserver.HOST}:{made.sockets[0].getsockname()[1]}"

    # A cell's edit reaches the workers that run its code.

    def _cell_changed(self, modules: list[str], keep_open: bool) -> None:
        self._background.call(self._take_up(modules, keep_open), _WAIT_SECONDS)

    async def _take_up(self, modules: list[str], keep_open: bool) -> None:
        said, failed = [], []
        types = [name for module in modules for name in workflow_types(module)]
        if types and not keep_open:
            executions = await self.open_executions(types)
            await self.terminate(executions, "the %%workflow cell was edited")
            if executions:
                ids = ", ".join(execution.id for execution in executions[:5])
                said.append(f"{_executions(len(executions))} of the former code had not ended; ended now: {ids}.")
        for worker in self._running:
            if worker.wanted and worker.uses() & set(modules):
                try:
                    await worker.stop()
                    await worker.start()
                    said.append(f"The {worker} has the new code.")
                except WorkshopError as error:
                    failed.append(error)
        if said:
            say("\n".join(said))
        if failed:
            raise failed[0]

    def _latest(self, settings: dict[str, Any]) -> dict[str, Any]:
        return {
            name: [self._cells.latest(item) for item in value] if isinstance(value, list | tuple) else value
            for name, value in settings.items()
        }

    def _uses(self, settings: dict[str, Any]) -> set[str]:
        lists = [value for value in settings.values() if isinstance(value, list | tuple)]
        return {getattr(item, "__module__", "") for items in lists for item in items}

    def _polled(self) -> list[Polled]:
        return [polled for worker in self._running if worker.running for polled in worker.polls]

    def refuse_if_red(self, answer: Any) -> None:
        """Refuse to judge what a ``%%workflow`` cell defined before its last run failed.

        Args:
            answer: A class or function of a cell.

        Raises:
            CellError: Its cell's last run failed.
        """
        name = getattr(answer, "__module__", None)
        if name in self._cells.red:
            raise CellError(
                f'The last run of the cell "{name}" was red, so there is nothing new to check.',
                then="Fix that cell first. Its last lines say what to do.",
            )

    async def _greet(self) -> None:
        self._faults.clear()  # what a kernel left that did not come to the end of its with-block
        if self._outside is not None:
            say(f"Temporal Server {await self.version()} at {self._outside.address}, from {self._outside.origin}.")
            return
        await self._server.start()
        place = "notebook" if in_notebook() else "program"
        text = f"Temporal Server {await self.version()} runs beside this {place}. Web UI: {self._server.ui_url}"
        unused = outside_service.ignored()
        say(f"{text}\n{unused}" if unused else text)

    async def _list_open(self) -> None:
        executions = await self.open_executions()
        if executions:
            lines = [f"  {execution.id} ({execution.workflow_type})" for execution in executions[:10]]
            say(
                f"{_executions(len(executions))} still open from before:\n" + "\n".join(lines) + "\n"
                "→ They go on as soon as a worker polls their task queue. `await ws.reset()` ends them all."
            )

    def _at_exit(self) -> None:
        # A Worker that polls while the interpreter goes down can abort it (exit code 134).
        for worker in self._running:
            if isinstance(worker, InProcessWorker):
                with contextlib.suppress(Exception):
                    self._background.call(worker.stop(), _EXIT_SECONDS)


async def _all(*coroutines: Coroutine[Any, Any, None]) -> None:
    """Run them side by side. If one fails, none goes on."""
    tasks = [asyncio.create_task(each) for each in coroutines]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


def _close(proxy: asyncio.Server) -> None:
    proxy.get_loop().call_soon_threadsafe(proxy.close)


def _executions(count: int) -> str:
    return f"{count} workflow execution" + ("" if count == 1 else "s")


def _notebook_names() -> dict[str, Any]:
    if not in_notebook():
        return {}
    names: dict[str, Any] = sys.modules["IPython"].get_ipython().user_ns
    return names


def _let_interrupts_wake_the_loop() -> None:
    # ipykernel 7.4 answers an interrupt with a callback on its loop, and a loop that sleeps (`await asyncio.sleep(60)`)
    # does not notice it before something else wakes it. asyncio makes signals wake its loop once it handles any; this
    # one does nothing by default.
    asyncio.get_running_loop().add_signal_handler(signal.SIGURG, lambda: None)


def _run_workflow_cell(line: str, cell: str) -> None:
    if Workshop.current is None:
        raise CellError("%%workflow needs the workshop.", then="Run the set-up cell first: `await Workshop.start()`.")
    Workshop.current._cells.run(line, cell)


def _refuse_late_magic(line: str) -> None:
    raise CellError("%%workflow must be the first line of its cell.", then="Move what stands above it below it.")


def _prepare_notebook() -> None:
    """Give the notebook its ``%%workflow`` and short tracebacks. Done when this module is imported into a kernel."""
    if in_notebook():
        sys.modules["IPython"].get_ipython().register_magic_function(_run_workflow_cell, "cell", "workflow")
        # Not on the first line, IPython takes it for a line magic of this name.
        sys.modules["IPython"].get_ipython().register_magic_function(_refuse_late_magic, "line", "%workflow")
        render_in_notebooks()


_prepare_notebook()
