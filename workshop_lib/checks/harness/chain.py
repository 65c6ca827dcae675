"""Workflows that call one another, as children and over Nexus. Apart, because the sandbox imports it again."""

# No `from __future__ import annotations`: the SDK reads the operation's types from the annotations.

from dataclasses import dataclass
from datetime import timedelta

import nexusrpc
from nexusrpc.handler import service_handler
from temporalio import nexus, workflow


@dataclass(frozen=True)
class Hop:
    """How one workflow of a chain calls the next.

    Attributes:
        kind: ``child`` or ``operation``.
        endpoint: For an operation.
    """

    kind: str
    endpoint: str = ""


@nexusrpc.service
class Relay:
    """Goes on with a chain in the handler's namespace."""

    pass_on: nexusrpc.Operation[list[Hop], str]


@workflow.defn
class Passing:
    """One workflow of a chain."""

    @workflow.run
    async def run(self, plan: list[Hop]) -> str:
        """Call the next.

        Args:
            plan: How, for it and those after it.

        Returns:
            The id of the last.
        """
        return await _go_on(plan)


@workflow.defn
class Talking:
    """A conversation: each update begins a chain."""

    def __init__(self) -> None:
        self._answered = 0

    @workflow.run
    async def run(self, questions: int) -> None:
        """Wait for the last update.

        Args:
            questions: How many will come.
        """
        await workflow.wait_condition(lambda: self._answered == questions and workflow.all_handlers_finished())

    @workflow.update
    async def ask(self, plan: list[Hop]) -> str:
        """Call the next, as ``Passing`` does."""
        last = await _go_on(plan)
        self._answered += 1
        return last


async def _go_on(plan: list[Hop]) -> str:
    if not plan:
        return workflow.info().workflow_id
    if plan[0].kind == "child":
        return await workflow.execute_child_workflow(Passing.run, plan[1:])
    relay = workflow.create_nexus_client(service=Relay, endpoint=plan[0].endpoint)
    limit = timedelta(minutes=1)
    return await relay.execute_operation(Relay.pass_on, plan[1:], schedule_to_close_timeout=limit)


@service_handler(service=Relay)
class RelayHandler:
    """Starts the next workflow."""

    @nexus.workflow_run_operation
    async def pass_on(self, ctx: nexus.WorkflowRunOperationContext, plan: list[Hop]) -> nexus.WorkflowHandle[str]:
        """Start it."""
        return await ctx.start_workflow(Passing.run, plan, id=f"check-relay-{ctx.request_id}")
