"""One failure, which is on while a with-block runs.

``with ws.fault("charge_customer.dies_after_effect", times=1) as fault:`` writes an entry to a file in the notebook's
state folder. The Workers and services of all processes read it, a Worker where an activity begins and ends.
"""

import asyncio
import contextlib
import time
import uuid
from contextlib import AbstractAsyncContextManager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workshop_lib.evidence.messages import say
from workshop_lib.evidence.state import read_json, update_json
from workshop_lib.workers.background import BackgroundLoop

CHECKING: ContextVar[set[str] | None] = ContextVar("CHECKING", default=None)
"""The faults that happened in the check that runs, each of which is shown once; None in the learner's cell."""
_CHANGE_SECONDS = 300.0  # a guard only, for a change of the surroundings; a server takes 0.3


@dataclass
class Fault:
    """One failure, which is on while its with-block runs. ``Workshop.fault`` makes it and describes the arguments.

    Attributes:
        name: Its name, as in ``KINDS``.
        times: How often it happens at most, in all processes together.
        seconds: Its duration.
        skip: How many occasions pass before it happens.
        file: The file in which the Workers and services look for it.
        background: The loop on which ``around`` runs.
        around: Breaks the surroundings of the Workers, and repairs them when it exits; it yields whether they
            are broken. None for other faults.
    """

    name: str
    times: int
    seconds: float
    skip: int
    file: Path
    background: BackgroundLoop
    around: AbstractAsyncContextManager[bool] | None = None

    def __post_init__(self) -> None:
        self._key, self._checked = uuid.uuid4().hex, CHECKING.get()
        who = "" if self._checked is None else ", switched on by the check"
        self._says = "" if self.name in (self._checked or ()) else f"Fault: {self.name}{who}"
        self._at: list[float] = []
        self._over = asyncio.Event()
        self._held: asyncio.Task[None] | None = None

    @property
    def fired(self) -> int:
        """How often it has happened."""
        return len(self.at)

    @property
    def at(self) -> list[float]:
        """When it happened, in seconds since the epoch, oldest first."""
        self._at = read_json(self.file).get(self._key, {"at": self._at})["at"]
        return self._at

    @property
    def over(self) -> bool:
        """Whether it cannot happen again."""
        return self._held.done() if self._held is not None else self.fired >= self.times

    def __enter__(self) -> "Fault":
        entry = {"name": self.name, "left": self.times, "skip": self.skip, "seconds": self.seconds, "at": []}
        entry["says"] = self._says
        try:
            if self.around is not None:
                self.background.call(self._begin(self.around), _CHANGE_SECONDS)
            else:
                update_json(self.file, lambda content: content.update({self._key: entry}))
        except BaseException:  # also after an interrupt: nothing else would end it
            self._end()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._end()
        if self._checked is not None:
            self._checked.update([self.name] * self.fired)
        elif self.fired != 1:
            say(f"Fault {self.name}: happened {self.fired} times.")

    def _end(self) -> None:
        def clear(content: dict[str, Any]) -> None:
            self._at = content.pop(self._key, {"at": self._at})["at"]

        update_json(self.file, clear)
        if self.around is not None:
            self.background.call(self._finish(), _CHANGE_SECONDS)

    async def _begin(self, around: AbstractAsyncContextManager[bool]) -> None:
        happened = await around.__aenter__()
        self._held = asyncio.create_task(self._hold(around))
        if happened:
            self._at.append(time.time())
        if happened and self._says:
            say(self._says)

    async def _hold(self, around: AbstractAsyncContextManager[bool]) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._over.wait(), self.seconds)
        await around.__aexit__(None, None, None)

    async def _finish(self) -> None:
        self._over.set()
        if self._held is not None:
            await asyncio.wait([self._held])  # unlike `await`, this does not cancel it when the cell is interrupted
            self._held.result()
