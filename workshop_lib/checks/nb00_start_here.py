"""The exercise of notebook 00."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from temporalio.client import Client
from temporalio.worker import Worker

from workshop_lib.checks.exercise import Wrong, exercise
from workshop_lib.checks.harness.greeting import Greeting
from workshop_lib.workshop import Workshop


@exercise(
    "0.1",
    hints=(
        "`greet` gets the name as its argument and has to give a sentence back.",
        'An f-string puts a value into a text: `f"… {name} …"`.',
        'The whole body is one line: `return f"Hello, {name}!"`',
    ),
)
async def greet_by_name(ws: Workshop, answer: Any) -> str:
    """Run the learner's activity in a real workflow, for two names."""
    definition = getattr(answer, "__temporal_activity_definition", None)
    if definition is None:
        if callable(answer):
            raise Wrong("What you handed in is not an activity.", "Keep `@activity.defn` above `async def greet`.")
        raise Wrong(f"You handed in {answer!r}.", 'Hand in the function itself, without a call: `check("0.1", greet)`.')
    for name in ("Ann", "Bob"):
        said = await _greeting(ws, answer, definition.name, name)
        if said != f"Hello, {name}!":
            raise _mistake(name, said)
    return 'A workflow ran your activity twice, and got "Hello, Ann!" and "Hello, Bob!".'


async def _greeting(ws: Workshop, greet: Callable[..., Any], activity_type: str, name: str) -> Any:
    client = await Client.connect(**await ws.connection("default"))
    queue = ws.id("check")
    worker = ws.run(
        Worker,
        client,
        task_queue=queue,
        workflows=[Greeting],
        activities=[greet],
        activity_executor=ThreadPoolExecutor(1),  # a plain `def` is a right answer, too
    )
    try:
        return await client.execute_workflow(Greeting.run, args=[activity_type, name], id=queue, task_queue=queue)
    finally:
        await ws.stop(worker)


def _mistake(name: str, said: Any) -> Wrong:
    if said is None:
        return Wrong(f"greet({name!r}) gave nothing back.", "Does your code say `return`?")
    if not isinstance(said, str):
        return Wrong(f"greet({name!r}) gave {said!r}, which is no text.", "Give back a string.")
    if "{" in said:
        return Wrong(f"greet({name!r}) gave {said!r}.", "Put an `f` before the quotation mark, to fill in the braces.")
    if name not in said:
        return Wrong(f"greet({name!r}) gave {said!r}.", "Use the argument `name` instead of a fixed name.")
    return Wrong(
        f"greet({name!r}) gave {said!r}.",
        f'Compare it with "Hello, {name}!": capitals, comma and exclamation mark count.',
    )
