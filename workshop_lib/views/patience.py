"""Views go on while a server is down: it may come back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from temporalio.service import RPCError, RPCStatusCode

LOOK_EVERY = 0.2  # seconds; retries and transcripts leave no event to wait for
_T = TypeVar("_T")


async def patiently(call: Callable[[], Awaitable[_T]]) -> _T:
    """Try again as long as the server cannot be reached. The caller sets the limit.

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
