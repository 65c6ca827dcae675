"""HTTP services of a check: an application in this process, and a service of the workshop."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator, Iterator

import uvicorn
from starlette.applications import Starlette

from workshop_lib.server.devserver import HOST
from workshop_lib.workshop import Workshop


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
    config = uvicorn.Config(app, lifespan="off", log_level="critical", access_log=False, timeout_graceful_shutdown=1)
    server = _Server(config)
    logger = logging.getLogger("mcp")  # what is refused, or fails, is for the check to say
    level = logger.level
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listening:
        listening.bind((HOST, 0))

        async def run() -> None:
            async with app.router.lifespan_context(app):
                await server.serve([listening])

        logger.setLevel(logging.CRITICAL)
        running = asyncio.create_task(run())
        try:
            while not (server.started or running.done()):
                await asyncio.sleep(0.001)
            if server.started:
                yield f"http://{HOST}:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            await running
            logger.setLevel(level)


async def serve(ws: Workshop, name: str, module: str) -> None:
    """Start an HTTP service, unless it is running.

    Args:
        ws: The workshop.
        name: The service's name.
        module: Of its application.
    """
    if not ws.serves(name):
        await ws.serve(name, module)
