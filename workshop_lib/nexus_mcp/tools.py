"""The tools of Nexus endpoints for an agent of the OpenAI Agents SDK that runs in a workflow.

They are asked for and called through Nexus, so both stand in the workflow's history, and neither is done twice.
(An MCP server in a workflow would be called by activities; the SDK's plugin refuses a server class of one's own.)
"""

# No `from __future__ import annotations`: this module is imported by workflows.

import asyncio
import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.exceptions import NexusOperationError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from agents import FunctionTool, RunContextWrapper

    from .calls import OFFERS_NOTHING, failure, operation_input, problems, why
    from .contract import DISCOVERY_LIMIT, Directory, Tool


PATIENCE = timedelta(seconds=0.5)
"""How long an agent's user waits for directories."""


class NexusTools:
    """The tools of some Nexus endpoints. A workflow keeps one, and asks it for tools as often as it likes.

    Args:
        endpoints: The Nexus endpoints whose directories are asked. Of two tools with one name, that of the endpoint
            which stands first is used.
        limit: How long one call of a tool may take, with all attempts.
    """

    def __init__(self, endpoints: Sequence[str], limit: timedelta) -> None:
        self._limit = limit
        self._known: dict[str, list[Tool]] = {endpoint: [] for endpoint in endpoints}
        self._times = 0  # that they were asked
        self._as_of = dict.fromkeys(endpoints, 0)  # which of these times the answer is from

    async def listed(self) -> list[FunctionTool]:
        """Ask the directories, and give the agent what they offer now: ``Agent(…, tools=await nexus.listed())``.

        A team that is down keeps the tools that it had: a call of them waits for it, or fails with the reason. Nobody
        waits for it here for longer than ``PATIENCE``; an answer that comes later counts the next time.

        Returns:
            Tools that never raise for what a model or a team does wrong: their text tells the model.
        """
        # Each time anew: a question from before may have got lost with a team that is back now.
        self._times += 1
        asked = [asyncio.create_task(self._ask(endpoint, self._times)) for endpoint in self._known]
        await workflow.wait(asked, timeout=PATIENCE.total_seconds())
        tools: dict[str, FunctionTool] = {}
        for endpoint, known in self._known.items():
            tools |= {tool.name: self._made(endpoint, tool) for tool in known if tool.name not in tools}
        return list(tools.values())

    async def _ask(self, endpoint: str, time: int) -> None:
        nexus = workflow.create_nexus_client(service=Directory, endpoint=endpoint)
        try:
            offered = await nexus.execute_operation(Directory.tools, None, schedule_to_close_timeout=DISCOVERY_LIMIT)
        except NexusOperationError as error:
            if why(error).kind not in OFFERS_NOTHING:
                return
            offered = []
        if time > self._as_of[endpoint]:
            self._as_of[endpoint], self._known[endpoint] = time, offered

    def _made(self, endpoint: str, tool: Tool) -> FunctionTool:
        async def invoke(context: RunContextWrapper[Any], text: str) -> str:
            return await self._call(endpoint, tool, text)

        return FunctionTool(tool.name, tool.description, tool.input_schema, invoke, strict_json_schema=False)

    async def _call(self, endpoint: str, tool: Tool, text: str) -> str:
        try:
            arguments = json.loads(text or "{}")
        except (ValueError, RecursionError) as error:
            return f"Invalid arguments for {tool.name}: they are no JSON. {error}"
        if wrong := problems(tool, arguments):
            return wrong
        nexus: workflow.NexusClient[Any] = workflow.create_nexus_client(service=tool.service, endpoint=endpoint)
        try:
            value: Any = await nexus.execute_operation(
                tool.operation, operation_input(tool, arguments), schedule_to_close_timeout=self._limit
            )
        except NexusOperationError as error:
            _raise_if_ended(error)
            return failure(tool, error)
        return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _raise_if_ended(error: NexusOperationError) -> None:
    """What was cancelled because the workflow was is no failure to talk about."""
    task = asyncio.current_task()
    if is_cancelled_exception(error) and task is not None and task.cancelling():
        raise error
