"""What ``Workshop.serve`` starts: a process that runs one HTTP service on loopback until SIGTERM.

``python -m workshop_lib.programs.http MODULE NAME PORT`` imports a module and serves its ASGI application ``app``.
"""

import json
import socket
import sys
from importlib import import_module
from typing import Any

import uvicorn

from workshop_lib.cells.quiet import quieten
from workshop_lib.evidence.state import notebook_folder
from workshop_lib.faults.http import Connection, breakable
from workshop_lib.faults.interceptor import Faults
from workshop_lib.server.devserver import HOST
from workshop_lib.workers.process import fail, leave
from workshop_lib.workers.spawned import READY


class _Server(uvicorn.Server):
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        assert sockets
        print(READY + json.dumps(f"http://{HOST}:{sockets[0].getsockname()[1]}"), flush=True)


def main(module: str, name: str, port: int) -> None:
    """Serve a module's ``app`` until SIGTERM.

    Args:
        module: The module's name.
        name: What the service is called in the names of faults.
        port: The loopback port to listen on. If it is 0 or taken, another one is used.
    """
    quieten()
    # asyncio sends small packets at once (TCP_NODELAY) on sockets that name TCP; others wait 40 ms for each answer.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((HOST, port))
        except OSError:
            listening.bind((HOST, 0))
        app = breakable(import_module(module).app, name, Faults(notebook_folder(), may_die=False))
        # A client may use its open connection again at the very moment at which the server closes it as idle.
        settings: dict[str, Any] = {"timeout_keep_alive": 3600, "timeout_graceful_shutdown": 2}
        config = uvicorn.Config(app, http=Connection, log_level="warning", access_log=False, **settings)
        _Server(config).run([listening])


if __name__ == "__main__":
    try:
        main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
    except Exception as error:
        fail(error)
    leave(0)
