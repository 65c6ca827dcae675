"""``await topology(ws)``: draw the namespaces, their task queues and pollers, and the Nexus endpoints between them.

The server lists a poller for five minutes, and an idle Worker polls once a minute. So the server cannot tell a Worker
that was killed from one that waits, and this view looks for the Workers' processes on this machine.
"""

import asyncio
import contextlib
import os
import socket
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import psutil
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import PollerInfo, TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client, WorkflowExecution
from temporalio.service import RPCError

from workshop_lib.evidence.history import History, history
from workshop_lib.evidence.messages import Display
from workshop_lib.views.grid import CROSS, DOWN, FAINT, GRID, INK, WORK, arrow, box, figure, framed, text
from workshop_lib.views.where import page
from workshop_lib.workers.reasons import Polled
from workshop_lib.workshop import Workshop

_APART = "checks"  # the namespace in which exercises are checked
_OF_CHECKS = "check-"  # the beginning of the queues of checks that need the namespaces of teams
_KINDS = {"workflow": "workflows", "activity": "activities", "nexus": "Nexus"}  # of tasks
_LONG_POLL = timedelta(seconds=70)  # an idle Worker polls at least once a minute
_NEWEST, _OPEN = 20, 200  # at most so many histories and open workflows of a namespace are read
_MOST = 4  # at most so many of those that have stopped are listed
_HERE = "this notebook, "
_REACH = "-10px"  # an arrow ends at a queue's box, within the box of its namespace
_WIDTHS = (292, 62, 185, 60, 292)  # pixels: of callers, endpoints and targets, and the room for arrows between them
_WIDTHS_APART = (292, 11, 292, 11, 292)  # of namespaces without endpoints
_ROW = 8  # pixels: half a line of text
_SOURCES = (
    "The server knows the namespaces, endpoints, task queues, pollers and callers. This machine knows its processes;",
    "a process on another machine counts as running for 70 s after its last poll.",
)
_NOTHING = ("No namespace has a task queue yet.",)


async def topology(ws: Workshop) -> None:
    """Draw the namespaces, their task queues and pollers, the targets of endpoints, and what is down.

    An arrow to an endpoint starts at a queue whose workflows have called it, according to the newest 20 histories of
    each namespace. A queue without open workflows is left out if nothing has polled it for five minutes.

    Args:
        ws: The workshop.

    Raises:
        WorkshopError: The service does not answer.
    """
    found = await look(ws)
    Display().show(draw(found), "\n".join(_written(found)))


@dataclass(eq=False)
class Queue:
    """A task queue; with an empty name, the clients of a namespace that call endpoints without a workflow.

    Attributes:
        polled: The kinds of tasks that each poller polls.
        gone: The kinds of tasks that each stopped poller polled.
        open: The number of open workflows.
        endpoints: The endpoints whose target it is.
        calls: The endpoints that its workflows have called.
    """

    namespace: str
    name: str
    polled: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    gone: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    open: int = 0
    endpoints: set[str] = field(default_factory=set)
    calls: set[str] = field(default_factory=set)

    @property
    def title(self) -> str:
        """Its name in the picture."""
        return f"task queue {self.name}" if self.name else "clients, without a workflow"

    @property
    def left(self) -> list[str]:
        """The pollers that have stopped. A Worker that was built again and polls less has not."""
        return [who for who in self.gone if who not in self.polled]

    @property
    def missing(self) -> list[str]:
        """The kinds of tasks that are needed or were polled before, and that nothing polls now."""
        wanted = {kind for kind, by in {"workflow": self.open, "nexus": self.endpoints}.items() if by}
        wanted.update(*(self.gone[who] for who in self.left))
        return [kind for kind in _KINDS if kind in wanted.difference(*self.polled.values())]

    def lines(self) -> Iterator[str]:
        """Its description, in the picture and in the text."""
        for who, kinds in self.polled.items():
            yield f"● {who}"
            yield f"  polls: {_listed(kinds)}"
        if self.missing:
            yield f"{CROSS} nobody polls" + (f" for {_listed(self.missing)}" if self.polled else "")
            yield from (f"  stopped: {who}" for who in self.left[-_MOST:])
        if self.open:
            yield f"open workflows: {self.open}"


def _listed(kinds: Iterable[str]) -> str:
    return ", ".join(words for kind, words in _KINDS.items() if kind in kinds)


class _Queues(dict[tuple[str, str], Queue]):
    def __missing__(self, place: tuple[str, str]) -> Queue:
        return self.setdefault(place, Queue(*place))


@dataclass
class Found:
    """The queues of each namespace, and the target queue of each endpoint."""

    namespaces: dict[str, list[Queue]]
    endpoints: dict[str, Queue]

    def callers(self, endpoint: str) -> list[Queue]:
        """The queues that have called an endpoint."""
        return [queue for queues in self.namespaces.values() for queue in queues if endpoint in queue.calls]


async def look(ws: Workshop) -> Found:
    """Ask the server and this machine.

    Args:
        ws: The workshop.
    """
    names = [name for name in await ws.namespaces() if name != _APART]
    queues = _Queues()
    endpoints = {name: queues[place] for name, place in sorted((await ws.endpoints()).items()) if place[0] in names}
    for name, queue in endpoints.items():
        queue.endpoints.add(name)
    for worker in ws.workers:
        lives = worker.running and worker.wanted  # a killed process runs a few milliseconds longer
        for real, queue_name, kind in worker.polls:
            if (namespace := ws.own_name(real)) in names:
                _note(queues[namespace, queue_name], _who(worker.pid), kind, lives)
    service = (await Client.connect(**await ws.connection("default"))).service_client
    clients = [Client(service, namespace=ws.namespace(name)) for name in names]  # one connection reaches them all
    await asyncio.gather(*(_read_namespace(ws, client, queues) for client in clients))
    await asyncio.gather(*(_read_pollers(ws, clients[0], queue) for queue in queues.values() if queue.name))
    found: dict[str, list[Queue]] = {}
    for (namespace, _), queue in sorted(queues.items(), key=lambda each: each[0]):
        queue.calls &= endpoints.keys()  # others were removed
        known = queue.polled or queue.missing or (queue.calls and not queue.name)
        if known and (queue.endpoints or not queue.name.startswith(_OF_CHECKS)):
            found.setdefault(namespace, []).append(queue)
    return Found(found, endpoints)


def _note(queue: Queue, who: str, kind: str, lives: bool) -> None:
    (queue.polled if lives else queue.gone)[who].add(kind)


async def _read_namespace(ws: Workshop, client: Client, queues: _Queues) -> None:
    """Find the task queues of a namespace, and the endpoints that they call."""
    namespace = ws.own_name(client.namespace)
    async for execution in client.list_workflows('ExecutionStatus = "Running"', limit=_OPEN):
        queues[namespace, execution.task_queue].open += 1
    newest = [execution async for execution in client.list_workflows(limit=_NEWEST)]
    for record in filter(None, await asyncio.gather(*(_recorded(client, each) for each in newest))):
        calls = {ws.own_name(step.endpoint) for step in record.steps if step.endpoint}
        queues[namespace, record.task_queue].calls |= calls
    with contextlib.suppress(RPCError):  # some services cannot list them
        async for operation in client.list_nexus_operations("", limit=_NEWEST):
            queues[namespace, ""].calls.add(ws.own_name(operation.endpoint))


async def _recorded(client: Client, execution: WorkflowExecution) -> History | None:
    with contextlib.suppress(RPCError):  # it may have been deleted meanwhile
        return await history(client.get_workflow_handle(execution.id, run_id=execution.run_id))
    return None


async def _read_pollers(ws: Workshop, client: Client, queue: Queue) -> None:
    """Find the pollers of a queue."""
    namespace, place = ws.namespace(queue.namespace), TaskQueue(name=queue.name)
    for kind in _KINDS:
        number = TaskQueueType.Value(f"TASK_QUEUE_TYPE_{kind.upper()}")
        request = DescribeTaskQueueRequest(namespace=namespace, task_queue=place, task_queue_type=number)
        answer = await client.workflow_service.describe_task_queue(request)
        for poller in answer.pollers:
            _judge(ws, queue, poller, (namespace, queue.name, kind))


def _judge(ws: Workshop, queue: Queue, poller: PollerInfo, place: Polled) -> None:
    """Note a poller from the server's list, as running or stopped."""
    pid, _, host = poller.identity.partition("@")
    if pid.isdecimal() and host == socket.gethostname():
        ours = int(pid) in (os.getpid(), *(worker.pid for worker in ws.workers))  # these are noted if they run
        _note(queue, _who(int(pid)), place[2], not ours and psutil.pid_exists(int(pid)))
    elif not any(place in worker.polls for worker in ws.workers):  # otherwise it is a Worker of ours with another name
        heard = datetime.now(UTC) - poller.last_access_time.ToDatetime(UTC)
        _note(queue, poller.identity, place[2], heard < _LONG_POLL)


def _who(pid: int | None) -> str:
    return f"{_HERE if pid == os.getpid() else ''}process {pid}"


def _written(found: Found) -> Iterator[str]:
    for namespace, queues in found.namespaces.items():
        yield f"namespace {namespace}"
        for queue in queues:
            yield f"  {queue.title}"
            yield from (f"    {line}" for line in queue.lines())
    for name, target in found.endpoints.items():
        yield f"endpoint {name}{_fate(target)}"
        yield f"  target: task queue {target.name} in namespace {target.namespace}"
        yield from (f"  called from {each.title} in namespace {each.namespace}" for each in found.callers(name))
    yield from _SOURCES if found.namespaces else _NOTHING


def _fate(target: Queue) -> str:
    return f", {CROSS} nobody polls" if "nexus" in target.missing else ""


class _Spot(NamedTuple):
    """The place of a box: the line through its middle, and its column."""

    line: int
    column: int


def draw(found: Found) -> str:
    """The picture as HTML: callers, endpoints and their targets, from left to right.

    Args:
        found: From ``look``.
    """
    targets = sorted({queue.namespace for queue in found.endpoints.values()})
    others = [name for name in found.namespaces if name not in targets]
    column = 3 if others else 1  # of the endpoints; every second column is for arrows
    widths, columns = _WIDTHS[0 if others else 2 :], {1: others, column + 2: targets}
    if not targets:
        widths, columns = _WIDTHS_APART, {2 * number + 1: others[number::3] for number in range(3)}
    spots: dict[Queue, _Spot] = {}
    parts = [part for each, names in columns.items() for part in _namespaces(found, each, names, spots)]
    line = 0
    # In the order of their targets, so that few arrows cross.
    for name, target in sorted(found.endpoints.items(), key=lambda each: spots[each[1]].line):
        line = max(spots[target].line, line + 7)
        callers = [spots[caller] for caller in found.callers(name)]
        parts += _endpoint(name, _fate(target), callers, _Spot(line, column), spots[target])
    tracks = " ".join(f"minmax(0,{width}px)" for width in widths)
    picture = box(*parts, display="grid", grid_template_columns=tracks, grid_auto_rows=f"{_ROW}px")
    notes = box(" ".join(_SOURCES if found.namespaces else _NOTHING), margin_top="16px", color=FAINT)
    return figure(
        f"Topology: {', '.join(found.namespaces)}", picture, notes, columns="1fr", line_height=f"{2 * _ROW}px"
    )


def _namespaces(found: Found, column: int, names: list[str], spots: dict[Queue, _Spot]) -> Iterator[str]:
    """The boxes of namespaces, one below the other, with those of their queues, whose places it notes."""
    line = 1
    for name in names:
        top, line = line, line + 4
        parts = [text(f"namespace {name}", href=page("namespaces", name), font_weight="600", padding="8px 10px")]
        for queue in found.namespaces[name]:
            lines = list(queue.lines())
            parts.append(_queue(queue, lines))
            spots[queue] = _Spot(line + 2 + len(lines), column)
            line += 5 + 2 * len(lines)
        place = {"grid_area": f"{top}/{column}/{line}", "box_sizing": "border-box", "border_radius": "2px"}
        yield box(*parts, border=f"1px solid {GRID}", **place)
        line += 1


def _queue(queue: Queue, lines: list[str]) -> str:
    """A queue's box, crossed if something of it is down."""
    cross = box(CROSS if queue.missing else "", font_weight="700")
    head = box(text(queue.title, font_weight="600"), cross, display="flex", justify_content="space-between")
    texts = (text(line.strip(), margin_left="14px" if line.startswith(" ") else "0") for line in lines)
    return framed(head, *texts, border=DOWN if queue.missing else f"1px solid {WORK}", margin=f"0 9px {_ROW}px")


def _endpoint(name: str, down: str, callers: list[_Spot], spot: _Spot, goal: _Spot) -> Iterator[str]:
    """An endpoint's box, an arrow to its target, and arrows from its callers."""
    line, column = spot
    texts = text(name, href=page("nexus"), font_weight="600"), text(f"endpoint{down}")
    place = {"grid_area": f"{line - 3}/{column}/{line + 3}"}
    yield framed(*texts, border=DOWN if down else f"1px solid {INK}", **place)
    dashes = "6 4" if down else "none"
    yield arrow((line - 1, column + 1), (goal.line - 1, goal.column), dashes, margin_right=_REACH)
    for start in callers:
        if start.column < column:
            yield arrow((start.line, start.column + 1), spot, margin_left=_REACH)
        else:  # the caller is in the column of the targets, so its arrow runs back
            yield arrow((start.line + 1, start.column), (line + 1, column + 1), margin_right=_REACH)
