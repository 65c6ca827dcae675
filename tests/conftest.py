"""Fixtures for all tests: a workshop in this process, a state folder, and the promise that nothing is left running."""

from __future__ import annotations

import asyncio
import os
import random
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from kernels import wait_until_gone
from temporalio.client import Client
from xdist.scheduler import LoadScopeScheduling

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
    before = {
        name: os.environ.pop(name, None)
        for name in ("WORKSHOP_SERVICE", "WORKSHOP_MODEL", "WORKSHOP_STRICT", "JPY_SESSION_NAME")
    }
    os.environ["WORKSHOP_HOME"] = str(folder)
    yield folder
    os.environ.update({name: value for name, value in before.items() if value is not None})
    left = wait_until_gone(folder)
    assert not left, f"left running: {[process.cmdline() for process in left]}"


@pytest.fixture(scope="session")
async def ws(home: Path) -> AsyncIterator[Workshop]:
    """A workshop with its own server, for all tests of this process that do not hurt it."""
    made = await Workshop.start()
    yield made
    await made.close()


@pytest.fixture
async def client(ws: Workshop) -> Client:
    """A client as a notebook makes it."""
    return await Client.connect(**await ws.connection("default"))


@pytest.fixture
async def own_progress(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ws: Workshop) -> AsyncIterator[None]:
    """Each test has its own progress, and leaves nothing open."""
    monkeypatch.setenv("WORKSHOP_HOME", str(tmp_path))
    running, open_before = list(ws._running), await _open_runs(ws)
    yield
    assert not [worker for worker in ws._running if worker not in running]
    async with asyncio.timeout(15):  # the list follows a moment later
        while await _open_runs(ws) - open_before:
            await asyncio.sleep(0.05)


async def _open_runs(ws: Workshop) -> set[str | None]:
    return {execution.run_id for execution in await ws.open_executions()}


@pytest.fixture
async def with_model(ws: Workshop) -> None:
    """The offline model beside the tests."""
    await Workshop.start(model=True)


class _ByFile(LoadScopeScheduling):  # type: ignore[misc]  # it comes without types
    """A file's tests share a process, and with it a server. Those of notebooks use none, and are spread."""

    def _split_scope(self, nodeid: str) -> str:
        return nodeid if nodeid.startswith(_NOTEBOOKS) else nodeid.split("::")[0]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """In the place of `--dist`."""
    return _ByFile(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """`make test` takes a sample of some; those of notebooks come first, because they are long."""
    sampled = [i for i in items if i.get_closest_marker("sampled") and not i.get_closest_marker("always")]
    left_out = set(_left_out(sampled))
    if "WORKSHOP_SAMPLE" in os.environ:
        left_out |= {item for item in items if item.get_closest_marker("in_full")}
    config.hook.pytest_deselected(items=list(left_out))
    items[:] = [item for item in items if item not in left_out]
    items.sort(key=lambda item: not item.nodeid.startswith(_NOTEBOOKS))


def _left_out(items: list[pytest.Item]) -> list[pytest.Item]:
    """What `make test` leaves to `make chaos`, by hand nothing: the same for all of its processes."""
    share = float(os.environ.get("WORKSHOP_SAMPLE", "1"))
    chosen = random.Random(int(os.environ.get("WORKSHOP_SEED", "3"))).sample(items, round(share * len(items)))
    return [item for item in items if item not in chosen]


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Keep the status for the end."""
    global _status
    _status = int(exitstatus)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """End at once: the SDK's threads can abort an interpreter that is being finalised (exit code 134)."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(_status)
