"""An agent that asks other teams, in each turn, which tools they have. Demos 3 and 4 share it.

The teams are asked in the background, and nobody says "hello" to a team that is slow. What a team said last is used
meanwhile. While a list is missing, the model has one tool more, which waits for it: a slow list is not an empty one.
"""

# No `from __future__ import annotations`: see workshop_lib/agents/conversation.py.

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
_HERE = "Every team that could be asked has said now which tools it has."
_PATIENCE = timedelta(seconds=0.5)  # spares a call of the model where all lists are quick; nothing is given up with it
_MOST_QUESTIONS = 3  # to one team at the same time: one from an earlier turn may be waiting for a Worker that has died


class DiscoveringConversation(AgentConversation):
    """The base of a workflow class whose agent has tools of other teams, as they offer them in each turn.

    What they said last is in ``chat.offered``, so that the next execution of the conversation has it, too.

    Args:
        chat: As for ``Conversation``.
    """

    @workflow.init
    def __init__(self, chat: Chat) -> None:
        super().__init__(chat)
        self._questions: dict[str, list[asyncio.Task[None]]] = {}  # to each team, the latest last
        self._asked = 0  # questions so far
        self._heard: dict[str, int] = {}  # from which of them a team's tools are
        self._failed: dict[str, Exception] = {}  # why a team's latest answer is not a list
        self._waited = False  # for the teams' lists, in this turn

    @abstractmethod
    def teams(self) -> Sequence[str]:
        """The names of the teams. Of two tools with one name, the model has the one that it had first."""

    @abstractmethod
    async def offered(self, team: str) -> list[dict[str, Any]]:
        """Ask a team which tools it has. This has its own limit, which is generous.

        Args:
            team: Its name.

        Returns:
            The tools as JSON: each has a ``name``.

        Raises:
            FailureError: It could not be asked.
        """

    @abstractmethod
    def tool(self, team: str, described: dict[str, Any]) -> FunctionTool:
        """Make a tool for the model.

        Args:
            team: Whose it is.
            described: One tool, as ``offered`` returns it.
        """

    async def ready(self) -> Agent[None]:
        """The agent, with its own tools and those that are known of the teams."""
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
        what = f"Waits for the tools of teams that have not said yet which tools they have: {', '.join(missing)}."
        more = FunctionTool(
            MORE_TOOLS,
            f"{what} Call this if none of your other tools fits the request.",
            {"type": "object", "properties": {}},
            self._wait,
            strict_json_schema=False,
        )
        return replace(agent, tools=[*agent.tools, more], tool_use_behavior={"stop_at_tool_names": [MORE_TOOLS]})

    async def answer(self, messages: list[Message]) -> Answer:
        """See base class."""
        self._waited = False
        self._ask(self.teams())
        # A team whose earlier answer is still missing is not waited for here.
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
        except Exception as error:  # whatever it is, whoever asks for this team's tools learns of it
            tools, failed = None, error
        if question < self._heard.get(team, 0):
            return  # a later question was answered before
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
        """A tool that is used only if its team still offers it: its list may have come after the model was asked."""

        async def invoke(context: Any, arguments: str) -> Any:
            await workflow.wait([self._questions[team][-1]])
            failed = self._failed.get(team)
            if failed and kind(failed) == TimeoutError.__name__:
                raise failed  # the team was waited for as long as a tool may take
            if not any(each["name"] == tool.name for each in self.chat.offered.get(team, [])):
                return f"Unknown tool {tool.name!r}: {team} no longer offers it."
            return await tool.on_invoke_tool(context, arguments)

        return replace(tool, on_invoke_tool=invoke)
