"""Finance's contract, served in Python and in JavaScript: callers get the same answers and the same errors from both.

Nothing is installed here. Where Node.js or its packages are missing, what needs them is skipped.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
from callers import Caller
from kernels import kernel
from nexusrpc import HandlerError
from tellers import Teller
from temporalio.client import Client, NexusOperationFailureError, WorkflowFailureError
from temporalio.exceptions import ApplicationError, NexusOperationError
from temporalio.worker import Worker

from workshop_lib.evidence.history import History, history
from workshop_lib.evidence.messages import WorkshopError
from workshop_lib.teams import finance
from workshop_lib.views.topology import topology
from workshop_lib.workers.spawned import INSTALLED, SpawnedWorker
from workshop_lib.workshop import Workshop

pytestmark = pytest.mark.anyio

PYTHON, JAVASCRIPT = "workshop_lib.teams.finance.worker", "workshop_lib.teams.finance.worker.mjs"
FOLDER = Path(finance.__file__).parent
needs_node = pytest.mark.skipif(
    shutil.which("node") is None or not (FOLDER / INSTALLED).exists(),
    reason="Node.js, or what `make js` installs, is missing",
)
# pydantic's own additions: its name of the rule, the value, and an address. The sentence before them is compared.
PYDANTICS = re.compile(r" \[type=\w+, input_value=.*?, input_type=\w+\]\s+For further information visit \S+", re.S)
LIMIT = timedelta(seconds=20)


async def spawn(ws: Workshop, worker: str, name: str = "finance") -> SpawnedWorker:
    """A Worker of Finance, in either language."""
    if not worker.endswith(".mjs"):
        return await ws.spawn(worker)
    await ws.endpoint(name, namespace="finance", task_queue=name)
    return await ws.spawn(worker, await Client.connect(**await ws.connection("finance")), task_queue=name)


@pytest.fixture(scope="class", params=[PYTHON, pytest.param(JAVASCRIPT, marks=needs_node)])
async def handler(ws: Workshop, request: pytest.FixtureRequest) -> AsyncIterator[SpawnedWorker]:
    """Finance's only Worker; the tests run once with each."""
    worker = await spawn(ws, request.param)
    yield worker
    await ws.stop(worker)


@pytest.fixture(scope="module")
async def callers(ws: Workshop) -> AsyncIterator[None]:
    """Who calls."""
    client = await Client.connect(**await ws.connection("default"))
    worker = ws.run(Worker, client, task_queue="callers", workflows=[Caller, Teller])
    yield
    await ws.stop(worker)


@dataclass
class Told:
    """One error of those that a caller gets.

    Attributes:
        kind: Its type, in the words of Nexus or of the application.
        retryable: Whether it may be tried again.
    """

    kind: str
    message: str
    retryable: bool | None = None


def told(error: BaseException | None) -> list[Told]:
    """What a caller learns: the causes below the failed operation, the innermost last."""
    found: list[Told] = []
    below = False
    while error is not None:
        message = PYDANTICS.sub("", getattr(error, "message", str(error)))
        if isinstance(error, HandlerError):
            found.append(Told(error.raw_error_type, message, error.retryable))
        elif isinstance(error, ApplicationError):
            found.append(Told(str(error.type), message, not error.non_retryable))
        elif below:
            found.append(Told(type(error).__name__, message))
        below = below or isinstance(error, NexusOperationFailureError | NexusOperationError)
        error = error.__cause__
    return found


async def from_a_client(ws: Workshop, client: Client, operation: str, given: Any, endpoint: str = "finance") -> Any:
    nexus: Any = client.create_nexus_client("Finance", endpoint)
    try:
        return await nexus.execute_operation(operation, given, id=ws.id("operation"), schedule_to_close_timeout=LIMIT)
    except NexusOperationFailureError as error:
        return told(error)


async def from_a_workflow(ws: Workshop, client: Client, operation: str, given: Any) -> Any:
    try:
        return await client.execute_workflow(
            Caller.run, args=[operation, given], id=ws.id("caller"), task_queue="callers"
        )
    except WorkflowFailureError as error:
        return told(error)


def refused(query: str, *faults: str) -> list[Told]:
    """A bad request: what of it the contract does not allow."""
    number = "1 validation error" if len(faults) == 1 else f"{len(faults)} validation errors"
    return [
        Told("BAD_REQUEST", "Payload converter failed to decode Nexus operation input", retryable=False),
        Told("ValidationError", "\n".join([f"{number} for {query}", *faults]), retryable=True),
    ]


def unknown(ticker: str) -> list[Told]:
    """No such stock."""
    reason = Told("UnknownTicker", f"No stock {ticker} is traded.", retryable=False)
    return [Told("ActivityError", "Activity task failed"), reason]


PATTERN = "ticker\n  String should match pattern '^[A-Za-z]{1,5}$'"
NO_NUMBER = "Input should be a valid number, unable to parse string as a number"
SAME: list[tuple[str, Any, Any]] = [
    ("stock_price", {"ticker": "acme"}, {"ticker": "ACME", "price": 120.6}),
    ("stock_price", {"ticker": "INTCH"}, {"ticker": "INTCH", "price": 9.8}),
    ("stock_price", {"ticker": "NADA"}, {"ticker": "NADA", "price": 0.0}),
    ("stock_price", {"ticker": "nope"}, unknown("NOPE")),
    ("stock_price", {"ticker": "not a ticker"}, refused("StockQuery", PATTERN)),
    ("stock_price", {"ticker": "ACME\n"}, refused("StockQuery", PATTERN)),
    ("stock_price", {"ticker": ""}, refused("StockQuery", PATTERN)),
    ("stock_price", {"ticker": 5}, refused("StockQuery", "ticker\n  Input should be a valid string")),
    ("stock_price", {"ticker": None}, refused("StockQuery", "ticker\n  Input should be a valid string")),
    ("stock_price", {}, refused("StockQuery", "ticker\n  Field required")),
    ("stock_price", {"ticker": "ACME", "day": 1}, refused("StockQuery", "day\n  Unexpected keyword argument")),
    (
        "stock_price",
        {"day": 1},
        refused("StockQuery", "ticker\n  Field required", "day\n  Unexpected keyword argument"),
    ),
    ("stock_price", "ACME", refused("StockQuery", "  Input should be an object")),
    ("stock_price", ["ACME"], refused("StockQuery", "  Input should be an object")),
    ("calculate_roi", {"invested": 1000, "returned": 1250}, {"percent": 25.0, "gain": 250.0}),
    ("calculate_roi", {"invested": 200, "returned": 0}, {"percent": -100.0, "gain": -200.0}),
    ("calculate_roi", {"invested": 3, "returned": 1.1}, {"percent": -63.33, "gain": -1.9}),
    ("calculate_roi", {"invested": "1e3", "returned": " 1250.5 "}, {"percent": 25.05, "gain": 250.5}),
    ("calculate_roi", {"invested": True, "returned": 2}, {"percent": 100.0, "gain": 1.0}),
    # Exactly between two cents: Python takes the even one.
    ("calculate_roi", {"invested": 800, "returned": 801}, {"percent": 0.12, "gain": 1.0}),
    ("calculate_roi", {"invested": 1, "returned": 1.375}, {"percent": 37.5, "gain": 0.38}),
    ("calculate_roi", {"invested": 1, "returned": 0.875}, {"percent": -12.5, "gain": -0.12}),
    # Not exactly: binary fractions lie a little beside it.
    ("calculate_roi", {"invested": 1, "returned": 2.005}, {"percent": 100.5, "gain": 1.0}),
    (
        "calculate_roi",
        {"invested": 0, "returned": 1},
        refused("RoiQuery", "invested\n  Input should be greater than 0"),
    ),
    (
        "calculate_roi",
        {"invested": 1, "returned": -1},
        refused("RoiQuery", "returned\n  Input should be greater than or equal to 0"),
    ),
    (
        "calculate_roi",
        {"invested": "a lot", "returned": ""},
        refused("RoiQuery", f"invested\n  {NO_NUMBER}", f"returned\n  {NO_NUMBER}"),
    ),
    (
        "calculate_roi",
        {"invested": None, "returned": [1]},
        refused("RoiQuery", "invested\n  Input should be a valid number", "returned\n  Input should be a valid number"),
    ),
    (
        "calculate_roi",
        {"fee": 1, "returned": 1},
        refused("RoiQuery", "invested\n  Field required", "fee\n  Unexpected keyword argument"),
    ),
]


async def behind(handle: Any) -> History:
    """The workflow behind the only operation of a caller."""
    (step,) = [step for step in (await history(handle, follow=True)).steps if step.kind == "nexus operation"]
    (called,) = step.calls
    return called


async def until_tried(handle: Any) -> None:
    """Wait until the workflow behind the operation runs its activity."""
    async with asyncio.timeout(20):
        while True:
            steps = [step for step in (await history(handle, follow=True)).steps if step.kind == "nexus operation"]
            if any(inner.status == "running" for step in steps for called in step.calls for inner in called.steps):
                return
            await asyncio.sleep(0.02)


class TestEither:
    """Finance has one Worker only: the one in Python, and then the one in JavaScript."""

    @pytest.mark.usefixtures("handler", "callers")
    @pytest.mark.parametrize("call", [from_a_client, from_a_workflow])
    @pytest.mark.parametrize(("operation", "given", "outcome"), SAME)
    async def test_says_the_same(
        self, ws: Workshop, client: Client, operation: str, given: Any, outcome: Any, call: Any
    ) -> None:
        assert await call(ws, client, operation, given) == outcome

    @pytest.mark.usefixtures("handler", "callers")
    @pytest.mark.parametrize("call", [from_a_client, from_a_workflow])
    async def test_refuses_an_unknown_operation_at_once(self, ws: Workshop, client: Client, call: Any) -> None:
        """The SDKs say it in their own words. What is compared: that it is not found, not tried again, and named."""
        (only,) = await call(ws, client, "short_sell", {})
        assert (only.kind, only.retryable) == ("NOT_FOUND", False)
        assert "'short_sell'" in only.message
        assert "'Finance'" in only.message

    @pytest.mark.usefixtures("callers")
    async def test_knows_its_caller_and_is_known(self, ws: Workshop, client: Client, handler: SpawnedWorker) -> None:
        """Links lead both ways, and the caller's code is the same: typed by the contract."""
        handle = await client.start_workflow(Teller.run, "NADA", id=ws.id("teller"), task_queue="callers")
        price = await handle.result()
        assert (price, type(price)) == (0.0, float)
        called = await behind(handle)
        language = "typescript" if handler.name == JAVASCRIPT else "python"
        assert (called.workflow_type, called.namespace, called.sdk) == ("PriceStock", "finance", f"temporal-{language}")
        assert handle.id in [link.workflow_id for link in called.links]


@pytest.fixture
def altered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The Worker in JavaScript with other code in one place."""

    def alter(file: str, before: str, after: str) -> str:
        folder = tmp_path / "altered_finance"
        folder.mkdir()
        for source in [*FOLDER.glob("*.mjs"), FOLDER / "quotes.json"]:
            shutil.copy(source, folder)
        (folder / "node_modules").symlink_to(FOLDER / "node_modules")
        text = (folder / file).read_text()
        assert before in text
        (folder / file).write_text(text.replace(before, after))
        monkeypatch.syspath_prepend(str(tmp_path))
        return "altered_finance.worker.mjs"

    return alter


@needs_node
@pytest.mark.usefixtures("callers")
async def test_javascript_goes_on_where_python_died(ws: Workshop, client: Client) -> None:
    first = await spawn(ws, PYTHON)
    second = None
    try:
        with ws.fault("read_quote.is_slow", seconds=60) as fault:
            handle = await client.start_workflow(Teller.run, "HOOLI", id=ws.id("teller"), task_queue="callers")
            await until_tried(handle)
            first.kill()
            second = await spawn(ws, JAVASCRIPT)
            async with asyncio.timeout(20):
                assert await handle.result() == 311.75
        assert fault.fired == 1
    finally:
        await ws.stop(first, *([second] if second else []))
    called = await behind(handle)
    assert called.sdk == "temporal-typescript"
    assert [step.attempts for step in called.steps] == [2]


@needs_node
@pytest.mark.usefixtures("callers")
async def test_python_goes_on_where_javascript_died(ws: Workshop, client: Client, altered: Any) -> None:
    slow = "await new Promise((done) => setTimeout(done, 60_000));"
    first = await spawn(ws, altered("worker.mjs", "const symbol =", f"{slow}\n    const symbol ="))
    second = None
    try:
        handle = await client.start_workflow(Teller.run, "HOOLI", id=ws.id("teller"), task_queue="callers")
        await until_tried(handle)
        first.kill()
        second = await spawn(ws, PYTHON)
        async with asyncio.timeout(20):
            assert await handle.result() == 311.75
    finally:
        await ws.stop(first, *([second] if second else []))
    called = await behind(handle)
    assert called.sdk == "temporal-python"
    assert len(called.steps) == 1


@needs_node
@pytest.mark.parametrize(
    ("operation", "given", "file", "before", "reason"),
    [
        (
            "calculate_roi",
            {"invested": 1, "returned": 2},
            "worker.mjs",
            "const gain = query.returned",
            Told("INTERNAL", "The handler of calculate_roi has a bug. ReferenceError: broken is not defined", False),
        ),
        (
            "stock_price",
            {"ticker": "ACME"},
            "workflows.mjs",
            "const price = await",
            Told("ReferenceError", "broken is not defined", True),
        ),
    ],
)
async def test_a_bug_is_told_at_once(
    ws: Workshop,
    client: Client,
    altered: Any,
    operation: str,
    given: Any,
    file: str,
    before: str,
    reason: Told,
) -> None:
    """As by the handler in Python, which test_teams.py holds to it."""
    worker = await spawn(ws, altered(file, before, before.replace("= ", "= broken + ")), "broken")
    try:
        assert await from_a_client(ws, client, operation, given, "broken") == [reason]
    finally:
        await ws.stop(worker)


@needs_node
async def test_a_worker_that_cannot_start_says_why(ws: Workshop, altered: Any) -> None:
    with pytest.raises(WorkshopError, match=r"(?s)ended before it was ready.*ReferenceError: broken is not defined"):
        await spawn(ws, altered("worker.mjs", "const worker = ", "const worker = broken + "), "broken")


@needs_node
async def test_it_is_handled_like_any_other_worker(
    ws: Workshop, client: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    process = await spawn(ws, JAVASCRIPT)
    assert process in ws.workers
    assert await from_a_client(ws, client, "stock_price", {"ticker": "NOPE"}) == unknown("NOPE")
    assert capsys.readouterr().out == ""
    await topology(ws)
    drawn = capsys.readouterr().out
    assert re.search(rf"process {process.pid}\b.*\n +polls: workflows, activities, Nexus\n", drawn), drawn
    began = time.monotonic()
    await ws.stop(process)
    assert not process.running
    assert time.monotonic() - began < 5
    assert process not in ws.workers
    assert capsys.readouterr().out == ""
    assert process._process is not None
    assert process.log is not None
    assert process.log.parent == ws._folder.logs
    assert process.log.read_text() == ""


async def test_without_node_it_says_what_to_do(ws: Workshop, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(WorkshopError, match=r"(?s)cannot be run.*Node\.js is not installed.*`make js`"):
        await ws.spawn(JAVASCRIPT, client, task_queue="finance")


async def test_without_its_packages_it_says_what_to_do(
    ws: Workshop, client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "node").touch(mode=0o755)
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare" / "worker.mjs").touch()
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(WorkshopError, match=r"(?s)cannot be run.*packages that it needs are not installed.*`make js`"):
        await ws.spawn("bare.worker.mjs", client, task_queue="bare")


@needs_node
def test_it_ends_with_its_kernel(tmp_path: Path) -> None:
    with kernel(tmp_path) as k:
        said = k.ok(
            "from temporalio.client import Client\n"
            "from workshop_lib import Workshop\n"
            "ws = await Workshop.start()\n"
            'client = await Client.connect(**await ws.connection("finance"))\n'
            f'process = await ws.spawn("{JAVASCRIPT}", client, task_queue="finance")\n'
            "print(process.pid)"
        )
        _greeting, pid = said.splitlines()
        assert psutil.Process(int(pid)).name() == "node"
        k.kill()
        deadline = time.monotonic() + 5
        while psutil.pid_exists(int(pid)):
            assert time.monotonic() < deadline, "it outlives its kernel"
            time.sleep(0.02)
