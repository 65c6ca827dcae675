"""A workflow with one Nexus operation that is answered at once."""

# No `from __future__ import annotations`: the SDK reads the operation's types from the annotations.

from datetime import timedelta

import nexusrpc
from nexusrpc.handler import StartOperationContext, service_handler, sync_operation
from temporalio import workflow


@nexusrpc.service
class Counter:
    """Adds one."""

    add: nexusrpc.Operation[int, int]


@service_handler(service=Counter)
class CounterHandler:
    """Handles ``Counter``."""

    @sync_operation
    async def add(self, context: StartOperationContext, n: int) -> int:
        """Add one."""
        return n + 1


@workflow.defn
class OneCount:
    """Calls it once."""

    @workflow.run
    async def run(self, endpoint: str) -> int:
        """Call the operation."""
        counter = workflow.create_nexus_client(service=Counter, endpoint=endpoint)
        limit = timedelta(seconds=30)
        return await counter.execute_operation(Counter.add, 1, schedule_to_close_timeout=limit)
