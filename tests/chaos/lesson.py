"""A class without notebooks: learners whose checks find this and that, and a server that is killed in between."""

import asyncio
import contextlib
import os
import random
import signal
import time
from functools import partial
from pathlib import Path

from temporalio.exceptions import TemporalError
from waits import until

from workshop_lib.room.board import Board
from workshop_lib.room.learner import Tally
from workshop_lib.room.teller import Teller
from workshop_lib.views import board as view

MISTAKES = ("too early", "no key", "changing key", "another mistake")


def empty(teller: Teller) -> bool:
    """Whether everything is delivered."""
    return not teller.waiting()


async def lesson(board: Board, folder: Path, *, learners: int, seconds: float) -> list[float]:
    """Let learners work for so many seconds, and see to it that the board has each of their reports once.

    Returns:
        How long each refresh of the board took, in seconds, from the question to the page.
    """
    chance = random.Random(23)
    told: dict[str, dict[str, Tally]] = {}
    tellers = [Teller(board.variable, folder / str(number), f"Learner {number}") for number in range(learners)]
    end = time.monotonic() + seconds

    async def work(teller: Teller) -> None:
        mine = told[teller.learner] = {}
        exercise = 0
        while time.monotonic() < end or not mine:
            name = f"{1 + exercise // 3}.{1 + exercise % 3}"
            tally = mine.setdefault(name, Tally())
            mistake = "" if chance.random() < 0.4 else chance.choice(MISTAKES)
            teller.tell(name, passed=not mistake, mistake=mistake)
            if mistake:
                tally.mistakes[mistake] = tally.mistakes.get(mistake, 0) + 1
            else:
                tally.passed, exercise = True, (exercise + 1) % 36
            await asyncio.sleep(chance.uniform(0, seconds / 10))

    async def kill() -> None:
        await asyncio.sleep(seconds / 2)
        pid = board.server.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        await until(lambda: board.server.pid not in (None, pid))

    took: list[float] = []

    async def look() -> None:
        while True:
            began = time.perf_counter()
            with contextlib.suppress(TemporalError):  # the server is down just now
                standings = await board.standings()
                view.text(standings, time.time())
                view.drawn(standings, time.time())
                took.append(time.perf_counter() - began)
            await asyncio.sleep(2)

    looking = asyncio.create_task(look())
    await asyncio.gather(kill(), *map(work, tellers))
    for teller in tellers:
        await until(partial(empty, teller))
    looking.cancel()
    await asyncio.wait([looking])

    async def listed() -> bool:  # the list of Workflows follows a moment later
        return {each.learner for each in await board.standings()} >= told.keys()

    await until(listed)
    found = {each.learner: each.exercises for each in await board.standings() if each.learner in told}
    assert found == told
    return took
