"""`make bench`: what the library costs, as ratios to a yardstick that runs interleaved with it.

Machines are noisy, so no absolute time is a bar but for the two that a learner feels. Both sides of a ratio take turns
call by call; it is the ratio of their medians over all calls, and the quartiles of the rounds are printed with it.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import one_activity
from temporalio.client import Client
from temporalio.worker import Worker

from workshop_lib.devserver import HOST, cli, free_ports
from workshop_lib.processes import Process, leave
from workshop_lib.workshop import Workshop

ROUNDS = 25
CALLS = 10  # of each side in a round
failed = False


def verdict(name: str, value: float, most: float, unit: str, spread: str) -> None:
    """Print one figure beside its bar."""
    global failed
    failed = failed or value > most
    print(f"{'ok  ' if value <= most else 'FAIL'}  {name}: {value:.2f}{unit} (at most {most}{unit}); {spread}")


async def ratio(
    name: str, most: float, ours: Callable[[], Awaitable[object]], bare: Callable[[], Awaitable[object]]
) -> None:
    """Compare two calls, taking turns in who goes first."""
    ratios: list[float] = []
    all_ours: list[float] = []
    all_bare: list[float] = []
    for _ in range(ROUNDS):
        mine: list[float] = []
        its: list[float] = []
        for number in range(CALLS):  # call by call, so that both sides meet the same noise
            for call, times in ((ours, mine), (bare, its)) if number % 2 else ((bare, its), (ours, mine)):
                began = time.perf_counter()
                await call()
                times.append(time.perf_counter() - began)
        ratios.append(statistics.median(mine) / statistics.median(its))
        all_ours += mine
        all_bare += its
    quarters = statistics.quantiles(ratios, n=4)
    ours_median, bare_median = statistics.median(all_ours), statistics.median(all_bare)
    spread = f"rounds' quartiles {quarters[0]:.2f} to {quarters[2]:.2f}; "
    spread += f"{1000 * ours_median:.1f} ms against {1000 * bare_median:.1f} ms"
    verdict(name, ours_median / bare_median, most, "", spread)


def caller(client: Client, task_queue: str, ids: str) -> Callable[[], Awaitable[object]]:
    """One workflow with one activity, there and back."""
    numbers = iter(range(1_000_000))

    async def call() -> object:
        workflow_id = f"{ids}-{os.getpid()}-{next(numbers)}"
        return await client.execute_workflow(one_activity.OneActivity.run, id=workflow_id, task_queue=task_queue)

    return call


async def round_trips(ws: Workshop, stock: str) -> None:
    """One-activity round trip: ours, the bare SDK on the same server, the bare SDK on a stock dev server."""
    settings = {"workflows": [one_activity.OneActivity], "activities": [one_activity.nothing]}
    client = await Client.connect(**await ws.connection("default"))
    ws.run(Worker, client, task_queue="ours", **settings)
    same, plain = await Client.connect(ws.server.address), await Client.connect(stock)
    async with Worker(same, task_queue="bare", **settings), Worker(plain, task_queue="bare", **settings):  # type: ignore[arg-type]
        ours = caller(client, "ours", "ours")
        for call in (ours, caller(same, "bare", "warm"), caller(plain, "bare", "warm")):
            await call()
        await ratio("one activity, ours / bare SDK, same server", 1.05, ours, caller(same, "bare", "same"))
        await ratio("one activity, ours / bare SDK, stock server", 0.45, ours, caller(plain, "bare", "stock"))


def whole_process(name: str, code: str, most: float) -> None:
    """The time that a statement takes in a fresh interpreter, as it says itself."""
    report = "print(time.perf_counter() - t, flush=True); import os; os._exit(0)"
    program = f"import time; t = time.perf_counter()\n{code}\n{report}"
    times = []
    for _ in range(7):
        with tempfile.TemporaryDirectory() as home:
            env = {**os.environ, "WORKSHOP_HOME": home}
            out = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=env)
            times.append(float(out.stdout.split()[-1]))
    verdict(name, statistics.median(times), most, " s", f"from {min(times):.2f} to {max(times):.2f} s in 7 processes")


async def main() -> None:
    """Everything, one after another."""
    whole_process("import workshop_lib", "import workshop_lib", 0.3)
    start = "import asyncio\nfrom workshop_lib import Workshop\nasyncio.run(Workshop.start())"
    whole_process("import and Workshop.start() in a fresh process", start, 1.5)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["WORKSHOP_HOME"] = folder
        port, ui = free_ports(2)
        command = [cli(), "server", "start-dev", "--ip", HOST, "--port", str(port), "--ui-port", str(ui)]
        command += ["--log-level", "error"]  # in memory, as it comes
        stock = Process(command, log=Path(folder) / "stock.log", environment=os.environ)
        ws = await Workshop.start()
        try:
            await round_trips(ws, f"{HOST}:{port}")
        finally:
            await ws.close()
            stock.close()
            await stock.wait(10)


if __name__ == "__main__":
    asyncio.run(main())
    leave(int(failed))
