"""`make bench`: what the library costs, as ratios to a yardstick that runs interleaved with it.

Machines are noisy, so no absolute time is a bar but for the two that a learner feels. Both sides of a ratio take turns
call by call; it is the ratio of their medians over all calls, and the quartiles of the rounds are printed with it.
`python tests/benchmarks/bench.py demo 1` runs the rows whose names (in FRESH and SERVED) contain "demo 1" only;
`BENCH_ROUNDS=3` makes it short, and less sure.

No row compares with the talk's own demos, which have older packages of their own. Once, in the same hour on one slow
machine, a turn of the talk's demo 1 took 332 ms, on a server with stock settings, and ours 279 ms. Half of that is out
of reach where the CPU is the limit: the bare SDKs need nine tenths of our turn themselves.
"""

import asyncio
import contextlib
import functools
import itertools
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

sys.path += [str(Path(__file__).parent), str(Path(__file__).parents[1] / "parts")]

import flows
import strangers
from temporalio.client import Client
from temporalio.worker import Worker

from workshop_lib.workers.process import leave
from workshop_lib.workshop import Workshop

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "12"))
CALLS = 10  # of each side in a round
PROCESSES = min(7, ROUNDS)  # for what is measured in a fresh one
Call = Callable[[], Awaitable[object]]
say = functools.partial(print, file=sys.stdout, flush=True)  # where nothing else is printed
failed = False


def verdict(name: str, value: float, most: float, unit: str, spread: str) -> None:
    """Print one figure beside its bar."""
    global failed
    failed = failed or value > most
    say(f"{'ok  ' if value <= most else 'FAIL'}  {name}: {value:.2f}{unit} (at most {most}{unit}); {spread}")


async def ratio(name: str, most: float, ours: Call, bare: Call) -> None:
    """Compare two calls, taking turns in who goes first."""
    ratios: list[float] = []
    times: dict[Call, list[float]] = {ours: [], bare: []}
    for _ in range(ROUNDS):
        for number in range(CALLS):  # call by call, so that both sides meet the same noise
            for call in (ours, bare) if number % 2 else (bare, ours):
                began = time.perf_counter()
                await call()
                times[call].append(time.perf_counter() - began)
        ratios.append(statistics.median(times[ours][-CALLS:]) / statistics.median(times[bare][-CALLS:]))
    quarters = statistics.quantiles(ratios, n=4)
    mine, its = statistics.median(times[ours]), statistics.median(times[bare])
    spread = (
        f"rounds' quartiles {quarters[0]:.2f} to {quarters[2]:.2f}; {1000 * mine:.1f} ms against {1000 * its:.1f} ms"
    )
    verdict(name, mine / its, most, "", spread)


def caller(client: Client, ids: str, task_queue: str, run: Any, *arguments: Any) -> Call:
    """One workflow, there and back."""
    numbers = itertools.count()

    async def call() -> object:
        workflow_id = f"{ids}-{next(numbers)}"
        return await client.execute_workflow(run, args=arguments, id=workflow_id, task_queue=task_queue)

    return call


async def round_trips(ws: Workshop) -> None:
    """Two round trips, ours and the bare SDK's: an activity, and a Nexus operation that runs a workflow."""
    handlers: dict[str, Any] = {"nexus_service_handlers": [flows.SumsHandler()], "workflows": [flows.Echo]}
    callers: dict[str, Any] = {"workflows": [strangers.Call, flows.OneActivity], "activities": [flows.shaky]}
    ours, behind = [await Client.connect(**await ws.connection(name)) for name in ("default", "finance")]
    ws.run(Worker, behind, task_queue="ours", **handlers)
    ws.run(Worker, ours, task_queue="callers", **callers)
    for name in ("ours", "bare"):
        await ws.endpoint(name, namespace="finance", task_queue=name)
    bare = await Client.connect(ws.server.address)
    bare_behind = await Client.connect(ws.server.address, namespace="finance")
    async with Worker(bare_behind, task_queue="bare", **handlers), Worker(bare, task_queue="bare-callers", **callers):
        for what, made in (
            ("one activity", lambda endpoint: (flows.OneActivity.run, "shaky", 0, None)),
            ("a Nexus workflow-run operation", lambda endpoint: (strangers.Call.run, "slowly", {}, endpoint)),
        ):
            sides = (ours, "callers", "ours"), (bare, "bare-callers", "bare")
            calls = [caller(client, f"{what} {end}", queue, *made(end)) for client, queue, end in sides]
            for call in calls:
                await call()
            await ratio(f"{what}, ours / bare SDK", 1.1, *calls)
    await ws.stop(*ws.workers)


async def agent_turns(ws: Workshop, demo: int) -> None:
    """A warm turn with one tool: an agent of ours, and the bare SDKs doing the same, on the same server."""
    import turns  # with LiteLLM, which the other rows do without

    async with turns.sides(ws, demo) as (ours, bare):
        for turn in (ours, bare):
            for _ in range(turns.CONVERSATION):
                await turn()
        await ratio(f"demo {demo}'s warm turn with one tool, ours / bare SDKs", 1.1, ours, bare)


def first_answer(who: str, demo: str, more: str = "") -> None:
    """From the start of a process to an agent's first answer, less the imports that the bare SDKs need for one.

    LiteLLM postpones two of its imports: OpenAI's resources to the first call, mcp to the first one with tools.
    """
    bare = "import os; os.environ['LITELLM_LOCAL_MODEL_COST_MAP'] = 'True'\n"
    bare += f"import temporalio.client, temporalio.worker, litellm, openai.resources.chat, mcp{more}\n"
    ours = (Path(__file__).parent / "first_answer.py").read_text()
    times: dict[str, list[float]] = {bare: [], ours: []}
    for _ in range(PROCESSES):
        for program, seen in times.items():
            seen.append(in_process(program, demo))
    medians = {program: statistics.median(seen) for program, seen in times.items()}
    spread = f"{medians[ours]:.2f} s against {medians[bare]:.2f} s for the imports, {PROCESSES} processes each"
    verdict(f"{who}'s first answer over the bare imports", medians[ours] - medians[bare], 1.0, " s", spread)


def in_process(code: str, *arguments: str) -> float:
    """The time that a program takes in a fresh interpreter, as it says itself."""
    report = "print(time.perf_counter() - t, flush=True); import os; os._exit(0)"
    program = f"import time; t = time.perf_counter()\n{code}\n{report}"
    with tempfile.TemporaryDirectory() as home:
        env = {**os.environ, "WORKSHOP_HOME": home}
        command = [sys.executable, "-c", program, *arguments]
        out = subprocess.run(command, capture_output=True, text=True, check=True, env=env)
    return float(out.stdout.split()[-1])


def whole_process(name: str, code: str, most: float) -> None:
    """A statement in a fresh interpreter."""
    times = [in_process(code) for _ in range(PROCESSES)]
    spread = f"from {min(times):.2f} to {max(times):.2f} s in {PROCESSES} processes"
    verdict(name, statistics.median(times), most, " s", spread)


_START = "import asyncio\nfrom workshop_lib import Workshop\nasyncio.run(Workshop.start())"
_AGENTS = ", agents, agents.extensions.models.litellm_model, temporalio.openai_agents"
FRESH: dict[str, Callable[[], None]] = {  # in processes of their own
    "import": lambda: whole_process("import workshop_lib", "import workshop_lib", 0.3),
    "start": lambda: whole_process("import and Workshop.start() in a fresh process", _START, 1.5),
    "demo 1: first answer": lambda: first_answer("demo 1", "1"),
    "demo 2: first answer": lambda: first_answer("demo 2", "2", _AGENTS),
}
Served = Callable[[Workshop], Awaitable[None]]
SERVED: dict[str, Served] = {
    "round trip": round_trips,
    **{f"demo {number}: turn": functools.partial(agent_turns, demo=number) for number in range(1, 5)},
}


async def main(part: str) -> None:
    """The rows whose names contain this, one after another."""
    for name, fresh in FRESH.items():
        if part in name:
            fresh()
    rows = {name: row for name, row in SERVED.items() if part in name}
    if not rows:
        return
    with contextlib.redirect_stdout(None), tempfile.TemporaryDirectory() as folder:  # no notices of the workshop's own
        os.environ["WORKSHOP_HOME"] = folder
        ws = await Workshop.start()
        try:
            for name, row in rows.items():
                if name.startswith("demo"):
                    await Workshop.start(model=True)
                await row(ws)
        finally:
            await ws.close()


if __name__ == "__main__":
    asyncio.run(main(" ".join(sys.argv[1:])))
    leave(int(failed))
