"""Processes beside a notebook that can be killed for real: Workers, and HTTP services."""

from __future__ import annotations

import asyncio
import json
import os
import pickle
import shutil
import signal
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Executor
from importlib import import_module
from pathlib import Path
from typing import Any

from workshop_lib.evidence.failures import cell_line
from workshop_lib.evidence.messages import WorkshopError, say
from workshop_lib.evidence.state import STATE_VARIABLE, StateFolder
from workshop_lib.workers.process import Process
from workshop_lib.workers.waiting import Polled

START_SECONDS = 45.0  # three of them import LiteLLM at once, on a laptop that does other things, too
STOP_SECONDS = 10.0
INSTALLED = "node_modules/.package-lock.json"  # npm writes it last
READY = "\x1eready "  # how a process says, on its standard output, that it is ready, and what it offers


class Spawned:
    """A process that says when it is ready. It ends with the kernel.

    Args:
        launch: Starts the process; called for each start.
        name: What to call it in a notebook.
    """

    def __init__(self, launch: Callable[[], Process], name: str) -> None:
        self._launch, self.name = launch, name
        self._process: Process | None = None
        self._told_to_end = False

    def __repr__(self) -> str:
        return f"{self.name}, process {self.pid}{'' if self.running else ' (ended)'}"

    @property
    def pid(self) -> int | None:
        """Its process id, also when it has ended."""
        return self._process.pid if self._process else None

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.running

    async def start(self) -> None:
        """Start the process and wait until it is ready.

        Raises:
            WorkshopError: It ended instead, or takes longer than ``START_SECONDS``.
        """
        process = self._process = self._launch()
        self._told_to_end = False
        ready = threading.Event()
        threading.Thread(target=self._forward, args=(process, ready), daemon=True).start()
        deadline = asyncio.get_running_loop().time() + START_SECONDS
        try:
            while not ready.is_set():
                late = asyncio.get_running_loop().time() > deadline
                if late or not process.running:
                    raise WorkshopError(
                        f"{self.name} {'is not ready yet' if late else 'ended before it was ready'}.",
                        _last_words(process),
                        "Fix what that line names, and run the cell again.",
                    )
                await asyncio.sleep(0.005)
        except BaseException:  # an interrupt, too: nobody would have a handle to it
            process.close()
            raise

    def kill(self) -> None:
        """End it with SIGKILL: no shutdown, no last heartbeat, nothing sent. A crash."""
        self._told_to_end = True
        if self._process is not None:
            self._process.kill()

    async def stop(self) -> None:
        """Ask it to stop (SIGTERM), and kill it if it has not after ``STOP_SECONDS``."""
        self._told_to_end = True
        if self._process is not None:
            self._process.signal(signal.SIGTERM)
            if not await self._process.wait(STOP_SECONDS):
                self._process.close()
                await self._process.wait(STOP_SECONDS)

    def _is_ready(self, said: Any) -> None:
        """Take what the process said with it."""

    def _forward(self, process: Process, ready: threading.Event) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            text = line.decode(errors="replace").rstrip("\n")
            if text.startswith(READY):
                self._is_ready(json.loads(text.removeprefix(READY)))
                ready.set()
            else:
                print(f"[{self.name}] {text}", flush=True)
        if ready.is_set() and not self._told_to_end:
            say(f"{self.name} ended by itself: {_last_words(process)}", "warn")


class SpawnedWorker(Spawned):
    """A Worker in a process of its own. ``Workshop.spawn`` makes it.

    Args:
        launch: Starts the process; called for each start.
        name: What to call it in a notebook.
        uses: The modules of its workflows and activities.
    """

    def __init__(self, launch: Callable[[], Process], name: str, uses: Callable[[], set[str]]) -> None:
        super().__init__(launch, name)
        self.uses = uses
        self.polls: list[Polled] = []
        self.activities: list[str] = []
        self.wanted = True

    async def start(self) -> None:
        """Start the process and wait until it polls. See ``Spawned.start``."""
        self.wanted = True
        await super().start()

    def kill(self) -> None:
        """End it with SIGKILL: no shutdown, no last heartbeat, nothing sent. A crash."""
        self.wanted = False
        super().kill()

    def discard(self) -> None:
        """Do not start it again after an edit."""
        self.wanted = False

    def _is_ready(self, said: Any) -> None:
        polls, self.activities = said
        self.polls = [tuple(polled) for polled in polls]


class Service(Spawned):
    """An HTTP service in a process of its own. ``Workshop.serve`` makes it.

    Attributes:
        url: Where its process listens, on loopback.
    """

    url = ""

    def _is_ready(self, said: Any) -> None:
        self.url = str(said)


def _last_words(process: Process) -> str:
    text = process.log.read_text(errors="replace").strip()
    last = text.splitlines()[-1:] or ["It left no message."]
    where = cell_line(text)
    return last[0] + (f" ({where})" if where else "")


def describe_worker(arguments: dict[str, Any], file: Path) -> None:
    """Write the arguments of a Worker to a file, for a process of its own to read and remove.

    A file, not the command line: other users of the machine can see that, and a codec may hold a key.

    Raises:
        WorkshopError: An argument belongs to the notebook alone and cannot be handed to another process.
    """
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
        content = pickle.dumps(sendable)
    except (pickle.PicklingError, TypeError, AttributeError) as error:
        raise WorkshopError(
            "These Worker arguments cannot be handed to another process.",
            f"{type(error).__name__}: {error}",
            "Write a module with `async def worker(ws)` that returns the Worker, and spawn it by its name.",
        ) from error
    with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as output:
        output.write(content)


def javascript(name: str) -> list[str]:
    """The command that runs a JavaScript program.

    Args:
        name: Where it stands, with dots as a module's: ``"package.program.mjs"``.

    Raises:
        WorkshopError: Node, or a package that the program needs, is not installed.
    """
    package, _, stem = name.removesuffix(".mjs").rpartition(".")
    program = Path(import_module(package).__path__[0]) / f"{stem}.mjs"
    assert program.exists(), f"there is no {program}"
    node = shutil.which("node")
    if node is None or not (program.parent / INSTALLED).exists():
        missing = "Node.js is not installed." if node is None else "The packages that it needs are not installed."
        then = f"{'Install Node.js 20 or newer, and then run' if node is None else 'Run'} `make js` in a terminal."
        raise WorkshopError(f"{name} cannot be run.", missing, f"{then} Everything else works without it.")
    return [node, str(program)]


def environment(folder: StateFolder) -> dict[str, str]:
    """The environment of a spawned process: it imports this notebook's cells and finds its server and ledger.

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
