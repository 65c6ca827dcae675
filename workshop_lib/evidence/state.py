"""Where a notebook keeps what must survive a kernel restart: its server's database, its ledger, its cells.

Each notebook has its own folder, which its kernel locks. Two kernels never share one, and the operating system releases
the lock when its process ends, for whatever reason.
"""

import fcntl
import hashlib
import json
import os
import re
import shutil
import ssl
import tempfile
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import IO, Any

from workshop_lib.evidence.messages import WorkshopError, notebook_names

LEARNER = "WORKSHOP_LEARNER"  # a name that the class knows, by choice
STATE_VARIABLE = "WORKSHOP_STATE"  # gives the folder to the processes that a notebook spawns
SERVICES = "services.json"  # the addresses of a notebook's HTTP services, by name
_NOTEBOOK = "notebook.json"  # the notebook that owns the folder
_ROOM_MB = 100  # for the databases and logs of a notebook
_FORGOTTEN_AFTER = 24 * 3600  # seconds; no later kernel finds the folder of a kernel without a notebook's name


def home() -> Path:
    """The folder for everything that the workshop keeps: ``$WORKSHOP_HOME``, or else ``.workshop`` in the checkout."""
    configured = os.environ.get("WORKSHOP_HOME")
    return Path(configured).expanduser().resolve() if configured else Path(__file__).resolve().parents[2] / ".workshop"


def unusable(folder: Path) -> WorkshopError | None:
    """The error of a folder that cannot keep state, with what to do; None for one that can. It is made if missing."""
    if os.pathsep in str(folder):
        return _unusable(folder, f"Python cannot import from a folder that has {os.pathsep!r} in its path.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        free = shutil.disk_usage(folder).free // 2**20
    except OSError as error:
        return _unusable(folder, error)
    return _unusable(folder, f"Only {free} MB are free there.") if free < _ROOM_MB else None


def notebook() -> str:
    """The path of this kernel's notebook; empty if the front end does not give it.

    A Jupyter server gives it in ``JPY_SESSION_NAME``. VS Code puts it among the notebook's names, and gives its server
    another name for each session.
    """
    return str(notebook_names().get("__vsc_ipynb_file__") or os.environ.get("JPY_SESSION_NAME", ""))


def notebook_key() -> str:
    """A name for this notebook that is the same after a kernel restart.

    It comes from the notebook's path. Where a front end or runner does not give the path, as papermill and nbclient do
    not, it comes from the kernel's connection file, which a restart keeps. Each plain script gets another name.
    """
    if session := notebook():
        slug = re.sub(r"[^a-z0-9]+", "-", Path(session).stem.lower())[:24].strip("-") or "notebook"
        return f"{slug}-{hashlib.sha256(session.encode()).hexdigest()[:6]}"
    try:
        from ipykernel.connect import get_connection_file

        return "kernel-" + hashlib.sha256(get_connection_file().encode()).hexdigest()[:12]
    except (ImportError, RuntimeError):
        return f"process-{os.getpid()}-{time.time_ns():x}"


class Lock:
    """An exclusive lock on a file, which the operating system releases when the last process that holds it ends.

    Args:
        path: The file; created if it is missing.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[bytes] | None = None

    def take(self) -> bool:
        """Take the lock if it is free. Returns whether this object now holds it."""
        file = open(self._path, "ab")  # noqa: SIM115 - held open: closing it releases the lock
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            taken = os.path.samestat(os.fstat(file.fileno()), self._path.stat())
        except (BlockingIOError, FileNotFoundError):  # another process holds it, or has just removed the file
            taken = False
        if taken:
            self._file = file
        else:
            file.close()
        return taken

    def fileno(self) -> int:
        """The descriptor, for a child process that is to hold the lock as well."""
        assert self._file is not None, "the lock is not held"
        return self._file.fileno()

    def release(self) -> None:
        """Release the lock. A child process that has the descriptor still holds it."""
        if self._file is not None:
            self._file.close()
            self._file = None


class StateFolder:
    """One notebook's folder.

    Args:
        path: The folder. A kernel locks it with ``StateFolder.claim``; a spawned process opens its notebook's.

    Attributes:
        former: Paths of notebooks that no longer exist. This notebook may be one of them, renamed or moved.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.cells = path / "cells"
        self.logs = path / "logs"
        for folder in (self.path, self.cells, self.logs):
            folder.mkdir(parents=True, exist_ok=True)
        self._lock = Lock(path / "kernel.lock")
        self.former: list[str] = []

    @classmethod
    def claim(cls, key: str) -> "StateFolder":
        """Lock the folder of this notebook, or a numbered one if another running kernel has opened the same notebook.

        Args:
            key: From ``notebook_key()``.

        Raises:
            WorkshopError: The folder cannot be used.
        """
        base = home() / "notebooks"
        if error := unusable(base):
            raise error
        try:
            for number in range(1, 1000):
                # No dash: the names become prefixes (server/outside.py), and none may begin with another and a dash.
                folder = cls(base / (key if number == 1 else f"{key}x{number}"))
                if folder._lock.take():
                    _remove_forgotten(base)
                    folder._name(notebook())
                    return folder
        except OSError as failed:
            raise _unusable(base, failed) from failed
        raise WorkshopError(f"A thousand kernels use {base / key}.", then="Shut some of them down.")

    def release(self) -> None:
        """Release the folder, so that another kernel can claim it."""
        self._lock.release()

    def _name(self, path: str) -> None:
        if path and not self.read(_NOTEBOOK):
            others = [read_json(file).get("path", path) for file in self.path.parent.glob(f"*/{_NOTEBOOK}")]
            gone = [Path(other) for other in others if not Path(other).exists() and other != path]
            here = Path(path)
            self.former = [str(other) for other in gone if other.parent == here.parent or other.name == here.name]
        self.write(_NOTEBOOK, {"path": path})

    def read(self, name: str) -> dict[str, Any]:
        """A small JSON file of this folder; empty where it is missing."""
        return read_json(self.path / name)

    def write(self, name: str, content: dict[str, Any]) -> None:
        """Replace a small JSON file of this folder."""
        update_json(self.path / name, lambda before: before.update(content))


def notebook_folder() -> Path:
    """The folder of the notebook that this process belongs to: its kernel, or a process that it spawned.

    Raises:
        WorkshopError: This process belongs to no notebook.
    """
    path = os.environ.get(STATE_VARIABLE)
    if path is None:
        why = "So it has no ledger, no database and no Temporal Server."
        then = 'Run `await Workshop.start()`, or start this process from a notebook: `await ws.spawn("module")`.'
        raise WorkshopError("This process belongs to no notebook.", why, then)
    return Path(path)


def service_address(name: str) -> str:
    """The address of one of this notebook's HTTP services, such as ``http://127.0.0.1:12345``.

    Args:
        name: The service's name, such as ``"payments"``.

    Raises:
        WorkshopError: The service was not started.
    """
    address = read_json(notebook_folder() / SERVICES).get(name)
    if address is None:
        raise WorkshopError(f"The service {name!r} does not run.", then=f'Start it: `await ws.serve("{name}", …)`.')
    return str(address)


@cache
def certificates() -> ssl.SSLContext:
    """What an HTTP client trusts, for its ``verify``. To read it takes 30 ms of CPU, which each client would spend."""
    return ssl.create_default_context()


def read_json(path: Path) -> dict[str, Any]:
    """A small JSON file; empty where it is missing or is not valid JSON."""
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError):
        return {}


def update_json(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change a small JSON file in one step: other writers wait, and a reader never sees half of a change.

    Args:
        path: The file; created if it is missing.
        change: Changes the content in place.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path.with_name(path.name + ".lock"), "ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        content = read_json(path)
        change(content)
        temporary = path.with_name(f"{path.name}.new")
        temporary.write_text(json.dumps(content, indent=1), encoding="utf-8")
        os.replace(temporary, path)


def _unusable(folder: Path, reason: str | OSError) -> WorkshopError:
    then = "Set WORKSHOP_HOME to another folder, and restart the kernel."
    if isinstance(reason, OSError):
        reason = f"{type(reason).__name__}: {reason.strerror}"
    return WorkshopError(f"The workshop cannot keep its state in {folder}.", reason, then)


def _remove_forgotten(base: Path) -> None:
    for path in [*base.glob("kernel-*"), *base.glob("process-*")]:
        lock = Lock(path / "kernel.lock")
        try:
            if time.time() - path.stat().st_mtime > _FORGOTTEN_AFTER and lock.take():
                shutil.rmtree(path, ignore_errors=True)
                lock.release()
        except OSError:
            continue  # another kernel is removing it, too
