"""Answers to the exercises of notebook 04, right and wrong. A plain module: the sandbox imports it."""

# No `from __future__ import annotations`: see workshop_lib/agents/conversation.py.

import asyncio
from datetime import timedelta
from functools import partial
from typing import Any

from temporalio import activity, workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError, ChildWorkflowError

with workflow.unsafe.imports_passed_through():
    from answers_nb03 import agent

    from workshop_lib.agents import loop
    from workshop_lib.agents.conversation import Answer, Conversation, Message
    from workshop_lib.agents.model.calls import ask_model
    from workshop_lib.evidence.ledger import note
    from workshop_lib.teams.it.activities import count_issues
    from workshop_lib.teams.it.contract import JiraMetrics, ProjectQuery
    from workshop_lib.teams.it.workflows import MeasureProject
    from workshop_lib.workers import takeover

LIMIT: dict[str, Any] = {"start_to_close_timeout": timedelta(seconds=5), "heartbeat_timeout": timedelta(seconds=2)}
ABANDON = workflow.ParentClosePolicy.ABANDON


# 4.1


@activity.defn
def record(text: str) -> None:
    note("told a customer", once=takeover.idempotency_key(), text=text)


async def counted(project: Any, **options: Any) -> JiraMetrics:
    return await workflow.execute_activity(count_issues, project, **LIMIT, **options)


async def kept(text: Any) -> Any:
    await workflow.execute_activity(record, text, **LIMIT)
    return text


def sentence(found: JiraMetrics) -> str:
    return f"{found.project}: {found.open} issues are open, {found.closed} were closed."


def report(function: Any) -> Any:
    """Make a function a Workflow of its name."""

    async def run(self, query: ProjectQuery) -> Any:  # type: ignore[no-untyped-def]
        return await function(query)

    run.__qualname__ = f"{function.__name__}.run"
    members = {"__module__": function.__module__, "run": workflow.run(run)}
    return workflow.defn(type(function.__name__, (), members))


@report
async def as_in_the_solution(query: ProjectQuery) -> str:
    return str(await kept(sentence(await counted(query.project))))


@report
async def by_name(query: ProjectQuery) -> str:
    found = await workflow.execute_activity("count_issues", query.project, **LIMIT)
    text = f"Project {query.project} has closed {found['closed']} issues, and {found['open']} are open."
    await workflow.execute_activity("record", text, **LIMIT)
    return text


@report
async def says_why(query: ProjectQuery) -> Any:
    try:
        return await kept(sentence(await counted(query.project)))
    except ActivityError as error:
        raise ApplicationError(f"No report of {query.project}.") from error


@report
async def never_records(query: ProjectQuery) -> str:
    return sentence(await counted(query.project))


@report
async def records_twice(query: ProjectQuery) -> Any:
    return await kept(await kept(sentence(await counted(query.project))))


@report
async def only_the_open(query: ProjectQuery) -> Any:
    found = await counted(query.project)
    return await kept(f"{found.project} has {found.open} open issues.")


@report
async def calls_the_function(query: ProjectQuery) -> Any:
    return await kept(sentence(count_issues(query.project)))


@report
async def counts_locally(query: ProjectQuery) -> Any:
    limit = timedelta(seconds=5)
    found = await workflow.execute_local_activity(count_issues, query.project, start_to_close_timeout=limit)
    return await kept(sentence(found))


@report
async def no_await(query: ProjectQuery) -> Any:
    return await kept(sentence(counted(query.project)))  # type: ignore[arg-type]


@report
async def gives_the_query(query: ProjectQuery) -> Any:
    return await kept(sentence(await counted(query)))


@report
async def counts_once_only(query: ProjectQuery) -> Any:
    return await kept(sentence(await counted(query.project, retry_policy=RetryPolicy(maximum_attempts=1))))


@report
async def swallows_the_unknown(query: ProjectQuery) -> Any:
    try:
        return await kept(sentence(await counted(query.project)))
    except ActivityError:
        return f"There is no project {query.project}."


@report
async def records_the_failure(query: ProjectQuery) -> Any:
    try:
        return await kept(sentence(await counted(query.project)))
    except ActivityError:
        await kept(f"There is no project {query.project}.")
        raise


def unfinished(*given: Any) -> Any:
    raise ApplicationError("not solved yet", non_retryable=True)


@report
async def no_report(query: ProjectQuery) -> Any:
    return unfinished()


# 4.2


class Assistants(Conversation):
    """All of exercise 4.2 but what a learner writes."""

    async def answer(self, messages: list[Message]) -> Answer:
        return await loop.answer("Use your tools.", messages, self.tools(), partial(ask_model, self.chat), self.note)

    def tools(self) -> list[Any]:
        return [loop.Tool("jira_metrics", "Jira metrics of a project.", ProjectQuery, self.jira_metrics)]

    async def jira_metrics(self, query: ProjectQuery) -> Any:
        return await workflow.execute_child_workflow(MeasureProject.run, query, id=self.id(query))

    def id(self, query: ProjectQuery) -> str:
        return f"{workflow.info().workflow_id}-jira-{self.chat.entry_count}"


@agent(Assistants, "jira_metrics")
async def in_two_steps(self: Any, query: ProjectQuery) -> str:
    handle = await workflow.start_child_workflow("MeasureProject", query, id=str(workflow.uuid4()))
    return str(await handle)


@agent(Assistants, "jira_metrics")
async def explains(self: Any, query: ProjectQuery) -> Any:
    try:
        return await Assistants.jira_metrics(self, query)
    except ChildWorkflowError:
        return f"Sorry, I could find nothing about {query.project}."


@agent(Assistants, "tools")
def no_tool(self: Any) -> list[Any]:
    return []


@agent(Assistants, "tools")
def only_the_method(self: Any) -> list[Any]:
    return [self.jira_metrics]


@agent(Assistants, "tools")
def says_nothing(self: Any) -> list[Any]:
    return [loop.Tool("jira_metrics", "A tool of mine.", ProjectQuery, self.jira_metrics)]


@agent(Assistants, "tools")
def other_arguments(self: Any) -> list[Any]:
    return [loop.Tool("jira_metrics", "Jira metrics of a project.", JiraMetrics, self.jira_metrics)]


@agent(Assistants, "id")
def id_of_the_conversation(self: Any, query: ProjectQuery) -> str:
    return f"{workflow.info().workflow_id}-jira"


@agent(Assistants, "id")
def id_of_the_project(self: Any, query: ProjectQuery) -> str:
    return f"jira-{query.project}"


@agent(Assistants, "id")
def id_of_an_object(self: Any, query: ProjectQuery) -> str:
    return f"jira-{id(object())}"


@agent(Assistants, "jira_metrics")
async def only_starts(self: Any, query: ProjectQuery) -> str:
    await workflow.start_child_workflow(MeasureProject.run, query)
    return f"The metrics of {query.project} are on their way."


@agent(Assistants, "jira_metrics")
async def calls_it_twice(self: Any, query: ProjectQuery) -> Any:
    await workflow.execute_child_workflow(MeasureProject.run, query)
    return await workflow.execute_child_workflow(MeasureProject.run, query)


@agent(Assistants, "jira_metrics")
async def runs_it_itself(self: Any, query: ProjectQuery) -> Any:
    return await MeasureProject().run(query)


@agent(Assistants, "jira_metrics")
async def hushes_up(self: Any, query: ProjectQuery) -> Any:
    try:
        return await Assistants.jira_metrics(self, query)
    except ChildWorkflowError:
        return "Something went wrong."


solution = agent(Assistants, "jira_metrics", "solution")(Assistants.jira_metrics)
not_begun = agent(Assistants, "tools", "not_begun")(unfinished)
no_method = agent(Assistants, "jira_metrics", "no_method")(unfinished)


# 4.3


@workflow.defn
class YearlyReport:
    @workflow.run
    async def run(self, query: ProjectQuery) -> None:
        await workflow.execute_activity(count_issues, query.project, **LIMIT)


class Reporters(Conversation):
    """All of exercise 4.3 but what a learner writes."""

    async def answer(self, messages: list[Message]) -> Answer:
        tool = loop.Tool("order_report", "Order the yearly report of a project.", ProjectQuery, self.order_report)
        return await loop.answer("Use your tools.", messages, [tool], partial(ask_model, self.chat), self.note)

    order_report = unfinished


async def started(query: Any, id: str | None = None, policy: Any = ABANDON) -> Any:
    child: Any = YearlyReport.run
    return await workflow.start_child_workflow(child, query, id=id, parent_close_policy=policy)


ON_ITS_WAY = "The report is on its way."
order = partial(agent, Reporters, "order_report")


@order()
async def orders(self: Any, query: ProjectQuery) -> str:
    return f"We write it, as {(await started(query)).id}."


@order()
async def with_an_id(self: Any, query: ProjectQuery) -> str:
    await started(query, f"{workflow.info().workflow_id}-report-{self.chat.entry_count}")
    return ON_ITS_WAY


@order()
async def in_a_task(self: Any, query: ProjectQuery) -> str:
    self.task = asyncio.create_task(
        workflow.execute_child_workflow(YearlyReport.run, query, parent_close_policy=ABANDON)
    )
    return ON_ITS_WAY


@order()
async def waits(self: Any, query: ProjectQuery) -> str:
    await workflow.execute_child_workflow(YearlyReport.run, query, parent_close_policy=ABANDON)
    return ON_ITS_WAY


@order()
async def ends_with_its_parent(self: Any, query: ProjectQuery) -> str:
    await started(query, policy=workflow.ParentClosePolicy.REQUEST_CANCEL)
    return ON_ITS_WAY


@order()
async def one_a_conversation(self: Any, query: ProjectQuery) -> str:
    await started(query, f"{workflow.info().workflow_id}-report")
    return ON_ITS_WAY


@order()
async def not_started(self: Any, query: ProjectQuery) -> str:
    started(query)  # type: ignore[unused-coroutine]
    return ON_ITS_WAY


@order()
async def always_the_same(self: Any, query: ProjectQuery) -> str:
    await started(ProjectQuery("OPS"))
    return ON_ITS_WAY


@order()
async def gives_the_text(self: Any, query: ProjectQuery) -> str:
    await started(query.project)
    return ON_ITS_WAY


@order()
async def returns_nothing(self: Any, query: ProjectQuery) -> None:
    await started(query)


no_order = agent(Reporters, "order_report", "no_order")(unfinished)


RIGHT: dict[str, dict[str, Any]] = {
    "4.1": {"as in the solution": as_in_the_solution, "by name": by_name, "says why": says_why},
    "4.2": {"as in the solution": solution, "in two steps": in_two_steps, "explains": explains},
    "4.3": {"as in the solution": orders, "with an id": with_an_id, "in a task": in_a_task},
}
_ONE_TEXT = "Count first, then make one `text`"
_LET_PASS = "Let the failure of `count_issues` pass"
_ONE_CHILD = "Call the workflow once, set it no limit, wait for its end and return its result"
WRONG: dict[str, dict[str, tuple[Any, str]]] = {
    "4.1": {
        "never records": (never_records, "Ask for `record`, with `await`"),
        "records twice": (records_twice, _ONE_TEXT),
        "only the open": (only_the_open, _ONE_TEXT),
        "calls the function": (calls_the_function, "The history shows no activity `count_issues`"),
        "counts locally": (counts_locally, "The history shows no activity `count_issues`"),
        "no await": (no_await, "is an `await` missing?"),
        "gives the query": (gives_the_query, "Ask Temporal for it, with the project's name"),
        "counts once only": (counts_once_only, "no `maximum_attempts`"),
        "swallows the unknown": (swallows_the_unknown, _LET_PASS),
        "records the failure": (records_the_failure, _LET_PASS),
    },
    "4.2": {
        "no tool": (no_tool, "The model was shown no tool"),
        "only the method": (only_the_method, "The list holds tools"),
        "says nothing": (says_nothing, "Describe it in the words of a customer"),
        "other arguments": (other_arguments, "takes closed, days, open, project"),
        "id of the conversation": (id_of_the_conversation, "each call needs its own"),
        "id of the project": (id_of_the_project, "each call needs its own"),
        "id of an object": (id_of_an_object, "A replay must come to the same id"),
        "only starts": (only_starts, _ONE_CHILD),
        "calls it twice": (calls_it_twice, _ONE_CHILD),
        "runs it itself": (runs_it_itself, _ONE_CHILD),
        "hushes up": (hushes_up, "Let the failure of the child pass"),
        "no agent": (as_in_the_solution, "inherits `Conversation`"),
    },
    "4.3": {
        "waits": (waits, "Only start it"),
        "ends with its parent": (ends_with_its_parent, "ParentClosePolicy.ABANDON"),
        "one a conversation": (one_a_conversation, "Each order needs its own id"),
        "not started": (not_started, "Start one for each order"),
        "always the same": (always_the_same, "Give each its query"),
        "gives the text": (gives_the_text, "give it the query itself"),
        "returns nothing": (returns_nothing, "Return a sentence: the report is on its way"),
    },
}
STUBS: dict[str, Any] = {
    "4.1": no_report,
    "4.2": {"the stub": not_begun, "half of it": no_method},
    "4.3": no_order,
}
