"""What a policy remembers, in a workflow of the owner's namespace: it survives each Worker and the server.

It decides about calls one after the other, however many Workers ask.
"""

from dataclasses import dataclass, field, replace
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from ..digest import sha256  # noqa: TID252 - so that the package can be lifted out
    from .chain import Row
    from .contract import Approval, Waiting
    from .rules import Call, Decision, Policy, Usage, explain

KEEPER = "policy-keeper"
_MOST_ROWS = 200  # of one run of the keeper: a query returns them all, and 2 MB at most
_MOST_ANSWERS = 1000  # decisions that are known again when a handler is retried, also by the keeper's next run
_MOST_HELD = 200  # which the next run is given, in 2 MB at most
_LONGEST_WHY = 500  # characters, of an approver
_OF_LIMIT = 0.9
_LATE = 3600.0  # seconds after which a held call that never ended is forgotten


@dataclass
class Held:
    """A call that waits, or that may run once.

    Attributes:
        waiting: What an approver sees.
        digest: Of the operation and the whole input.
        approvers: Who may decide.
        silence: As in ``Rule``.
        decision: That it is held.
        open: Whether its workflow waits.
        settled: What was decided: ``allow`` or ``deny``, and who says so.
        redeemed: The request that has run it.
    """

    waiting: Waiting
    digest: str
    approvers: list[str]
    silence: str
    decision: Decision
    open: bool = False
    settled: Decision | None = None
    redeemed: str = ""


@dataclass
class Kept:
    """All that one run of the keeper hands to the next.

    Attributes:
        policy: The rules.
        usage: What guards go by.
        held: By id.
        answers: The last decisions, by request: a request that comes again is answered again, and not counted.
        number: Of the record's last row.
        hash: Of that row.
        earlier: The run before, whose rows come before.
    """

    policy: Policy = field(default_factory=Policy)
    usage: Usage = field(default_factory=Usage)
    held: dict[str, Held] = field(default_factory=dict)
    answers: dict[str, Decision] = field(default_factory=dict)
    number: int = 0
    hash: str = ""
    earlier: str = ""


@dataclass(frozen=True)
class Page:
    """The rows of one run of the keeper, and which run came before."""

    rows: list[Row]
    earlier: str


@workflow.defn
class PolicyKeeper:
    """Decides about calls, counts them, and keeps the record. It stays, until somebody ends it.

    Args:
        kept: What it begins with.
    """

    @workflow.init
    def __init__(self, kept: Kept) -> None:
        self._kept = kept
        self._rows: list[Row] = []

    @workflow.run
    async def run(self, kept: Kept) -> None:
        """Stay.

        Args:
            kept: As for the class.
        """
        long, quiet = workflow.info().is_continue_as_new_suggested, workflow.all_handlers_finished
        await workflow.wait_condition(lambda: (long() or len(self._rows) >= _MOST_ROWS) and quiet())
        late = workflow.now().timestamp() - _LATE
        held = {id: each for id, each in self._kept.held.items() if each.settled or each.waiting.until > late}
        workflow.continue_as_new(replace(self._kept, held=held, earlier=workflow.info().run_id))

    @workflow.update
    def decide(self, calls: list[Call]) -> list[Decision]:
        """Decide about calls, and count them.

        Args:
            calls: Which, and by whom.
        """
        return [self._decide(each) for each in calls]

    def _decide(self, call: Call) -> Decision:
        id, now = request(call), workflow.now().timestamp()
        if known := self._kept.answers.get(id):
            return known
        if call.ticket:
            decision = self._redeem(call)
        else:
            decision = explain(self._kept.policy, call, self._kept.usage, now)
            if decision.verdict == "hold":
                decision = self._hold(call, id, decision)
            self._kept.usage.count(self._kept.policy, call, decision)
        if not (call.ticket and decision.verdict == "allow"):  # that is what the row of its approval says
            what = {"rule": decision.rule, "why": decision.why, "would": decision.would}
            self._note("decision", decision.verdict, call, decision.joins or id, **what)
        self._answer(id, decision)
        return decision

    def _hold(self, call: Call, id: str, decision: Decision) -> Decision:
        held, now, digest = self._kept.held, decision.at, call.digest()  # once: a workflow task has two seconds
        for there in held.values():
            if (there.waiting.caller, there.digest) == (call.caller, digest):
                why = "the caller asks again for what is held already"
                return replace(decision, why=why, counted={}, joins=there.waiting.id)
        if len(held) >= _MOST_HELD:
            return replace(decision, verdict="deny", why=f"{_MOST_HELD} calls are held already", counted={})
        rule = next(each for each in self._kept.policy.rules if each.name == decision.rule)
        # Somewhat before the caller's limit, so that it still hears why. Later, a yes would help nobody.
        seconds = min(rule.hours * 3600, call.seconds * _OF_LIMIT or float("inf"))
        silence = rule.silence if seconds == rule.hours * 3600 else "deny"
        decision = replace(decision, until=now + seconds)
        waiting = Waiting(id, call.caller, call.operation, call.input, rule.name, now, decision.until, call.link)
        held[id] = Held(waiting, digest, rule.approvers, silence, decision)
        return decision

    def _redeem(self, call: Call) -> Decision:
        """Whether a call carries out one that was approved: just that, and once."""
        held = self._kept.held.get(call.ticket)
        if (
            held is None
            or not (held.settled and held.settled.verdict == "allow")
            or (call.caller, call.digest()) != (workflow.info().namespace, held.digest)
            or held.redeemed not in ("", call.id)
        ):
            return Decision("deny", "", f"{call.caller} has no approved call that this one could carry out")
        original = replace(call, caller=held.waiting.caller)
        for rule in self._kept.policy.rules:
            if rule.verdict == "off" and rule.name in self._kept.usage.thrown and rule.matches(original):
                return Decision("deny", rule.name, f"it is switched off: {self._kept.usage.thrown[rule.name]}")
        held.redeemed = call.id
        return replace(held.decision, verdict="allow", why=held.settled.why)

    @workflow.update
    async def settle(self, approval: Approval, by: str, request_id: str) -> str:
        """Approve or refuse a held call.

        Args:
            approval: Which, and whether.
            by: The approver's namespace.
            request_id: Of the approver's operation.

        Returns:
            What was decided, in a sentence.
        """
        mark = f"{request_id} {by} {approval.id}"
        if mark not in self._kept.answers:
            held, verdict = self._kept.held[approval.id], "approved" if approval.approve else "refused"
            why = f"{verdict.capitalize()} by {by}" + (f": {approval.reason}" if approval.reason else "")
            held.settled = self._settled(held, approval.approve, verdict, why[:_LONGEST_WHY], by)
            self._answer(mark, held.settled)
            await _tell(approval.id, held)
        return self._kept.answers[mark].why

    @settle.validator
    def _may_settle(self, approval: Approval, by: str, request_id: str) -> None:
        held = self._kept.held.get(approval.id)
        if f"{request_id} {by} {approval.id}" in self._kept.answers:
            return
        if held is None or by not in held.approvers:
            raise ApplicationError(f"No call {approval.id} waits for {by}.", type="UNAUTHORIZED")
        if by == held.waiting.caller:
            raise ApplicationError(f"Nobody approves an own call, and {by} made this one.", type="UNAUTHORIZED")
        if held.settled:
            raise ApplicationError(f"It is decided already: {held.settled.why}.", type="CONFLICT")
        if workflow.now().timestamp() > held.waiting.until:
            raise ApplicationError("The time to decide is over.", type="CONFLICT")
        if not held.open:
            raise ApplicationError("The call is not ready to be decided. Try again.", type="UNAVAILABLE")

    @workflow.query
    def waiting(self, by: str) -> list[Waiting]:
        """What waits for an approver.

        Args:
            by: The approver's namespace.
        """
        return [
            held.waiting
            for held in self._kept.held.values()
            if held.open and not held.settled and by in held.approvers and by != held.waiting.caller
        ]

    @workflow.signal
    async def opened(self, id: str) -> None:
        """A held call's workflow waits.

        Args:
            id: The call's.
        """
        if held := self._kept.held.get(id):
            held.open = True
        if held is None or held.settled:
            await _tell(id, held)

    @workflow.signal
    async def silent(self, id: str) -> None:
        """Nobody has decided in time, as far as the held call's workflow knows.

        Args:
            id: The call's.
        """
        held = self._kept.held.get(id)
        if held and not held.settled:
            why = f"Nobody of {', '.join(held.approvers)} decided in time"
            held.settled = self._settled(held, held.silence == "allow", "silence", why)
        await _tell(id, held)

    @workflow.signal
    def ended(self, id: str) -> None:
        """A held call is over; or, said again, somebody came too late to join it, and will ask again.

        Args:
            id: The call's.
        """
        held = self._kept.held.pop(id, None)
        if held is None:
            self._kept.answers = {name: each for name, each in self._kept.answers.items() if each.joins != id}
        elif not held.settled:
            self._settled(held, False, "called off", f"{held.waiting.caller} called it off")

    @workflow.signal
    def deploy(self, policy: Policy) -> None:
        """Go by another policy from now on. What was counted and held stays.

        Args:
            policy: The policy.
        """
        if policy != self._kept.policy:
            self._kept.policy = policy
            self._note("policy", "deployed", why=f"{len(policy.rules)} rules")

    @workflow.update
    def switch(self, rule: str, thrown: bool, reason: str) -> None:
        """Throw the switch of a rule, or release it.

        Args:
            rule: The name of a rule whose verdict is ``off``.
            thrown: Whether it refuses from now on.
            reason: For refused callers and for the record.
        """
        self._kept.usage.thrown.pop(rule, None)
        if thrown:
            self._kept.usage.thrown[rule] = reason
        self._note("switch", "thrown" if thrown else "released", rule=rule, why=reason)

    @switch.validator
    def _has_switch(self, rule: str, thrown: bool, reason: str) -> None:
        names = [each.name for each in self._kept.policy.rules if each.verdict == "off"]
        if rule not in names:
            known = ", ".join(names) or "none"
            raise ApplicationError(f"No rule {rule!r} has a switch. With a switch: {known}.", type="NotFound")

    @workflow.signal
    def spent(self, request: str, of: str, amount: float) -> None:
        """Correct what a call was expected to use of a budget.

        Args:
            request: Which call: what the function ``request`` makes of it.
            of: The field of the input that the budget goes by.
            amount: What was really used.
        """
        if decision := self._kept.answers.get(request):
            self._kept.usage.correct(self._kept.policy, decision, of, amount)

    @workflow.query
    def offers(self, caller: str, operations: list[str]) -> list[float | None]:
        """As ``Policy.offers``, of several operations.

        Args:
            caller: The namespace.
            operations: Their names, ``"Service.operation"``.
        """
        return [self._kept.policy.offers(caller, each) for each in operations]

    @workflow.query
    def page(self) -> Page:
        """The rows of this run."""
        return Page(self._rows, self._kept.earlier)

    def _note(self, kind: str, verdict: str, call: Call | Waiting | None = None, id: str = "", **more: Any) -> None:
        names = ("caller", "operation", "input", "link") if call else ()
        told = {name: getattr(call, name) for name in names}
        at, number = workflow.now().timestamp(), self._kept.number + 1
        row = Row(number, at, kind, verdict, id=id, previous=self._kept.hash, **told, **more).sealed()
        self._kept.number, self._kept.hash = row.number, row.hash
        self._rows.append(row)

    def _settled(self, held: Held, allow: bool, verdict: str, why: str, by: str = "") -> Decision:
        rule = held.waiting.rule
        self._note("approval", verdict, held.waiting, held.waiting.id, rule=rule, why=why, by=by)
        return Decision("allow" if allow else "deny", rule, why)

    def _answer(self, request: str, decision: Decision) -> None:
        self._kept.answers[request] = decision
        while len(self._kept.answers) > _MOST_ANSWERS:
            del self._kept.answers[next(iter(self._kept.answers))]


def held_id(id: str) -> str:
    """The id of the workflow behind a held call.

    Args:
        id: The call's.
    """
    return f"held-{id}"


def request(call: Call) -> str:
    """Names one request of one caller: another's request with the same id is another one.

    Args:
        call: What it asks for.
    """
    return sha256([call.id, call.caller, call.digest()])[:32]


async def _tell(id: str, held: Held | None) -> None:
    forgotten = Decision("deny", "", "The policy's keeper no longer knows this call")
    settled = held.settled if held and held.settled else forgotten
    try:
        await workflow.get_external_workflow_handle(held_id(id)).signal("settle", settled)
    except ApplicationError:
        workflow.logger.info("The held call %s has ended.", id)  # and nobody waits for the answer
