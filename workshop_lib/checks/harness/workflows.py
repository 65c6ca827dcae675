"""Workflows that checks run. Apart from the rest, because the sandbox imports them again."""

from datetime import timedelta
from typing import Any

from nexusrpc.handler import service_handler
from temporalio import nexus, workflow
from temporalio.api.common.v1 import RetryPolicy as Message
from temporalio.common import RetryPolicy

CHILD = ""  # in a plan, which is a list of endpoints: call the next as a child workflow


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
        relay = workflow.create_nexus_client(service=RelayHandler, endpoint=plan[0])
        return await relay.execute_operation(RelayHandler.pass_on, plan[1:])


@service_handler
class RelayHandler:
    """Goes on with a chain in its namespace."""

    @nexus.workflow_run_operation
    async def pass_on(self, ctx: nexus.WorkflowRunOperationContext, plan: list[str]) -> nexus.WorkflowHandle[str]:
        """Start it."""
        return await ctx.start_workflow(Passing.run, plan, id=f"check-relay-{ctx.request_id}")


def as_message(retries: RetryPolicy) -> Message:
    """A retry policy as it can be sent to a Workflow."""
    message = Message()
    retries.apply_to_proto(message)
    return message


@workflow.defn
class OneActivity:
    """Run one activity."""

    @workflow.run
    async def run(self, name: str, given: list[Any], retries: Message, heartbeat_seconds: float | None = None) -> Any:
        """Return what the activity returns.

        Args:
            name: The activity's registered name.
            given: Its arguments.
            retries: Its retry policy.
            heartbeat_seconds: How long it may be silent.
        """
        return await workflow.execute_activity(
            name,
            args=given,
            start_to_close_timeout=timedelta(seconds=20),
            heartbeat_timeout=timedelta(seconds=heartbeat_seconds) if heartbeat_seconds else None,
            retry_policy=RetryPolicy.from_proto(retries),
        )
