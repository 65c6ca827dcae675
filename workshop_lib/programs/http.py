"""The other side of ``Workshop.serve``: run one HTTP service on loopback until this process is told to stop.

``python -m workshop_lib.programs.http MODULE PORT`` imports a module and serves its ASGI application ``app``.
"""

from __future__ import annotations

import json
import socket
import sys
from importlib import import_module

import uvicorn

from workshop_lib.cells.quiet import quieten
from workshop_lib.server.devserver import HOST
from workshop_lib.workers.process import leave
from workshop_lib.workers.spawned import READY


class _Server(uvicorn.Server):
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        assert sockets
        print(READY + json.dumps(f"http://{HOST}:{sockets[0].getsockname()[1]}"), flush=True)


def main(module: str, port: int) -> None:
    """Serve a module's ``app`` until SIGTERM.

    Args:
        module: Its name.
        port: Where to listen on loopback. If it is taken, or 0, on another port that is free.
    """
    quieten()
    # asyncio sends small packets at once (TCP_NODELAY) on sockets that name TCP; others wait 40 ms for each answer.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((HOST, port))
        except OSError:
            listening.bind((HOST, 0))
        app = import_module(module).app
        config = uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=2)
        _Server(config).run([listening])


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
    leave(0)
