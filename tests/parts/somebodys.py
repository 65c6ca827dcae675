"""A Temporal Server that no notebook started."""

import asyncio
import contextlib
import os
import subprocess
from collections.abc import Iterator

from temporalio.client import Client

from workshop_lib.server.devserver import HOST, cli, free_ports


@contextlib.contextmanager
def somebodys_server(settings: dict[str, str]) -> Iterator[str]:
    """A server that no notebook started. Its address."""
    port = str(free_ports(1)[0])
    command = [cli(), "server", "start-dev", "--headless", "--ip", HOST, "--port", port, "--log-level", "never"]
    command += [each for setting in settings.items() for each in ("--dynamic-config-value", "=".join(setting))]
    own = {name: value for name, value in os.environ.items() if not name.startswith("TEMPORAL_")}
    process = subprocess.Popen(command, env=own, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        asyncio.run(_serves(f"{HOST}:{port}"))
        yield f"{HOST}:{port}"
    finally:
        process.kill()
        process.wait()


async def _serves(address: str) -> None:
    async with asyncio.timeout(300):  # a guard
        while True:
            with contextlib.suppress(RuntimeError):
                await Client.connect(address)
                return
            await asyncio.sleep(0.1)
