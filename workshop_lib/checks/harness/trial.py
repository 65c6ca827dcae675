"""Run a learner's code where it cannot disturb the notebook's own, and compare what happened with what should have."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple

from temporalio import activity
from temporalio.client import Client, Interceptor, OutboundInterceptor, WorkflowFailureError
from temporalio.common import RetryPolicy
from temporalio.service import RPCError
from temporalio.worker import Worker

from workshop_lib.checks.exercise import Wrong, require
from workshop_lib.checks.harness.recorded import Handle, every_run, look, quietly, until
from workshop_lib.checks.harness.workflows import OneActivity, as_message
from workshop_lib.evidence.failures import describe
from workshop_lib.evidence.history import History, Step, history
from workshop_lib.evidence.ledger import Ledger, note
from workshop_lib.evidence.messages import WorkshopError
from workshop_lib.evidence.state import notebook_folder
from workshop_lib.teams.orders.data import Order
from workshop_lib.workers.takeover import idempotency_key
from workshop_lib.workshop import Workshop

NAMESPACE = "checks"
FOREVER = timedelta(days=9)
Effects = Sequence[list[str]]


class Before(Interceptor):
    """A client's interceptor that has a look before the client's calls are made.

    Args:
        looks: Functions by the name of the call, as in ``Before(start_workflow=look)``. Each gets the call's input.
    """

    def __init__(self, **looks: Callable[[Any], None]) -> None:
        self._looks = looks

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:
        """See base class."""
        looking = OutboundInterceptor(next)
        for name, first in self._looks.items():
            setattr(looking, name, partial(_looked, first, getattr(next, name)))
        return looking


def _looked(first: Callable[[Any], None], call: Callable[[Any], Any], input: Any) -> Any:
    first(input)
    return call(input)


class Outcome(NamedTuple):
    """What became of one run.

    Attributes:
        result: What it returned; None if it failed.
        failure: Why it failed, the innermost cause; empty if it did not.
        history: What the server recorded.
    """

    result: Any
    failure: str
    history: History

    @property
    def effects(self) -> list[str]:
        """What the ledger shows for the order that the run is of, in order."""
        ledger = Ledger(notebook_folder() / "ledger.db")
        return [entry.effect for entry in ledger.entries(order=self.history.workflow_id)]

    @property
    def activities(self) -> list[str]:
        """The activities that the workflow asked for, in order."""
        return [step.name for step in self.history.steps if step.kind == "activity"]


def expect(
    made: Outcome, what: str, *, effects: Effects = (), result: Any = ..., fails: bool = False, advice: str = "default"
) -> None:
    """Compare what happened to an order with what should have.

    Args:
        made: What happened.
        what: What kind of order it was, such as ``A good order``.
        effects: What the ledger may show, each in order. Not judged if there is none.
        result: What the workflow should have returned. Anything is right if it is not given.
        fails: Whether the workflow should have failed.
        advice: What to say beside ``expected … saw …``.

    Raises:
        Wrong: Something else happened.
    """
    right = result is ... or _json(made.result) == _json(result)
    if fails == bool(made.failure) and (fails or right) and (not effects or made.effects in effects):
        return
    if advice == "default" and not made.failure and made.result is None and not right:
        advice = "Does your code say `return`?"
    ledger = [" or ".join(", ".join(each) or "nothing" for each in effects)] if effects else []
    wanted = "a failure" if fails else "a result" if result is ... else f"the result {result!r}"
    expected = "; then ".join([*ledger, wanted])
    end = f"the failure {made.failure.removesuffix('.')}" if made.failure else f"the result {made.result!r}"
    raise Wrong(f"{what}: expected {expected}. Saw {', '.join(made.effects) or 'nothing'}; then {end}.", advice)


def in_turn(steps: Iterable[Step], advice: str) -> None:
    """See to it that each Activity was asked for after the end of the one before. A ledger shows only which was faster.

    Args:
        steps: The steps, in order. There may be others beside the Activities, such as timers.
        advice: As for ``require``.

    Raises:
        Wrong: It is not so.
    """
    for before, step in pairwise(step for step in steps if step.kind == "activity"):
        right = before.closed and before.closed <= step.scheduled
        require(right, f"{step.name} after the end of {before.name}", "that it did not wait for that", advice)


def _json(value: Any) -> str:
    # Without a type, a client gets a dict where the workflow returned a dataclass.
    return json.dumps(value, default=vars, sort_keys=True)


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

    async def start(self, given: Any, id: str = "") -> Handle:
        """Start the workflow.

        Args:
            given: Its argument.
            id: Its id; that of the order, if it is given one.
        """
        return await start(self.client, self._queue, self._workflow.run, given, id=id or given.id)

    async def run(self, **order: Any) -> Outcome:
        """Process one order to its end.

        Args:
            order: What to change in the order.

        Raises:
            Wrong: It never will.
        """
        return await ended(await self.start(Order(self.ws.id("order"), **order)))


@contextlib.asynccontextmanager
async def trial(
    ws: Workshop, answer: Any, activities: Sequence[Any], *, queue: str = "", **connection: Any
) -> AsyncIterator[Trial]:
    """A Worker for a learner's workflow, while the block runs.

    Args:
        ws: The workshop.
        answer: What the learner handed in.
        activities: What the workflow may call.
        queue: The task queue; a new one if it does not matter.
        connection: As for ``connect``, for its client.

    Raises:
        Wrong: The answer is not a workflow.
    """
    if not hasattr(answer, "__temporal_workflow_definition"):
        raise Wrong(f"{answer!r} is not a Workflow.", "Keep `@workflow.defn` above the class.")
    if not isinstance(answer, type):
        raise Wrong("This is an object of your class.", "Give the check the class itself, without a call.")
    queue = queue or ws.id("check")
    settings: dict[str, Any] = {"workflows": [answer], "activities": activities, "max_cached_workflows": 0}
    async with worker(ws, queue, connection, **settings) as client:
        yield Trial(ws, client, queue, answer)


async def ended(handle: Handle, stuck: str = "What does it wait for?", *, attempts: int = 3) -> Outcome:
    """Wait for the end of a run.

    Args:
        handle: Of the run.
        stuck: What to advise if it does not end.
        attempts: As for ``look``.

    Raises:
        Wrong: It never will.
    """
    result, failure = None, ""
    ending = quietly(handle.result())
    try:
        await until(ending, handle, partial(look, stuck=stuck, attempts=attempts))
        # Now and then the server forgets for 20 s to notify whoever waits. Asked again, it answers at once.
        result = ending.result() if ending.done() else await handle.result()
    except WorkflowFailureError as error:
        failure = describe(error)[-1].strip().removeprefix("↳ ")
    return Outcome(result, failure, await history(handle))


async def connect(ws: Workshop, namespace: str = NAMESPACE, **settings: Any) -> Client:
    """Connect a client.

    Args:
        ws: The workshop.
        namespace: Its namespace; that of the checks if it does not matter.
        settings: As for ``Workshop.connection``.
    """
    return await Client.connect(**await ws.connection(namespace, **settings))


@contextlib.asynccontextmanager
async def worker(
    ws: Workshop, queue: str, connection: Mapping[str, Any] | None = None, **settings: Any
) -> AsyncIterator[Client]:
    """A Worker, while the block runs: its client. What that has started, and what this has called, is ended after it.

    Args:
        ws: The workshop.
        queue: Its task queue.
        connection: As for ``connect``, for its client.
        settings: Its other arguments.
    """
    given, started = dict(connection or {}), set[str]()
    notes = Before(
        start_workflow=lambda input: started.add(input.id),
        start_update_with_start_workflow=lambda input: started.add(input.start_workflow_input.id),
    )
    client = await connect(ws, **{**given, "interceptors": [*given.get("interceptors", ()), notes]})
    settings |= {"task_queue": queue, "activity_executor": ThreadPoolExecutor(8)}
    running = ws.run(Worker, client, **settings)
    try:
        yield client
    finally:
        await asyncio.gather(*(_end_all(client, id) for id in started), return_exceptions=True)
        while running in ws.workers:  # a slow machine takes its time, which says nothing about an answer
            with contextlib.suppress(WorkshopError):
                await ws.stop(running)


async def _end_all(client: Client, id: str) -> None:
    """End a run, and all that it has called."""
    service = client.service_client  # without the client's interceptors, which may refuse to read more
    handle = Client(service, namespace=client.namespace).get_workflow_handle(id)
    await end(handle)
    with contextlib.suppress(RPCError):  # it could not be started
        for run in every_run(await history(handle, follow=True)):
            if not run.closed:
                await end(Client(service, namespace=run.namespace).get_workflow_handle(run.workflow_id))


async def start(client: Client, queue: str, run: Any, *given: Any, id: str) -> Handle:
    """Start a workflow with far more time than it needs: what the server records says whether it will end.

    Args:
        client: Of its namespace.
        queue: Its task queue.
        run: Its ``run``.
        given: Its arguments.
        id: Its id.
    """
    return await client.start_workflow(run, args=given, id=id, task_queue=queue, execution_timeout=FOREVER)


@contextlib.asynccontextmanager
async def one_activity(
    ws: Workshop, answer: Any, processes: int = 0, **settings: Any
) -> AsyncIterator[Callable[[list[Any], RetryPolicy], Awaitable[Handle]]]:
    """A Worker for a learner's activity, while the block runs.

    Args:
        ws: The workshop.
        answer: What the learner handed in.
        processes: How many processes are to run it, of which one may die; 0 for this one.
        settings: Other arguments of the Workers in processes.

    Yields:
        A function that begins to run the activity in a workflow. It takes its arguments and the retry policy.

    Raises:
        Wrong: The answer is not an activity.
    """
    name, queue = activity_name(answer), ws.id("check")
    async with worker(ws, queue, workflows=[OneActivity], activities=[] if processes else [answer]) as client:

        async def begin(given: list[Any], retries: RetryPolicy) -> Handle:
            arguments = name, given, as_message(retries), 2 if processes else None
            return await start(client, queue, OneActivity.run, *arguments, id=ws.id("check"))

        settings |= {"task_queue": queue, "activities": [answer]}
        spawned = await asyncio.gather(*(ws.spawn(Worker, client, **settings) for _ in range(processes)))
        try:
            yield begin
        finally:
            await ws.stop(*spawned)


def noting(name: str, effect: str) -> Any:
    """An activity, as that of a notebook, that notes in the ledger what it is given, which may be anything.

    Args:
        name: Its name.
        effect: The name of the effect. It has ``what`` and ``workflow``.
    """

    @activity.defn(name=name)
    def noted(what: Any) -> None:
        note(effect, once=idempotency_key(), what=what, workflow=activity.info().workflow_id)

    return noted


async def end(handle: Handle) -> None:
    """Terminate a run that has not ended."""
    with contextlib.suppress(RPCError):
        await handle.terminate(reason="the check is over")


def activity_name(answer: Any) -> str:
    """The name under which an activity is registered.

    Raises:
        Wrong: The answer is not an activity.
    """
    definition = getattr(answer, "__temporal_activity_definition", None)
    if definition is None:
        advice = "Give the check the function itself, without a call. Keep `@activity.defn` above it."
        raise Wrong(f"{answer!r} is not an Activity.", advice)
    return str(definition.name)
