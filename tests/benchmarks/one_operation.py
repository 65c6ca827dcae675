"""The yardstick's Nexus operation: a workflow that calls it, and a workflow behind it that does nothing."""

from datetime import timedelta

import nexusrpc
from nexusrpc.handler import service_handler
from temporalio import nexus, workflow


@nexusrpc.service
class Echo:
    """One operation."""

    echo: nexusrpc.Operation[str, str]


@workflow.defn
class Behind:
    """Returns what it is given."""

    @workflow.run
    async def run(self, text: str) -> str:
        """Return it."""
        return text


@service_handler(service=Echo)
class EchoHandler:
    """Starts the workflow."""

    @nexus.workflow_run_operation
    async def echo(self, ctx: nexus.WorkflowRunOperationContext, text: str) -> nexus.WorkflowHandle[str]:
        """Start it."""
        return await ctx.start_workflow(Behind.run, text, id=f"behind-{ctx.request_id}")


@workflow.defn
class OneOperation:
    """Calls the operation once."""

    @workflow.run
    async def run(self, endpoint: str) -> str:
        """Call it."""
        client = workflow.create_nexus_client(service=Echo, endpoint=endpoint)
        return await client.execute_operation(Echo.echo, "hello", schedule_to_close_timeout=timedelta(seconds=10))
