"""A class with its board open, and a server that is killed in between: nothing is lost.

By hand a few for seconds; `make chaos` takes 40 for ten minutes.
"""

import os
from pathlib import Path

from lesson import lesson

from workshop_lib.room import board as room

MANY, SECONDS = (40, 600.0) if "WORKSHOP_CHAOS" in os.environ else (8, 10.0)


async def test_a_class_works_while_its_board_is_open(tmp_path: Path) -> None:
    async with room.opened() as board:
        await lesson(board, tmp_path, learners=MANY, seconds=SECONDS)
