"""An agent that asks other teams in each turn which tools they have. Demos 3 and 4 share it.

It asks the teams in the background, so a slow team does not delay a "hello". Meanwhile it uses the team's last list.
While a list is missing, the model has an extra tool that waits for it.
"""

import asyncio
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from agents import Agent, FunctionTool, RunContextWrapper, Tool

    from workshop_lib.agents.conversation import Answer, Chat, Message
    from workshop_lib.agents.openai_agents import AgentConversation
    from workshop_lib.evidence.failures import kind, reason

MORE_TOOLS = "more_tools"
_HERE = "Every team that could be asked has listed its tools."
_PATIENCE = timedelta(seconds=0.5)  # saves a call of the model where all lists come quickly
_MOST_QUESTIONS = 3  # to one team at the same time: an earlier one may be waiting for a Worker that has died


class DiscoveringConversation(AgentConversation):
    """The base of a workflow class whose agent uses the tools that other teams offer at the moment.

    The last list of each team is in ``chat.offered``, so the next execution of the conversation has it, too.

    Args:
        chat: See ``Conversation``.
    """

    @workflow.init
    def __init__(self, chat: Chat) -> None:
        super().__init__(chat)
        self._questions: dict[str, list[asyncio.Task[None]]] = {}  # by team, the latest last
        self._asked = 0  # questions so far
        self._heard: dict[str, int] = {}  # which of them a team's tools come from
        self._failed: dict[str, Exception] = {}  # the error that a team's latest answer was
        self._waited = False  # whether this turn has waited for the lists

    @abstractmethod
    def teams(self) -> Sequence[str]:
        """Return the names of the teams. If two have a tool of the same name, the model keeps the one it had first."""

    @abstractmethod
    async def offered(self, team: str) -> list[dict[str, Any]]:
        """Ask a team which tools it has. Implementations set a generous limit.

        Args:
            team: The name of the team.

        Returns:
            The tools as JSON; each has a ``name``.

        Raises:
            FailureError: The team could not be asked.
        """

    @abstractmethod
    def tool(self, team: str, described: dict[str, Any]) -> FunctionTool:
        """Make a tool for the model.

        Args:
            team: The team that offers it.
            described: One of the tools that ``offered`` returned.
        """

    async def ready(self) -> Agent[None]:
        """The agent, with its own tools and the known tools of the teams."""
        agent = self.agent()
        tools: dict[str, Tool] = {tool.name: tool for tool in agent.tools}
        for team in self.teams():
            for described in self.chat.offered.get(team, []):
                tools.setdefault(described["name"], self._current(team, self.tool(team, described)))
        return replace(agent, tools=list(tools.values()), mcp_servers=[])

    def completed(self, agent: Agent[None]) -> Agent[None]:
        """See base class."""
        missing = [team for team, asked in self._questions.items() if not asked[-1].done() or team in self._failed]
        if self._waited or not missing:
            return agent
        what = f"Waits for the tools of teams that have not listed them yet: {', '.join(missing)}."
        what += " Call this if none of your other tools fits the request."
        nothing = {"type": "object", "properties": {}}
        more = FunctionTool(MORE_TOOLS, what, nothing, self._wait, strict_json_schema=False)
        return replace(agent, tools=[*agent.tools, more], tool_use_behavior={"stop_at_tool_names": [MORE_TOOLS]})

    async def answer(self, messages: list[Message]) -> Answer:
        """See base class."""
        self._waited = False
        self._ask(self.teams())
        # It does not wait here for a team that still owes an earlier answer.
        if prompt := [asked[-1] for asked in self._questions.values() if len(asked) == 1]:
            await workflow.wait(prompt, timeout=_PATIENCE.total_seconds())
        answer = await super().answer(messages)
        if answer.text != _HERE:
            return answer
        more = await super().answer([*messages, *answer.messages])
        unknown = [f"I could not ask {team} for its tools. {reason(why)}" for team, why in self._failed.items()]
        return replace(more, text=" ".join([more.text, *unknown]), messages=[*answer.messages, *more.messages])

    def _ask(self, teams: Sequence[str]) -> None:
        for team in teams:
            pending = [asked for asked in self._questions.get(team, []) if not asked.done()]
            if len(pending) < _MOST_QUESTIONS:
                self._asked += 1
                pending.append(asyncio.create_task(self._hear(team, self._asked)))
            self._questions[team] = pending

    async def _hear(self, team: str, question: int) -> None:
        try:
            tools, failed = await self.offered(team), None
        except Exception as error:  # any error is reported to the user who needs this team's tools
            tools, failed = None, error
        if question < self._heard.get(team, 0):
            return  # a later question has been answered already
        self._failed.pop(team, None)
        if failed:
            self._failed[team] = failed
        if tools is not None:
            self._heard[team] = question
            others = [each for other, known in self.chat.offered.items() if other != team for each in known]
            taken = {each["name"] for each in others}
            self.chat.offered[team] = [each for each in tools if each["name"] not in taken]

    async def _wait(self, context: RunContextWrapper[Any], arguments: str) -> str:
        self._ask([team for team, asked in self._questions.items() if asked[-1].done() and team in self._failed])
        await workflow.wait([asked[-1] for asked in self._questions.values()])
        self._waited = True
        return _HERE

    def _current(self, team: str, tool: FunctionTool) -> FunctionTool:
        """A tool that checks first whether its team still offers it: a new list may come after the model was asked."""

        async def invoke(context: Any, arguments: str) -> Any:
            await workflow.wait([self._questions[team][-1]])
            failed = self._failed.get(team)
            if failed and kind(failed) == TimeoutError.__name__:
                raise failed  # it has waited for the team as long as a tool may take
            if not any(each["name"] == tool.name for each in self.chat.offered.get(team, [])):
                return f"Unknown tool {tool.name!r}: {team} no longer offers it."
            return await tool.on_invoke_tool(context, arguments)

        return replace(tool, on_invoke_tool=invoke)
