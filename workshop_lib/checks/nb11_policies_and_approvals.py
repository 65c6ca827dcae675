"""The exercises of notebook 11: two policies, and who spent the money."""

# No `from __future__ import annotations`: the SDK reads the operations' types from the annotations.

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import nexusrpc
from nexusrpc.handler import StartOperationContext, service_handler, sync_operation
from pydantic import ValidationError
from temporalio.client import Client, WorkflowHandle
from temporalio.worker import Worker

from workshop_lib.checks.exercise import Wrong, exercise
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
_DAYS = timedelta(days=9)  # a call's limit, longer than any hold
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
        service, _, name = operation.partition(".")
        return await self.teams[team].start_workflow(
            CallOperation.run,
            args=[self.ws.namespace(_PLACE), service, name, given, _DAYS.total_seconds()],
            id=self.ws.id("check-policy"),
            task_queue=_PLACE,
            execution_timeout=_DAYS,
        )

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
    teams = {team: await Client.connect(**await ws.connection(team)) for team in _TEAMS}
    calling = [ws.run(Worker, each, task_queue=_PLACE, workflows=[CallOperation]) for each in teams.values()]
    door = _Door(ws, owner, teams)
    await door.serve()
    await deploy(owner, policy, task_queue=_PLACE)
    try:
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
        made = answer(*(ws.namespace(team) for team in teams))
    except (ValueError, TypeError) as error:
        fields = invalid_fields(error) if isinstance(error, ValidationError) else str(error)
        why = fields.replace("the JSON: Value error, ", "")
        advice = "Hand in the function, without calling it, and compare its rules with those in the notebook."
        raise Wrong(f"Your policy cannot be made. {why}", advice) from error
    if not isinstance(made, Policy):
        raise Wrong(f"Your function returned {made!r}.", "Return a `Policy` with a list of rules.")
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
        if decision.verdict != verdict:
            saw = f"{team} calls {operation} with {given}: expected {verdict}, saw {decision.verdict}. {_why(decision)}"
            raise Wrong(saw, advice)
        self.usage.count(self.policy, call, decision)
        return decision


def _why(decision: Decision) -> str:
    log = " A rule with log_only decides nothing." if decision.would else ""
    return (f"Rule {decision.rule!r} decides: " if decision.rule else "No rule decides: ") + decision.why + "." + log


_NOBODY = "What no rule allows is denied. Name the callers and the operation in each rule that allows."
_ISSUE, _REFUND = "GiftCards.issue", "Refunds.refund"


@exercise("11.1")
async def gift_cards(ws: Workshop, answer: Any) -> str:
    """Three small cards a day for sales, larger ones for marketing, and nothing else; also when all ask at once."""
    policy = _policy(ws, answer, "sales", "marketing")
    asked = _Asked(ws, policy, Usage())
    bounds = "Each team has its own bound. *Up to* includes the bound itself: `dollars <= …`."
    order = "A limit decides only when it is used up. It has to come before the rule that allows."
    own = "The limit is for sales only: name its callers."
    for team, dollars, verdict in (("sales", 25, "allow"), ("sales", 25.01, "deny"), ("marketing", 100, "allow")):
        asked.about(team, _ISSUE, {"customer": "Ann", "dollars": dollars}, verdict, bounds)
    asked.about("marketing", _ISSUE, {"customer": "Ann", "dollars": 100.01}, "deny", bounds)
    for team, operation in (("finance", _ISSUE), ("sales", _REFUND), ("marketing", _REFUND)):
        asked.about(team, operation, {"customer": "Ann", "dollars": 10}, "deny", _NOBODY)
    for number, verdict in ((2, "allow"), (3, "allow"), (4, "deny")):
        advice = order if verdict == "deny" else "Three a day are allowed: `most=3`."
        asked.about("sales", _ISSUE, {"customer": f"number {number}", "dollars": 10}, verdict, advice)
    for number in range(9):
        asked.about("marketing", _ISSUE, {"customer": f"number {number}", "dollars": 10}, "allow", own)
    asked.now += 3601
    asked.about("sales", _ISSUE, {"customer": "Bob", "dollars": 10}, "deny", 'Three a *day*: `per="day"`.')
    asked.now += 86400
    asked.about("sales", _ISSUE, {"customer": "Bob", "dollars": 10}, "allow", "The next day, sales may issue again.")
    order = ws.id("check-order")
    async with _door(ws, policy) as door:
        given = {"customer": order, "dollars": 5}
        calls = [await door.call(team, _ISSUE, given) for team in ["sales"] * 6 + ["marketing"] * 4]
        issued = sum(await _outcomes(calls))
    if (issued, ws.ledger.count("checked", customer=order)) != (7, 7):
        raise Wrong(f"Six calls by sales and four by marketing at once: {issued} cards.", "Expected three and four.")
    return "Six calls by sales at once got three cards, four by marketing got four, and nobody got anything else."


@exercise("11.2")
async def refunds(ws: Workshop, answer: Any) -> str:
    """Small ones run, large ones wait for Finance, huge ones and others are refused, whoever dies meanwhile."""
    policy = _policy(ws, answer, "sales", "finance")
    asked = _Asked(ws, policy, Usage())
    first = "The first rule that decides wins: a rule for huge refunds has to come before the rule that holds."
    bound = "50 dollars run at once, and 2,000 are still Finance's to decide. Above is `>`, up to is `<=`."
    expected = ((50, "allow", bound), (50.01, "hold", bound), (2000, "hold", bound), (2000.01, "deny", first))
    for amount, verdict, advice in expected:
        decision = asked.about("sales", _REFUND, {"order": "order-7", "amount": amount}, verdict, advice)
        if verdict == "hold":
            _held(ws, next(rule for rule in policy.rules if rule.name == decision.rule))
    for team, operation in (("marketing", _REFUND), ("finance", _REFUND), ("sales", _ISSUE)):
        for amount in (10, 500, 5000):
            asked.about(team, operation, {"order": "order-7", "amount": amount}, "deny", _NOBODY)
    order = ws.id("check-order")
    async with _door(ws, policy) as door:
        amounts = [50, 700, 1500, 5000]
        calls = [await door.call("sales", _REFUND, {"order": order, "amount": amount}) for amount in amounts]
        await door.serve()  # the calls are held, whatever becomes of Workers
        await door.decide(2, lambda given: bool(given["amount"] != 700))
        answered = await _outcomes(calls)
    paid = [entry.details["amount"] for entry in ws.ledger.entries("checked", order=order)]
    if answered != [True, False, True, False] or sorted(paid) != [50, 1500]:
        raise Wrong(
            f"Of refunds of {amounts} dollars, {paid} were paid.", "Expected 50, and 1500, which Finance approved."
        )
    return "50 dollars ran at once. Finance refused 700 and approved 1500, and each was paid once or not at all."


def _held(ws: Workshop, rule: Rule) -> None:
    """Look at the rule that holds.

    Raises:
        Wrong: It asks somebody else, or for another time.
    """
    if rule.approvers != [ws.namespace("finance")]:
        raise Wrong(f"The approvers are {rule.approvers}.", "Finance alone decides: `approvers=[finance]`.")
    if rule.hours != 48:
        raise Wrong(f"Finance has {rule.hours:g} hours.", "Two days are `hours=48`.")
    if rule.silence != "deny":
        raise Wrong("When Finance says nothing, the refund is paid.", 'Leave out `silence`: the default is `"deny"`.')


# 11.3


@exercise("11.3")
async def paid_by(ws: Workshop, answer: Any) -> str:
    """What was paid for each caller, read from the record of calls that were really made."""
    small = Rule("small", "allow", operations=[_REFUND], when=["amount <= 100"])
    large = Rule(
        "large", "hold", operations=[_REFUND], when=["amount <= 1000"], approvers=[ws.namespace("finance")], hours=48
    )
    made = [("sales", 30), ("sales", 70), ("marketing", 40), ("sales", 500), ("marketing", 700), ("marketing", 9000)]
    async with _door(ws, Policy([small, large])) as door:
        order = ws.id("check-order")
        calls = [await door.call(team, _REFUND, {"order": order, "amount": amount}) for team, amount in made]
        await door.decide(2, lambda given: bool(given["amount"] == 500))
        await _outcomes(calls)
        rows = await record(door.owner)
    sales, marketing = ws.namespace("sales"), ws.namespace("marketing")
    told = answer(rows)
    if not isinstance(told, dict):
        raise Wrong(f"Your function returned {told!r}.", 'Return a dict, such as `{"sales": 630.0}`.')
    mistakes = {
        (600, 740): "A call that is held has paid nothing yet. It did once its approval's row says `approved`.",
        (100, 40): "The call of 500 dollars was held, and then approved. It was paid, too.",
        (1100, 740): "The call of 500 dollars has two rows: one when it was held, one when it was approved.",
        (600, 9040): "A call whose verdict is `deny` paid nothing.",
    }
    saw = (told.get(sales, 0), told.get(marketing, 0))
    if saw != (600, 40) or sum(told.values()) != 640:
        advice = mistakes.get(saw, "Look at `kind`, `verdict`, `caller` and `input` of each row.")
        raise Wrong(f"Sales was paid 600 dollars and marketing 40. Your function says {told!r}.", advice)
    if answer([]) != {}:
        raise Wrong("An empty record should give an empty dict.", "Begin with an empty dict for each call.")
    return "Six calls, one of them approved and one refused by Finance: 600 dollars for sales, 40 for marketing."
