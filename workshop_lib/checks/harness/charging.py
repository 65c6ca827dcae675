"""The workflows that run a learner's activities. A module of its own, because the sandbox imports it again."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import RetryPolicy

with workflow.unsafe.imports_passed_through():
    from workshop_lib.teams.orders.data import Order


@workflow.defn
class Charging:
    """Charge one order, with the retries that a learner chose."""

    @workflow.run
    async def run(self, activity_type: str, order: Order, retries: dict[str, Any]) -> Any:
        """Return what the activity returns.

        Args:
            activity_type: The activity's registered name.
            order: Its argument.
            retries: The retry policy, its intervals in seconds.
        """
        for name in ("initial_interval", "maximum_interval"):
            if retries.get(name) is not None:
                retries[name] = timedelta(seconds=retries[name])
        return await workflow.execute_activity(
            activity_type,
            order,
            start_to_close_timeout=timedelta(seconds=5),
            retry_policy=RetryPolicy(**retries),
        )


@workflow.defn
class Packing:
    """Run a learner's long activity, and notice within a second when its Worker is gone."""

    @workflow.run
    async def run(self, activity_type: str, order: str) -> None:
        """Wait for the activity.

        Args:
            activity_type: The activity's registered name.
            order: Its argument.
        """
        await workflow.execute_activity(
            activity_type,
            order,
            start_to_close_timeout=timedelta(seconds=30),
            heartbeat_timeout=timedelta(seconds=1),
            retry_policy=RetryPolicy(initial_interval=timedelta(milliseconds=50)),
        )
