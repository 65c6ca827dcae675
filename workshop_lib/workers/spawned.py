"""Workers and HTTP services in separate processes, which can really be killed."""

import asyncio
import json
import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from importlib import import_module
from pathlib import Path
from typing import Any

from workshop_lib.evidence.messages import Display, WorkshopError, say
from workshop_lib.evidence.state import STATE_VARIABLE, StateFolder
from workshop_lib.workers.process import Process
from workshop_lib.workers.reasons import Polled

START_SECONDS = 600.0  # a guard only: it is starting while its process runs
_PATIENCE_SECONDS = 10.0  # until a notice says what the cell is waiting for
STOP_SECONDS = 10.0
INSTALLED = "node_modules/.package-lock.json"  # npm writes it last
READY = "\x1eready "  # begins the line on standard output with which a process says that it is ready


class Spawned:
    """A process that says when it is ready. It ends with the kernel.

    Args:
        launch: Starts the process; called for each start.
        name: Its name in messages.
    """

    ready = ""  # what makes it so, where that is a cell's to do

    def __init__(self, launch: Callable[[], Process], name: str) -> None:
        self._launch, self.name = launch, name
        self._process: Process
        self.wanted = True  # whether it is to run, and to start again after an edit

    def __repr__(self) -> str:
        return f"{self.name}, process {self.pid}{'' if self.running else ' (ended)'}"

    @property
    def pid(self) -> int:
        """Its process id, also after it has ended."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the process is running."""
        return self._process.running

    async def start(self) -> None:
        """Start the process and wait until it is ready.

        Raises:
            WorkshopError: It ended instead, or takes longer than ``START_SECONDS``.
        """
        process = self._process = self._launch()
        self.wanted = True  # not before: the end of its former process is no news
        offered: Future[Any] = Future()
        offered.set_running_or_notify_cancel()  # from here on only the thread completes it
        threading.Thread(target=self._forward, args=(process, offered), daemon=True).start()
        ready, notice = asyncio.wrap_future(offered), Display()
        try:
            async with asyncio.timeout(START_SECONDS):
                if slow := not (await asyncio.wait([ready], timeout=_PATIENCE_SECONDS))[0]:
                    what = f"its process {process.pid} is starting and importing modules."
                    say(f"Waiting for {self.name}: {what}{self.ready}", into=notice)
                self._is_ready(await ready)
                if slow:
                    say(f"{self.name}: its process {process.pid} is ready.", into=notice)
        except BaseException as error:  # also after an interrupt: nothing else would end the process
            ready.cancel()  # then nobody waits for it, and asyncio would report its end as an error that is lost
            process.close()
            if not isinstance(error, EOFError | TimeoutError):
                raise
            what = "ended before it was ready" if isinstance(error, EOFError) else "is not ready yet"
            then = "Fix what the line above names, and run the cell again."
            raise WorkshopError(f"{self.name} {what}.", process.last_words(), then) from None

    def kill(self) -> None:
        """Crash it with SIGKILL: no shutdown, no last heartbeat, no last message."""
        self.wanted = False
        self._process.kill()

    async def stop(self) -> None:
        """Ask it to stop with SIGTERM, and kill it if it has not stopped after ``STOP_SECONDS``."""
        self.wanted = False
        self._process.signal(signal.SIGTERM)
        if not await self._process.wait(STOP_SECONDS):
            self._process.close()
            await self._process.wait(STOP_SECONDS)

    def _is_ready(self, offered: Any) -> None:
        """Take what the process offers."""

    def _forward(self, process: Process, offered: Future[Any]) -> None:
        """Print what the process prints, in a thread, until it ends."""
        assert process.stdout is not None
        for line in process.stdout:
            text = line.decode(errors="replace").rstrip("\n")
            if text.startswith(READY):
                offered.set_result(json.loads(text.removeprefix(READY)))
            else:
                print(f"[{self.name}] {text}", flush=True)
        if not offered.done():
            offered.set_exception(EOFError())
        elif self.wanted and process is self._process:
            say(f"{self.name} has ended: {process.last_words()}", "warn")


class SpawnedWorker(Spawned):
    """A Worker in its own process. ``Workshop.spawn`` makes it.

    Args:
        launch: See ``Spawned``.
        name: See ``Spawned``.
        uses: The modules of its workflows and activities.
    """

    polls: list[Polled]
    activities: list[str]

    def __init__(self, launch: Callable[[], Process], name: str, uses: set[str]) -> None:
        super().__init__(launch, name)
        self.uses = uses

    def _is_ready(self, offered: Any) -> None:
        polls, self.activities = offered
        self.polls = [tuple(polled) for polled in polls]


class HttpService(Spawned):
    """An HTTP service in its own process. ``Workshop.serve`` makes it.

    Attributes:
        url: Where it listens on loopback, such as ``http://127.0.0.1:12345``.
    """

    url = ""

    def _is_ready(self, offered: Any) -> None:
        self.url = str(offered)


class Launcher:
    """Starts one notebook's processes. They import its cells, and find its server and ledger.

    Args:
        folder: The notebook's state folder.
        new_id: Makes an id, such as ``worker-3``, from its first part.
    """

    def __init__(self, folder: StateFolder, new_id: Callable[[str], str]) -> None:
        self.folder, self.new_id = folder, new_id

    def python(self, module: str, *arguments: str, piped: bool = True) -> Process:
        """Run a module as a program, as ``python -m`` does."""
        return self.command([sys.executable, "-m", module, *arguments], module, piped=piped)

    def command(
        self, command: list[str], name: str, *, piped: bool = True, variables: Mapping[str, str] | None = None
    ) -> Process:
        """Run a program.

        Args:
            command: The program and its arguments.
            name: Its name; the last part is the name of its log file.
            piped: Whether this process reads its output; otherwise the output goes to the log.
            variables: Environment variables besides those that every process gets.
        """
        log = self.folder.logs / f"{self.new_id(name.rpartition('.')[2])}.log"
        environment = {
            **os.environ,
            STATE_VARIABLE: str(self.folder.path),
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),  # it can import what this process can
            "PYTHONDONTWRITEBYTECODE": "1",  # a stale .pyc would run the code from before an edit
            "PYTHONUNBUFFERED": "1",
            **(variables or {}),
        }
        return Process(command, log=log, environment=environment, piped=piped)


def javascript(name: str) -> list[str]:
    """The command that runs a JavaScript program.

    Args:
        name: Its package and file, with dots like a module's name: ``"package.program.mjs"``.

    Raises:
        WorkshopError: Node, or a package that the program needs, is not installed.
    """
    package, _, stem = name.removesuffix(".mjs").rpartition(".")
    program = Path(import_module(package).__path__[0]) / f"{stem}.mjs"
    assert program.exists(), f"there is no {program}"
    node = shutil.which("node")
    if node is None or not (program.parent / INSTALLED).exists():
        missing = "Node.js is not installed." if node is None else "The packages that it needs are not installed."
        then = f"{'Install Node.js 20 or newer, then run' if node is None else 'Run'} `make js` in a terminal."
        raise WorkshopError(f"{name} cannot be run.", missing, f"{then} Everything else works without it.")
    return [node, str(program)]
