"""Workflows that call one another, as children and over Nexus. Apart, because the sandbox imports it again."""

# No `from __future__ import annotations`: the SDK reads the operation's types from the annotations.

from datetime import timedelta

import nexusrpc
from nexusrpc.handler import service_handler
from temporalio import nexus, workflow

CHILD = ""  # in a plan, which is a list of endpoints: call the next as a child workflow


@nexusrpc.service
class Relay:
    """Goes on with a chain in the handler's namespace."""

    pass_on: nexusrpc.Operation[list[str], str]


@workflow.defn
class Passing:
    """One workflow of a chain."""

    @workflow.run
    async def run(self, plan: list[str]) -> str:
        """Call the next.

        Args:
            plan: The endpoints at which it and those after it call the next, or ``CHILD``.

        Returns:
            The id of the last.
        """
        if not plan:
            return workflow.info().workflow_id
        if plan[0] == CHILD:
            return await workflow.execute_child_workflow(Passing.run, plan[1:])
        relay = workflow.create_nexus_client(service=Relay, endpoint=plan[0])
        limit = timedelta(minutes=2)
        return await relay.execute_operation(Relay.pass_on, plan[1:], schedule_to_close_timeout=limit)


@service_handler(service=Relay)
class RelayHandler:
    """Starts the next workflow."""

    @nexus.temporal_operation
    async def pass_on(
        self, ctx: nexus.TemporalStartOperationContext, client: nexus.TemporalNexusClient, plan: list[str]
    ) -> nexus.TemporalOperationResult[str]:
        """Start it."""
        return await client.start_workflow(Passing.run, plan, id=f"check-relay-{ctx.request_id}")
