"""Tools for a client outside workflows: it asks directories and calls tools by standalone Nexus operations.

A call has an id that outlives the caller. A call that is repeated joins the running operation, or gets its result.
"""

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

from temporalio.client import Client
from temporalio.exceptions import NexusOperationAlreadyStartedError, WorkflowAlreadyStartedError

from . import by_workflow
from .by_workflow import Handle
from .calls import OFFERS_NOTHING, operation_input, why
from .contract import Directory, Tool

_FRESH_SECONDS = 5.0  # how long a directory's answer is used for calls; a listing always asks again
_PATIENCE_SECONDS = 3.0  # with a directory that has answered before; after that, its last answer is used
_LIMIT = timedelta(seconds=30)  # for a directory's answer: its machine may be slow
_log = logging.getLogger(__name__)


class OtherCallError(Exception):
    """The id was used before, for another call."""


@dataclass
class _Known:
    """The last answer of one endpoint's directory."""

    tools: dict[str, Tool] = field(default_factory=dict)
    problem: str = ""  # why it did not answer when it was last asked
    asked: float = float("-inf")
    asking: asyncio.Task[None] | None = None


class Directories:
    """The directories of several endpoints, and their last answers.

    Of two endpoints that offer a tool of the same name, the one that offered it first keeps it. At the start, that is
    the first one in the list. A caller can also name the endpoint: ``it/get_ip``.

    Args:
        endpoints: The names of the endpoints.
    """

    def __init__(self, endpoints: Iterable[str]) -> None:
        self._known = {endpoint: _Known() for endpoint in endpoints}
        self._owners: dict[str, str] = {}  # the endpoint that owns each tool's name
        self._clashes: list[str] = []

    async def ask(self, client: Client) -> None:
        """Ask all of them at the same time.

        Args:
            client: A client of the namespace that asks.
        """
        now = time.monotonic()
        await asyncio.gather(*(self._heard(client, endpoint, now) for endpoint in self._known))

    @property
    def tools(self) -> list[Tool]:
        """The tools. Those of a team that is down now are included: a call waits for the team, as always with Nexus."""
        known = self._known.items()
        return [tool for endpoint, each in known for name, tool in each.tools.items() if self._owners[name] == endpoint]

    async def find(self, client: Client, name: str) -> tuple[str, Tool] | None:
        """Find a tool. Returns its endpoint and the tool; None if no endpoint offers it.

        Args:
            client: A client of the namespace that asks.
            name: The tool's name, alone or after the endpoint's: ``it/get_ip``.
        """
        endpoint, now = self._place(name)[0], time.monotonic()
        if endpoint in self._known:
            await self._heard(client, endpoint, now - _FRESH_SECONDS)
        else:
            asking = {self._asking(client, each, now) for each in self._known}
            while asking and not self.remembered(name):  # a team that does not answer holds up no other's calls
                _, asking = await asyncio.wait(asking, return_when=asyncio.FIRST_COMPLETED)
        tool = self.remembered(name)
        return (self._place(name)[0], tool) if tool else None

    def remembered(self, name: str) -> Tool | None:
        """Look a tool up in the last answers, without asking anybody.

        Args:
            name: As for ``find``.
        """
        endpoint, _, tool = self._place(name)
        return self._known[endpoint].tools.get(tool) if endpoint in self._known else None

    @property
    def problems(self) -> list[str]:
        """Which endpoints did not answer when they were last asked, and why; and which names clash."""
        known = self._known.items()
        silent = [f"Endpoint {name} did not list its tools. {each.problem}" for name, each in known if each.problem]
        return [*silent, *self._clashes]

    def _place(self, name: str) -> tuple[str, str, str]:
        """The endpoint of a tool and its name there; the endpoint is empty if nobody has it."""
        return name.rpartition("/") if "/" in name else (self._owners.get(name, ""), "/", name)

    def _asking(self, client: Client, endpoint: str, since: float) -> asyncio.Task[None]:
        """Ask an endpoint, unless it was asked after this time: many calls at once ask once."""
        known = self._known[endpoint]
        if known.asking is None or (known.asking.done() and known.asked <= since):
            known.asking = asyncio.create_task(self._hear(client, endpoint))
        return known.asking

    async def _heard(self, client: Client, endpoint: str, since: float) -> None:
        known, asking = self._known[endpoint], self._asking(client, endpoint, since)
        # The first answer is waited for: without it, tools would be missing and nobody would know.
        await asyncio.wait([asking], timeout=_PATIENCE_SECONDS if known.tools or known.problem else None)

    async def _hear(self, client: Client, endpoint: str) -> None:
        known, began = self._known[endpoint], time.monotonic()
        try:
            known.tools, known.problem = {tool.name: tool for tool in await _listed(client, endpoint)}, ""
        except Exception as error:  # whatever it is that a team answers: the list says what is wrong
            kind, text = why(error)
            known.problem = f"{kind}: {text}"
            known.tools = {} if kind in OFFERS_NOTHING else known.tools
        self._settle()
        known.asked = began

    def _settle(self) -> None:
        """Decide who owns each name. Once all have been asked, the owner of a name keeps it."""
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
    return list(await (await by_workflow.start(client, call, id, _LIMIT, "The directory", list[Tool])).result())


async def start(
    client: Client, endpoint: str, tool: Tool, arguments: Mapping[str, Any], id: str, limit: timedelta
) -> Handle:
    """Start the operation behind a tool, or join the one that was started with this id.

    However often and from wherever it is called, there is one operation, and its outcome is final: a failure, a
    timeout or a cancellation is returned again, too. This is true for the retention period of the namespace.

    Args:
        client: A client of the namespace that calls.
        endpoint: The name of the Nexus endpoint.
        tool: The tool that is called.
        arguments: Arguments in which ``calls.problems`` found none.
        id: The id of the operation, unique in the namespace.
        limit: How long it may take, including retries.

    Raises:
        OtherCallError: The id belongs to a call of another tool, or with other arguments.
        RPCError: Temporal does not answer, or refuses the call.
    """
    called = json.dumps([endpoint, tool.service, tool.operation, arguments], sort_keys=True)
    # For Temporal's UI, and for the comparison below: it is kept with the operation.
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
