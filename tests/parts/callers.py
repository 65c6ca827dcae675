"""A workflow that calls Finance with whatever it is given, right or wrong. Used by the tests."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from temporalio import workflow


@workflow.defn
class Caller:
    """Knows of Finance its names only, so that nothing stops it from calling wrongly."""

    @workflow.run
    async def run(self, operation: str, given: Any) -> Any:
        """Call once."""
        finance: Any = workflow.create_nexus_client(service="Finance", endpoint="finance")
        return await finance.execute_operation(operation, given, schedule_to_close_timeout=timedelta(seconds=60))
