"""Answers to the exercises of notebook 04, right and wrong. A plain module: the sandbox imports it."""

# No `from __future__ import annotations`: see workshop_lib/agents/conversation.py.

import asyncio
import uuid
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

from temporalio import activity, workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError, ChildWorkflowError

with workflow.unsafe.imports_passed_through():
    from workshop_lib.agents import loop
    from workshop_lib.agents.conversation import Answer, Chat, Conversation, Message
    from workshop_lib.agents.model.calls import ask_model
    from workshop_lib.evidence.ledger import note
    from workshop_lib.teams.it.activities import count_issues
    from workshop_lib.teams.it.contract import JiraMetrics, ProjectQuery
    from workshop_lib.teams.it.workflows import MeasureProject
    from workshop_lib.workers import takeover

LIMIT: dict[str, Any] = {"start_to_close_timeout": timedelta(seconds=5), "heartbeat_timeout": timedelta(seconds=2)}
ONCE: dict[str, Any] = {**LIMIT, "retry_policy": RetryPolicy(maximum_attempts=1)}
ABANDON = workflow.ParentClosePolicy.ABANDON


@activity.defn
def record(text: str) -> None:
    note("told a customer", once=takeover.idempotency_key(), text=text)


async def counted(query: ProjectQuery, **options: Any) -> JiraMetrics:
    return await workflow.execute_activity(count_issues, query.project, **options or LIMIT)


async def recorded(text: Any, **options: Any) -> None:
    await workflow.execute_activity(record, text, **options or LIMIT)


def sentence(found: JiraMetrics) -> str:
    return f"{found.project}: {found.open} issues are open, {found.closed} were closed."


# 4.1


@workflow.defn
class AsInTheSolution:
    @workflow.run
    async def run(self, query: ProjectQuery) -> str:
        found = await workflow.execute_activity(count_issues, query.project, **LIMIT)
        text = sentence(found)
        await workflow.execute_activity(record, text, **LIMIT)
        return text


@workflow.defn
class ByName:
    @workflow.run
    async def run(self, query: ProjectQuery) -> str:
        limit = timedelta(seconds=5)
        found = await workflow.execute_activity("count_issues", query.project, start_to_close_timeout=limit)
        text = f"Project {query.project} has closed {found['closed']} issues, and {found['open']} are open."
        await workflow.execute_activity("record", text, start_to_close_timeout=limit)
        return text


@workflow.defn
class SaysWhy:
    @workflow.run
    async def run(self, query: ProjectQuery) -> str:
        try:
            found = await counted(query)
        except ActivityError as error:
            raise ApplicationError(f"No report of {query.project}.") from error
        text = f"{found.project}\nopen: {found.open}\nclosed: {found.closed}\nmedian: {found.days} days"
        await recorded(text)
        return text


@workflow.defn
class NoTimeout:
    @workflow.run
    async def run(self, query: ProjectQuery) -> str:
        text = sentence(await workflow.execute_activity(count_issues, query.project))
        await recorded(text)
        return text


@workflow.defn
class NoTimeoutToRecord:
    @workflow.run
    async def run(self, query: ProjectQuery) -> str:
        text = sentence(await counted(query))
        await workflow.execute_activity(record, text)
        return text


@workflow.defn
class RecordsFirst:
    @workflow.run
    async def run(self, query: ProjectQuery) -> str:
        await recorded(f"Somebody asks for {query.project}.")
        return sentence(await counted(query))


@workflow.defn
class RecordsSomethingElse:
    @workflow.run
    async def run(self, query: ProjectQuery) -> str:
        text = sentence(await counted(query))
        await recorded(text)
        return f"Dear customer, {text}"


@workflow.defn
class RecordsTheMetrics:
    @workflow.run
    async def run(self, query: ProjectQuery) -> str:
        found = await counted(query)
        await recorded(found)
        return sentence(found)


@workflow.defn
class RecordsTwice:
    @workflow.run
    async def run(self, query: ProjectQuery) -> str:
        text = sentence(await counted(query))
        await recorded(text)
        await recorded(text)
        return text


@workflow.defn
class NeverRecords:
    @workflow.run
    async def run(self, query: ProjectQuery) -> str:
        return sentence(await counted(query))


@workflow.defn
class NotesItself:
    @workflow.run
    async def run(self, query: ProjectQuery) -> str:
        text = sentence(await counted(query))
        note("told a customer", text=text)
        return text


@workflow.defn
class CountsItself:
    @workflow.run
    async def run(self, query: ProjectQuery) -> str:
        text = sentence(count_issues(query.project))
        await recorded(text)
        return text


@workflow.defn
class AwaitsTheFunction:
    @workflow.run
    async def run(self, query: ProjectQuery) -> str:
        text = sentence(await count_issues(query.project))  # type: ignore[misc]
        await recorded(text)
        return text


@workflow.defn
class RecordsItself:
    @workflow.run
    async def run(self, query: ProjectQuery) -> str:
        text = sentence(await counted(query))
        record(text)
        return text


@workflow.defn
class MakesNumbersUp:
    @workflow.run
    async def run(self, query: ProjectQuery) -> str:
        text = f"{query.project}: 4 issues are open, 3 were closed."
        await recorded(text)
        return text


@workflow.defn
class SwallowsTheUnknown:
    @workflow.run
    async def run(self, query: ProjectQuery) -> str:
        try:
            text = sentence(await counted(query))
        except ActivityError:
            text = f"There is no project {query.project}."
        await recorded(text)
        return text


@workflow.defn
class SwallowsQuietly:
    @workflow.run
    async def run(self, query: ProjectQuery) -> str:
        try:
            text = sentence(await counted(query))
        except ActivityError:
            return f"There is no project {query.project}."
        await recorded(text)
        return text


@workflow.defn
class RecordsTheFailure:
    @workflow.run
    async def run(self, query: ProjectQuery) -> str:
        try:
            text = sentence(await counted(query))
        except ActivityError:
            await recorded(f"There is no project {query.project}.")
            raise
        await recorded(text)
        return text


@workflow.defn
class LosesTheReason:
    @workflow.run
    async def run(self, query: ProjectQuery) -> str:
        try:
            text = sentence(await counted(query))
        except ActivityError:
            raise ApplicationError("It failed.") from None
        await recorded(text)
        return text


@workflow.defn
class RaisesAPlainError:
    @workflow.run
    async def run(self, query: ProjectQuery) -> str:
        try:
            text = sentence(await counted(query))
        except ActivityError:
            raise ValueError(query.project) from None
        await recorded(text)
        return text


@workflow.defn
class TriesForEver:
    @workflow.run
    async def run(self, query: ProjectQuery) -> str:
        while True:
            try:
                text = sentence(await counted(query))
                break
            except ActivityError:
                await workflow.sleep(1)
        await recorded(text)
        return text


@workflow.defn
class CountsOnceOnly:
    @workflow.run
    async def run(self, query: ProjectQuery) -> str:
        text = sentence(await counted(query, **ONCE))
        await recorded(text)
        return text


@workflow.defn
class RecordsOnceOnly:
    @workflow.run
    async def run(self, query: ProjectQuery) -> str:
        text = sentence(await counted(query))
        await recorded(text, **ONCE)
        return text


@workflow.defn
class ReturnsTheMetrics:
    @workflow.run
    async def run(self, query: ProjectQuery) -> str:
        found = await counted(query)
        await recorded(sentence(found))
        return found  # type: ignore[return-value]


@workflow.defn
class RecordsAndReturnsTheMetrics:
    @workflow.run
    async def run(self, query: ProjectQuery) -> JiraMetrics:
        found = await counted(query)
        await recorded(found)
        return found


@workflow.defn
class ReturnsNothing:
    @workflow.run
    async def run(self, query: ProjectQuery) -> str:
        await recorded(sentence(await counted(query)))
        return None  # type: ignore[return-value]


@workflow.defn
class NoAwaitOfTheCount:
    @workflow.run
    async def run(self, query: ProjectQuery) -> str:
        text = sentence(workflow.execute_activity(count_issues, query.project, **LIMIT))  # type: ignore[arg-type]
        await recorded(text)
        return text


@workflow.defn
class NoAwaitOfTheRecord:
    @workflow.run
    async def run(self, query: ProjectQuery) -> str:
        text = sentence(await counted(query))
        workflow.execute_activity(record, text, **LIMIT)  # type: ignore[unused-coroutine]
        return text


@workflow.defn
class NoNumbers:
    @workflow.run
    async def run(self, query: ProjectQuery) -> str:
        found = await counted(query)
        text = f"{found.project} has open issues."
        await recorded(text)
        return text


@workflow.defn
class OnlyTheOpen:
    @workflow.run
    async def run(self, query: ProjectQuery) -> str:
        found = await counted(query)
        text = f"{found.project} has {found.open} open issues."
        await recorded(text)
        return text


@workflow.defn
class NoProject:
    @workflow.run
    async def run(self, query: ProjectQuery) -> str:
        found = await counted(query)
        text = f"{found.open} issues are open, {found.closed} were closed."
        await recorded(text)
        return text


@workflow.defn
class GivesTheQuery:
    @workflow.run
    async def run(self, query: ProjectQuery) -> str:
        text = sentence(await workflow.execute_activity(count_issues, query, **LIMIT))  # type: ignore[arg-type]
        await recorded(text)
        return text


@workflow.defn
class NoReport:
    @workflow.run
    async def run(self, query: ProjectQuery) -> str:
        raise ApplicationError("not solved yet", non_retryable=True)


# 4.2


def an_agent(answer: Any) -> Any:
    """Make a class a workflow that converses."""

    async def run(self, chat: Chat) -> int:  # type: ignore[no-untyped-def]
        return await self.converse()  # type: ignore[no-any-return]

    run.__qualname__ = f"{answer.__qualname__}.run"
    answer.run = workflow.run(run)
    return workflow.defn(answer)


WHAT = "Jira metrics of a project: its open and its closed issues."


@dataclass
class WeatherQuery:
    city: str


class Assistants(Conversation):
    """All of exercise 4.2 but what a learner writes."""

    async def answer(self, messages: list[Message]) -> Answer:
        return await loop.answer("Use your tools.", messages, self.tools(), partial(ask_model, self.chat), self.note)

    def tools(self) -> list[Any]:
        return [loop.Tool("jira_metrics", WHAT, ProjectQuery, self.jira_metrics)]

    async def jira_metrics(self, query: ProjectQuery) -> Any:
        return await workflow.execute_child_workflow(MeasureProject.run, query, id=self.id())

    def id(self) -> str:
        return f"{workflow.info().workflow_id}-jira-{self.chat.entry_count}"


@an_agent
class MyAssistant(Assistants):
    pass


@an_agent
class WithoutAnId(Assistants):
    async def jira_metrics(self, query: ProjectQuery) -> JiraMetrics:
        return await workflow.execute_child_workflow(MeasureProject.run, query)


@an_agent
class WithAUuid(Assistants):
    def id(self) -> str:
        return str(workflow.uuid4())


@workflow.defn
class InTwoSteps(Assistants):
    @workflow.run
    async def run(self, chat: Chat) -> int:
        self.calls = 0
        return await self.converse()

    def tools(self) -> list[Any]:
        return [loop.Tool("project_report", "How many issues a project has", ProjectQuery, self.jira_metrics)]

    async def jira_metrics(self, query: ProjectQuery) -> str:
        self.calls += 1
        id = f"{workflow.info().run_id}/{self.calls}"
        handle = await workflow.start_child_workflow("MeasureProject", query, id=id)
        return str(await handle)


@an_agent
class Explains(Assistants):
    async def jira_metrics(self, query: ProjectQuery) -> Any:
        try:
            return await super().jira_metrics(query)
        except ChildWorkflowError:
            return f"Sorry, I could find nothing about {query.project}."


@an_agent
class NoTool(Assistants):
    def tools(self) -> list[Any]:
        return []


@an_agent
class OnlyTheMethod(Assistants):
    def tools(self) -> list[Any]:
        return [self.jira_metrics]


@an_agent
class CallsTheMethod(Assistants):
    def tools(self) -> list[Any]:
        method: Any = self.jira_metrics
        return [loop.Tool("jira_metrics", WHAT, ProjectQuery, method())]


@an_agent
class MixesTheArguments(Assistants):
    def tools(self) -> list[Any]:
        tool: Any = loop.Tool
        return [tool("jira_metrics", ProjectQuery, WHAT, self.jira_metrics)]


@an_agent
class NoDescription(Assistants):
    def tools(self) -> list[Any]:
        return [loop.Tool("jira_metrics", "", ProjectQuery, self.jira_metrics)]


@an_agent
class UselessDescription(Assistants):
    def tools(self) -> list[Any]:
        return [loop.Tool("jira_metrics", "A tool of mine.", ProjectQuery, self.jira_metrics)]


@an_agent
class UselessName(Assistants):
    def tools(self) -> list[Any]:
        return [loop.Tool("tool_1", "Does something.", ProjectQuery, self.jira_metrics)]


@an_agent
class OtherArguments(Assistants):
    def tools(self) -> list[Any]:
        return [loop.Tool("jira_metrics", WHAT, JiraMetrics, self.jira_metrics)]


@an_agent
class TextArguments(Assistants):
    def tools(self) -> list[Any]:
        return [loop.Tool("jira_metrics", WHAT, str, self.jira_metrics)]


@an_agent
class GivesTheProject(Assistants):
    async def jira_metrics(self, query: ProjectQuery) -> Any:
        child: Any = MeasureProject.run
        return await workflow.execute_child_workflow(child, query.project, id=self.id())


@an_agent
class ConstantId(Assistants):
    def id(self) -> str:
        return "jira"


@an_agent
class IdOfTheConversation(Assistants):
    def id(self) -> str:
        return f"{workflow.info().workflow_id}-jira"


@an_agent
class IdOfTheProject(Assistants):
    async def jira_metrics(self, query: ProjectQuery) -> JiraMetrics:
        id = f"jira-{query.project}"
        return await workflow.execute_child_workflow(MeasureProject.run, query, id=id)


@an_agent
class RandomId(Assistants):
    def id(self) -> str:
        return str(uuid.uuid4())


@an_agent
class IdOfAnObject(Assistants):
    def id(self) -> str:
        return f"jira-{id(object())}"


@an_agent
class TwoTools(Assistants):
    def tools(self) -> list[Any]:
        counted = loop.activity_tool(count_issues, **LIMIT)
        return [loop.Tool("weather", "The weather.", WeatherQuery, counted.call), *super().tools()]


@an_agent
class OnlyStarts(Assistants):
    async def jira_metrics(self, query: ProjectQuery) -> str:
        await workflow.start_child_workflow(MeasureProject.run, query, id=self.id())
        return f"The metrics of {query.project} are on their way."


@an_agent
class ReturnsTheHandle(Assistants):
    async def jira_metrics(self, query: ProjectQuery) -> Any:
        return await workflow.start_child_workflow(MeasureProject.run, query, id=self.id())


@an_agent
class AnActivity(Assistants):
    async def jira_metrics(self, query: ProjectQuery) -> JiraMetrics:
        return await counted(query)


@an_agent
class RunsItself(Assistants):
    async def jira_metrics(self, query: ProjectQuery) -> JiraMetrics:
        return await MeasureProject().run(query)


@an_agent
class CallsTheFunction(Assistants):
    async def jira_metrics(self, query: ProjectQuery) -> JiraMetrics:
        return count_issues(query.project)


@an_agent
class NoAwait(Assistants):
    async def jira_metrics(self, query: ProjectQuery) -> Any:
        return workflow.execute_child_workflow(MeasureProject.run, query, id=self.id())


@an_agent
class ReturnsNoMetrics(Assistants):
    async def jira_metrics(self, query: ProjectQuery) -> None:
        await workflow.execute_child_workflow(MeasureProject.run, query, id=self.id())


@an_agent
class CallsRun(Assistants):
    async def jira_metrics(self, query: ProjectQuery) -> Any:
        run: Any = MeasureProject.run
        return await workflow.execute_child_workflow(run(query), id=self.id())


@an_agent
class GivesTheClass(Assistants):
    async def jira_metrics(self, query: ProjectQuery) -> Any:
        child: Any = MeasureProject
        return await workflow.execute_child_workflow(child, query, id=self.id())


@an_agent
class HushesUp(Assistants):
    async def jira_metrics(self, query: ProjectQuery) -> Any:
        try:
            return await super().jira_metrics(query)
        except ChildWorkflowError:
            return "Something went wrong."


@an_agent
class RaisesItsOwn(Assistants):
    async def jira_metrics(self, query: ProjectQuery) -> Any:
        try:
            return await super().jira_metrics(query)
        except ChildWorkflowError as error:
            raise ValueError(f"no project {query.project}") from error


@an_agent
class InAHurry(Assistants):
    async def jira_metrics(self, query: ProjectQuery) -> JiraMetrics:
        limit = timedelta(milliseconds=80)
        return await workflow.execute_child_workflow(MeasureProject.run, query, id=self.id(), execution_timeout=limit)


@an_agent
class NoMethod(Assistants):
    async def jira_metrics(self, query: ProjectQuery) -> JiraMetrics:
        raise ApplicationError("not solved yet", non_retryable=True)


@an_agent
class NotBegun(Assistants):
    def tools(self) -> list[Any]:
        raise ApplicationError("not solved yet", non_retryable=True)


# 4.3


@workflow.defn
class YearlyReport:
    @workflow.run
    async def run(self, query: ProjectQuery) -> None:
        await workflow.execute_activity(count_issues, query.project, start_to_close_timeout=timedelta(seconds=30))


class Reporters(Conversation):
    """All of exercise 4.3 but what a learner writes."""

    async def answer(self, messages: list[Message]) -> Answer:
        tool = loop.Tool("order_report", "Order the yearly report of a project.", ProjectQuery, self.order_report)
        return await loop.answer("Use your tools.", messages, [tool], partial(ask_model, self.chat), self.note)

    async def order_report(self, query: ProjectQuery) -> Any:
        raise ApplicationError("not solved yet", non_retryable=True)

    async def start(self, query: Any, id: str = "", policy: Any = ABANDON) -> Any:
        id = id or f"{workflow.info().workflow_id}-report-{self.chat.entry_count}"
        child: Any = YearlyReport.run
        return await workflow.start_child_workflow(child, query, id=id, parent_close_policy=policy)


def on_its_way(query: ProjectQuery) -> str:
    return f"The report of {query.project} is on its way."


@an_agent
class NoOrder(Reporters):
    pass


@an_agent
class ReportAgent(Reporters):
    async def order_report(self, query: ProjectQuery) -> str:
        await self.start(query)
        return on_its_way(query)


@an_agent
class WithoutAnOrderId(Reporters):
    async def order_report(self, query: ProjectQuery) -> str:
        handle = await workflow.start_child_workflow(YearlyReport.run, query, parent_close_policy=ABANDON)
        return f"We write it, as {handle.id}."


@an_agent
class InATask(Reporters):
    async def order_report(self, query: ProjectQuery) -> str:
        id = f"{workflow.info().workflow_id}-report-{self.chat.entry_count}"
        self.task = asyncio.create_task(
            workflow.execute_child_workflow(YearlyReport.run, query, id=id, parent_close_policy=ABANDON)
        )
        return on_its_way(query)


@an_agent
class InATaskWithItsParent(Reporters):
    async def order_report(self, query: ProjectQuery) -> str:
        self.task = asyncio.create_task(workflow.execute_child_workflow(YearlyReport.run, query))
        return on_its_way(query)


@an_agent
class InATaskAtTheEnd(Reporters):
    async def order_report(self, query: ProjectQuery) -> str:
        self.task = asyncio.create_task(self.later(query))
        return on_its_way(query)

    async def later(self, query: ProjectQuery) -> None:
        await workflow.sleep(5)
        await self.start(query)


@an_agent
class AnActivityInATask(Reporters):
    async def order_report(self, query: ProjectQuery) -> str:
        self.task = asyncio.create_task(counted(query))
        return on_its_way(query)


@an_agent
class Waits(Reporters):
    async def order_report(self, query: ProjectQuery) -> str:
        id = f"{workflow.info().workflow_id}-report-{self.chat.entry_count}"
        await workflow.execute_child_workflow(YearlyReport.run, query, id=id, parent_close_policy=ABANDON)
        return on_its_way(query)


@an_agent
class AwaitsTheHandle(Reporters):
    async def order_report(self, query: ProjectQuery) -> str:
        await (await self.start(query))
        return on_its_way(query)


@an_agent
class DiesWithItsParent(Reporters):
    async def order_report(self, query: ProjectQuery) -> str:
        await self.start(query, policy=workflow.ParentClosePolicy.TERMINATE)
        return on_its_way(query)


@an_agent
class CancelledWithItsParent(Reporters):
    async def order_report(self, query: ProjectQuery) -> str:
        await self.start(query, policy=workflow.ParentClosePolicy.REQUEST_CANCEL)
        return on_its_way(query)


@an_agent
class ConstantOrderId(Reporters):
    async def order_report(self, query: ProjectQuery) -> str:
        await self.start(query, "report")
        return on_its_way(query)


@an_agent
class OneOrderAConversation(Reporters):
    async def order_report(self, query: ProjectQuery) -> str:
        await self.start(query, f"{workflow.info().workflow_id}-report")
        return on_its_way(query)


@an_agent
class OrderIdOfTheProject(Reporters):
    async def order_report(self, query: ProjectQuery) -> str:
        await self.start(query, f"report-{query.project}")
        return on_its_way(query)


@an_agent
class SwallowsTheSecondOrder(Reporters):
    async def order_report(self, query: ProjectQuery) -> str:
        try:
            await self.start(query, f"{workflow.info().workflow_id}-report")
        except Exception as error:
            workflow.logger.debug("%s", error)
        return on_its_way(query)


@an_agent
class StartsNothing(Reporters):
    async def order_report(self, query: ProjectQuery) -> str:
        return on_its_way(query)


@an_agent
class NoAwaitOfTheStart(Reporters):
    async def order_report(self, query: ProjectQuery) -> str:
        self.start(query)  # type: ignore[unused-coroutine]
        return on_its_way(query)


@an_agent
class GivesTheHandle(Reporters):
    async def order_report(self, query: ProjectQuery) -> Any:
        return await self.start(query)


@an_agent
class SaysNothing(Reporters):
    async def order_report(self, query: ProjectQuery) -> None:
        await self.start(query)


@an_agent
class OrdersTheText(Reporters):
    async def order_report(self, query: ProjectQuery) -> str:
        await self.start(query.project)
        return on_its_way(query)


RIGHT: dict[str, dict[str, Any]] = {
    "4.1": {
        "as in the solution": AsInTheSolution,
        "by name": ByName,
        "says why": SaysWhy,
    },
    "4.2": {
        "as in the solution": MyAssistant,
        "no id": WithoutAnId,
        "workflow.uuid4": WithAUuid,
        "start, then await": InTwoSteps,
        "the class itself": GivesTheClass,
        "beside another tool": TwoTools,
        "explains the failure": Explains,
    },
    "4.3": {
        "as in the solution": ReportAgent,
        "no id": WithoutAnOrderId,
        "in a task": InATask,
    },
}
_ASK = "Ask for it: `found = await workflow.execute_activity("
_LET_PASS = "Let the failure of `count_issues` pass"
WRONG: dict[str, dict[str, tuple[Any, str]]] = {
    "4.1": {
        "no timeout": (NoTimeout, "Give each call `start_to_close_timeout"),
        "no timeout to record": (NoTimeoutToRecord, "Give each call `start_to_close_timeout"),
        "records first": (RecordsFirst, "Count first, then make one `text`"),
        "records something else": (RecordsSomethingElse, "both keep and return that"),
        "records the metrics": (RecordsTheMetrics, "Your workflow kept on record {"),
        "records twice": (RecordsTwice, "Ask for `record` once"),
        "never records": (NeverRecords, "Ask for `record`, with `await`"),
        "notes itself": (NotesItself, "Ask for `record`, with `await`"),
        "counts itself": (CountsItself, _ASK),
        "awaits the function": (AwaitsTheFunction, "A plain call runs the function in the workflow"),
        "records itself": (RecordsItself, "not a plain call"),
        "makes numbers up": (MakesNumbersUp, _ASK),
        "swallows the unknown": (SwallowsTheUnknown, _LET_PASS),
        "swallows it quietly": (SwallowsQuietly, _LET_PASS),
        "records the failure": (RecordsTheFailure, "Keep a text when `count_issues` has worked"),
        "loses the reason": (LosesTheReason, "failed with another reason"),
        "a plain error": (RaisesAPlainError, _LET_PASS),
        "tries for ever": (TriesForEver, _LET_PASS),
        "counts once only": (CountsOnceOnly, "no `maximum_attempts`"),
        "records once only": (RecordsOnceOnly, "no `maximum_attempts`"),
        "returns the metrics": (ReturnsTheMetrics, "Your workflow returned {"),
        "records and returns them": (RecordsAndReturnsTheMetrics, "Make a sentence of it"),
        "returns nothing": (ReturnsNothing, "End with `return text`"),
        "no await of the count": (NoAwaitOfTheCount, "is an `await` missing?"),
        "no await of the record": (NoAwaitOfTheRecord, "Ask for `record`, with `await`"),
        "no numbers": (NoNumbers, "It lacks `found.open` and `found.closed`"),
        "only the open": (OnlyTheOpen, "It lacks `found.closed`"),
        "no project": (NoProject, "It lacks `found.project`"),
        "gives the query": (GivesTheQuery, "takes the project's name, a text"),
        "no workflow": (record, "Keep `@workflow.defn`"),
    },
    "4.2": {
        "no tool": (NoTool, "The model was shown no tool"),
        "only the method": (OnlyTheMethod, "The list holds tools, not methods"),
        "calls the method": (CallsTheMethod, "Hand in the method itself, without a call"),
        "mixes the arguments": (MixesTheArguments, "The description comes before the type"),
        "no description": (NoDescription, "the model used it all the same"),
        "useless description": (UselessDescription, "Describe it in the words of a customer"),
        "useless name": (UselessName, "Describe it in the words of a customer"),
        "other arguments": (OtherArguments, "takes closed, days, open, project"),
        "a text as arguments": (TextArguments, "takes no arguments with a name"),
        "gives the project": (GivesTheProject, "takes the query itself, not a part of it"),
        "constant id": (ConstantId, "asked for two projects at once, and both calls had the id"),
        "id of the conversation": (IdOfTheConversation, "Each call needs an id of its own"),
        "id of the project": (IdOfTheProject, "Two customers asked for the same project"),
        "uuid4": (RandomId, "A replay must come to the same id"),
        "id of an object": (IdOfAnObject, "A replay must come to the same id"),
        "only starts": (OnlyStarts, "waits for the start only"),
        "returns the handle": (ReturnsTheHandle, "gives a handle, not the result"),
        "an activity": (AnActivity, "its activity stands in the agent's own history"),
        "runs it itself": (RunsItself, "its activity stands in the agent's own history"),
        "calls the function": (CallsTheFunction, "the agent's history shows nothing of it"),
        "no await": (NoAwait, "Is an `await` missing?"),
        "returns no metrics": (ReturnsNoMetrics, "Return its result"),
        "calls run": (CallsRun, "Hand in `MeasureProject.run` without a call"),
        "hushes up": (HushesUp, "Let the failure of the child pass"),
        "raises its own": (RaisesItsOwn, "Let the failure of the child pass"),
        "in a hurry": (InAHurry, "no limit"),
        "no agent": (AsInTheSolution, "inherits `Conversation`"),
    },
    "4.3": {
        "waits": (Waits, "Only start it"),
        "awaits the handle": (AwaitsTheHandle, "The customer had to wait for the report"),
        "dies with its parent": (DiesWithItsParent, "the report was terminated with the conversation"),
        "cancelled with its parent": (CancelledWithItsParent, "the report was canceled with the conversation"),
        "in a task, with its parent": (InATaskWithItsParent, "ParentClosePolicy.ABANDON"),
        "in a task, later": (InATaskAtTheEnd, "no child workflow was started"),
        "an activity": (AnActivityInATask, "no child workflow was started"),
        "constant id": (ConstantOrderId, "Each order needs an id of its own"),
        "one order a conversation": (OneOrderAConversation, "Each order needs an id of its own"),
        "id of the project": (OrderIdOfTheProject, "Each order needs an id of its own"),
        "swallows the second order": (SwallowsTheSecondOrder, "Each order needs an id of its own"),
        "starts nothing": (StartsNothing, "Start it before you return"),
        "no await": (NoAwaitOfTheStart, "Start it before you return, with `await`"),
        "gives the handle": (GivesTheHandle, "Return a sentence for the customer"),
        "says nothing": (SaysNothing, "Return a sentence: the report is on its way"),
        "orders the text": (OrdersTheText, "takes the query itself, not a part of it"),
        "no agent": (record, "inherits `Conversation`"),
        "no agent, but a workflow": (AsInTheSolution, "inherits `Conversation`"),
    },
}
STUBS: dict[str, dict[str, Any]] = {
    "4.1": {"the stub": NoReport},
    "4.2": {"the stub": NotBegun, "half of it": NoMethod},
    "4.3": {"the stub": NoOrder},
}
