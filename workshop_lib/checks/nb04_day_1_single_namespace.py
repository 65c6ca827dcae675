"""The exercises of notebook 04: a tool that is a workflow, an agent that calls one, and one that does not wait."""

import re
from typing import Any

from temporalio import workflow
from temporalio.api.enums.v1 import ParentClosePolicy
from temporalio.client import Client

from workshop_lib.checks.exercise import Wrong, exercise, expecting, require
from workshop_lib.checks.harness.talks import Talk, chosen, talks
from workshop_lib.checks.harness.trial import Trial, connect, ended, noting, trial
from workshop_lib.evidence.history import History, Step, history
from workshop_lib.teams.it.activities import count_issues
from workshop_lib.teams.it.contract import ProjectQuery
from workshop_lib.teams.it.data import PROJECTS
from workshop_lib.teams.it.workflows import MeasureProject
from workshop_lib.workshop import Workshop

_NOTED = "reported to a customer"


def _tells(text: Any, *projects: str) -> bool:
    """Whether a text holds the numbers of some projects."""
    found = re.findall(r"\d+", text) if isinstance(text, str) else []
    return all({str(waiting), str(len(closed))} <= {*found} for waiting, closed in map(PROJECTS.__getitem__, projects))


def _swapped(text: str, project: str) -> bool:
    """Whether a short text clearly gives the number of open issues as that of closed ones."""
    right = "open", "closed", str(PROJECTS[project][0]), str(len(PROJECTS[project][1]))
    at = [[*map(re.Match.start, re.finditer(rf"\b{each}\b", text.lower()))] for each in right]
    return [*map(len, at)] == [1] * 4 and (at[0] < at[1]) != (at[2] < at[3])


@exercise("4.1")
async def report_kept(ws: Workshop, answer: Any) -> None:
    """Reports are made and kept once, also when a step fails; none is kept of a project that does not exist."""
    async with trial(ws, answer, [count_issues, noting("record", _NOTED)]) as tried:
        await _reported(tried, "PAY")
        await _unknown(tried)
        with ws.fault("count_issues.fails"):
            await _reported(tried, "OPS")
        with ws.fault("record.fails_after_effect"):
            await _reported(tried, "SHOP")


async def _run(tried: Trial, project: str) -> tuple[Any, str, History, list[Any]]:
    """Have one report made: what ``ended`` returns, and what is on record."""
    id = tried.ws.id("report")
    await tried.start(ProjectQuery(project), id)
    # A handle without a type: the check sees whatever was returned.
    result, failure, told = await ended(tried.client.get_workflow_handle(id))
    return result, failure, told, [each.details["what"] for each in tried.ws.ledger.entries(_NOTED, workflow=id)]


async def _reported(tried: Trial, project: str) -> None:
    """Have one report made, and compare what was returned with what is on record."""
    result, failure, told, kept = await _run(tried, project)
    require(not failure, f"a report of {project}", f"the failure {failure}", "steps")
    names = [step.name for step in told.steps if step.kind == "activity"]
    require("count_issues" in names, "an Activity `count_issues` in the history", names, "count")
    one = kept == [result] and _tells(result, project) and project in result.upper() and not _swapped(result, project)
    what = f"one text with {project} and its numbers of open and closed issues, recorded and returned"
    require(one, what, f"{kept} on record, and {result!r} returned", "one text")


async def _unknown(tried: Trial) -> None:
    what = "the failure UnknownProject for a project NOPE, and nothing on record"
    with expecting(what, "swallowed", Wrong):
        result, failure, _, kept = await _run(tried, "NOPE")
    saw = f"{failure or f'the result {result!r}'}, and {kept or 'nothing'} on record"
    require("UnknownProject" in failure and not kept, what, saw, "swallowed")


_QUESTION = "What are the Jira metrics of {}?"
_CUSTOMER = "What do the Jira metrics of project OPS say about its open and closed issues?"


@exercise("4.2")
async def child_called(ws: Workshop, answer: Any) -> None:
    """The model finds the tool, its workflow runs as a child: for two at once, after a failure, and for nothing."""
    async with talks(ws, answer, count_issues, MeasureProject) as begin:
        talk, other = await begin(), await begin()
        reply = await talk.say(_QUESTION.format("OPS"))
        await _shown(talk, reply)
        await _told_of(talk, reply, "OPS")
        reply = await other.say(_QUESTION.format("NOPE"))
        named = "NOPE" in reply and not re.search(r"\d", reply)
        require(named, "a reply that says that there is no project NOPE", repr(reply), "swallowed")
        with ws.fault("count_issues.fails"):
            two = await talk.say(_QUESTION.format("SHOP and of PAY"))
        one = await other.say(_QUESTION.format("SHOP"))
        ids = [step.id for each in (talk, other) for step in _children(await history(each.handle))]
        require(len({*ids}) == len(ids), "a separate id for each call", ", ".join(ids), "id")
        await _told_of(talk, two, "SHOP", "PAY")
        await _told_of(other, one, "SHOP")


async def _shown(talk: Talk, reply: str) -> None:
    """See to it that the model can choose the tool, and fill in its arguments."""
    shown = [tool for asked in (await talk.asked())[:1] for tool in asked.tools]
    require(shown, "a tool for the model", f"none, and the reply {reply!r}", "tool")
    tool = next((tool for tool in shown if tool["name"] == "jira_metrics"), shown[0])
    takes, needs = ({*tool["parameters"].get(of, {})} for of in ("properties", "required"))
    saw = f"one that takes {', '.join(sorted(takes)) or 'nothing'}"
    require("project" in takes and needs <= {"project"}, "a tool that takes `project`", saw, "tool")
    found = await talk.lines("call") and chosen(tool["description"], _CUSTOMER)
    what = f"the model to choose your tool among three, by its description alone, for {_CUSTOMER!r}"
    require(found, what, f"that it reads {tool['description']!r}, and does not", "describe")


def _children(told: History) -> list[Step]:
    return [step for step in told.steps if step.kind == "child workflow"]


async def _told_of(talk: Talk, reply: str, *projects: str) -> None:
    """See to it that each call was one child, and its result came back."""
    told, calls = await history(talk.handle), await talk.lines("call")
    names = [step.title for step in told.steps if step.kind != "update" and step.name != "call_model"]
    right = f"a child Workflow for each of {len(calls)} calls, and a reply with the numbers of {' and '.join(projects)}"
    saw = f"{', '.join(names) or 'nothing'} in the agent's history, and the reply {reply!r}"
    require(len(_children(told)) == len(calls) and _tells(reply, *projects), right, saw, "child")


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


@exercise("4.3")
async def not_waited_for(ws: Workshop, answer: Any) -> None:
    """Reports are ordered by two customers, who are answered at once and leave; the reports are finished after that."""
    client = await connect(ws)
    async with talks(ws, answer, count_issues, _Report) as begin:
        talk, other = await begin(), await begin()
        for customer, project, orders in ((talk, "OPS", 1), (talk, "PAY", 2), (other, "OPS", 1)):
            await _ordered(customer, project, orders)
        await _finished(client, talk, "OPS", "PAY")
        await _finished(client, other, "OPS")


async def _ordered(talk: Talk, project: str, orders: int) -> None:
    """Order a report, and see to it that it is on its way when the customer is answered."""
    reply = await talk.say(f"Please order the yearly report of {project}.")
    children, results = _children(await history(talk.handle)), await talk.lines("result")
    taken = [step.id for step in children if step.status == "failed" and not step.links]
    require(not taken, "a separate id for each order", f"that {taken} was used again", "id")
    saw = f"{len(children)}, and the reply {reply!r}"
    require(len(children) == orders, f"{orders} child Workflows in this conversation", saw, "start")
    require(" " in results[-1].text, "a sentence for the customer", repr(results[-1].text), "sentence")


async def _finished(client: Client, talk: Talk, *projects: str) -> None:
    """End the chat, let the reports be finished, and see to it that they are those that were ordered."""
    await talk.handle.signal("end_chat")
    await ended(talk.handle)
    written = []
    async for event in talk.handle.fetch_history_events():
        begun = event.start_child_workflow_execution_initiated_event_attributes
        if begun.workflow_id:
            policy = ParentClosePolicy.Name(begun.parent_close_policy)
            kept = "ABANDON" in policy
            require(kept, "a report that is finished although the conversation has ended", policy, "abandon")
            report = client.get_workflow_handle(begun.workflow_id)
            await report.signal("finish")
            written.append((await ended(report))[0])
    require(written == [*projects], f"the reports of {projects}", written, "query")
