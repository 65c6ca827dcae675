"""Serve an application over HTTP while a check runs, in its own process."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator, Iterator

import uvicorn
from starlette.applications import Starlette

from workshop_lib.server.devserver import HOST


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield  # they are the kernel's


@contextlib.asynccontextmanager
async def serving(app: Starlette) -> AsyncIterator[str]:
    """Serve on loopback while the block runs: the address.

    Args:
        app: What is served. What its start raises is raised here.
    """
    server = _Server(
        uvicorn.Config(app, lifespan="off", log_level="critical", access_log=False, timeout_graceful_shutdown=1)
    )
    begun = asyncio.Event()
    # What is refused, or fails, is for the check to tell.
    logger = logging.getLogger("mcp")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listening:
        listening.bind((HOST, 0))
        listening.listen()  # who comes before the server has started waits for it

        async def serve() -> None:  # a task of its own: a task group would wrap what the block raises
            async with app.router.lifespan_context(app):
                begun.set()
                await server.serve([listening])

        running, waiting = asyncio.create_task(serve()), asyncio.create_task(begun.wait())
        try:
            await asyncio.wait([running, waiting], return_when=asyncio.FIRST_COMPLETED)
            if running.done():
                running.result()
            yield f"http://{HOST}:{listening.getsockname()[1]}"
        finally:
            waiting.cancel()
            server.should_exit = True
            await asyncio.wait([running])
            logger.setLevel(level)


@contextlib.contextmanager
def bare() -> Iterator[None]:
    """Raise what a client's task group wraps as it was raised within."""
    try:
        yield
    except BaseExceptionGroup as group:
        error: BaseException = group
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        raise error from error.__cause__
