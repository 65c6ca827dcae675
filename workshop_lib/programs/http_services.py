"""The HTTP services of one notebook: run, and reached through proxies where faults can happen."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

from workshop_lib.evidence.state import SERVICES
from workshop_lib.faults import surroundings
from workshop_lib.faults.interceptor import Faults
from workshop_lib.server.devserver import HOST
from workshop_lib.workers.background import BackgroundLoop
from workshop_lib.workers.spawned import HttpService, Launcher

_WAIT_SECONDS = 60.0  # to begin to listen


class HttpServices:
    """The HTTP services of one notebook.

    Attributes:
        served: The services by their names.

    Args:
        launcher: Starts processes.
        background: The loop of the proxies.
        faults: What happens in the proxies.
    """

    def __init__(self, launcher: Launcher, background: BackgroundLoop, faults: Faults) -> None:
        self._launcher, self._background, self._faults = launcher, background, faults
        self.served: dict[str, HttpService] = {}
        self._proxies: dict[str, asyncio.Server] = {}
        (launcher.folder.path / SERVICES).unlink(missing_ok=True)  # they ended with the kernel before

    def running(self, name: str) -> bool:
        """Whether the service of this name runs."""
        return name in self.served and self.served[name].running

    async def serve(self, name: str, module: str) -> HttpService:
        """Run an HTTP service in its own process, in the place of the one of this name before, and at its addresses.

        ``state.service_address(name)`` gives its address, which is that of a proxy where ``NAME.drops``,
        ``NAME.answers_503`` and other faults can happen.

        Args:
            name: What it is called, such as ``"payments"``.
            module: Defines the service as an ASGI application ``app``.

        Raises:
            WorkshopError: It ends before it listens.
        """
        before = self.served.pop(name, None)
        if before:
            await before.stop()
        service = HttpService(
            lambda: self._launcher.python("workshop_lib.programs.http", module, str(urlsplit(service.url).port or 0)),
            name,
            before.url if before else "",
        )
        await service.start()
        self.served[name] = service
        if not (before and service.url == before.url):
            made = surroundings.proxy(self._faults, name, service.url)
            proxy = await self._background.acall(made, _WAIT_SECONDS)
            self._close_proxy(name)
            self._proxies[name] = proxy
        # In any case: a team's process that serves the same name has written its own address.
        address = f"http://{HOST}:{self._proxies[name].sockets[0].getsockname()[1]}"
        self._launcher.folder.write(SERVICES, {name: address})
        return service

    async def end(self) -> None:
        """Stop them all, and their proxies."""
        for name in list(self._proxies):
            self._close_proxy(name)
        await asyncio.gather(*(service.stop() for service in self.served.values()))

    def _close_proxy(self, name: str) -> None:
        if (proxy := self._proxies.pop(name, None)) is not None:
            proxy.get_loop().call_soon_threadsafe(proxy.close)
