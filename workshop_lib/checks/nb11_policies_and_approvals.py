"""The exercises of notebook 11: two policies, and who spent the money."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import nexusrpc
from nexusrpc.handler import StartOperationContext, service_handler, sync_operation
from pydantic import ValidationError
from temporalio.client import Client, WorkflowHandle
from temporalio.worker import Worker

from workshop_lib.checks.exercise import Wrong, exercise, require
from workshop_lib.checks.harness.handled import begin_call
from workshop_lib.checks.harness.trial import NAMESPACE, end, stop
from workshop_lib.evidence.failures import invalid_fields
from workshop_lib.evidence.ledger import note
from workshop_lib.governance.policy.guard import WORKFLOWS, ApprovalsHandler, PolicyGuard, deploy, record
from workshop_lib.governance.policy.keeper import KEEPER
from workshop_lib.governance.policy.rules import Call, Decision, Policy, Rule, Usage, explain
from workshop_lib.nexus_mcp.by_workflow import CallOperation
from workshop_lib.workers.in_process import InProcessWorker
from workshop_lib.workshop import Workshop

_PLACE = "check-policy"  # the endpoint's name, and that of the task queues
_TEAMS = ("sales", "marketing", "finance")


@nexusrpc.service
class Refunds:
    """Moves money."""

    refund: nexusrpc.Operation[dict[str, Any], str]


@nexusrpc.service
class GiftCards:
    """Issues cards."""

    issue: nexusrpc.Operation[dict[str, Any], str]


@service_handler(service=Refunds)
class _Refunds:
    @sync_operation
    async def refund(self, ctx: StartOperationContext, given: dict[str, Any]) -> str:
        return _done(ctx, given)


@service_handler(service=GiftCards)
class _GiftCards:
    @sync_operation
    async def issue(self, ctx: StartOperationContext, given: dict[str, Any]) -> str:
        return _done(ctx, given)


def _done(ctx: StartOperationContext, given: dict[str, Any]) -> str:
    note("checked", once=ctx.request_id, **given)
    return "done"


@dataclass
class _Door:
    """Both operations behind a policy, and callers in three namespaces."""

    ws: Workshop
    owner: Client
    teams: dict[str, Client]
    serving: InProcessWorker | None = None

    async def serve(self) -> None:
        """Run the owner's Worker, in the place of the one before, which has forgotten all."""
        self.serving = self.ws.run(
            Worker,
            self.owner,
            task_queue=_PLACE,
            nexus_service_handlers=[_Refunds(), _GiftCards(), ApprovalsHandler()],
            workflows=WORKFLOWS,
            interceptors=[PolicyGuard()],
            activity_executor=ThreadPoolExecutor(4),
            max_cached_workflows=0,
        )

    async def call(self, team: str, operation: str, given: Any) -> WorkflowHandle[Any, Any]:
        """Start a call of an operation, ``"Service.operation"``, in a team's namespace."""
        return await begin_call(self.ws, self.teams[team], _PLACE, _PLACE, *operation.split("."), given)

    async def ask(self, team: str, operation: str, given: Any) -> Any:
        """A call's result.

        Raises:
            WorkflowFailureError: It was refused.
        """
        return await (await self.call(team, operation, given)).result()

    async def decide(self, calls: int, decide: Callable[[dict[str, Any]], bool]) -> None:
        """Decide, as Finance, about the calls that wait, once there are so many.

        Args:
            calls: How many.
            decide: Takes a call's input, and says whether it may run.
        """
        while len(waiting := await self.ask("finance", "Approvals.waiting", None)) < calls:
            await asyncio.sleep(0.1)
        for each in waiting:
            verdict = {"id": each["id"], "approve": decide(each["input"]), "reason": "the check says so"}
            await self.ask("finance", "Approvals.decide", verdict)


@contextlib.asynccontextmanager
async def _door(ws: Workshop, policy: Policy) -> AsyncIterator[_Door]:
    """A door with a policy, while the block runs."""
    owner = await Client.connect(**await ws.connection(NAMESPACE))
    keeper = owner.get_workflow_handle(KEEPER)
    await end(keeper)  # of a check that was interrupted
    await ws.endpoint(_PLACE, namespace=NAMESPACE, task_queue=_PLACE)
    teams = {team: await Client.connect(**await ws.connection(team, quiet=True)) for team in _TEAMS}
    calling = [ws.run(Worker, each, task_queue=_PLACE, workflows=[CallOperation]) for each in teams.values()]
    door = _Door(ws, owner, teams)
    try:
        await door.serve()
        await deploy(owner, policy, task_queue=_PLACE)
        yield door
    finally:
        await end(keeper)
        await asyncio.gather(*(stop(ws, each) for each in (*calling, door.serving) if each))


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
    usage: Usage
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


_ISSUE, _REFUND = "GiftCards.issue", "Refunds.refund"


@exercise("11.1")
async def gift_cards(ws: Workshop, answer: Any) -> None:
    """Three small cards a day for sales, larger ones for marketing, and nothing else; also when all ask at once."""
    policy = _policy(ws, answer, "sales", "marketing")
    asked = _Asked(ws, policy, Usage())

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
        calls = [await door.call(team, _ISSUE, given) for team in ["sales"] * 6 + ["marketing"] * 4]
        issued = sum(await _outcomes(calls)), ws.ledger.count("checked", customer=order)
    what = "three and four cards for six calls by sales and four by marketing at once"
    require(issued == (7, 7), what, f"{issued[0]} cards")


@exercise("11.2")
async def refunds(ws: Workshop, answer: Any) -> None:
    """Small ones run, large ones wait for Finance, huge ones and others are refused, whoever dies meanwhile."""
    policy = _policy(ws, answer, "sales", "finance")
    asked = _Asked(ws, policy, Usage())
    for amount, verdict in ((30, "allow"), (50, "allow"), (50.01, "hold"), (2000, "hold"), (2000.01, "deny")):
        advice = "order" if amount == 30 or verdict == "deny" else "bound"
        decision = asked.about("sales", _REFUND, {"order": "order-7", "amount": amount}, verdict, advice)
        if verdict == "hold":
            _held(ws, next(rule for rule in policy.rules if rule.name == decision.rule))
    for team, operation in (("marketing", _REFUND), ("finance", _REFUND), ("sales", _ISSUE)):
        for amount in (10, 500, 5000):
            asked.about(team, operation, {"order": "order-7", "amount": amount}, "deny", "nobody")
    order, amounts = ws.id("check-order"), [50, 700, 1500, 5000]
    async with _door(ws, policy) as door:
        calls = [await door.call("sales", _REFUND, {"order": order, "amount": amount}) for amount in amounts]
        await door.serve()  # the calls are held, whatever becomes of Workers
        await door.decide(2, lambda given: bool(given["amount"] != 700))
        answered = await _outcomes(calls)
    paid = sorted(entry.details["amount"] for entry in ws.ledger.entries("checked", order=order))
    what = f"of refunds of {amounts} dollars 50, and 1500, which Finance approved"
    require(answered == [True, False, True, False] and paid == [50, 1500], what, paid)


def _held(ws: Workshop, rule: Rule) -> None:
    """Look at the rule that holds."""
    require(rule.approvers == [ws.namespace("finance")], "Finance to decide", rule.approvers, "approvers")
    require(rule.hours == 48, "two days for Finance", f"{rule.hours:g} hours", "hours")
    require(rule.silence == "deny", "a no when Finance says nothing", "a yes", "silence")


# 11.3


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
        calls = [await door.call(team, _REFUND, {"order": order, "amount": amount}) for team, amount in made]
        await door.decide(2, lambda given: bool(given["amount"] == 500))
        await _outcomes(calls)
        rows = await record(door.owner)
    told = answer(rows)
    saw = tuple(told.get(ws.namespace(team), 0) for team in ("sales", "marketing"))
    wrong = {(600, 740): "held", (100, 40): "approved", (500, 40): "add", (600, 9040): "denied"}
    wrong |= dict.fromkeys([(1100, 40), (1100, 740)], "twice")
    others = sum(told.values()) - sum(saw)
    advice = "by" if others else wrong.get(saw, "default")
    require(saw == (600, 40) and not others, "600 dollars for sales, and 40 for marketing", told, advice)
    held = answer([row for row in rows if row.verdict == "hold"])
    require(not any(held.values()), "nothing for calls that nobody has approved yet", held, "held")
