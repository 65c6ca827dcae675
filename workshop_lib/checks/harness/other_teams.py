"""The Finance and IT teams while a check runs: their own code, in their namespaces, on task queues of the check's own.

Their endpoints lead there meanwhile, so that a check can let Finance be down or refuse, and the notebook's own Workers
go on.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from types import ModuleType
from typing import Any

import temporalio.worker as tw
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Worker

from workshop_lib.checks.harness.handled import Watch, begin_call
from workshop_lib.checks.harness.trial import NAMESPACE, end, ended, stop
from workshop_lib.nexus_mcp.by_workflow import CallOperation
from workshop_lib.teams.finance import worker as team_finance
from workshop_lib.teams.it import worker as team_it
from workshop_lib.teams.offering import SETTINGS
from workshop_lib.workers.in_process import InProcessWorker
from workshop_lib.workshop import Workshop

_CALL_LIMIT = timedelta(seconds=3)  # with less than two, the server does not even send a call
_TEST = "This is only a test."


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


@dataclass
class Team:
    """A team's Worker on a task queue of the check's own.

    Args:
        ws: The workshop.
        code: The module of its Worker.
        sample: A call that it takes: service, operation, input.
        refusals: What it refuses.
        changes: What its Worker has other than the team's own.
    """

    ws: Workshop
    code: ModuleType
    sample: tuple[str, str, dict[str, Any]]
    refusals: Refusals
    changes: dict[str, Any] = field(default_factory=dict)
    _client: Client | None = None
    _running: InProcessWorker | None = None

    async def take_over(self) -> None:
        """Answer the team's calls, from now on."""
        namespace, queue = self.code.NAMESPACE, self.ws.id("check")
        settings: dict[str, Any] = {"interceptors": [self.refusals], "data_converter": pydantic_data_converter}
        self._client = await Client.connect(**await self.ws.connection(namespace, **settings))
        self.changes["task_queue"] = queue
        await self.ws.endpoint(self.code.ENDPOINT, namespace=namespace, task_queue=queue)
        self.start()
        self.refusals.reason, limit, failure = _TEST, _CALL_LIMIT, ""
        while _TEST not in failure:  # the server takes a moment to follow a change of an endpoint
            call = await begin_call(self.ws, self._client, queue, self.code.ENDPOINT, *self.sample, limit=limit)
            _, failure, _ = await ended(call)
            limit *= 2  # on a slow machine
        self.refusals.reason = ""

    def start(self) -> None:
        """Run its Worker, which takes the calls that wait."""
        assert self._client is not None, "it has taken over"
        settings = {**self.code.WORKER, **SETTINGS, **self.changes}
        settings["workflows"] = [*settings["workflows"], CallOperation]
        self._running = self.ws.run(Worker, self._client, **settings, activity_executor=ThreadPoolExecutor(4))

    async def stop(self) -> None:
        """Let nobody answer for it."""
        if self._running is not None:
            await stop(self.ws, self._running)
            self._running = None

    async def give_back(self, before: tuple[str, str] | None) -> None:
        """Stop it, end what it has begun and not finished, and let its endpoint lead elsewhere again.

        Args:
            before: The namespace and the task queue to which its endpoint led.
        """
        await self.stop()
        if self._client is not None:
            ids = {id for _, id in self.refusals.started}
            await asyncio.gather(*(end(self._client.get_workflow_handle(id)) for id in ids))
        namespace, queue = before or (self.code.NAMESPACE, self.code.TASK_QUEUE)
        await self.ws.endpoint(self.code.ENDPOINT, namespace=namespace, task_queue=queue)


@contextlib.asynccontextmanager
async def other_teams(ws: Workshop, **changes: Any) -> AsyncIterator[Team]:
    """Finance and IT behind their endpoints, while the block runs: Finance.

    Args:
        ws: The workshop.
        changes: What Finance's Worker has other than the team's own.
    """
    refusals = Refusals()
    finance = Team(ws, team_finance, ("Finance", "stock_price", {"ticker": "ACME"}), refusals, changes)
    it = Team(ws, team_it, ("IT", "jira_metrics", {"project": "PAY"}), refusals)
    before = await ws.endpoints()
    async with contextlib.AsyncExitStack() as taken:
        for team in (finance, it):
            taken.push_async_callback(team.give_back, before.get(team.code.ENDPOINT))
            await team.take_over()
        yield finance


async def quiet_client(ws: Workshop) -> Client:
    """A client without the workshop's interceptors, which would explain a wait that is meant to be.

    Args:
        ws: The workshop.
    """
    return await Client.connect(**await ws.connection(NAMESPACE, quiet=True))
