"""The exercise of notebook 00."""

from __future__ import annotations

from typing import Any

from temporalio.common import RetryPolicy

from workshop_lib.checks.exercise import Wrong, exercise
from workshop_lib.checks.harness.trial import one_activity
from workshop_lib.workshop import Workshop


@exercise("0.1")
async def greet_by_name(ws: Workshop, answer: Any) -> str:
    """Run the learner's activity in a real workflow, for two names."""
    async with one_activity(ws, answer) as run:
        for name in ("Ann", "Bob"):
            said, failure, _ = await run(name, RetryPolicy(maximum_attempts=1))
            if failure or said != f"Hello, {name}!":
                raise _mistake(name, said, failure)
    return 'A workflow ran your activity twice, and got "Hello, Ann!" and "Hello, Bob!".'


def _mistake(name: str, said: Any, failure: str) -> Wrong:
    if failure:
        return Wrong(f"greet({name!r}) failed: {failure}", "One line is enough, and it waits for nothing.")
    if said is None:
        return Wrong(f"greet({name!r}) returned nothing.", "Does your code say `return`?")
    what = f"greet({name!r}): expected 'Hello, {name}!', saw {said!r}."
    if "{" in str(said):
        return Wrong(what, "Put an `f` before the quotation mark, to fill in the braces.")
    if isinstance(said, str) and name not in said:
        return Wrong(what, "Use the argument `name` instead of a fixed name.")
    return Wrong(what, "Return a text; capitals, comma and exclamation mark count.")
