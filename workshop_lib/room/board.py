"""The instructor's side: a Temporal Service with a Worker for the learners' Workflows, and a door before them.

A Temporal Service asks nobody who they are. If the class could reach it, anyone could end another's Workflow or answer
in the Worker's place, and a signature would prove nothing. So the service stays on loopback, and the class reaches a
door with one operation: to send a signed message to the Workflow of the learner that it names.
"""

import asyncio
import contextlib
import re
import secrets
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta

import uvicorn
from pydantic import TypeAdapter, ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from temporalio.client import Client, WorkflowUpdateFailedError
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.exceptions import TemporalError
from temporalio.worker import Worker

from workshop_lib.evidence.failures import reason
from workshop_lib.evidence.messages import WorkshopError
from workshop_lib.evidence.state import StateFolder
from workshop_lib.room.learner import LearnerProgress, Message, Standing
from workshop_lib.server.connections import Connections
from workshop_lib.server.devserver import HOST, DevServer, free_ports
from workshop_lib.server.outside import chosen

_KEY = "board"  # of its state folder
_TASK_QUEUE = "class"
_NAME = re.compile(r"\w[\w .-]{0,39}")  # of a learner
_ANSWER_SECONDS = 20.0  # the learner's side waits for longer
_QUERY_SECONDS = 20.0  # a guard only
_LOOK_SECONDS = 0.5
_LASTS = timedelta(days=30)  # a learner's Workflow, for a service that somebody else runs
_MESSAGE = TypeAdapter(Message)


@dataclass(frozen=True)
class Board:
    """The class's board, while it runs.

    Attributes:
        variable: What learners set ``WORKSHOP_CLASS`` to.
        server: The Temporal Service.
        client: Its client, in the namespace of the learners' Workflows.
        folder: The board's state folder.
    """

    variable: str
    server: DevServer
    client: Client
    folder: StateFolder

    async def standings(self) -> list[Standing]:
        """Where each learner is who has reported, by name: the Workflows are listed, and each is queried.

        Raises:
            RPCError: The service does not answer.
        """
        running = "WorkflowType = 'LearnerProgress' AND ExecutionStatus = 'Running'"
        ids = {execution.id async for execution in self.client.list_workflows(running)}
        handles = [self.client.get_workflow_handle(id) for id in sorted(ids)]
        limit = timedelta(seconds=_QUERY_SECONDS)
        asked = [handle.query(LearnerProgress.standing, rpc_timeout=limit) for handle in handles]
        return [standing for standing in await asyncio.gather(*asked) if standing.last]


@contextlib.asynccontextmanager
async def opened(listen: str = HOST) -> AsyncIterator[Board]:
    """Run the board of this machine's class. Its learners, its port and its secret are kept until ``make reset``.

    Args:
        listen: The address of this machine at which the class reaches it.

    Raises:
        WorkshopError: It runs already, or cannot listen there, or the Temporal Service does not start.
    """
    folder = StateFolder.claim(_KEY)
    try:
        if folder.path.name != _KEY:
            raise WorkshopError(
                "The board is running already.", then="Go to its terminal, or end it there with Ctrl+C."
            )
        kept = {"port": free_ports(1)[0], "secret": secrets.token_urlsafe(9), **folder.read("class.json")}
        with _bound(listen, kept["port"]) as sock:
            folder.write("class.json", kept)
            server = chosen(folder)
            try:
                await server.start()
                client = await Client.connect(**await Connections(server, list).connection("class", quiet=True))
                worker = Worker(
                    client,
                    task_queue=_TASK_QUEUE,
                    workflows=[LearnerProgress],
                    # Each takes a thread. With forty at once, none would end before the SDK takes it for a deadlock.
                    max_concurrent_workflow_tasks=4,
                    # How long a task waits for a Worker that has ended with a former process of the board.
                    sticky_queue_schedule_to_start_timeout=timedelta(seconds=2),
                )
                async with worker, _serving(client, kept["secret"], sock), _kept_up(server):
                    yield Board(f"{listen}:{kept['port']}/{kept['secret']}", server, client, folder)
            finally:
                await server.close()
    finally:
        folder.release()


def _bound(listen: str, port: int) -> socket.socket:
    try:
        return socket.create_server((listen, port))
    except OSError as error:
        then = "Give an address that this machine has in the class's network, or end the program that has the port."
        raise WorkshopError(f"The board cannot listen at {listen}:{port}.", f"{error.strerror}.", then) from error


@contextlib.asynccontextmanager
async def _kept_up(server: DevServer) -> AsyncIterator[None]:
    """Start the server again, on the same database, whenever it has ended."""

    async def look() -> None:
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            with contextlib.suppress(WorkshopError):  # the view says that the service is down
                await server.start()

    looking = asyncio.create_task(look())
    try:
        yield
    finally:
        looking.cancel()
        await asyncio.wait([looking])


@contextlib.asynccontextmanager
async def _serving(client: Client, secret: str, sock: socket.socket) -> AsyncIterator[None]:
    async def tell(request: Request) -> Response:
        given = request.headers.get("authorization", "").encode()
        if not secrets.compare_digest(given, f"Bearer {secret}".encode()):
            return PlainTextResponse("This class has another secret. Ask for its WORKSHOP_CLASS again.", 403)
        return await _told(client, await request.body())

    app = Starlette(routes=[Route("/", tell, methods=["POST"])])
    config = uvicorn.Config(app, log_level="error", access_log=False, lifespan="off", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve([sock]))
    try:
        yield
    finally:
        server.should_exit = True
        await serving


async def _told(client: Client, body: bytes) -> Response:
    """Hand a message to its learner's Workflow, which is started if there is none."""
    try:
        message = _MESSAGE.validate_json(body)
    except ValidationError:
        return PlainTextResponse("The message cannot be read. Is your copy of the workshop as new as this one?", 400)
    if not _NAME.fullmatch(message.learner):
        return PlainTextResponse("A name has 1 to 40 letters, digits, spaces, dots and dashes.", 400)
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            handle = await client.start_workflow(
                LearnerProgress.run,
                Standing(message.learner),
                id=f"learner-{message.learner}",
                task_queue=_TASK_QUEUE,
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                execution_timeout=_LASTS,
            )
            await handle.execute_update(LearnerProgress.tell, message)
    except WorkflowUpdateFailedError as refused:
        return PlainTextResponse(reason(refused), 403)
    except (TemporalError, TimeoutError):
        return PlainTextResponse("Its Temporal Service does not answer just now.", 503)
    return PlainTextResponse("")
