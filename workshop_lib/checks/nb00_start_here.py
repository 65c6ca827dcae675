"""The exercise of notebook 00."""

from datetime import timedelta
from typing import Any

from temporalio.common import RetryPolicy

from workshop_lib.checks.exercise import exercise, require
from workshop_lib.checks.harness.trial import ended, one_activity
from workshop_lib.workshop import Workshop

# A machine that slept meanwhile has let the first attempt's time pass.
_RETRIES = RetryPolicy(initial_interval=timedelta(milliseconds=20), maximum_attempts=2)


@exercise("0.1")
async def greet_by_name(ws: Workshop, answer: Any) -> None:
    """Run the learner's activity in a real workflow, for two names."""
    async with one_activity(ws, answer) as begin:
        for name in ("Ann", "Bob"):
            said, failure, _ = await ended(await begin([name], _RETRIES))
            right = f"Hello, {name}!"
            saw = f"the failure {failure}" if failure else repr(said)
            require(said == right, f"greet({name!r}) to return {right!r}", saw)
