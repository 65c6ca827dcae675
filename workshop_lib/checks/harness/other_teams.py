"""The Finance and IT teams while a check runs: their own code, in their namespaces, on task queues of the check's own.

Their endpoints lead there meanwhile, so that a check can let Finance be down or refuse, and the notebook's own Workers
go on.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from types import ModuleType
from typing import Any

import temporalio.worker as tw
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Worker

from workshop_lib.checks.harness.handled import Caller, Watch
from workshop_lib.checks.harness.trial import connect, end, ended, stop
from workshop_lib.nexus_mcp.by_workflow import CallOperation
from workshop_lib.teams.finance import worker as team_finance
from workshop_lib.teams.it import worker as team_it
from workshop_lib.teams.offering import SETTINGS
from workshop_lib.workshop import Workshop

_CALL_LIMIT = timedelta(seconds=3)  # with less than two, the server does not even send a call
_TEST = "This is only a test."
Sample = tuple[str, dict[str, Any]]
"""A call that a team takes: the operation after its service, and the input."""


class Refusals(Watch):
    """Lets both teams refuse all calls, for a reason; and sees which workflows they start.

    Attributes:
        reason: Why; empty while it refuses none.
    """

    reason = ""

    def comes(self, input: tw.ExecuteNexusOperationStartInput) -> None:
        """See base class."""
        if self.reason:
            raise RuntimeError(self.reason)


class Team:
    """A team's Worker on a task queue of the check's own. It runs already.

    Args:
        ws: The workshop.
        client: Its client.
        refusals: What it refuses.
        settings: Its other arguments.
    """

    def __init__(self, ws: Workshop, client: Client, refusals: Refusals, settings: dict[str, Any]) -> None:
        self._ws, self._client, self._settings, self.refusals = ws, client, settings, refusals
        self.start()

    def start(self) -> None:
        """Run its Worker, which takes the calls that wait."""
        executor = ThreadPoolExecutor(4)
        self._running = self._ws.run(Worker, self._client, **self._settings, activity_executor=executor)

    async def stop(self) -> None:
        """Let nobody answer for it."""
        await stop(self._ws, self._running)


@contextlib.asynccontextmanager
async def _taken_over(
    ws: Workshop, refusals: Refusals, code: ModuleType, sample: Sample, **changes: Any
) -> AsyncIterator[Team]:
    """Answer a team's calls, while the block runs. What it has begun and not finished by then is ended."""
    before = (await ws.endpoints()).get(code.ENDPOINT, (code.NAMESPACE, code.TASK_QUEUE))
    queue = ws.id("check")
    connection: dict[str, Any] = {"interceptors": [refusals], "data_converter": pydantic_data_converter}
    client = await connect(ws, code.NAMESPACE, **connection)
    settings = {**code.WORKER, **SETTINGS, **changes, "task_queue": queue}
    settings["workflows"] = [*settings["workflows"], CallOperation]
    await ws.endpoint(code.ENDPOINT, namespace=code.NAMESPACE, task_queue=queue)
    team = Team(ws, client, refusals, settings)
    try:
        refusals.reason, limit, failure = _TEST, _CALL_LIMIT, ""
        while _TEST not in failure:  # the server takes a moment to follow a change of an endpoint
            call = await Caller(ws, client, queue, code.ENDPOINT).start(*sample, limit)
            _, failure, _ = await ended(call)
            limit *= 2  # on a slow machine
        refusals.reason = ""
        yield team
    finally:
        await team.stop()
        ids = {id for _, id in refusals.started}
        await asyncio.gather(*(end(client.get_workflow_handle(id)) for id in ids))
        await ws.endpoint(code.ENDPOINT, namespace=before[0], task_queue=before[1])


@contextlib.asynccontextmanager
async def other_teams(ws: Workshop, **changes: Any) -> AsyncIterator[Team]:
    """Finance and IT behind their endpoints, while the block runs: Finance.

    Args:
        ws: The workshop.
        changes: What Finance's Worker has other than the team's own.
    """
    refusals = Refusals()
    async with (
        _taken_over(ws, refusals, team_finance, ("Finance.stock_price", {"ticker": "ACME"}), **changes) as finance,
        _taken_over(ws, refusals, team_it, ("IT.jira_metrics", {"project": "PAY"})),
    ):
        yield finance
