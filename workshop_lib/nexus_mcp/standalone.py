"""Tools for a client that is no workflow: directories are asked, and calls made, by standalone Nexus operations.

A call has an id that outlives whoever makes it: made again, it joins the operation that runs, or gets its result.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import time
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from temporalio.client import Client, NexusOperationFailureError, WorkflowFailureError
from temporalio.exceptions import NexusOperationAlreadyStartedError, WorkflowAlreadyStartedError
from temporalio.service import RPCError

from . import by_workflow
from .by_workflow import Handle
from .calls import OFFERS_NOTHING, operation_input, why
from .contract import Directory, Tool

_FRESH_SECONDS = 5.0  # how long a directory's last answer does for calls; a listing always asks
_PATIENCE_SECONDS = 3.0  # with a directory that was heard before; then what it said does meanwhile
_LIMIT = timedelta(seconds=30)  # of a directory that is asked. It reads nothing, but its machine may be slow
_log = logging.getLogger(__name__)


class OtherCallError(Exception):
    """An id was used before, for another call."""


@dataclass
class _Known:
    """What one endpoint's directory said last."""

    tools: dict[str, Tool] = field(default_factory=dict)
    problem: str = ""  # why it did not answer, when it was last asked
    asked: float = float("-inf")
    asking: asyncio.Task[None] | None = None


class Directories:
    """The directories of some endpoints, and what they said last.

    A tool's name belongs to the endpoint that had it first, and from the start to the one that is named first. A
    caller can name the endpoint, too: ``it/get_ip``.

    Args:
        endpoints: Their names.
    """

    def __init__(self, endpoints: Iterable[str]) -> None:
        self._known = {endpoint: _Known() for endpoint in endpoints}
        self._owners: dict[str, str] = {}  # of each tool's name
        self._clashes: list[str] = []

    async def ask(self, client: Client) -> None:
        """Ask them all, at the same time.

        Args:
            client: Of the namespace that asks.
        """
        now = time.monotonic()
        await asyncio.gather(*(self._heard(client, endpoint, now) for endpoint in self._known))

    @property
    def tools(self) -> list[Tool]:
        """What they offer. A team that is down, and did before, still does: a call waits for it, as Nexus does."""
        known = self._known.items()
        return [tool for endpoint, each in known for name, tool in each.tools.items() if self._owners[name] == endpoint]

    async def find(self, client: Client, name: str) -> tuple[str, Tool] | None:
        """The endpoint and the tool of this name; None if there is none.

        Args:
            client: As for ``ask``.
            name: The tool's, or the endpoint's and the tool's: ``it/get_ip``.
        """
        endpoint, now = self._place(name)[0], time.monotonic()
        if endpoint in self._known:
            await self._heard(client, endpoint, now - _FRESH_SECONDS)
        else:
            asking = {self._asking(client, each, now) for each in self._known} - {None}
            while asking and not self.remembered(name):  # a team that does not answer holds up no other's calls
                _, asking = await asyncio.wait(asking, return_when=asyncio.FIRST_COMPLETED)  # type: ignore[type-var]
        tool = self.remembered(name)
        return (self._place(name)[0], tool) if tool else None

    def remembered(self, name: str) -> Tool | None:
        """The tool of this name, as its directory described it last.

        Args:
            name: As for ``find``.
        """
        endpoint, _, tool = self._place(name)
        return self._known[endpoint].tools.get(tool) if endpoint in self._known else None

    @property
    def problems(self) -> list[str]:
        """Which endpoints did not tell their tools when they were last asked, and why; and which names clash."""
        known = self._known.items()
        silent = [f"Endpoint {name} did not tell its tools. {each.problem}" for name, each in known if each.problem]
        return [*silent, *self._clashes]

    def _place(self, name: str) -> tuple[str, str, str]:
        """The endpoint of a tool and its name there; the endpoint is empty if nobody has it."""
        return name.rpartition("/") if "/" in name else (self._owners.get(name, ""), "/", name)

    def _asking(self, client: Client, endpoint: str, since: float) -> asyncio.Task[None] | None:
        """The question to one, unless it was asked after this time: many calls at once ask once."""
        known = self._known[endpoint]
        if known.asking is None or known.asking.done():
            if known.asked > since:
                return None
            known.asking = asyncio.create_task(self._hear(client, endpoint))
        return known.asking

    async def _heard(self, client: Client, endpoint: str, since: float) -> None:
        known, asking = self._known[endpoint], self._asking(client, endpoint, since)
        if asking is not None:
            # One that was never heard is waited for: its tools would be missing, and nobody would know.
            await asyncio.wait([asking], timeout=_PATIENCE_SECONDS if known.tools or known.problem else None)

    async def _hear(self, client: Client, endpoint: str) -> None:
        known, began = self._known[endpoint], time.monotonic()
        try:
            known.tools, known.problem = {tool.name: tool for tool in await _listed(client, endpoint)}, ""
        except (NexusOperationFailureError, WorkflowFailureError, RPCError) as error:
            kind, text = why(error)
            known.problem = f"{kind}: {text}"
            known.tools = {} if kind in OFFERS_NOTHING else known.tools
        except TimeoutError:  # the caller's client has a limit, too
            known.problem = "TimedOut: There was no answer in time."
        self._settle()
        known.asked = began

    def _settle(self) -> None:
        """Decide whose a name is: its owner keeps it, as soon as all were asked once."""
        before, self._owners, self._clashes = self._owners, {}, []
        if all(known.asked > float("-inf") for known in self._known.values()):
            self._owners = {name: owner for name, owner in before.items() if name in self._known[owner].tools}
        for endpoint, known in self._known.items():
            for name in known.tools:
                if (owner := self._owners.setdefault(name, endpoint)) != endpoint:
                    what = f"Endpoint {endpoint} offers {name}, which endpoint {owner} had first."
                    self._clashes.append(f"{what} Call it as {endpoint}/{name}.")
                    if name in before:
                        _log.warning(what)


async def _listed(client: Client, endpoint: str) -> list[Tool]:
    call = (endpoint, Directory.__name__, Directory.tools.name, None)
    id = f"mcp-directory-{uuid.uuid4()}"
    handle = await by_workflow.start(client, call, id, _LIMIT, "The directory", list[Tool])
    return list(await handle.result())


async def start(
    client: Client, endpoint: str, tool: Tool, arguments: Mapping[str, Any], id: str, limit: timedelta
) -> Handle:
    """Start the operation behind a tool, or join the one that was started by this id.

    However often and from wherever it is called, there is one operation, and its outcome is final: a failure, a
    timeout and a cancellation are returned again, too. That holds as long as the namespace keeps what has ended.

    Args:
        client: Of the namespace that calls.
        endpoint: The Nexus endpoint.
        tool: What is called.
        arguments: Checked ones.
        id: Of the operation, unique in the namespace.
        limit: How long it may take, with all attempts.

    Raises:
        OtherCallError: The id belongs to a call of another tool, or with other arguments.
        RPCError: Temporal does not answer, or does not take it.
    """
    called = json.dumps([endpoint, tool.service, tool.operation, arguments], sort_keys=True)
    # Shown in Temporal's UI, and kept with the operation, for the comparison below.
    summary = f"MCP tool {tool.name}, call {hashlib.sha256(called.encode()).hexdigest()}"
    call = (endpoint, tool.service, tool.operation, operation_input(tool, arguments))
    handle: Handle
    try:
        return await by_workflow.start(client, call, id, limit, summary)
    except NexusOperationAlreadyStartedError as there:
        handle = client.get_nexus_operation_handle(id, run_id=there.run_id)
    except WorkflowAlreadyStartedError as there:
        handle = client.get_workflow_handle(id, run_id=there.run_id)
    if await (await handle.describe()).static_summary() != summary:
        raise OtherCallError(f"{id} was used before, for another call")
    return handle
