"""An asyncio loop beside the kernel's loop, and coroutines called from synchronous code."""

import asyncio
import concurrent.futures
import contextvars
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

_GRACE = 1.0  # seconds between the limit inside a loop and the limit of the caller that waits for it
_CLEANUP = 60.0  # a guard only, in seconds: an interrupted Worker must leave its task queue before its loop ends

T = TypeVar("T")


class BackgroundLoop:
    """An asyncio loop on its own thread. A cell that blocks the kernel's loop does not stall it."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name="workshop-loop", daemon=True).start()

    def call(self, work: Coroutine[Any, Any, T], seconds: float) -> T:
        """Run a coroutine there and wait for it, blocking the calling thread.

        Args:
            work: The coroutine.
            seconds: How long to wait at most, even if something blocks that loop.

        Raises:
            TimeoutError: It took longer; it is cancelled.
        """
        result = self._submit(work, seconds)
        try:
            return result.result(seconds + _GRACE)
        except BaseException:  # also after an interrupt, it must not continue unnoticed
            result.cancel()
            raise

    async def acall(self, work: Coroutine[Any, Any, T], seconds: float) -> T:
        """Run a coroutine there and wait for it without blocking the calling loop. See ``call``."""
        return await asyncio.wait_for(asyncio.wrap_future(self._submit(work, seconds)), seconds + _GRACE)

    def end(self) -> None:
        """Let tasks that were cancelled end, cancel the loop's others, then stop the loop and its thread."""

        async def wind_up() -> None:
            others = asyncio.all_tasks() - {asyncio.current_task()}
            if ending := [task for task in others if task.cancelling()]:
                await asyncio.wait(ending, timeout=_CLEANUP)
            for task in others:
                task.cancel()
            if others:
                await asyncio.wait(others, timeout=_GRACE)
            self._loop.stop()

        self._loop.call_soon_threadsafe(lambda: self._loop.create_task(wind_up()))

    def _submit(self, work: Coroutine[Any, Any, T], seconds: float) -> concurrent.futures.Future[T]:
        # In the cell's context, IPython would assign what an activity prints to a cell that has ended, and drop it.
        return contextvars.Context().run(asyncio.run_coroutine_threadsafe, _bounded(work, seconds), self._loop)


async def _bounded(work: Coroutine[Any, Any, T], seconds: float) -> T:
    async with asyncio.timeout(seconds):
        return await work


def run(work: Coroutine[Any, Any, T], seconds: float = 30) -> T:
    """Run a coroutine from synchronous code, such as a widget's callback, and return its result.

    A notebook's kernel runs a loop already, which cannot be run a second time, so the coroutine runs on another one. In
    a cell, use plain ``await``.

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
