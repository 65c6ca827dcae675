"""Finance's contract, served in Python and in JavaScript: callers get the same answers and the same errors from both.

Nothing is installed here. Where Node.js or its packages are missing, what needs them is skipped.
"""

import re
import shutil
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from nexusrpc import HandlerError
from temporalio.client import Client, NexusOperationFailureError, WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import ApplicationError, NexusOperationError
from temporalio.worker import Worker
from waits import until

from workshop_lib.evidence.history import History, history
from workshop_lib.evidence.messages import WorkshopError
from workshop_lib.nexus_mcp.by_workflow import CallOperation
from workshop_lib.teams import finance
from workshop_lib.workers.spawned import INSTALLED, SpawnedWorker
from workshop_lib.workshop import Workshop

PYTHON, JAVASCRIPT = "workshop_lib.teams.finance.worker", "workshop_lib.teams.finance.worker.mjs"
FOLDER = Path(finance.__file__).parent
needs_node = pytest.mark.skipif(
    shutil.which("node") is None or not (FOLDER / INSTALLED).exists(),
    reason="Node.js, or what `make js` installs, is missing",
)
# pydantic's own additions: its name of the rule, the value, and an address. The sentence before them is compared.
PYDANTICS = re.compile(r" \[type=\w+, input_value=.*?, input_type=\w+\]\s+For further information visit \S+", re.S)
LIMIT = timedelta(seconds=60)
Reason = tuple[str, str, bool | None]  # the type of an error, its message, and whether it may be tried again


async def spawn(ws: Workshop, worker: str, name: str = "finance") -> SpawnedWorker:
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
async def callers(ws: Workshop, client: Client) -> None:
    ws.run(Worker, client, task_queue="callers", workflows=[CallOperation])


def learned(error: BaseException | None) -> list[Reason]:
    """What a caller learns: the causes below the failed operation, the innermost last."""
    found: list[Reason] = []
    below = False
    while error is not None:
        message = PYDANTICS.sub("", getattr(error, "message", str(error)))
        if isinstance(error, HandlerError):
            found.append((error.raw_error_type, message, error.retryable))
        elif isinstance(error, ApplicationError):
            found.append((str(error.type), message, not error.non_retryable))
        elif below:
            found.append((type(error).__name__, message, None))
        below = below or isinstance(error, NexusOperationFailureError | NexusOperationError)
        error = error.__cause__
    return found


async def from_a_client(ws: Workshop, client: Client, operation: str, given: Any, endpoint: str = "finance") -> Any:
    nexus: Any = client.create_nexus_client("Finance", endpoint)
    try:
        return await nexus.execute_operation(operation, given, id=ws.id("operation"), schedule_to_close_timeout=LIMIT)
    except NexusOperationFailureError as error:
        return learned(error)


async def called(ws: Workshop, client: Client, operation: str, given: Any) -> WorkflowHandle[Any, Any]:
    call = ["finance", "Finance", operation, given, LIMIT.total_seconds()]
    return await client.start_workflow(CallOperation.run, args=call, id=ws.id("caller"), task_queue="callers")


async def from_a_workflow(ws: Workshop, client: Client, operation: str, given: Any) -> Any:
    try:
        return await (await called(ws, client, operation, given)).result()
    except WorkflowFailureError as error:
        return learned(error)


def refused(query: str, *faults: str) -> list[Reason]:
    """A bad request: what of it the contract does not allow."""
    number = "1 validation error" if len(faults) == 1 else f"{len(faults)} validation errors"
    return [
        ("BAD_REQUEST", "Payload converter failed to decode Nexus operation input", False),
        ("ValidationError", "\n".join([f"{number} for {query}", *faults]), True),
    ]


UNKNOWN: list[Reason] = [
    ("ActivityError", "Activity task failed", None),
    ("UnknownTicker", "No stock NOPE is traded.", False),
]
PATTERN = "ticker\n  String should match pattern '^[A-Za-z]{1,5}$'"
MISSING, SURPLUS = "ticker\n  Field required", "day\n  Unexpected keyword argument"
NO_NUMBER = "Input should be a valid number, unable to parse string as a number"
SAME: list[tuple[str, Any, Any]] = [
    ("stock_price", {"ticker": "acme"}, {"ticker": "ACME", "price": 120.6}),
    ("stock_price", {"ticker": "NADA"}, {"ticker": "NADA", "price": 0.0}),
    ("stock_price", {"ticker": "nope"}, UNKNOWN),
    ("stock_price", {"ticker": "ACME\n"}, refused("StockQuery", PATTERN)),
    ("stock_price", {"day": 1}, refused("StockQuery", MISSING, SURPLUS)),
    ("stock_price", ["ACME"], refused("StockQuery", "  Input should be an object")),
    ("calculate_roi", {"invested": "1e3", "returned": " 1250.5 "}, {"percent": 25.05, "gain": 250.5}),
    # Exactly between two cents: Python takes the even one. Not exactly: binary fractions lie a little beside it.
    ("calculate_roi", {"invested": 1, "returned": 0.875}, {"percent": -12.5, "gain": -0.12}),
    ("calculate_roi", {"invested": 1, "returned": 2.005}, {"percent": 100.5, "gain": 1.0}),
    (
        "calculate_roi",
        {"invested": 0, "returned": ""},
        refused("RoiQuery", "invested\n  Input should be greater than 0", f"returned\n  {NO_NUMBER}"),
    ),
]


async def behind(handle: Any) -> list[History]:
    """The workflow behind the operation of a caller, once there is one."""
    return [call for step in (await history(handle, follow=True)).steps for call in step.calls]


class TestEither:
    """Finance has one Worker only: the one in Python, and then the one in JavaScript."""

    @pytest.mark.usefixtures("handler", "callers")
    @pytest.mark.parametrize("call", [from_a_client, from_a_workflow])
    async def test_says_the_same(self, ws: Workshop, client: Client, call: Any) -> None:
        for operation, given, outcome in SAME:
            assert await call(ws, client, operation, given) == outcome, (operation, given)
        # The SDKs say this in their own words. What is compared: that it is not found, not tried again, and named.
        ((kind, message, retryable),) = await call(ws, client, "short_sell", {})
        assert (kind, retryable) == ("NOT_FOUND", False)
        assert "'short_sell'" in message

    @pytest.mark.usefixtures("callers")
    async def test_knows_its_caller_and_is_known(self, ws: Workshop, client: Client, handler: SpawnedWorker) -> None:
        handle = await called(ws, client, "stock_price", {"ticker": "ACME"})
        await handle.result()
        (priced,) = await behind(handle)
        language = "typescript" if handler.name == JAVASCRIPT else "python"
        assert (priced.workflow_type, priced.namespace, priced.sdk) == ("PriceStock", "finance", f"temporal-{language}")
        assert handle.id in [link.workflow_id for link in priced.links]


@needs_node
@pytest.mark.usefixtures("callers")
async def test_javascript_goes_on_where_python_died(ws: Workshop, client: Client) -> None:
    dying = await spawn(ws, PYTHON)
    with ws.fault("read_quote.is_slow", seconds=3600) as fault:
        handle = await called(ws, client, "stock_price", {"ticker": "HOOLI"})
        await until(lambda: fault.fired)
        dying.kill()
        await spawn(ws, JAVASCRIPT)
        assert (await handle.result())["price"] == 311.75
    (priced,) = await behind(handle)
    assert (priced.sdk, [step.attempts for step in priced.steps]) == ("temporal-typescript", [2])


@needs_node
async def test_a_handlers_bug_is_reported_at_once(
    ws: Workshop, client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Worker that cannot start says why, too."""
    folder = tmp_path / "altered"
    shutil.copytree(FOLDER, folder, ignore=shutil.ignore_patterns("*.py", "node_modules"))
    (folder / "node_modules").symlink_to(FOLDER / "node_modules")
    monkeypatch.syspath_prepend(str(tmp_path))
    code = (folder / "worker.mjs").read_text()
    (folder / "worker.mjs").write_text(code.replace("const gain = ", "const gain = broken + "))
    worker = await spawn(ws, "altered.worker.mjs", "broken")
    reason = ("INTERNAL", "The handler of calculate_roi has a bug. ReferenceError: broken is not defined", False)
    assert await from_a_client(ws, client, "calculate_roi", {"invested": 1, "returned": 2}, "broken") == [reason]
    await ws.stop(worker)
    assert worker._process.log.read_text() == ""
    (folder / "worker.mjs").write_text(code.replace("const worker = ", "const worker = broken + "))
    with pytest.raises(WorkshopError, match=r"(?s)ended before it was ready.*ReferenceError: broken is not defined"):
        await spawn(ws, "altered.worker.mjs", "broken")


async def test_without_node_or_packages_it_says_what_to_do(
    ws: Workshop, client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "node").touch(mode=0o755)
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare" / "worker.mjs").touch()
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(WorkshopError, match=r"(?s)cannot be run.*packages that it needs are not installed.*`make js`"):
        await ws.spawn("bare.worker.mjs", client, task_queue="bare")
    (tmp_path / "node").unlink()
    with pytest.raises(WorkshopError, match=r"(?s)cannot be run.*Node\.js is not installed.*`make js`"):
        await ws.spawn(JAVASCRIPT, client, task_queue="finance")
