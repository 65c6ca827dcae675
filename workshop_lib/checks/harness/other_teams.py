"""The Finance and IT teams while a check runs: their own code, in their namespaces, on task queues of the check's own.

Their endpoints lead there meanwhile, so that a check can let Finance be down or refuse, and the notebook's own Workers
go on.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import temporalio.worker as tw
from nexusrpc.handler import StartOperationResultAsync, StartOperationResultSync
from temporalio.api.history.v1 import NexusOperationScheduledEventAttributes
from temporalio.client import Client, WorkflowFailureError
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

from workshop_lib.checks.harness.calling import Calling
from workshop_lib.checks.harness.handled import Watch
from workshop_lib.checks.harness.talks import Talk
from workshop_lib.checks.harness.trial import end
from workshop_lib.evidence.failures import describe
from workshop_lib.teams.finance import worker as team_finance
from workshop_lib.teams.it import worker as team_it
from workshop_lib.teams.offering import SETTINGS
from workshop_lib.workers.in_process import InProcessWorker
from workshop_lib.workshop import Workshop

_CALL_SECONDS = 3.0  # with less than two, the server does not even send a call
_REACHED_SECONDS = 10.0


class Refusals(Watch):
    """Lets a team refuse all calls, for a reason; and sees which workflows it starts.

    Attributes:
        reason: Why; empty while it refuses none.
    """

    reason = ""

    def intercept_nexus_operation(
        self, next: tw.NexusOperationInboundInterceptor
    ) -> tw.NexusOperationInboundInterceptor:
        """See base class."""
        return _Refusing(next, self)


class _Refusing(tw.NexusOperationInboundInterceptor):
    def __init__(self, next: tw.NexusOperationInboundInterceptor, refusals: Refusals) -> None:
        super().__init__(next)
        self._refusals = refusals

    async def execute_nexus_operation_start(
        self, input: tw.ExecuteNexusOperationStartInput
    ) -> StartOperationResultSync[Any] | StartOperationResultAsync:
        if self._refusals.reason:
            raise ApplicationError(self._refusals.reason, type="Refused", non_retryable=True)
        return await super().execute_nexus_operation_start(input)


@dataclass
class Team:
    """A team's Worker on a task queue of the check's own.

    Args:
        ws: The workshop.
        code: The module of its Worker.
        sample: A call that it takes: service, operation, input.
        queue: The task queue.
        changes: What its Worker has other than the team's own.

    Attributes:
        refusals: What it refuses.
    """

    ws: Workshop
    code: ModuleType
    sample: tuple[str, str, dict[str, Any]]
    queue: str
    changes: dict[str, Any] = field(default_factory=dict)
    refusals: Refusals = field(default_factory=Refusals)
    client: Client | None = None
    _running: InProcessWorker | None = None

    async def start(self) -> None:
        """Let it answer, and wait until calls reach it."""
        namespace, refusals = self.code.NAMESPACE, self.refusals
        connection = await self.ws.connection(
            namespace, interceptors=[refusals], data_converter=pydantic_data_converter
        )
        client = self.client = await Client.connect(**connection)
        await self.ws.endpoint(self.code.ENDPOINT, namespace=namespace, task_queue=self.queue)
        settings = {**self.code.WORKER, **SETTINGS, **self.changes, "task_queue": self.queue}
        settings["workflows"] = [*settings["workflows"], Calling]
        settings["interceptors"] = [*settings["interceptors"], refusals]
        settings["activity_executor"] = ThreadPoolExecutor(4)
        self._running = self.ws.run(Worker, client, **settings)
        await self._reached(client)

    async def _reached(self, client: Client) -> None:
        """Wait until its endpoint leads here: the server takes a moment to follow a change."""
        self.refusals.reason = "This is only a test."
        endpoint = self.ws.namespace(self.code.ENDPOINT)
        async with asyncio.timeout(_REACHED_SECONDS):
            while True:
                id = self.ws.id("check-call")
                arguments = [endpoint, *self.sample, _CALL_SECONDS]
                handle = await client.start_workflow(Calling.run, args=arguments, id=id, task_queue=self.queue)
                try:
                    await asyncio.wait_for(handle.result(), 2 * _CALL_SECONDS)
                except WorkflowFailureError as error:
                    if any(self.refusals.reason in line for line in describe(error)):
                        break
        self.refusals.reason = ""

    async def stop(self) -> None:
        """Let nobody answer for it."""
        if self._running is not None:
            await self.ws.stop(self._running)
            self._running = None

    async def end(self) -> None:
        """Stop it, and end what it has begun and not finished."""
        await self.stop()
        if self.client is not None:
            ids = {id for _, id in self.refusals.started}
            await asyncio.gather(*(end(self.client.get_workflow_handle(id)) for id in ids))


@contextlib.asynccontextmanager
async def other_teams(ws: Workshop, **changes: Any) -> AsyncIterator[Team]:
    """Finance and IT behind their endpoints, while the block runs: Finance.

    Args:
        ws: The workshop.
        changes: What Finance's Worker has other than the team's own.
    """
    finance = Team(ws, team_finance, ("Finance", "stock_price", {"ticker": "ACME"}), ws.id("check"), changes)
    teams = [finance, Team(ws, team_it, ("IT", "jira_metrics", {"project": "PAY"}), ws.id("check"))]
    before = await ws.endpoints()
    try:
        async with contextlib.AsyncExitStack() as started:
            for team in teams:
                started.push_async_callback(team.end)
                await team.start()
            yield finance
    finally:
        for team in teams:
            name = team.code.ENDPOINT
            namespace, queue = before.get(name, (team.code.NAMESPACE, team.code.TASK_QUEUE))
            await ws.endpoint(name, namespace=namespace, task_queue=queue)


async def operations(talk: Talk) -> list[NexusOperationScheduledEventAttributes]:
    """The Nexus operations that a conversation called, in order.

    Args:
        talk: The conversation.
    """
    return [
        event.nexus_operation_scheduled_event_attributes
        async for event in talk.handle.fetch_history_events()
        if event.HasField("nexus_operation_scheduled_event_attributes")
    ]
