"""Every condition under which people have run a notebook. `make matrix` prints what came of each for every solution."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from kernels import HOME, cells, wait_until_gone
from refusing_proxy import refusing_proxy
from somebodys import somebodys_server

SOLUTIONS = sorted((Path(__file__).resolve().parents[2] / "solutions").glob("*.ipynb"))
NBMAKE = [sys.executable, "-m", "pytest", "--nbmake", "-q", "-p", "no:cacheprovider", "-c", os.devnull]
NBMAKE.append("--nbmake-timeout=3600")  # seconds of one cell, only a guard: its own are 300
_NBCONVERT = [sys.executable, "-m", "nbconvert", "--to", "notebook", "--execute", "--stdout"]
_PAPERMILL = [sys.executable, "-c", "import papermill, sys; papermill.execute_notebook(sys.argv[1], None)"]
_MAY = "+dac_override"  # a user may read what root installed
_NOBODY = ["setpriv", "--reuid=12345", "--clear-groups", f"--inh-caps={_MAY}", f"--ambient-caps={_MAY}"]


@dataclass
class Condition:
    """How a notebook is run: what stands before the command, what it is run by, and with which environment."""

    prefix: list[str] = field(default_factory=list)
    runner: list[str] = field(default_factory=lambda: NBMAKE)
    environment: dict[str, str] = field(default_factory=dict)
    home: str = ""
    without: tuple[str, ...] = ()


@contextmanager
def _proxy() -> Iterator[Condition]:
    with refusing_proxy() as (variables, seen):
        yield Condition(environment=variables)
        assert not seen, f"a call of this machine went to the proxy: {seen[0]}"


@contextmanager
def _slow_core() -> Iterator[Condition]:
    pinned = ["taskset", "-c", str(min(os.sched_getaffinity(0)))]
    busy = subprocess.Popen([*pinned, sys.executable, "-c", "while True: pass"])
    try:
        yield Condition(prefix=pinned)
    finally:
        busy.kill()
        busy.wait()


@contextmanager
def _stock() -> Iterator[Condition]:
    with somebodys_server({}) as address:
        yield Condition(environment={"WORKSHOP_SERVICE": "env", "TEMPORAL_ADDRESS": address})


CONDITIONS: dict[str, Callable[[], AbstractContextManager[Condition]]] = {
    "plain": lambda: nullcontext(Condition()),
    "refusing proxy": _proxy,
    "one slow core": _slow_core,
    "stock service": _stock,
    "256 files": lambda: nullcontext(Condition(prefix=["prlimit", "--nofile=256:256"])),
    "odd path": lambda: nullcontext(Condition(home=HOME)),
    "C locale": lambda: nullcontext(Condition(environment={"LC_ALL": "C"}, without=("PYTHONUTF8", "LANG"))),
    "nobody": lambda: nullcontext(Condition(prefix=_NOBODY, without=("USER", "LOGNAME"))),
    "nbconvert": lambda: nullcontext(Condition(runner=_NBCONVERT)),
    "papermill": lambda: nullcontext(Condition(runner=_PAPERMILL)),
}
NEEDS = {"one slow core": "taskset", "256 files": "prlimit", "nobody": "setpriv"}


def checked(path: Path) -> set[str]:
    return {number for cell in cells(path) for number in re.findall(r'check\(\s*"([\d.]+)"', cell)}


def left_out(name: str) -> str:
    """Why a condition cannot be had on this machine; empty if it can."""
    tool = NEEDS.get(name)
    if tool and shutil.which(tool) is None:
        return f"left out: there is no {tool} here"
    if name == "papermill" and find_spec("papermill") is None:
        return "left out: papermill is not installed"
    return "left out: only root can become another user" if name == "nobody" and os.getuid() else ""


def attempt(path: Path, name: str, folder: Path) -> str:
    """Run a solution strictly. Returns ``green``, or the sentence that says what to do, or what went wrong."""
    if why := left_out(name):
        return why
    with CONDITIONS[name]() as given:
        home = folder / given.home
        own = {key: value for key, value in os.environ.items() if key not in given.without}
        environment = {**own, "WORKSHOP_HOME": str(home), "HOME": str(folder), "WORKSHOP_STRICT": "1"}
        command = [*given.prefix, *given.runner, str(path)]
        environment |= given.environment
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=7200, check=False)
        if done.returncode:
            lines = [line.strip() for line in (done.stdout + done.stderr).splitlines() if line.strip()]
            said = [line for line in lines if "→" in line] or lines or ["no word"]
            return f"RED: {said[-1]}\n{done.stdout[-6000:]}\n{done.stderr[-6000:]}"
        recorded = json.loads((home / "progress.json").read_text())
        assert checked(path), "every notebook has an exercise"
        missing = checked(path) - {number for number, record in recorded.items() if record["passed"]}
        left = wait_until_gone(home)
        kept = [file for file in home.rglob("*") if file.is_file()]  # histories and logs
        stuck = [str(file) for file in kept if b"TMPRL1101" in file.read_bytes()]
        wrong = {"not passed": sorted(missing), "left running": left, "a task that took too long is in": stuck}
        return "; ".join(f"RED: {what}: {which}" for what, which in wrong.items() if which) or "green"
