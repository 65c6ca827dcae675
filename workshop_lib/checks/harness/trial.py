"""Run a learner's workflow where it cannot disturb the notebook's own, and tell what became of it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from temporalio.client import Client, Interceptor, Plugin, WorkflowFailureError, WorkflowHandle
from temporalio.service import RPCError
from temporalio.worker import Worker

from workshop_lib.checks.exercise import NOT_SOLVED, Wrong
from workshop_lib.checks.harness.recorded import until
from workshop_lib.evidence.failures import describe
from workshop_lib.evidence.history import History, history
from workshop_lib.teams.orders.data import Order
from workshop_lib.workshop import Workshop

NAMESPACE = "checks"


@dataclass(frozen=True)
class Outcome:
    """What became of one run.

    Attributes:
        order: What it was given.
        result: What it returned; None if it failed.
        failure: Why it failed, the innermost cause; empty if it did not.
        history: What the server recorded.
        effects: What the ledger shows for the order, in order.
    """

    order: Order
    result: Any
    failure: str
    history: History
    effects: list[str]

    @property
    def seen(self) -> str:
        """The effects, as a learner reads them."""
        return ", ".join(self.effects) or "nothing"


class Trial:
    """A Worker for one answer, which forgets all after each step, as if it had crashed.

    Args:
        ws: The workshop.
        client: Connected to the namespace of the checks.
        queue: The Worker's task queue.
        workflow: The learner's workflow.
    """

    def __init__(self, ws: Workshop, client: Client, queue: str, workflow: Any) -> None:
        self.ws, self.client, self._queue, self._workflow = ws, client, queue, workflow
        self._started: list[WorkflowHandle[Any, Any]] = []

    async def start(self, given: Any, id: str = "") -> WorkflowHandle[Any, Any]:
        """Start the workflow.

        Args:
            given: Its argument.
            id: Its id; that of the order, if it is given one.
        """
        handle = await self.client.start_workflow(
            self._workflow.run,
            given,
            id=id or given.id,
            task_queue=self._queue,
            task_timeout=timedelta(seconds=2),
            execution_timeout=timedelta(days=9),
        )
        self._started.append(handle)
        return handle

    async def run(self, **order: Any) -> Outcome:
        """Process one order to its end.

        Args:
            order: What to change in the order.

        Raises:
            Wrong: It never will.
        """
        return await self.outcome(await self.start(Order(self.ws.id("order"), **order)))

    async def outcome(self, handle: WorkflowHandle[Any, Any], stuck: str = "What does it wait for?") -> Outcome:
        """Wait for the end of an order that was started.

        Args:
            handle: From ``start``.
            stuck: What to advise if it does not end.

        Raises:
            Wrong: It never will.
        """
        result, failure, told = await ended(handle, stuck)
        entries = self.ws.ledger.entries(order=handle.id)
        return Outcome(Order(handle.id), result, failure, told, [entry.effect for entry in entries])

    async def end(self) -> None:
        """End what has not ended."""
        for handle in self._started:
            await end(handle)


@contextlib.asynccontextmanager
async def trial(ws: Workshop, answer: Any, activities: Sequence[Any], *, queue: str = "") -> AsyncIterator[Trial]:
    """A Worker for a learner's workflow, while the block runs.

    Args:
        ws: The workshop.
        answer: What the learner handed in.
        activities: What the workflow may call.
        queue: The task queue; a new one if it does not matter.

    Raises:
        Wrong: The answer is no workflow.
    """
    if not (isinstance(answer, type) and hasattr(answer, "__temporal_workflow_definition")):
        if hasattr(answer, "__temporal_workflow_definition"):
            raise Wrong("You handed in an object.", "Hand in the class itself, without a call.")
        raise Wrong(f"You handed in {answer!r}, which is no workflow.", "Keep `@workflow.defn` above the class.")
    queue = queue or ws.id("check")
    async with worker(ws, queue, workflows=[answer], activities=activities, max_cached_workflows=0) as client:
        made = Trial(ws, client, queue, answer)
        try:
            yield made
        finally:
            await made.end()


async def ended(handle: WorkflowHandle[Any, Any], stuck: str = "What does it wait for?") -> tuple[Any, str, History]:
    """Wait for the end of a run.

    Args:
        handle: Of the run.
        stuck: What to advise if it does not end.

    Returns:
        What it returned, why it failed (empty if it did not), and its history.

    Raises:
        Wrong: It never will.
    """
    result, failure = None, ""
    ending = asyncio.ensure_future(handle.result())
    try:
        await until(ending, handle, stuck)
        # Now and then the server forgets to tell who waits, for 20 s. Asked anew, it answers at once.
        result = ending.result() if ending.done() else await handle.result()
    except WorkflowFailureError as error:
        failure = failure_of(error)
    finally:
        ending.cancel()
    return result, failure, await history(handle)


@contextlib.asynccontextmanager
async def worker(
    ws: Workshop,
    queue: str,
    *,
    client_interceptors: Sequence[Interceptor] = (),
    plugins: Sequence[Plugin] = (),
    **settings: Any,
) -> AsyncIterator[Client]:
    """A Worker in the namespace of the checks, while the block runs: its client.

    Args:
        ws: The workshop.
        queue: Its task queue.
        client_interceptors: Of its client.
        plugins: Of its client; those of its client are the Worker's, too.
        settings: Its other arguments.
    """
    connection = await ws.connection(NAMESPACE, interceptors=list(client_interceptors), plugins=list(plugins))
    client = await Client.connect(**connection)
    running = ws.run(Worker, client, task_queue=queue, activity_executor=ThreadPoolExecutor(8), **settings)
    try:
        yield client
    finally:
        await ws.stop(running)


async def end(handle: WorkflowHandle[Any, Any]) -> None:
    """Terminate a run that has not ended."""
    with contextlib.suppress(RPCError):
        await handle.terminate(reason="the check is over")


def failure_of(error: WorkflowFailureError) -> str:
    """Why a run failed, the innermost cause, in a line.

    Raises:
        WorkflowFailureError: It is only that the exercise is not solved yet.
    """
    failure = describe(error)[-1].strip().removeprefix("↳ ")
    if NOT_SOLVED in failure:
        raise error
    return failure


def activity_name(answer: Any) -> str:
    """The name under which an activity is registered.

    Raises:
        Wrong: The answer is no activity.
    """
    definition = getattr(answer, "__temporal_activity_definition", None)
    if definition is None:
        raise Wrong(f"You handed in {answer!r}, which is no activity.", "Keep `@activity.defn` above the function.")
    return str(definition.name)
