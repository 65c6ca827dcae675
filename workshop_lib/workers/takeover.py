"""What a team's Worker needs so that nobody waits for a dead one, and a handler's bug is said at once."""

from __future__ import annotations

import asyncio
import inspect
from datetime import timedelta
from typing import Any

import temporalio.worker as tw
from nexusrpc import HandlerError, HandlerErrorType
from temporalio import activity
from temporalio.common import RetryPolicy

# Errors of wrong code, which are the same at the next try. For a Worker's ``workflow_failure_exception_types``.
BUG_TYPES: tuple[type[Exception], ...] = (ArithmeticError, AssertionError, AttributeError, ImportError, LookupError)
BUG_TYPES += (NameError, NotImplementedError, TypeError, ValueError)

# After how long without a heartbeat a Worker is taken for dead. One that has too much to do is silent for seconds.
HEARTBEAT = timedelta(seconds=5)

# The retry policy of a step that a person waits for: soon again, then once a second.
QUICK_RETRY = RetryPolicy(initial_interval=timedelta(milliseconds=100), maximum_interval=timedelta(seconds=1))


def limits(limit: timedelta) -> dict[str, Any]:
    """Options of ``workflow.execute_activity`` for one use of a tool.

    Args:
        limit: How long it may take, including retries.
    """
    return {
        "start_to_close_timeout": limit,
        "schedule_to_close_timeout": limit,
        "heartbeat_timeout": HEARTBEAT,
        "retry_policy": QUICK_RETRY,
    }


class Heartbeats(tw.Interceptor):
    """Lets a Worker heartbeat for each activity that has a heartbeat timeout, while it runs.

    So the death of a Worker is noticed within that timeout, and not when the activity's time is up. An activity that
    hangs in a Worker that lives is ended by its start-to-close timeout.
    """

    def intercept_activity(self, next: tw.ActivityInboundInterceptor) -> tw.ActivityInboundInterceptor:
        """See base class."""
        return _Beating(next)


class _Beating(tw.ActivityInboundInterceptor):
    async def execute_activity(self, input: tw.ExecuteActivityInput) -> Any:
        limit = activity.info().heartbeat_timeout
        if not limit:
            return await super().execute_activity(input)

        async def beat() -> None:
            while True:
                await asyncio.sleep(limit.total_seconds() / 4)  # most activities have ended by then
                if inspect.iscoroutinefunction(input.fn):
                    activity.heartbeat()
                else:  # the SDK expects it from a thread then, and would wait for this loop
                    await asyncio.to_thread(activity.heartbeat)

        beats = asyncio.create_task(beat())
        try:
            return await super().execute_activity(input)
        finally:
            beats.cancel()


# Arguments of a Worker whose users wait for it: its death is noticed in seconds, and another one takes over.
QUICK_TAKEOVER: dict[str, Any] = {
    "interceptors": [Heartbeats()],
    "max_heartbeat_throttle_interval": timedelta(milliseconds=500),  # how long the SDK holds heartbeats back
    "sticky_queue_schedule_to_start_timeout": timedelta(milliseconds=200),  # how long a task waits for a dead Worker
    # Each takes a thread. With many, the loop that runs activities and sends their heartbeats would hardly get a turn.
    "max_concurrent_workflow_tasks": 4,
}


def idempotency_key() -> str:
    """A key for the effect of the activity that runs now: the same in each of its attempts, and in no other one."""
    info = activity.info()
    return f"{info.workflow_run_id}/{info.activity_id}"


class KeepsReasons(tw.Interceptor):
    """Lets a handler's bug fail the operation at once, with its reason.

    The SDK takes each exception for a passing one. Temporal tries again then until the operation's time is up, and all
    that the caller learns is that it timed out. What may pass (a database, a network) is still tried again.
    """

    def intercept_nexus_operation(
        self, next: tw.NexusOperationInboundInterceptor
    ) -> tw.NexusOperationInboundInterceptor:
        """See base class."""
        return _KeepsReasons(next)


class _KeepsReasons(tw.NexusOperationInboundInterceptor):
    async def execute_nexus_operation_start(self, input: tw.ExecuteNexusOperationStartInput) -> Any:
        try:
            return await super().execute_nexus_operation_start(input)
        except BUG_TYPES as error:
            what = f"The handler of {input.ctx.operation} has a bug. {type(error).__name__}: {error}"
            # Without the error itself: its stack trace is the handler's own, and nothing for callers.
            raise HandlerError(what, type=HandlerErrorType.INTERNAL, retryable_override=False) from None
