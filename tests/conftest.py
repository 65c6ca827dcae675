"""Fixtures for all tests: a workshop in this process, a state folder, and the promise that nothing is left running."""

import os
import re
import shutil
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from kernels import wait_until_gone
from temporalio.client import Client
from waits import until
from xdist.scheduler import LoadScopeScheduling

from workshop_lib.agents.model.settings import SERVICE as MODEL
from workshop_lib.workshop import Workshop

_NOTEBOOKS = "tests/notebooks/"
_status = int(pytest.ExitCode.INTERNAL_ERROR)  # until a run has come to its end: one that has not is never green


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """The SDK is written for asyncio."""
    return "asyncio"


@pytest.fixture(scope="session", autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The workshop's folder for this run; at its end nothing that names it may be left running."""
    folder = tmp_path_factory.mktemp("home")
    ours = ("CLASS", "LEARNER", "SERVICE", "MODEL", "STRICT")
    names = ["CI", "JPY_SESSION_NAME", *(f"WORKSHOP_{each}" for each in ours)]
    before = {name: os.environ.pop(name, None) for name in names}
    os.environ["WORKSHOP_HOME"] = str(folder)
    yield folder
    os.environ.update({name: value for name, value in before.items() if value is not None})
    left = wait_until_gone(folder)
    assert not left, f"left running: {left}"


@pytest.fixture(scope="session")
async def _workshop(home: Path) -> AsyncIterator[Workshop]:
    made = await Workshop.start()
    yield made
    await made.close()


@pytest.fixture(scope="module")
async def ws(_workshop: Workshop) -> AsyncIterator[Workshop]:
    """A workshop with its own server, for all tests of this process. What else a file starts ends with the file."""
    yield _workshop
    services = [service for name, service in _workshop._pool.services.items() if name != MODEL]
    await _workshop.stop(*_workshop.workers, *services)


@pytest.fixture(scope="module")
async def client(ws: Workshop) -> Client:
    """A client as a notebook makes it."""
    return await Client.connect(**await ws.connection("default"))


@pytest.fixture
async def own_progress(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ws: Workshop) -> AsyncIterator[None]:
    """Each test has its own progress, and leaves nothing open."""
    monkeypatch.setenv("WORKSHOP_HOME", str(tmp_path))
    running, open_before = ws.workers, await _open_runs(ws)
    yield
    assert not [worker for worker in ws.workers if worker not in running]

    async def closed() -> bool:  # the list follows a moment later
        return await _open_runs(ws) <= open_before

    await until(closed)


async def _open_runs(ws: Workshop) -> set[str | None]:
    return {execution.run_id for execution in await ws.open_executions()}


@pytest.fixture(scope="module")
async def with_model(ws: Workshop) -> None:
    await Workshop.start(model=True)


class _ByFile(LoadScopeScheduling):  # type: ignore[misc]  # it comes without types
    """A file's tests share a process, and with it a server. Those of notebooks use none, and are spread."""

    def _split_scope(self, nodeid: str) -> str:
        if nodeid.startswith(_NOTEBOOKS):
            return nodeid
        file, _, test = nodeid.partition("::")
        # Of hundreds of answers, each notebook's stay together; of a long sweep, each demo's.
        part = re.search(r"\[(\d)\b" if file.startswith("tests/chaos/") else r"\[(nb\d+) ", test)
        return file + (part[1] if part else "")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """In the place of `--dist`."""
    return _ByFile(config, log)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Two for each core that we may use: the tests mostly wait."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(2 * cores, 8)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Those of notebooks come first, because they are long."""
    items.sort(key=lambda item: not item.nodeid.startswith(_NOTEBOOKS))


class Progress:
    """A line of progress in the place of dots: at most every ten seconds, for each failure, and at the end."""

    def __init__(self, config: pytest.Config) -> None:
        self._config, self._began, self._said, self._all = config, time.monotonic(), 0.0, 0
        self._outcomes: Counter[str] = Counter()

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: list[str]) -> None:
        self._all = len(ids)

    def pytest_report_teststatus(self, report: pytest.TestReport) -> tuple[str, str, str] | None:
        return ("passed", "", "") if report.passed and report.when == "call" else None

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if not (report.when == "call" or report.outcome != "passed"):
            return
        self._outcomes[report.outcome] += 1
        now = time.monotonic()
        if not report.failed and now - self._said < 10 and self._outcomes.total() < self._all:
            return
        self._said, took = now, int(now - self._began)
        failed = f", {self._outcomes['failed']} failed" if self._outcomes["failed"] else ""
        terminal = self._config.get_terminal_writer()
        done = f"{self._outcomes.total():4} of {self._all}{failed}"
        name = f"FAILED {report.nodeid}" if report.failed else report.nodeid[-90:]
        terminal.line(f"{done}  {took // 60}:{took % 60:02}  {name}")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("numprocesses", None) and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Progress(config))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """A table of what tests recorded: each a ``row``, and a ``result``."""
    reports = [
        report for outcome in ("passed", "failed", "skipped") for report in terminalreporter.stats.get(outcome, [])
    ]
    told = [dict(report.user_properties) for report in reports]
    for line in sorted(f"{each['row']}  {each.get('result', 'FAILED')}" for each in told if "row" in each):
        terminalreporter.line(line)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    global _status
    _status = int(exitstatus)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """End at once: the SDK's threads can abort an interpreter that is being finalised (exit code 134)."""
    if answers := sys.modules.get("answers"):  # nothing runs at the exit
        shutil.rmtree(answers.FOLDER, ignore_errors=True)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(_status)
