"""The Finance and IT teams while a check runs: their own code, in their namespaces, on task queues of the check's own.

Their endpoints lead there meanwhile, so that a check can let them be down or refuse, and the notebook's own Workers go
on.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta
from types import ModuleType
from typing import Any

import temporalio.worker as tw
from temporalio.contrib.pydantic import pydantic_data_converter

from workshop_lib.checks.harness.handled import Caller, Watch
from workshop_lib.checks.harness.trial import ended, worker
from workshop_lib.nexus_mcp.by_workflow import CallOperation
from workshop_lib.teams.finance import worker as team_finance
from workshop_lib.teams.it import worker as team_it
from workshop_lib.teams.offering import SETTINGS
from workshop_lib.workshop import Workshop

_CALL_LIMIT = timedelta(seconds=3)  # with less than two, the server does not even send a call
_TEST = "This is only a test."
Sample = tuple[str, dict[str, Any]]
"""A call that a team takes: the operation after its service, and the input."""


class Teams(Watch):
    """Both teams, and what becomes of all calls that come to them.

    Attributes:
        down: Whether nobody answers. Calls wait for as long as they may.
        reason: Why the teams refuse calls; empty while they refuse none.
    """

    down, reason = False, ""

    async def comes(self, input: tw.ExecuteNexusOperationStartInput) -> None:
        """See base class."""
        while self.down:
            await asyncio.sleep(0.05)
        if self.reason:
            raise RuntimeError(self.reason)


@contextlib.asynccontextmanager
async def _taken_over(
    ws: Workshop, teams: Teams, code: ModuleType, sample: Sample, **changes: Any
) -> AsyncIterator[None]:
    """Answer a team's calls, while the block runs. What it has begun and not finished by then is ended."""
    before = (await ws.endpoints()).get(code.ENDPOINT, (code.NAMESPACE, code.TASK_QUEUE))
    queue, settings = ws.id("check"), {**code.WORKER, **SETTINGS, **changes}
    settings["workflows"] = [*settings["workflows"], CallOperation]
    connection = {"namespace": code.NAMESPACE, "interceptors": [teams], "data_converter": pydantic_data_converter}
    await ws.endpoint(code.ENDPOINT, namespace=code.NAMESPACE, task_queue=queue)
    try:
        async with worker(ws, queue, connection, **settings) as client:
            teams.reason, limit, failure = _TEST, _CALL_LIMIT, ""
            while _TEST not in failure:  # the server takes a moment to follow a change of an endpoint
                call = await Caller(ws, client, queue, code.ENDPOINT).start(*sample, limit)
                _, failure, _ = await ended(call)
                limit *= 2  # on a slow machine
            teams.reason = ""
            yield
    finally:
        await ws.endpoint(code.ENDPOINT, namespace=before[0], task_queue=before[1])


@contextlib.asynccontextmanager
async def other_teams(ws: Workshop, **changes: Any) -> AsyncIterator[Teams]:
    """Finance and IT behind their endpoints, while the block runs.

    Args:
        ws: The workshop.
        changes: What Finance's Worker has other than the team's own.
    """
    teams = Teams()
    finance, it = ("Finance.stock_price", {"ticker": "ACME"}), ("IT.jira_metrics", {"project": "PAY"})
    async with _taken_over(ws, teams, team_finance, finance, **changes), _taken_over(ws, teams, team_it, it):
        yield teams
