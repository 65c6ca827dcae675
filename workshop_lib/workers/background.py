"""An asyncio loop beside the kernel's own, and coroutines in synchronous code."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

_GRACE = 1.0  # seconds between the limit inside a loop and the limit of the caller that waits for it

T = TypeVar("T")


class BackgroundLoop:
    """An asyncio loop on its own thread. A cell that blocks the kernel's loop stalls nothing here."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name="workshop-loop", daemon=True).start()

    def call(self, work: Coroutine[Any, Any, T], seconds: float) -> T:
        """Run a coroutine there and wait for it, blocking the calling thread.

        Args:
            work: The coroutine.
            seconds: How long to wait at most, also if something blocks that loop.

        Raises:
            TimeoutError: It took longer; it is cancelled.
        """
        result = self._submit(work, seconds)
        try:
            return result.result(seconds + _GRACE)
        except BaseException:  # an interrupt, too, must not leave it going on unnoticed
            result.cancel()
            raise

    async def acall(self, work: Coroutine[Any, Any, T], seconds: float) -> T:
        """Run a coroutine there and wait for it without blocking the calling loop. See ``call``."""
        return await asyncio.wait_for(asyncio.wrap_future(self._submit(work, seconds)), seconds + _GRACE)

    def end(self) -> None:
        """Stop the loop, and with it its thread, once it has done what it does now and its tasks are cancelled."""

        async def wind_up() -> None:
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            if others:
                await asyncio.wait(others, timeout=_GRACE)
            self._loop.stop()

        self._loop.call_soon_threadsafe(lambda: self._loop.create_task(wind_up()))

    def _submit(self, work: Coroutine[Any, Any, T], seconds: float) -> concurrent.futures.Future[T]:
        # An empty context: with the cell's own, IPython would take what an activity prints for output of a cell
        # that is long over, and drop it.
        return contextvars.Context().run(asyncio.run_coroutine_threadsafe, _bounded(work, seconds), self._loop)


async def _bounded(work: Coroutine[Any, Any, T], seconds: float) -> T:
    async with asyncio.timeout(seconds):
        return await work


def run(work: Coroutine[Any, Any, T], seconds: float = 30) -> T:
    """Run a coroutine to its end from synchronous code: a widget's callback, a plain function.

    In a notebook the kernel's loop already runs, and asyncio refuses to run it again. So the coroutine runs on a loop
    beside it. In cells, plain ``await`` is better.

    Args:
        work: The coroutine.
        seconds: How long it may take.

    Raises:
        TimeoutError: It took longer; it is cancelled.
    """
    loop = BackgroundLoop()
    try:
        return loop.call(work, seconds)
    finally:
        loop.end()
