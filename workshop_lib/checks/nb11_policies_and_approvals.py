"""The exercises of notebook 11: two policies, and who spent the money."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from nexusrpc.handler import StartOperationContext
from pydantic import ValidationError
from temporalio.client import Client, WorkflowHandle

from workshop_lib.checks.exercise import Wrong, exercise, require
from workshop_lib.checks.harness.handled import Caller, answering, calling
from workshop_lib.checks.harness.trial import NAMESPACE, end, worker
from workshop_lib.evidence.failures import invalid_fields
from workshop_lib.evidence.ledger import note
from workshop_lib.governance.policy.guard import WORKFLOWS, ApprovalsHandler, PolicyGuard, deploy, record
from workshop_lib.governance.policy.keeper import KEEPER
from workshop_lib.governance.policy.rules import Call, Decision, Policy, Rule, Usage, explain
from workshop_lib.workshop import Workshop

_PLACE = "check-policy"  # the endpoint's name, and that of the task queues
_TEAMS = ("sales", "marketing", "finance")
_ISSUE, _REFUND = "GiftCards.issue", "Refunds.refund"


def _done(ctx: StartOperationContext, given: Any) -> str:
    note("checked", once=ctx.request_id, **given)
    return "done"


def _served(ws: Workshop) -> AbstractAsyncContextManager[Client]:
    """The owner's Worker, in the place of the one before, which has forgotten all."""
    handlers = [answering("Refunds", _done, "refund"), answering("GiftCards", _done, "issue"), ApprovalsHandler()]
    settings: dict[str, Any] = {"workflows": WORKFLOWS, "interceptors": [PolicyGuard()], "max_cached_workflows": 0}
    return worker(ws, _PLACE, nexus_service_handlers=handlers, **settings)


@dataclass
class _Door:
    """Both operations behind a policy, and callers in three namespaces."""

    owner: Client
    teams: dict[str, Caller]

    async def decide(self, calls: int, approved: float) -> None:
        """Decide, as Finance, about the calls that wait, once there are so many.

        Args:
            calls: How many.
            approved: The amount of the one that may run.
        """
        finance = self.teams["finance"]
        while len(waiting := (await finance.ask("Approvals.waiting", None))[0]) < calls:
            await asyncio.sleep(0.1)
        for each in waiting:
            approve = each["input"]["amount"] == approved
            verdict = {"id": each["id"], "approve": approve, "reason": "the check says so"}
            await finance.ask("Approvals.decide", verdict)


@asynccontextmanager
async def _door(ws: Workshop, policy: Policy) -> AsyncIterator[_Door]:
    """A door with a policy, while the block runs."""
    await ws.endpoint(_PLACE, namespace=NAMESPACE, task_queue=_PLACE)
    async with AsyncExitStack() as open_now:
        teams = {team: await open_now.enter_async_context(calling(ws, team, _PLACE)) for team in _TEAMS}
        owner = await open_now.enter_async_context(_served(ws))
        await end(owner.get_workflow_handle(KEEPER))  # of a check that was interrupted
        await deploy(owner, policy, task_queue=_PLACE)
        yield _Door(owner, teams)


async def _outcomes(calls: Iterable[WorkflowHandle[Any, Any]]) -> list[bool]:
    """Whether each call got its answer."""
    ended = await asyncio.gather(*(call.result() for call in calls), return_exceptions=True)
    return [not isinstance(each, BaseException) for each in ended]


# 11.1 and 11.2: first what the policy says of each call, then what really happens


def _policy(ws: Workshop, answer: Any, *teams: str) -> Policy:
    """What a learner's function makes.

    Raises:
        Wrong: It is not a policy, or a rule makes no sense.
    """
    try:
        made: Policy = answer(*(ws.namespace(team) for team in teams))
    except (ValueError, TypeError) as error:
        fields = invalid_fields(error) if isinstance(error, ValidationError) else str(error)
        why = fields.replace("the JSON: Value error, ", "")
        advice = "Hand in the function, without calling it, and compare its rules with those in the notebook."
        raise Wrong(f"Your policy cannot be made. {why}", advice) from error
    other = answer(*(f"other-{team}" for team in teams))
    require(other != made, f"other callers for other names of {' and '.join(teams)}", "the same policy", "names")
    require(isinstance(made, Policy), "a policy", f"a {type(made).__name__}", "Return `Policy([…])`, with your rules.")
    return made


@dataclass
class _Asked:
    """A policy that is asked about one call after the other, as the keeper does."""

    ws: Workshop
    policy: Policy
    usage: Usage = field(default_factory=Usage)
    now: float = 0.0

    def about(self, team: str, operation: str, given: dict[str, Any], verdict: str, advice: str) -> Decision:
        """What it says of a call, which is then counted.

        Raises:
            Wrong: It should say something else.
        """
        call = Call(self.ws.namespace(team), operation, given)
        decision = explain(self.policy, call, self.usage, self.now)
        rule = f"Rule {decision.rule!r} decides" if decision.rule else "No rule decides"
        what, saw = f"{verdict} where {team} calls {operation} with {given}", f"{decision.verdict}. {rule}"
        advice = "log_only" if decision.would else advice
        require(decision.verdict == verdict, what, f"{saw}: {decision.why}", advice)
        self.usage.count(self.policy, call, decision)
        return decision


@exercise("11.1")
async def gift_cards(ws: Workshop, answer: Any) -> None:
    """Three small cards a day for sales, larger ones for marketing, and nothing else; also when all ask at once."""
    policy = _policy(ws, answer, "sales", "marketing")
    asked = _Asked(ws, policy)

    def about(team: str, dollars: float, verdict: str, advice: str, operation: str = _ISSUE) -> None:
        asked.about(team, operation, {"customer": ws.id("customer"), "dollars": dollars}, verdict, advice)

    for team, operation in (("finance", _ISSUE), ("sales", _REFUND), ("marketing", _REFUND)):
        about(team, 10, "deny", "nobody", operation)
    for team, most in (("sales", 25), ("marketing", 100)):
        about(team, most, "allow", "bound")
        about(team, most + 0.01, "deny", "bound")
    for verdict, advice in (("allow", "three"), ("allow", "three"), ("deny", "order")):
        about("sales", 10, verdict, advice)
    for _ in range(9):
        about("marketing", 10, "allow", "own")
    asked.now += 3601
    about("sales", 10, "deny", "day")
    asked.now += 86400
    about("sales", 10, "allow", "day")
    order = ws.id("check-order")
    async with _door(ws, policy) as door:
        given = {"customer": order, "dollars": 5}
        calls = [await door.teams[team].start(_ISSUE, given) for team in ["sales"] * 6 + ["marketing"] * 4]
        issued = sum(await _outcomes(calls)), ws.ledger.count("checked", customer=order)
    what = "three and four cards for six calls by sales and four by marketing at once"
    require(issued == (7, 7), what, f"{issued[0]} cards")


@exercise("11.2")
async def refunds(ws: Workshop, answer: Any) -> None:
    """Small ones run, large ones wait for Finance, huge ones and others are refused, whoever dies meanwhile."""
    policy = _policy(ws, answer, "sales", "finance")
    asked = _Asked(ws, policy)
    for amount, verdict in ((30, "allow"), (50, "allow"), (50.01, "hold"), (2000, "hold"), (2000.01, "deny")):
        advice = "order" if amount == 30 or verdict == "deny" else "bound"
        decision = asked.about("sales", _REFUND, {"order": "order-7", "amount": amount}, verdict, advice)
        if verdict == "hold":
            rule = next(rule for rule in policy.rules if rule.name == decision.rule)
            require(rule.approvers == [ws.namespace("finance")], "Finance to decide", rule.approvers, "approvers")
            require(rule.hours == 48, "two days for Finance", f"{rule.hours:g} hours", "hours")
            require(rule.silence == "deny", "a no when Finance says nothing", "a yes", "silence")
    for team, operation in (("marketing", _REFUND), ("finance", _REFUND), ("sales", _ISSUE)):
        for amount in (10, 500, 5000):
            asked.about(team, operation, {"order": "order-7", "amount": amount}, "deny", "nobody")
    order, amounts = ws.id("check-order"), [50, 700, 1500, 5000]
    async with _door(ws, policy) as door:
        calls = [await door.teams["sales"].start(_REFUND, {"order": order, "amount": amount}) for amount in amounts]
        async with _served(ws):  # the calls are held, whatever becomes of Workers
            await door.decide(2, approved=1500)
            answered = await _outcomes(calls)
    paid = sorted(entry.details["amount"] for entry in ws.ledger.entries("checked", order=order))
    what = f"of refunds of {amounts} dollars 50, and 1500, which Finance approved"
    require(answered == [True, False, True, False] and paid == [50, 1500], what, paid)


# 11.3

# What an answer says of sales and of marketing, and its mistake.
_PAID_WRONG = {(600, 740): "held", (100, 40): "approved", (500, 40): "add", (600, 9040): "denied"}
_PAID_WRONG |= {(1100, 40): "twice", (1100, 740): "twice"}


@exercise("11.3")
async def paid_by(ws: Workshop, answer: Any) -> None:
    """What was paid for each caller, read from the record of calls that were really made."""
    told = answer([])
    require(isinstance(told, dict), "a dict", repr(told), "dict")
    require(told == {}, "an empty dict for an empty record", told, "empty")
    finance = [ws.namespace("finance")]
    small = Rule("small", "allow", operations=[_REFUND], when=["amount <= 100"])
    large = Rule("large", "hold", operations=[_REFUND], when=["amount <= 1000"], approvers=finance, hours=48)
    made = [("sales", 30), ("sales", 70), ("marketing", 40), ("sales", 500), ("marketing", 700), ("marketing", 9000)]
    async with _door(ws, Policy([small, large])) as door:
        order = ws.id("check-order")
        calls = [await door.teams[team].start(_REFUND, {"order": order, "amount": amount}) for team, amount in made]
        await door.decide(2, approved=500)
        await _outcomes(calls)
        rows = await record(door.owner)
    told = answer(rows)
    saw = tuple(told.get(ws.namespace(team), 0) for team in ("sales", "marketing"))
    others = sum(told.values()) - sum(saw)
    advice = "by" if others else _PAID_WRONG.get(saw, "default")
    require(saw == (600, 40) and not others, "600 dollars for sales, and 40 for marketing", told, advice)
    held = answer([row for row in rows if row.verdict == "hold"])
    require(not any(held.values()), "nothing for calls that nobody has approved yet", held, "held")
