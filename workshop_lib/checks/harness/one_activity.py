"""The Workflow that runs a learner's activity. A module of its own, because the sandbox imports it again."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import RetryPolicy


@workflow.defn
class OneActivity:
    """Run one activity."""

    @workflow.run
    async def run(self, name: str, given: Any, limits: dict[str, float], retries: dict[str, Any]) -> Any:
        """Return what the activity returns.

        Args:
            name: The activity's registered name.
            given: Its argument.
            limits: The activity's timeouts in seconds, such as ``{"start_to_close_timeout": 5}``.
            retries: The fields of a ``RetryPolicy``, its intervals in seconds.
        """
        pauses = {key: timedelta(seconds=retries[key]) for key in retries if key.endswith("_interval")}
        timeouts: dict[str, Any] = {key: timedelta(seconds=limits[key]) for key in limits}
        return await workflow.execute_activity(name, given, retry_policy=RetryPolicy(**retries | pauses), **timeouts)
