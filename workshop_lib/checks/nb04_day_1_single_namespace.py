"""The exercises of notebook 04: a tool that is a workflow, an agent that calls one, and one that does not wait."""

from __future__ import annotations

import asyncio
import re
import sys
from datetime import timedelta
from typing import Any

from temporalio import activity
from temporalio.api.enums.v1 import EventType

from workshop_lib.checks.exercise import Wrong, exercise
from workshop_lib.checks.harness.recorded import stays, wrong_code
from workshop_lib.checks.harness.talks import Talk, advised, talks, together
from workshop_lib.checks.harness.trial import Trial, ended, trial
from workshop_lib.evidence.history import History, Step, history, spoken
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
    """As that of the notebook. What is no text is noted, too, to be told of."""
    note(_NOTED, once=idempotency_key(), text=text, workflow=activity.info().workflow_id)


_COUNT = "`found = await workflow.execute_activity(count_issues, query.project, **LIMIT)`"
_KEEP = "`await workflow.execute_activity(record, text, **LIMIT)`"
_PASS = "Let the failure of `count_issues` pass: no `try` around it."


@exercise("4.1")
async def report_kept(ws: Workshop, answer: Any) -> str:
    """Reports are made and kept once, also when a step fails; none is kept of a project that does not exist."""
    async with trial(ws, answer, [count_issues, _record]) as tried:
        told = await _reported(tried, "PAY", "Nothing failed")
        _asked_for(told)
        await _unknown(tried)
        with ws.fault("count_issues.fails"):
            await _reported(tried, "OPS", "`count_issues` failed once")
        with ws.fault("record.fails_after_effect"):
            await _reported(tried, "SHOP", "`record` failed once, after it had written")
    return (
        "Three reports were returned as they stand on record, each once, although a step of two of them failed. "
        "Of a project that does not exist, nothing is on record."
    )


def _kept(tried: Trial, told: History) -> list[Any]:
    entries = tried.ws.ledger.entries(_NOTED, workflow=told.workflow_id)
    return [entry.details["text"] for entry in entries]


_CALLS = {
    "Expected value": "`count_issues` takes the project's name, a text: `query.project`.",
    "'await' expression": f"A plain call runs the function in the workflow. Ask Temporal for it: {_COUNT}.",
}


async def _run(tried: Trial, project: str) -> tuple[Any, str, History]:
    id = tried.ws.id("report")
    await tried.start(ProjectQuery(project), id)
    with advised(_CALLS):
        # A handle without a type: whatever was returned is told of.
        return await ended(tried.client.get_workflow_handle(id))


async def _reported(tried: Trial, project: str, what: str) -> History:
    """Have one report made, and compare what was returned with what is on record."""
    result, failure, told = await _run(tried, project)
    kept = _kept(tried, told)
    if failure:
        advice = f"Each step needs its `await`, and its limits: {_COUNT}."
        if "The fault" in failure:
            advice = "What fails may pass, so it is tried again, unless you forbid it: no `maximum_attempts`."
        raise Wrong(f"{what}, and your workflow failed: {failure}", advice)
    if not kept:
        raise Wrong(f"{what}, and nothing is on record.", f"Ask for `record`, with `await`: {_KEEP}.")
    if len(kept) > 1:
        raise Wrong(f"{what}, and {len(kept)} texts are on record.", "Ask for `record` once, at the end.")
    if result is None:
        raise Wrong(f"On record is {kept[0]!r}, and your workflow returned nothing.", "End with `return text`.")
    for text, where in ((result, "returned"), (kept[0], "kept on record")):
        if not isinstance(text, str):
            advice = "Make a sentence of it, an f-string, and keep and return that."
            raise Wrong(f"Your workflow {where} {text!r}, which is no text.", advice)
    if kept[0] != result:
        advice = "Count first, then make one `text`, and both keep and return that."
        raise Wrong(f"On record is {kept[0]!r}, and your workflow returned {result!r}.", advice)
    _right_numbers(project, result, what)
    return told


def _right_numbers(project: str, text: str, what: str) -> None:
    missing = [name for name in ("open", "closed") if str(_numbers(project)[name]) not in re.findall(r"\d+", text)]
    missing = [f"`found.{name}`" for name in missing]
    if project not in text.upper():
        missing.append("`found.project`")
    if missing:
        raise Wrong(f"{what}, and the sentence was {text!r}.", f"It lacks {' and '.join(missing)}.")


def _numbers(project: str) -> dict[str, int]:
    waiting, closed = PROJECTS[project]
    return {"open": waiting, "closed": len(closed)}


def _asked_for(told: History) -> None:
    """See to it that the activities were run by Temporal, and not by the workflow."""
    asked = [step.name for step in told.steps if step.kind == "activity"]
    if "count_issues" not in asked:
        raise Wrong(
            "The numbers are right, but the history shows no activity `count_issues`: your workflow called the "
            "function itself.",
            f"Then nobody tries it again when it fails, and each replay calls it anew. Ask for it: {_COUNT}.",
        )


async def _unknown(tried: Trial) -> None:
    what = "There is no project NOPE"
    try:
        result, failure, told = await _run(tried, "NOPE")
    except Wrong as wrong:
        raise Wrong(f"{what}. {wrong.saw}", _PASS) from wrong
    kept = _kept(tried, told)
    if not failure:
        raise Wrong(f"{what}, and your workflow ended well, with {result!r}.", _PASS)
    if kept:
        advice = "Keep a text when `count_issues` has worked, and not before, or when it failed."
        raise Wrong(f"{what}, and yet this is on record: {kept[0]!r}", advice)
    if "UnknownProject" not in failure:
        raise Wrong(f"{what}, and your workflow failed with another reason: {failure}", _PASS)


_TOOL = '`tools.append(loop.Tool("jira_metrics", "what it is for", ProjectQuery, self.jira_metrics))`'
_CHILD = "`return await workflow.execute_child_workflow(MeasureProject.run, query, id=…)`"
_ID = 'The conversation and the call belong in the id: `f"{workflow.info().workflow_id}-jira-{self.chat.entry_count}"`.'
_REPLAY = "A replay must come to the same id: `workflow.uuid4()`, or the conversation's id and `self.chat.entry_count`."
_NONDETERMINISTIC = {"RestrictedWorkflowAccessError": _REPLAY, "ondeterminism": _REPLAY}
_TOOL_MISTAKES = {
    "attribute 'schema'": f"The list holds tools, not methods: {_TOOL}.",
    "Forward reference": f"The description comes before the type of the arguments: {_TOOL}.",
    "jira_metrics() missing": f"Hand in the method itself, without a call: {_TOOL}.",
    "run() missing": f"Hand in `MeasureProject.run` without a call, and the query after it: {_CHILD}.",
    "ChildWorkflowHandle": f"`start_child_workflow` gives a handle, not the result. {_CHILD}.",
    "coroutine": f"Is an `await` missing? {_CHILD}.",
    "to dataclass": "`MeasureProject` takes the query itself, not a part of it.",
    **_NONDETERMINISTIC,
}
_WORDS = ("jira", "metric", "project", "issue", "ticket")
_QUESTION = "What are the Jira metrics of {}?"


@exercise("4.2")
async def child_called(ws: Workshop, answer: Any) -> str:
    """The model finds the tool, its workflow runs as a child: for two at once, after a failure, and for nothing."""
    async with talks(ws, answer, count_issues, workflows=[MeasureProject]) as begin:
        talk, other = await begin(), await begin()
        with advised(_TOOL_MISTAKES):
            reply = await talk.say(_QUESTION.format("OPS"))
        await _told_of(talk, reply, "OPS")
        await _nothing_found(other)
        await _three_at_once(ws, talk, other)
    return (
        "The model found the tool, and each call was a child workflow: one for a project that does not exist, and "
        "three at once, two of them for the same project and one whose activity failed once."
    )


def _tells(reply: str, *projects: str) -> bool:
    """Whether a reply holds the numbers of some projects."""
    found = re.findall(r"\d+", reply)
    return all(str(number) in found for project in projects for number in _numbers(project).values())


def _children(told: History) -> list[Step]:
    return [step for step in told.steps if step.kind == "child workflow"]


def _refused(told: History) -> list[Step]:
    """Child workflows that could not be started, because their id was taken."""
    return [step for step in _children(told) if step.status == "failed" and not step.links]


async def _told_of(talk: Talk, reply: str, project: str) -> None:
    told = await history(talk.handle)
    asked = await talk.asked()
    shown = asked[0].tools if asked else []
    if not shown:
        raise Wrong(f"The model was shown no tool: {reply!r}", f"Put one into the list: {_TOOL}.")
    tool = next((tool for tool in shown if tool["name"] == "jira_metrics"), shown[0])
    takes, needs = tool["parameters"].get("properties", {}), tool["parameters"].get("required", [])
    if "project" not in takes or set(needs) - {"project"}:
        what = f"takes {', '.join(takes)}" if takes else "takes no arguments with a name"
        advice = f"The third part of a tool is the type of its arguments, `ProjectQuery`: {_TOOL}."
        raise Wrong(f"As the model sees it, your tool {what}.", advice)
    used = await talk.lines("call")
    described = tool["description"]
    if not used or not any(word in described.lower() for word in _WORDS):
        result = "This time the model used it all the same." if used else "The model did not use it."
        advice = "Describe it in the words of a customer: Jira, metrics, project, issues."
        raise Wrong(f"The description of your tool is {described!r}. {result}", advice)
    if not _children(told):
        own = told.attempts("count_issues")
        what = "its activity stands in the agent's own history" if own else "the agent's history shows nothing of it"
        raise Wrong(f"Your tool called no child workflow: {what}.", f"Call the workflow as a child: {_CHILD}.")
    if not _tells(reply, project):
        raise _why_not_told(told, reply)


def _why_not_told(told: History, reply: str) -> Wrong:
    timed_out = _children(told)[-1].status == "timed out"
    what = "timed out" if timed_out else "ran, and its numbers did not come back"
    saw = f"The child workflow {what}: {reply!r}"
    if timed_out:
        return Wrong(saw, "Give it no limit that is too short: it has limits of its own.")
    if not _waited(told):
        return Wrong(saw, f"`start_child_workflow` waits for the start only. Wait for the result: {_CHILD}.")
    return Wrong(saw, f"Return its result: {_CHILD}.")


def _waited(told: History) -> bool:
    """Whether the last child workflow had ended before the model was told what the tool returned."""
    closed = _children(told)[-1].closed
    last = [step for step in told.steps if step.name == "call_model"][-1]
    return closed is not None and closed <= last.scheduled


async def _held_up(talk: Talk) -> bool:
    """Whether the agent waited for the end of its last child workflow: a task came between, and it did not go on."""
    running, tasks, held_up = False, 0, False
    async for event in talk.handle.fetch_history_events():
        name = EventType.Name(event.event_type).removeprefix("EVENT_TYPE_")
        if name == "CHILD_WORKFLOW_EXECUTION_STARTED":
            running, tasks = True, 0
        elif name.startswith("CHILD_WORKFLOW_EXECUTION_"):
            running = False
        elif name == "WORKFLOW_TASK_COMPLETED":
            tasks += running
        elif event.activity_task_scheduled_event_attributes.activity_type.name == "call_model":
            held_up = tasks > 0 and not running
    return held_up


async def _three_at_once(ws: Workshop, talk: Talk, other: Talk) -> None:
    """One customer asks for two projects, another one for one of them, and an activity fails once."""
    questions = _QUESTION.format("SHOP and of PAY"), _QUESTION.format("SHOP")
    with ws.fault("count_issues.fails"):
        replies = await together(talk.say(questions[0]), other.say(questions[1]))
    told, elsewhere = await history(talk.handle), await history(other.handle)
    ids = [step.id for step in _children(told)]
    if ids[-1] in ids[-2:-1]:
        what = f"A customer asked for two projects at once, and both calls had the id {ids[-1]!r}: one was refused."
        raise Wrong(what, f"Each call needs an id of its own. {_ID}")
    if shared := set(ids) & {step.id for step in _children(elsewhere)}:
        what = f"Two customers asked for the same project, and both calls had the id {min(shared)!r}."
        raise Wrong(what, f"At the same time, one of them is refused. {_ID}")
    for reply, *projects in ((replies[0], "SHOP", "PAY"), (replies[1], "SHOP")):
        if not _tells(reply, *projects):
            advice = f"Return what `MeasureProject` gives, which tries again by itself, and set it no limit: {_CHILD}."
            what = f"`count_issues` failed once. A customer who asked for {' and '.join(projects)} was told {reply!r}."
            raise Wrong(what, advice)


async def _nothing_found(talk: Talk) -> None:
    what, advice = "There is no project NOPE", "Let the failure of the child pass: the agent makes a sentence of it."
    try:
        reply = await talk.say(_QUESTION.format("NOPE"))
    except Wrong as wrong:
        raise Wrong(f"{what}. {wrong.saw}", advice) from wrong
    if "NOPE" not in reply or re.search(r"\d", reply):
        raise Wrong(f"{what}, and the customer was told {reply!r}.", advice)


_SLOW = 4.0  # seconds that a report takes in the check: far more than the start of one
_ABANDON = "`parent_close_policy=workflow.ParentClosePolicy.ABANDON`"
_START = f"`await workflow.start_child_workflow(YearlyReport.run, query, id=…, {_ABANDON[1:-1]})`"
_ORDER_ID = _ID.replace("-jira-", "-report-")
_ORDER_MISTAKES = {
    "to dataclass": "`YearlyReport` takes the query itself, not a part of it.",
    "ChildWorkflowHandle": "Return a sentence for the customer, and not the child's handle.",
    "coroutine": f"Is an `await` missing? {_START}.",
    "run() missing": f"Hand in `YearlyReport.run` without a call, and the query after it: {_START}.",
    **_NONDETERMINISTIC,
}


@exercise("4.3")
async def not_waited_for(ws: Workshop, answer: Any) -> str:
    """Reports are ordered by two customers, who are told at once and leave; the reports are finished after that."""
    report = getattr(sys.modules.get(getattr(answer, "__module__", "")), "YearlyReport", None)
    if isinstance(answer, type) and not hasattr(report, "__temporal_workflow_definition"):
        raise Wrong("Your cell has no workflow `YearlyReport`.", "Keep that class as it was.")
    async with talks(ws, answer, count_issues, workflows=[report] if report else []) as begin:
        talk, other = await begin(), await begin()
        with ws.fault("count_issues.is_slow", seconds=_SLOW, times=3), advised(_ORDER_MISTAKES):
            await _ordered(talk, "OPS", 1)
            ids = await together(_last_order(talk, "PAY", 2), _last_order(other, "OPS", 1))
        if len({*ids[0], *ids[1]}) < 3:
            what = f"Three reports were ordered, with the ids {', '.join([*ids[0], *ids[1]])}: one could be refused."
            raise Wrong(what, f"Each order needs an id of its own. {_ORDER_ID}")
    return (
        "Three reports were ordered in two conversations. Each customer was told at once and left, and each report was "
        "finished after that."
    )


async def _ordered(talk: Talk, project: str, orders: int) -> None:
    """Order a report, and see to it that it is on its way when the customer is told so."""
    reply = await talk.say(f"Please order the yearly report of {project}.")
    told = await history(talk.handle)
    results = await talk.lines("result")
    if _refused(told):
        raise Wrong(
            f"A second report was ordered while the first was being written, and its id was taken: {reply!r}",
            f"Each order needs an id of its own. {_ORDER_ID}",
        )
    children = _children(told)
    if len(children) < orders:
        what = f"A report was ordered, and no child workflow was started. The customer was told {reply!r}."
        raise Wrong(what, f"Start it before you return, with `await`: {_START}.")
    if await _held_up(talk):
        took = spoken(children[-1].duration or timedelta(0))
        advice = f"`execute_child_workflow` waits for the end, as does `await` of a handle. Only start it: {_START}."
        raise Wrong(f"The customer had to wait for the report, {took}.", advice)
    if len(results) < orders or results[-1].text in ("", "null"):
        raise Wrong(f"The customer was told {reply!r}.", "Return a sentence: the report is on its way.")


async def _last_order(talk: Talk, project: str, orders: int) -> list[str]:
    """Order a report, leave at once, and wait for all that were ordered: their ids."""
    await _ordered(talk, project, orders)
    return await _left(talk, orders)


async def _left(talk: Talk, orders: int) -> list[str]:
    """End the chat, and wait for the reports that were ordered there: their ids."""
    await talk.handle.signal("end_chat")
    while True:
        told = await history(talk.handle, follow=True)
        reports = [call for step in _children(told) for call in step.calls]
        if told.closed and len(reports) >= orders and all(report.closed for report in reports):
            break
        if failed := [task for report in reports if not report.closed for task in report.failed_tasks]:
            raise wrong_code(failed[-1])
        if told.closed and len(reports) < orders and all(report.closed for report in reports):
            raise Wrong("The customer left, and a report was lost with the conversation.", f"Start it: {_START}.")
        for what, each in (("conversation", told), *(("report", report) for report in reports)):
            if stays(each):
                raise Wrong(f"The customer left, and the {what} does not end.", f"Only start the report: {_START}.")
        await asyncio.sleep(0.1)
    if lost := [report for report in reports if report.status != "completed"]:
        raise Wrong(
            f"The customer left, and the report was {lost[0].status} with the conversation.",
            f"A child ends with its parent, unless you start it with {_ABANDON}.",
        )
    return [report.workflow_id for report in reports]
