"""The Workers and HTTP services of one notebook. Its Workers are replaced, and renewed when a cell is edited."""

import asyncio
import contextlib
import os
import pickle
from concurrent.futures import Executor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from temporalio.client import Client
from temporalio.worker import Worker

from workshop_lib.cells.workflow_cells import Cells
from workshop_lib.evidence.messages import WorkshopError, say
from workshop_lib.evidence.state import SERVICES
from workshop_lib.workers.background import BackgroundLoop
from workshop_lib.workers.in_process import InProcessWorker
from workshop_lib.workers.process import Process
from workshop_lib.workers.reasons import Polled
from workshop_lib.workers.spawned import START_SECONDS, HttpService, Launcher, Spawned, SpawnedWorker, javascript

_WAIT_SECONDS = START_SECONDS + 60  # for what is itself bounded, step by step
_EXIT_SECONDS = 1.0  # for a worker to stop while the kernel ends
_PROGRAM = "workshop_lib.programs.worker"


class WorkerPool:
    """The Workers and HTTP services of one notebook.

    Attributes:
        services: The HTTP services, by name.

    Args:
        cells: Whose edits renew the Workers that use them.
        background: The loop that Workers are replaced on.
        launcher: Starts processes.
    """

    def __init__(self, cells: Cells, background: BackgroundLoop, launcher: Launcher) -> None:
        self._cells, self._background, self._launcher = cells, background, launcher
        self._pooled: list[InProcessWorker | SpawnedWorker] = []
        self.services: dict[str, HttpService] = {}
        (launcher.folder.path / SERVICES).unlink(missing_ok=True)  # those of an earlier kernel ended with it
        cells.subscribe(lambda edit: background.call(self._renew({*edit.modules}), _WAIT_SECONDS))

    @property
    def workers(self) -> tuple[InProcessWorker | SpawnedWorker, ...]:
        """What ``run`` and ``spawn`` started and ``stop`` has not stopped, including Workers that were killed."""
        return tuple(self._pooled)

    def polled(self) -> list[Polled]:
        """What the running Workers poll."""
        return [polled for worker in self._pooled if worker.running for polled in worker.polls]

    def run(self, worker: type[Worker], client: Client, **settings: Any) -> InProcessWorker:
        """Run a Worker in the kernel's process. It replaces the one that polls the same task queue.

        It takes the class and its arguments, not a Worker, because the SDK's constructor refuses a second Worker on a
        task queue: the first must be stopped before the second is built. Editing a ``%%workflow`` cell renews it.

        Args:
            worker: ``temporalio.worker.Worker``.
            client: Its client.
            settings: Its other arguments, as in the SDK.

        Raises:
            WorkshopError: The Worker cannot be built or started, or the one that it replaces does not stop.
        """
        if "deployment_config" not in settings:  # which has its own id
            # Without it, the SDK hashes the code of every loaded module, which takes 0.2 s when LiteLLM is one of them.
            settings = {"build_id": "workshop", **settings}
        queue = str(settings.get("task_queue"))
        added = InProcessWorker(lambda: worker(client, **self._latest(settings)), client, queue, _modules(settings))
        self._background.call(self._put_in_place(added), _WAIT_SECONDS)
        return added

    async def _put_in_place(self, added: InProcessWorker) -> None:
        await self.stop(*(w for w in self._pooled if isinstance(w, InProcessWorker) and w.place == added.place))
        await added.start()
        self._pooled.append(added)

    async def spawn(self, worker: str | type[Worker], client: Client | None = None, **settings: Any) -> SpawnedWorker:
        """Run a Worker in its own process, which can really be killed, and wait until it polls.

        Args:
            worker: A module with a coroutine function ``worker(ws)`` that returns the Worker; or
                ``temporalio.worker.Worker``, followed by its arguments as in ``run``; or a program in JavaScript,
                ``"package.worker.mjs"``, which finds its address, namespace and task queue in its environment.
            client: The Worker's client; the process connects in the same way.
            settings: The Worker's other arguments; for a program in JavaScript, only ``task_queue``. Classes and
                functions must be defined in ``%%workflow`` cells or in modules, where another process can import them.

        Raises:
            WorkshopError: The Worker cannot be described to another process, ends before it polls, or is written in
                JavaScript while Node or its packages are missing.
        """
        name = worker if isinstance(worker, str) else f"Worker on {settings.get('task_queue')!r}"
        spawned = SpawnedWorker(lambda: self._launch(worker, client, settings), name, _modules(settings))
        if isinstance(worker, str) and "." not in worker:
            spawned.ready = " It is ready when `worker(ws)` has returned its Worker, which must not run yet."
        await spawned.start()
        self._pooled.append(spawned)
        return spawned

    def _launch(self, worker: str | type[Worker], client: Client | None, settings: dict[str, Any]) -> Process:
        if isinstance(worker, str) and not worker.endswith(".mjs"):
            return self._launcher.python(_PROGRAM, "module", worker)
        assert client is not None, f"ws.spawn({worker!r}, client, task_queue=…) needs the client"
        if isinstance(worker, str):
            service = client.service_client.config
            variables = {"TEMPORAL_ADDRESS": service.target_host, "TEMPORAL_API_KEY": service.api_key or ""}
            variables |= {"TEMPORAL_NAMESPACE": client.namespace, "TASK_QUEUE": str(settings["task_queue"])}
            return self._launcher.command(javascript(worker), worker.removesuffix(".mjs"), variables=variables)
        file = self._launcher.folder.path / f"{self._launcher.new_id('worker')}.pickle"
        described = {"worker": worker, "data_converter": client.data_converter, **self._latest(settings)}
        describe_worker(described, file)
        return self._launcher.python(_PROGRAM, "described", client.namespace, str(file))

    async def serve(self, name: str, module: str) -> HttpService:
        """Run an HTTP service in its own process. It replaces the one of this name, and keeps its address.

        ``state.service_address(name)`` gives the address to other processes.

        Args:
            name: What it is called, such as ``"payments"``. ``NAME.drops`` and other faults can happen to it.
            module: Defines the service as an ASGI application ``app``.

        Raises:
            WorkshopError: It ends before it listens.
        """
        if before := self.services.get(name):
            await before.stop()
        port = str(urlsplit(before.url).port if before else 0)
        service = HttpService(lambda: self._launcher.python("workshop_lib.programs.http", module, name, port), name)
        await service.start()
        self.services[name] = service
        self._launcher.folder.write(SERVICES, {name: service.url})
        return service

    def serves(self, name: str) -> bool:
        """Whether the HTTP service of this name is running.

        Args:
            name: As for ``serve``.
        """
        return name in self.services and self.services[name].running

    async def stop(self, *workers: InProcessWorker | Spawned) -> None:
        """Stop what ``run``, ``spawn`` and ``serve`` started, all at once. Activities get a while to end.

        Raises:
            WorkshopError: An activity blocks its thread and does not let its worker stop.
        """
        await asyncio.gather(*(worker.stop() for worker in workers))
        self._pooled = [worker for worker in self._pooled if worker not in workers]

    def stop_at_exit(self) -> None:
        """Stop the Workers of this process: one that still runs while the interpreter ends can abort it."""
        for worker in self._pooled:
            if isinstance(worker, InProcessWorker):
                with contextlib.suppress(Exception):
                    self._background.call(worker.stop(), _EXIT_SECONDS)

    async def _renew(self, edited: set[str]) -> None:
        renewed, failed = [], []
        for worker in self._pooled:
            if worker.wanted and worker.uses & edited:
                try:
                    await worker.stop()
                    await worker.start()
                    renewed.append(f"The {worker} has the new code.")
                except WorkshopError as error:
                    failed.append(error)
                finally:
                    worker.wanted = True  # also after an interrupt: the next try renews it
        if renewed:
            say("\n".join(renewed))
        if failed:
            raise failed[0]

    def _latest(self, settings: dict[str, Any]) -> dict[str, Any]:
        return {
            name: [self._cells.latest(item) for item in value] if isinstance(value, list | tuple) else value
            for name, value in settings.items()
        }


def _modules(settings: dict[str, Any]) -> set[str]:
    lists = [value for value in settings.values() if isinstance(value, list | tuple)]
    return {getattr(item, "__module__", "") for items in lists for item in items}


def describe_worker(arguments: dict[str, Any], file: Path) -> None:
    """Write the arguments of a Worker to a file, for its own process to read and remove.

    Other users of the machine could read a command line, and a codec may hold a key.

    Raises:
        WorkshopError: An argument exists only in this notebook's process.
    """
    sendable = {name: value for name, value in arguments.items() if not isinstance(value, Executor)}
    for value in sendable.values():
        for item in value if isinstance(value, list | tuple) else [value]:
            thing = item if isinstance(item, type) or callable(item) else type(item)
            if getattr(thing, "__module__", None) == "__main__":
                what = f"{getattr(thing, '__qualname__', thing)} cannot run in its own process."
                why = "It is defined in an ordinary cell, so only this notebook's kernel knows it."
                raise WorkshopError(what, why, "Move its definition to a %%workflow cell, and run that cell.")
    try:
        content = pickle.dumps(sendable)
    except (pickle.PicklingError, TypeError, AttributeError) as error:
        then = "Write a module with `async def worker(ws)` that returns the Worker, and spawn it by its name."
        why = f"{type(error).__name__}: {error}"
        raise WorkshopError("These Worker arguments cannot be sent to another process.", why, then) from error
    with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as output:
        output.write(content)
