"""Settings of a team's Worker: its death is noticed in seconds, and a handler's bug is reported at once."""

import asyncio
import inspect
from datetime import timedelta
from typing import Any

import temporalio.worker as tw
from nexusrpc import HandlerError, HandlerErrorType
from temporalio import activity
from temporalio.common import RetryPolicy

# Errors of wrong code, which a retry does not change. For a Worker's ``workflow_failure_exception_types``.
BUG_TYPES: tuple[type[Exception], ...] = (ArithmeticError, AssertionError, AttributeError, ImportError, LookupError)
BUG_TYPES += (NameError, NotImplementedError, TypeError, ValueError)

# A Worker that sends no heartbeat for so long is considered dead. A busy one may be silent for seconds.
HEARTBEAT = timedelta(seconds=5)

# The retry policy of a step that a person waits for.
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
    """Lets a Worker send heartbeats for each running activity that has a heartbeat timeout.

    The death of a Worker is then noticed within that timeout. An activity that hangs in a running Worker is ended by
    its start-to-close timeout.
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
                await asyncio.sleep(limit.total_seconds() / 4)
                if inspect.iscoroutinefunction(input.fn):
                    activity.heartbeat()
                else:  # the SDK expects this call from a thread, and would wait for this loop
                    await asyncio.to_thread(activity.heartbeat)

        beats = asyncio.create_task(beat())
        try:
            return await super().execute_activity(input)
        finally:
            beats.cancel()


# Arguments of a Worker that people wait for: if it dies, another one takes over within seconds.
QUICK_TAKEOVER: dict[str, Any] = {
    "interceptors": [Heartbeats()],
    "max_heartbeat_throttle_interval": timedelta(milliseconds=500),  # how long the SDK holds heartbeats back
    "sticky_queue_schedule_to_start_timeout": timedelta(milliseconds=200),  # how long a task waits for a dead Worker
    # Each takes a thread. Many threads would starve the loop that runs activities and sends their heartbeats.
    "max_concurrent_workflow_tasks": 4,
}


def idempotency_key() -> str:
    """A key for the effect of the running activity: the same in all its attempts, and different from all others."""
    info = activity.info()
    return f"{info.workflow_run_id}/{info.activity_id}"


class KeepsReasons(tw.Interceptor):
    """Makes a handler's bug fail the operation at once, with its reason.

    The SDK marks every exception as retryable. Temporal then retries until the operation times out, and the timeout is
    all that the caller learns. Errors that may pass, such as a database's or a network's, are still retried.
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
            # Not chained: callers must not see the handler's stack trace.
            raise HandlerError(what, type=HandlerErrorType.INTERNAL, retryable_override=False) from None
