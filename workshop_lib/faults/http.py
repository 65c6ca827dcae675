"""What breaks an HTTP service: its faults, in the process that serves it."""

import asyncio
import math
from typing import Any, ClassVar

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from workshop_lib.faults.interceptor import Faults
from workshop_lib.faults.kinds import HTTP, parse

_ERROR = {"error": {"message": "the workshop made this fail"}}  # as OpenAI's errors are written


class Connection(H11Protocol):
    """A connection that an application can close without any answer. ASGI has no message for that."""

    _open: ClassVar[dict[Any, asyncio.Transport]] = {}  # by the client's address

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as the base class
        """See base class."""
        super().connection_made(transport)
        self._open[self.client] = transport

    def connection_lost(self, exc: Exception | None) -> None:
        """See base class."""
        super().connection_lost(exc)
        del self._open[self.client]

    @classmethod
    async def drop(cls, scope: Scope, receive: Receive) -> None:
        """Close the connection of a request, whose body has been read."""
        cls._open[scope["client"]].close()
        while (await receive())["type"] != "http.disconnect":  # until then, the server would answer with 500
            pass


def breakable(app: ASGIApp, name: str, faults: Faults) -> ASGIApp:
    """An application that answers as before, unless a fault is due.

    Args:
        app: The application. Its server uses ``Connection``.
        name: What the service is called in the names of faults.
        faults: Of this process.
    """

    async def served(scope: Scope, receive: Receive, send: Send) -> None:
        fault = faults.take(name, *HTTP) if scope["type"] == "http" else {}
        if not fault:
            await app(scope, receive, send)
            return
        kind, seconds = parse(fault["name"])[1], fault["seconds"]

        async def answer(message: Message) -> None:
            if kind == "delays":
                if message["type"] == "http.response.start":
                    await asyncio.sleep(seconds)
                await send(message)

        if kind in ("delays", "drops_answer"):
            await app(scope, receive, answer)
        else:
            while (await receive()).get("more_body"):  # a connection that is closed earlier takes the answer back
                pass
        if kind.startswith("answers_"):
            status = int(kind.removeprefix("answers_"))
            headers = {"Retry-After": str(math.ceil(seconds))} if status == 429 else None  # whole seconds, as in HTTP
            await JSONResponse(_ERROR, status, headers)(scope, receive, send)
        elif kind != "delays":
            await Connection.drop(scope, receive)

    return served
