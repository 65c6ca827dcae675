"""One log across namespaces: what the workflows of a chain did, in the order of time, as far as a reader may read it.

Each namespace keeps the histories of its own workflows. A Nexus operation links the caller's history with that of the
workflow behind it, both ways, and so do a parent and its child. Whoever may read both can put the whole together.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from temporalio.client import Client, WorkflowHandle
from temporalio.service import RPCError, RPCStatusCode

from workshop_lib.evidence.history import History, Link, Step, history, spoken

NO_RIGHT = "no right to read"
_UNREAD = {RPCStatusCode.PERMISSION_DENIED: NO_RIGHT, RPCStatusCode.NOT_FOUND: "its record is gone"}
CALLS = ("nexus operation", "child workflow")
"""The kinds of steps that lead to a workflow of its own."""
_BEGINS = {"activity": "scheduled", "timer": "started", "nexus operation": "called", "child workflow": "asked for"}


@dataclass(frozen=True)
class Entry:
    """One line of the log.

    Attributes:
        when: When it happened, by the server's clock.
        namespace: Where.
        workflow_type: The type of the workflow that it happened to; empty if that could not be read.
        workflow_id: The workflow.
        name: The operation, activity, update and so on that it is about; empty for the workflow itself.
        what: What happened, in words.
    """

    when: datetime
    namespace: str
    workflow_type: str
    workflow_id: str
    name: str
    what: str

    def __str__(self) -> str:
        workflow = f"{self.workflow_type} {self.workflow_id}".strip()
        return f"{self.when:%H:%M:%S.%f}"[:-3] + f"  {self.namespace} · {workflow} · {self.what}"


@dataclass(repr=False)
class UnifiedLog:
    """What the workflows of a chain did.

    Attributes:
        entries: What happened, in the order of time.
        histories: Those that were read, in the order in which they started, with the steps that belong to the log.
        unread: The workflows that are linked but could not be read, and why: ``no right to read`` or ``its record is
            gone``.
    """

    entries: list[Entry]
    histories: list[History]
    unread: dict[Link, str]

    def __repr__(self) -> str:
        return "\n".join(map(str, self.entries))


async def unified_log(
    handle: WorkflowHandle[Any, Any], *, since: datetime | None = None, update: str = ""
) -> UnifiedLog:
    """Follow the links of a workflow both ways, up to its callers and down to all that was called, and read everything.

    It reads with the rights of the handle's client. What these do not reach is named, and the rest is read.

    Args:
        handle: Any workflow of the chain.
        since: Leaves out what began earlier. What began later belongs to the log with its end and all that it called.
        update: The id of an update, such as one message of a conversation: leaves out what began before it or after
            its end. Of several updates at the same time, each one's log has the steps of all.

    Raises:
        temporalio.service.RPCError: There is no such workflow, it is not for this client to read, or the server does
            not answer.
        ValueError: No workflow of the chain that could be read has such an update.
    """
    first = await history(handle)
    # The handle keeps its client to itself; the same connection reaches every namespace.
    reader = _Reader(handle._client, {link_to(first): first}, {})
    above = await reader.follow([first], lambda told: told.links)
    until = None
    if update:
        steps = [step for told in above for step in told.steps if (step.kind, step.id) == ("update", update)]
        if not steps:
            raise ValueError(f"No workflow here has an update {update!r}.")
        since, until = steps[0].scheduled, steps[0].closed

    def within(when: datetime) -> bool:
        return (since is None or since <= when) and (until is None or when <= until)

    def belonging(told: History) -> list[Step]:
        return [step for step in told.steps if within(told.started) or within(step.scheduled)]

    # The topmost always: a conversation began long before the question.
    begin = [told for told in above if within(told.started) or not any(link in reader.read for link in told.links)]
    found = await reader.follow(begin, lambda told: [link for step in belonging(told) for link in step.links])
    found.sort(key=lambda told: (told.started, told.namespace, told.workflow_id))
    histories = [replace(told, steps=belonging(told)) for told in found]
    entries = [entry for told in histories for entry in _entries(told, reader.unread, within)]
    return UnifiedLog(sorted(entries, key=lambda entry: entry.when), histories, reader.unread)


def link_to(told: History) -> Link:
    """How others name an execution.

    Args:
        told: Its history.
    """
    return Link(told.namespace, told.workflow_id, told.run_id)


@dataclass
class _Reader:
    """Reads each history once."""

    client: Client
    read: dict[Link, History]
    unread: dict[Link, str]

    async def follow(self, begin: list[History], links: Callable[[History], Iterable[Link]]) -> list[History]:
        """These histories, and all that the links lead to."""
        found = {link_to(told): told for told in begin}
        seen, new = set(found), begin
        while new:
            wanted = {link for told in new for link in links(told) if not link.standalone} - seen
            seen |= wanted
            await asyncio.gather(*map(self._read, wanted))
            new = [self.read[link] for link in wanted if link in self.read]
            found |= {link_to(told): told for told in new}
        return list(found.values())

    async def _read(self, link: Link) -> None:
        there = Client(self.client.service_client, namespace=link.namespace)
        try:
            self.read[link] = await history(there.get_workflow_handle(link.workflow_id, run_id=link.run_id))
        except RPCError as error:
            if error.status not in _UNREAD:
                raise
            self.unread[link] = _UNREAD[error.status]


def _entries(told: History, unread: dict[Link, str], within: Callable[[datetime], bool]) -> Iterator[Entry]:
    def entry(when: datetime, what: str, name: str = "") -> Entry:
        return Entry(when, told.namespace, told.workflow_type, told.workflow_id, name, what)

    def others(when: datetime, links: Iterable[Link], name: str = "") -> Iterator[Entry]:
        for link in dict.fromkeys(links):
            if link in unread:
                yield Entry(when, link.namespace, "", link.workflow_id, name, unread[link])

    if within(told.started):
        yield from others(told.started, told.links)
        yield entry(told.started, "workflow started" + "".join(f" by {_named(link)}" for link in told.links))
    for step in told.steps:
        title = step.title.removeprefix("nexus ")
        at = f" at endpoint {step.endpoint}" if step.endpoint else ""
        at += "" if step.kind in CALLS else "".join(f" from {_named(link)}" for link in step.links)
        so_far = f"; {outcome(step)}" if step.closed is None else ""
        yield entry(step.scheduled, f"{title} {_BEGINS.get(step.kind, 'received')}{at}{so_far}", step.name)
        for link in dict.fromkeys(step.links if step.kind in CALLS else ()):
            yield entry(step.started or step.scheduled, f"{title} started, as {_named(link)}", step.name)
        yield from others(step.started or step.scheduled, step.links, step.name)
        if step.closed and step.kind != "signal":
            yield entry(step.closed, f"{title} {outcome(step)}", step.name)
    if told.closed and (within(told.started) or within(told.closed)):
        yield entry(told.closed, f"workflow {told.status}" + (f": {told.failure}" if told.failure else ""))


def _named(link: Link) -> str:
    return f"{'operation ' if link.standalone else ''}{link.workflow_id} in namespace {link.namespace}"


def outcome(step: Step) -> str:
    """What came of a step, in a few words: how it ended, after how long and how many attempts, and why it failed.

    Args:
        step: Of a history.
    """
    status = {"completed": "fired", "cancelled": "cut short"}.get(step.status, step.status) if step.due else step.status
    took = f" in {spoken(step.duration)}" if step.duration is not None and not step.due else ""
    tries = f", {step.attempts} attempts" if step.attempts > 1 else ""
    good = step.status in ("completed", "running", "waiting")
    return f"{status}{took}{tries}" + (f"{', last failure: ' if good else ': '}{step.failure}" if step.failure else "")
