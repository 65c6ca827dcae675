"""The Finance and IT teams while a check runs: their own code, in their namespaces, on task queues of the check's own.

Their endpoints lead there meanwhile, so that a check can let Finance be down or refuse, and the notebook's own Workers
go on.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import temporalio.worker as tw
from nexusrpc.handler import StartOperationResultAsync, StartOperationResultSync
from temporalio.api.history.v1 import NexusOperationScheduledEventAttributes
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

from workshop_lib.checks.talks import Talk, together
from workshop_lib.teams.finance import worker as team_finance
from workshop_lib.teams.it import worker as team_it
from workshop_lib.teams.offering import offered
from workshop_lib.workers import InProcessWorker
from workshop_lib.workshop import Workshop


class Refusals(tw.Interceptor):
    """Lets a team refuse all calls, for a reason.

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

    Attributes:
        refusals: What it refuses.
    """

    ws: Workshop
    code: ModuleType
    queue: str
    refusals: Refusals = field(default_factory=Refusals)
    running: InProcessWorker | None = None

    async def start(self) -> None:
        """Let it answer."""
        own = {**self.code.WORKER, "task_queue": self.queue}
        client, settings = await offered(self.ws, self.code.ENDPOINT, self.code.NAMESPACE, own)
        settings["interceptors"] = [*settings["interceptors"], self.refusals]
        # A check is short: a few threads do.
        settings["activity_executor"] = ThreadPoolExecutor(4)
        self.running = self.ws.run(Worker, client, **settings)

    async def stop(self) -> None:
        """Let nobody answer for it."""
        if self.running is not None:
            await self.ws.stop(self.running)
        self.running = None


@contextlib.asynccontextmanager
async def other_teams(ws: Workshop) -> AsyncIterator[Team]:
    """Finance and IT behind their endpoints, while the block runs: Finance.

    Args:
        ws: The workshop.
    """
    teams = [Team(ws, code, ws.id("check")) for code in (team_finance, team_it)]
    before = await ws.endpoints()
    try:
        await together(*(team.start() for team in teams))
        yield teams[0]
    finally:
        await together(*(team.stop() for team in teams))
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
