"""One log across namespaces: what the workflows of a chain did, in the order of time, as far as a reader may read it.

Each namespace keeps the histories of its own workflows. A Nexus operation links the caller's history with that of the
workflow behind it, both ways, and so do a parent and its child. Whoever may read both can put the whole together.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from temporalio.client import WorkflowHandle

from workshop_lib.evidence.history import CALLS, History, Link, Reader, Step, history

_BEGINS = {"activity": "scheduled", "timer": "started", "nexus operation": "called", "child workflow": "asked for"}


@dataclass(frozen=True)
class Entry:
    """One line of the log.

    Attributes:
        when: When it happened, by the server's clock.
        namespace: Where.
        workflow_type: The type of the workflow that it happened to; empty if that could not be read.
        workflow_id: The workflow.
        what: What happened, in words.
    """

    when: datetime
    namespace: str
    workflow_type: str
    workflow_id: str
    what: str

    def __str__(self) -> str:
        workflow = f"{self.workflow_type} {self.workflow_id}".strip()
        return f"{self.when:%H:%M:%S.%f}"[:-3] + f"  {self.namespace} · {workflow} · {self.what}"


@dataclass(repr=False)
class UnifiedLog:
    """What the workflows of a chain did.

    Attributes:
        histories: Those that were read, in the order in which they started.
        unread: The workflows that are linked but could not be read, and why: ``no right to read`` or ``its record is
            gone``.
    """

    histories: list[History]
    unread: dict[Link, str]

    @property
    def entries(self) -> list[Entry]:
        """What happened, in the order of time."""
        found = [entry for told in self.histories for entry in _entries(told, self.unread)]
        return sorted(found, key=lambda entry: entry.when)

    def __repr__(self) -> str:
        return "\n".join(map(str, self.entries))


async def unified_log(handle: WorkflowHandle[Any, Any]) -> UnifiedLog:
    """Follow the links of a workflow both ways, up to its callers and down to all that was called, and read everything.

    It reads with the rights of the handle's client. What these do not reach is named, and the rest is read.

    Args:
        handle: Any workflow of the chain.

    Raises:
        temporalio.service.RPCError: There is no such workflow, it is not for this client to read, or the server does
            not answer.
    """
    first = await history(handle)
    reader = Reader(handle, first)
    above = await reader.follow([first], lambda told: told.links)
    found = await reader.follow(above, lambda told: [link for step in told.steps for link in step.links])
    found.sort(key=lambda told: (told.started, told.namespace, told.workflow_id))
    return UnifiedLog(found, reader.unread)


def _entries(told: History, unread: dict[Link, str]) -> Iterator[Entry]:
    def entry(when: datetime, what: str) -> Entry:
        return Entry(when, told.namespace, told.workflow_type, told.workflow_id, what)

    def others(when: datetime, links: Iterable[Link]) -> Iterator[Entry]:
        for link in dict.fromkeys(links):
            if link in unread:
                yield Entry(when, link.namespace, "", link.workflow_id, unread[link])

    yield from others(told.started, told.links)
    yield entry(told.started, "workflow started" + "".join(f" by {_named(link)}" for link in told.links))
    for step in told.steps:
        title, taken = step.title.removeprefix("nexus "), step.started or step.scheduled
        at = f" at endpoint {step.endpoint}" if step.endpoint else ""
        at += "" if step.kind in CALLS else "".join(f" from {_named(link)}" for link in step.links)
        so_far = f"; {outcome(step)}" if step.closed is None else ""
        yield entry(step.scheduled, f"{title} {_BEGINS.get(step.kind, 'received')}{at}{so_far}")
        for link in dict.fromkeys(step.links if step.kind in CALLS else ()):
            yield entry(taken, f"{title} started, as {_named(link)}")
        yield from others(taken, step.links)
        if step.closed and step.kind != "signal":
            yield entry(step.closed, f"{title} {outcome(step)}")
    if told.closed:
        yield entry(told.closed, f"workflow {told.status}" + (f": {told.failure}" if told.failure else ""))


def _named(link: Link) -> str:
    return f"{'operation ' if link.standalone else ''}{link.workflow_id} in namespace {link.namespace}"


def outcome(step: Step) -> str:
    """What came of a step, and why it failed.

    Args:
        step: Of a history.
    """
    good = step.status in ("completed", "running", "waiting")
    return step.outcome + (f"{', last failure: ' if good else ': '}{step.failure}" if step.failure else "")
