"""The workflow that runs a learner's ``greet``. A module of its own, because the sandbox imports it again."""

from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import RetryPolicy


@workflow.defn
class Greeting:
    """Call one activity with one name."""

    @workflow.run
    async def run(self, activity_type: str, name: str) -> Any:
        """Return what the activity returns.

        Args:
            activity_type: The activity's registered name.
            name: Its argument.
        """
        return await workflow.execute_activity(
            activity_type,
            name,
            schedule_to_close_timeout=timedelta(seconds=10),
            retry_policy=RetryPolicy(maximum_attempts=1),
        )
