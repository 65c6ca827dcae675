"""The Workflow that runs a learner's activity. A module of its own, because the sandbox imports it again."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.api.common.v1 import RetryPolicy as Message
from temporalio.common import RetryPolicy


def as_message(retries: RetryPolicy) -> Message:
    """A retry policy as it can be sent to a Workflow."""
    message = Message()
    retries.apply_to_proto(message)
    return message


@workflow.defn
class OneActivity:
    """Run one activity."""

    @workflow.run
    async def run(self, name: str, given: Any, retries: Message, heartbeat_seconds: float | None = None) -> Any:
        """Return what the activity returns.

        Args:
            name: The activity's registered name.
            given: Its argument.
            retries: Its retry policy.
            heartbeat_seconds: How long it may be silent.
        """
        return await workflow.execute_activity(
            name,
            given,
            start_to_close_timeout=timedelta(seconds=20),
            heartbeat_timeout=timedelta(seconds=heartbeat_seconds) if heartbeat_seconds else None,
            retry_policy=RetryPolicy.from_proto(retries),
        )
