"""A gateway in a process of its own (``ws.serve``).

``GATEWAY_DIES`` kills it for real, as soon as it comes to that point of a call.
"""

import os
import signal
from typing import Any

from temporalio.client import Client

from workshop_lib.evidence.state import StateFolder, notebook_folder
from workshop_lib.nexus_mcp import gateway, standalone
from workshop_lib.server.connections import Connections
from workshop_lib.server.devserver import DevServer

POINTS = ("before the start", "after the start", "before the answer")
_start = standalone.start


def _die_at(point: str) -> None:
    if os.environ.get("GATEWAY_DIES") == point:
        os.kill(os.getpid(), signal.SIGKILL)


async def _dying_start(*arguments: Any) -> Any:
    _die_at(POINTS[0])
    handle = await _start(*arguments)
    _die_at(POINTS[1])
    result = handle.result

    async def dying_result() -> Any:
        value = await result()
        _die_at(POINTS[2])
        return value

    handle.result = dying_result  # type: ignore[assignment]
    return handle


async def connect() -> Client:
    folder = StateFolder(notebook_folder())
    return await Client.connect(**await Connections(DevServer(folder), list).connection("default"))


setattr(gateway, "start", _dying_start)  # noqa: B010  # it is not exported
app = gateway.Gateway(connect, ["finance", "parts"]).app()
