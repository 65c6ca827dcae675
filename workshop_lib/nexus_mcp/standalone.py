"""Tools for a client that is no workflow: directories are asked, and calls made, by standalone Nexus operations.

A call has an id that outlives whoever makes it: made again, it joins the operation that runs, or gets its result.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from temporalio.client import (
    Client,
    NexusClient,
    NexusOperationFailureError,
    NexusOperationHandle,
    WorkflowFailureError,
    WorkflowHandle,
)
from temporalio.common import NexusOperationIDConflictPolicy, NexusOperationIDReusePolicy
from temporalio.exceptions import NexusOperationAlreadyStartedError, WorkflowAlreadyStartedError
from temporalio.service import RPCError

from . import by_workflow
from .calls import OFFERS_NOTHING, operation_input, why
from .contract import DISCOVERY_LIMIT, Directory, Tool

_FRESH_SECONDS = 5.0  # how long a directory's last answer does for calls; a listing always asks


class OtherCallError(Exception):
    """An id was used before, for another call."""


@dataclass
class _Known:
    """What one endpoint's directory said last."""

    tools: dict[str, Tool] = field(default_factory=dict)
    problem: str = ""  # why it did not answer, when it was last asked
    asked: float = float("-inf")
    asking: asyncio.Lock = field(default_factory=asyncio.Lock)


class Directories:
    """The directories of some endpoints, and what they said last.

    Args:
        endpoints: Their names. Of two tools with one name, that of the endpoint which stands first is used.
    """

    def __init__(self, endpoints: Iterable[str]) -> None:
        self._known = {endpoint: _Known() for endpoint in endpoints}

    async def ask(self, client: Client) -> None:
        """Ask them all, at the same time.

        Args:
            client: Of the namespace that asks.
        """
        now = time.monotonic()
        await asyncio.gather(*(self._ask(client, endpoint, now) for endpoint in self._known))

    @property
    def tools(self) -> list[Tool]:
        """What they offer. A team that is down, and did before, still does: a call waits for it, as Nexus does."""
        listed: dict[str, Tool] = {}
        for known in self._known.values():
            listed |= {name: tool for name, tool in known.tools.items() if name not in listed}
        return list(listed.values())

    async def find(self, client: Client, name: str) -> tuple[str, Tool] | None:
        """The endpoint and the tool of this name; None if there is none.

        Args:
            client: As for ``ask``.
            name: The tool's.
        """
        if endpoint := self._owner(name):
            await self._ask(client, endpoint, time.monotonic() - _FRESH_SECONDS)
        else:
            await self.ask(client)
        endpoint = self._owner(name)
        return (endpoint, self._known[endpoint].tools[name]) if endpoint else None

    def remembered(self, name: str) -> Tool | None:
        """The tool of this name, as its directory described it last.

        Args:
            name: The tool's.
        """
        endpoint = self._owner(name)
        return self._known[endpoint].tools[name] if endpoint else None

    @property
    def problems(self) -> list[str]:
        """Which endpoints did not tell their tools when they were last asked, and why."""
        problems = {endpoint: known.problem for endpoint, known in self._known.items() if known.problem}
        return [f"Endpoint {endpoint} did not tell its tools. {problem}" for endpoint, problem in problems.items()]

    def _owner(self, name: str) -> str | None:
        return next((endpoint for endpoint, known in self._known.items() if name in known.tools), None)

    async def _ask(self, client: Client, endpoint: str, since: float) -> None:
        """Ask one, unless it was asked after this time: many calls at once ask once."""
        known = self._known[endpoint]
        async with known.asking:
            if known.asked > since:
                return
            began = time.monotonic()
            try:
                known.tools, known.problem = {tool.name: tool for tool in await _listed(client, endpoint)}, ""
            except (NexusOperationFailureError, WorkflowFailureError, RPCError) as error:
                kind, text = why(error)
                known.problem = f"{kind}: {text}"
                known.tools = {} if kind in OFFERS_NOTHING else known.tools
            known.asked = began


async def _listed(client: Client, endpoint: str) -> list[Tool]:
    id = f"mcp-directory-{uuid.uuid4()}"
    nexus = client.create_nexus_client(Directory, endpoint)
    try:
        return await nexus.execute_operation(Directory.tools, None, id=id, schedule_to_close_timeout=DISCOVERY_LIMIT)
    except RPCError as error:
        if not by_workflow.is_off(error):
            raise
    call = (endpoint, Directory.__name__, "tools", None)
    handle = await by_workflow.start(client, call, id, DISCOVERY_LIMIT, "The directory", list[Tool])
    return list(await handle.result())


async def start(
    client: Client, endpoint: str, tool: Tool, arguments: Mapping[str, Any], id: str, limit: timedelta
) -> NexusOperationHandle[Any] | WorkflowHandle[Any, Any]:
    """Start the operation behind a tool, or join the one that was started by this id.

    Where the service has standalone operations off, a Workflow makes the call, on the Worker of ``by_workflow.caller``.

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
    nexus: NexusClient[Any] = client.create_nexus_client(tool.service, endpoint)
    given = operation_input(tool, arguments)
    handle: NexusOperationHandle[Any] | WorkflowHandle[Any, Any]
    try:
        return await nexus.start_operation(
            tool.operation,
            given,
            id=id,
            id_reuse_policy=NexusOperationIDReusePolicy.REJECT_DUPLICATE,
            # Not USE_EXISTING: it would not say that it joined, and the calls could not be compared.
            id_conflict_policy=NexusOperationIDConflictPolicy.FAIL,
            schedule_to_close_timeout=limit,
            summary=summary,
        )
    except NexusOperationAlreadyStartedError as there:
        handle = client.get_nexus_operation_handle(id, run_id=there.run_id)
    except RPCError as error:
        if not by_workflow.is_off(error):
            raise
        try:
            call = (endpoint, tool.service, tool.operation, given)
            return await by_workflow.start(client, call, id, limit, summary)
        except WorkflowAlreadyStartedError as there:
            handle = client.get_workflow_handle(id, run_id=there.run_id)
    if await (await handle.describe()).static_summary() != summary:
        raise OtherCallError(f"{id} was used before, for another call")
    return handle
