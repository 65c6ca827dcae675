"""Views keep trying while a server is down."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from temporalio.service import RPCError, RPCStatusCode

LOOK_EVERY = 0.2  # seconds; no event announces a retry or a new line of a transcript
_T = TypeVar("_T")


async def patiently(call: Callable[[], Awaitable[_T]]) -> _T:
    """Retry a call while the server cannot be reached. The caller sets the time limit.

    Args:
        call: Calls the server.
    """
    while True:
        try:
            return await call()
        except RPCError as error:
            if error.status != RPCStatusCode.UNAVAILABLE:
                raise
        await asyncio.sleep(LOOK_EVERY)
