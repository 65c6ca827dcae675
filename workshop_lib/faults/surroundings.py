"""What surrounds the Workers (server, database, task queue, HTTP) is broken for real, from the outside."""

from __future__ import annotations

import asyncio
import contextlib
import math
import re
import sqlite3
import uuid
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

import temporalio.client as tc

from workshop_lib.faults.interceptor import Faults
from workshop_lib.faults.kinds import HTTP, JUNK, parse
from workshop_lib.server.connections import Connections
from workshop_lib.server.devserver import HOST, DevServer

_REQUEST_SECONDS = 120.0
_LIMIT = timedelta(minutes=1)  # of each execution of a flood, should the kernel die in it


@contextlib.asynccontextmanager
async def server_down(server: DevServer) -> AsyncIterator[None]:
    """Kill the server, and in the end start it again on the same database.

    Args:
        server: The embedded server.
    """
    try:
        await server.kill()
        yield
    finally:
        await server.start()


@contextlib.asynccontextmanager
async def locked(path: Path) -> AsyncIterator[None]:
    """Hold an SQLite database's exclusive lock: everybody else's writing waits, and fails after a while.

    Args:
        path: Its file.
    """
    database = sqlite3.connect(path, timeout=10, check_same_thread=False)
    try:
        await asyncio.to_thread(database.execute, "BEGIN EXCLUSIVE")
        yield
    finally:
        database.close()


@contextlib.asynccontextmanager
async def flooded(connections: Connections, queue: str) -> AsyncIterator[None]:
    """Put work into a task queue that no Worker can do, and in the end take it out again.

    Args:
        connections: To the service.
        queue: The task queue, in namespace ``default``.
    """
    # Without the workshop's interceptors: nobody waits for these, so nobody needs to know why.
    client = await tc.Client.connect(**await connections.connection("default", quiet=True))
    handles = [client.get_workflow_handle(f"junk-{uuid.uuid4().hex}") for _ in range(JUNK)]
    starts = [client.start_workflow("Junk", id=h.id, task_queue=queue, execution_timeout=_LIMIT) for h in handles]
    try:
        await asyncio.gather(*starts)
        yield
    finally:
        # One that was not started yet cannot be terminated, and need not be; the rest ends at its limit at the latest.
        await asyncio.gather(*(handle.terminate() for handle in handles), return_exceptions=True)


async def proxy(faults: Faults, name: str, url: str) -> asyncio.Server:
    """Stand before an HTTP service and pass each request on, unless a fault is to happen.

    Args:
        faults: Of this process.
        name: What the service is called in the faults' names.
        url: Its address, ``http://…``.

    Returns:
        The listening server, on its own loopback port.
    """
    service = urlsplit(url)

    async def serve(reader: StreamReader, writer: StreamWriter) -> None:
        with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
            async with asyncio.timeout(_REQUEST_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
                fault = faults.take(name, *HTTP)
                kind = parse(fault["name"])[1] if fault else ""
                if kind.startswith("answers_"):
                    await _answer(kind.removeprefix("answers_"), fault["seconds"], reader, writer)
                elif kind != "drops":
                    await _pass_on(head, reader, writer, service, fault)
        writer.close()

    return await asyncio.start_server(serve, HOST, 0)


async def _answer(status: str, seconds: float, reader: StreamReader, writer: StreamWriter) -> None:
    body = '{"error": {"message": "the workshop made this fail"}}'  # the form that OpenAI's errors have
    more = f"Retry-After: {math.ceil(seconds)}\r\n" if status == "429" else ""  # whole seconds, as HTTP has it
    head = f"HTTP/1.1 {status} Fault\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    writer.write(f"{head}{more}Connection: close\r\n\r\n{body}".encode())
    writer.write_eof()
    await reader.read()  # what is left of the request: closing before it is read would take the answer back


async def _pass_on(
    head: bytes, reader: StreamReader, writer: StreamWriter, service: SplitResult, fault: dict[str, Any]
) -> None:
    back, there = await asyncio.open_connection(service.hostname, service.port)
    head = re.sub(rb"(?im)^connection:.*\r\n", b"", head)  # one request a connection: a second would pass unseen
    there.write(head.removesuffix(b"\r\n") + b"Connection: close\r\n\r\n")
    asking = asyncio.create_task(_pump(reader, there))
    try:
        answer = await back.read(65536)  # when it begins, the work is done
        if fault.get("name", "").endswith(".drops_answer"):
            return
        if fault:
            await asyncio.sleep(fault["seconds"])
        writer.write(answer)
        await _pump(back, writer)
    finally:
        asking.cancel()
        there.close()


async def _pump(source: StreamReader, sink: StreamWriter) -> None:
    while data := await source.read(65536):
        sink.write(data)
        await sink.drain()
