"""The exercises of notebook 04: a tool that is a workflow, an agent that calls one, and one that does not wait."""

from __future__ import annotations

import re
from typing import Any

from temporalio import activity, workflow
from temporalio.api.enums.v1 import ParentClosePolicy
from temporalio.client import Client

from workshop_lib.checks.exercise import Wrong, exercise
from workshop_lib.checks.harness.talks import Talk, advised, chosen, talks, together
from workshop_lib.checks.harness.trial import NAMESPACE, Trial, ended, trial
from workshop_lib.checks.harness.turns import expected
from workshop_lib.evidence.history import History, Step, history
from workshop_lib.evidence.ledger import note
from workshop_lib.teams.it.activities import count_issues
from workshop_lib.teams.it.contract import ProjectQuery
from workshop_lib.teams.it.data import PROJECTS
from workshop_lib.teams.it.workflows import MeasureProject
from workshop_lib.workers.takeover import idempotency_key
from workshop_lib.workshop import Workshop

_NOTED = "told a customer"


@activity.defn(name="record")
def _record(text: Any) -> None:
    """As that of the notebook. What is not a text is noted, too, so that the check can show it."""
    note(_NOTED, once=idempotency_key(), text=text, workflow=activity.info().workflow_id)


def _tells(text: Any, *projects: str) -> bool:
    """Whether a text holds the numbers of some projects."""
    found = re.findall(r"\d+", text) if isinstance(text, str) else []
    return all({str(waiting), str(len(closed))} <= {*found} for waiting, closed in map(PROJECTS.__getitem__, projects))


_COUNT = "`found = await workflow.execute_activity(count_issues, query.project, **LIMIT)`"
_KEEP = "`await workflow.execute_activity(record, text, **LIMIT)`"
_PASS = "Let the failure of `count_issues` pass, with no `try` around it, and keep a text only when it has worked."
_CALLS = dict.fromkeys(
    ("Expected value", "'await' expression"), f"Ask Temporal for it, with the project's name: {_COUNT}."
)


@exercise("4.1")
async def report_kept(ws: Workshop, answer: Any) -> str:
    """Reports are made and kept once, also when a step fails; none is kept of a project that does not exist."""
    async with trial(ws, answer, [count_issues, _record]) as tried:
        await _reported(tried, "PAY", "Nothing failed")
        await _unknown(tried)
        with ws.fault("count_issues.fails"):
            await _reported(tried, "OPS", "`count_issues` failed once")
        with ws.fault("record.fails_after_effect"):
            await _reported(tried, "SHOP", "`record` failed once, after it had written")
    return (
        "Three reports were returned as they are on record, each once, although a step of two of them failed. "
        "Of a project that does not exist, nothing is on record."
    )


async def _run(tried: Trial, project: str) -> tuple[Any, str, History, list[Any]]:
    """Have one report made: what ``ended`` returns, and what is on record."""
    id = tried.ws.id("report")
    await tried.start(ProjectQuery(project), id)
    with advised(_CALLS):
        # A handle without a type: the check sees whatever was returned.
        result, failure, told = await ended(tried.client.get_workflow_handle(id))
    return result, failure, told, [each.details["text"] for each in tried.ws.ledger.entries(_NOTED, workflow=id)]


async def _reported(tried: Trial, project: str, what: str) -> None:
    """Have one report made, and compare what was returned with what is on record."""
    result, failure, told, kept = await _run(tried, project)
    if failure:
        forbidden = "What fails may pass, so it is tried again, unless you forbid it: no `maximum_attempts`."
        advice = forbidden if "The fault" in failure else f"Each step needs its `await`, and its limits: {_COUNT}."
        raise Wrong(f"{what}, and your workflow failed: {failure}", advice)
    if not any(step.kind == "activity" and step.name == "count_issues" for step in told.steps):
        advice = f"An activity is tried again when it fails, and is not done again in a replay. Ask for it: {_COUNT}."
        raise Wrong("The history shows no activity `count_issues`.", advice)
    if not kept:
        raise Wrong(f"{what}, and nothing is on record.", f"Ask for `record`, with `await`: {_KEEP}.")
    if kept != [result] or not _tells(result, project) or project not in result.upper():
        right = "one text on record, the one that is returned, with `found.project`, `found.open` and `found.closed`"
        advice = "Count first, then make one `text`, an f-string; keep it once, and return it."
        raise expected(right, f"{kept} on record, and {result!r} returned", advice)


async def _unknown(tried: Trial) -> None:
    what = "There is no project NOPE"
    try:
        result, failure, _, kept = await _run(tried, "NOPE")
    except Wrong as wrong:
        raise Wrong(f"{what}. {wrong.saw}", _PASS) from wrong
    if "UnknownProject" not in failure or kept:
        ending = f"failed with {failure!r}" if failure else f"returned {result!r}"
        raise Wrong(f"{what}, and your workflow {ending}, with {kept or 'nothing'} on record.", _PASS)


_TOOL = '`tools.append(loop.Tool("jira_metrics", "what it is for", ProjectQuery, self.jira_metrics))`'
_CHILD = "`return await workflow.execute_child_workflow(MeasureProject.run, query, id=…)`"
_ID = 'The conversation and the call belong in the id: `f"{workflow.info().workflow_id}-jira-{self.chat.entry_count}"`.'
_REPLAY = "A replay must come to the same id: `workflow.uuid4()`, or the conversation's id and `self.chat.entry_count`."
_UNSTABLE = dict.fromkeys(("RestrictedWorkflowAccessError", "ondeterminism"), _REPLAY)
_TOOL_MISTAKES = {
    **dict.fromkeys(
        ("attribute 'schema'", "Forward reference", "jira_metrics() missing"),
        f"The list holds tools: a name, a description, the type of the arguments, the method itself. {_TOOL}.",
    ),
    **dict.fromkeys(
        ("run() missing", "ChildWorkflowHandle", "coroutine", "to dataclass"),
        f"Name the workflow's `run`, give it the query itself, and `await` the end: {_CHILD}.",
    ),
    **_UNSTABLE,
}
_QUESTION = "What are the Jira metrics of {}?"
_CUSTOMER = "What do the Jira metrics of project OPS say about its open and closed issues?"


@exercise("4.2")
async def child_called(ws: Workshop, answer: Any) -> str:
    """The model finds the tool, its workflow runs as a child: for two at once, after a failure, and for nothing."""
    async with talks(ws, answer, count_issues, workflows=[MeasureProject]) as begin:
        talk, other = await begin(), await begin()
        with advised(_TOOL_MISTAKES):
            reply = await talk.say(_QUESTION.format("OPS"))
        await _shown(talk, reply)
        await _told_of(talk, reply, "OPS")
        await _nothing_found(other)
        await _three_at_once(ws, talk, other)
    return (
        "The model found the tool, and each call was a child workflow: one for a project that does not exist, and "
        "three at once, two of them for the same project and one whose activity failed once."
    )


async def _shown(talk: Talk, reply: str) -> None:
    """See to it that the model can choose the tool, and fill in its arguments."""
    shown = [tool for asked in (await talk.asked())[:1] for tool in asked.tools]
    if not shown:
        raise Wrong(f"The model was shown no tool: {reply!r}", f"Put one into the list: {_TOOL}.")
    tool = next((tool for tool in shown if tool["name"] == "jira_metrics"), shown[0])
    takes = {*tool["parameters"].get("properties", {})}
    if "project" not in takes or {*tool["parameters"].get("required", [])} - {"project"}:
        advice = f"The third part of a tool is the type of its arguments, `ProjectQuery`: {_TOOL}."
        raise expected("a tool that takes `project`", f"one that takes {', '.join(sorted(takes)) or 'nothing'}", advice)
    if not await talk.lines("call") or not chosen(tool["description"], _CUSTOMER):
        what = f"By its description alone, {tool['description']!r}, the model does not choose your tool among three"
        advice = "Describe it in the words of a customer: Jira, metrics, project, issues."
        raise Wrong(f"{what} for {_CUSTOMER!r}", advice)


def _children(told: History) -> list[Step]:
    return [step for step in told.steps if step.kind == "child workflow"]


async def _told_of(talk: Talk, reply: str, *projects: str) -> None:
    """See to it that each call was one child, and its result came back."""
    told, calls = await history(talk.handle), await talk.lines("call")
    if len(_children(told)) != len(calls) or not _tells(reply, *projects):
        names = [step.title for step in told.steps if step.kind != "update" and step.name != "call_model"]
        right = f"a child workflow for each of {len(calls)} calls, and the numbers of {' and '.join(projects)}"
        advice = f"Call the workflow once, set it no limit, wait for its end and return its result: {_CHILD}."
        raise expected(right, f"{', '.join(names) or 'nothing'} in the agent's history, and {reply!r}", advice)


async def _three_at_once(ws: Workshop, talk: Talk, other: Talk) -> None:
    """One customer asks for two projects, another one for one of them, and an activity fails once."""
    questions = _QUESTION.format("SHOP and of PAY"), _QUESTION.format("SHOP")
    with ws.fault("count_issues.fails"):
        replies = await together(talk.say(questions[0]), other.say(questions[1]))
    ids = [step.id for each in (talk, other) for step in _children(await history(each.handle))]
    if taken := {id for id in ids if ids.count(id) > 1}:
        what = f"Two of the calls, for two projects or by two customers, had the id {min(taken)!r}."
        raise Wrong(what, f"At the same time, one of them is refused: each call needs its own. {_ID}")
    await _told_of(talk, replies[0], "SHOP", "PAY")
    await _told_of(other, replies[1], "SHOP")


async def _nothing_found(talk: Talk) -> None:
    what, advice = "There is no project NOPE", "Let the failure of the child pass: the agent makes a sentence of it."
    try:
        reply = await talk.say(_QUESTION.format("NOPE"))
    except Wrong as wrong:
        raise Wrong(f"{what}. {wrong.saw}", advice) from wrong
    if "NOPE" not in reply or re.search(r"\d", reply):
        raise Wrong(f"{what}, and the customer was told {reply!r}.", advice)


@workflow.defn(name="YearlyReport", sandboxed=False)  # by name it is that of the notebook
class _Report:
    """A report that is not finished before the check says so: whoever waits for it, waits."""

    def __init__(self) -> None:
        self._may_end = False

    @workflow.run
    async def run(self, query: ProjectQuery) -> str:
        await workflow.wait_condition(lambda: self._may_end)
        return query.project

    @workflow.signal
    def finish(self) -> None:
        self._may_end = True


_START = "`await workflow.start_child_workflow(YearlyReport.run, query, parent_close_policy=…)`"
_ABANDON = "`parent_close_policy=workflow.ParentClosePolicy.ABANDON`"
_ONLY_START = f"`execute_child_workflow` waits for the end, as does `await` of a handle. Only start it: {_START}."
_ORDER_MISTAKES = {
    "nobody sends": f"The customer waits for the report. {_ONLY_START}",
    **dict.fromkeys(
        ("run() missing", "ChildWorkflowHandle", "coroutine", "to dataclass"),
        f"Name the workflow's `run`, give it the query itself, `await` the start, and return a sentence: {_START}.",
    ),
    **_UNSTABLE,
}
_ORDER_ID = f"Each order needs its own id. {_ID.replace('-jira-', '-report-')}"


@exercise("4.3")
async def not_waited_for(ws: Workshop, answer: Any) -> str:
    """Reports are ordered by two customers, who are told at once and leave; the reports are finished after that."""
    client = await Client.connect(**await ws.connection(NAMESPACE))
    async with talks(ws, answer, count_issues, workflows=[_Report]) as begin:
        talk, other = await begin(), await begin()
        with advised(_ORDER_MISTAKES):
            for customer, project, orders in ((talk, "OPS", 1), (talk, "PAY", 2), (other, "OPS", 1)):
                await _ordered(customer, project, orders)
            await _finished(client, talk, "OPS", "PAY")
            await _finished(client, other, "OPS")
    return (
        "Three reports were ordered in two conversations. Each customer was told at once and left, and each report was "
        "finished after that."
    )


async def _ordered(talk: Talk, project: str, orders: int) -> None:
    """Order a report, and see to it that it is on its way when the customer is told so."""
    reply = await talk.say(f"Please order the yearly report of {project}.")
    children, results = _children(await history(talk.handle)), await talk.lines("result")
    if taken := [step.id for step in children if step.status == "failed" and not step.links]:
        raise Wrong(f"A report was ordered while another was being written with its id, {taken[0]!r}.", _ORDER_ID)
    if len(children) != orders:
        what = f"{len(children)}, and the reply {reply!r}"
        raise expected(f"{orders} child workflows in this conversation", what, f"Start one for each order: {_START}.")
    if " " not in results[-1].text:
        raise Wrong(f"The customer was told {results[-1].text!r}.", "Return a sentence: the report is on its way.")


async def _finished(client: Client, talk: Talk, *projects: str) -> None:
    """End the chat, let the reports be finished, and see to it that they are those that were ordered."""
    await talk.handle.signal("end_chat")
    await ended(talk.handle)
    reports, written = [], []
    async for event in talk.handle.fetch_history_events():
        begun = event.start_child_workflow_execution_initiated_event_attributes
        started = event.child_workflow_execution_started_event_attributes.workflow_execution
        if begun.workflow_id and begun.parent_close_policy != ParentClosePolicy.PARENT_CLOSE_POLICY_ABANDON:
            policy = ParentClosePolicy.Name(begun.parent_close_policy)
            what = f"The customer left while the report was being written, and its policy is {policy}."
            raise Wrong(what, f"A child ends with its parent, unless you start it with {_ABANDON}.")
        if started.workflow_id:
            reports.append(client.get_workflow_handle(started.workflow_id))
    for report in reports:
        await report.signal("finish")
        written.append((await ended(report))[0])
    if written != [*projects]:
        raise expected(f"the reports of {' and '.join(projects)}", f"{written}", f"Give each its query: {_START}.")
