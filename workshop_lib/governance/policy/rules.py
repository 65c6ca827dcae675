"""A policy as data, and what it says of a call. Nothing here knows Temporal or a clock."""

import fnmatch
import json
import math
import operator
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass as validated

from ..digest import sha256  # noqa: TID252 - so that the package can be lifted out

Verdict = Literal["allow", "deny", "hold", "limit", "budget", "breaker", "off"]
_NEEDS = {"hold": ("approvers", "hours"), "limit": ("most",), "budget": ("most", "of"), "breaker": ("most",)}
_SECONDS = {"minute": 60.0, "hour": 3600.0, "day": 86400.0}
_CONDITION = re.compile(r"\s*([\w.]+)\s*(==|!=|<=|>=|<|>|not in\b|in\b)\s*(.+)", re.DOTALL)
_COMPARE = {"==": "eq", "!=": "ne", "<": "lt", "<=": "le", ">": "gt", ">=": "ge"}


@dataclass(frozen=True)
class Call:
    """A call, as its owner sees it.

    Attributes:
        caller: The namespace that it comes from.
        operation: ``"Service.operation"``.
        input: The operation's input, validated, as JSON. One that is no object stands under ``"input"``.
        id: The request's, the same for each of its attempts.
        link: Leads to the caller's workflow; empty if unknown.
        whole: The hash of the whole input, where ``input`` is only the beginning of a long one.
        seconds: How long the caller still waits; 0 if that has no limit.
        ticket: The id of the held call that this one carries out; empty for any other call.
    """

    caller: str
    operation: str
    input: dict[str, Any]
    id: str = ""
    link: str = ""
    whole: str = ""
    seconds: float = 0.0
    ticket: str = ""

    def digest(self) -> str:
        """Names the operation and its input: SHA-256, in hexadecimal."""
        return sha256([self.operation, self.whole or self.input])


@validated(frozen=True, config=ConfigDict(extra="forbid"))
class Rule:
    """One rule of a policy.

    ``allow``, ``deny`` and ``hold`` decide on each call that they match. The others are guards: they refuse when they
    are used up or thrown, and else leave the call to the next rule.

    Attributes:
        name: In words; refusals and the record quote it.
        verdict: What it does.
        callers: Patterns of namespaces, such as ``"sales"`` or ``"agents-*"``.
        operations: Patterns of ``"Service.operation"``.
        when: Conditions on the input, such as ``"amount > 100"`` or ``'ticker in ["ACME"]'``; all must hold. One that
            cannot be judged, because the field is missing or of another type, does not hold for ``allow``, and does for
            all others: what is unclear is not let through.
        approvers: ``hold``: the namespaces of which one has to agree.
        hours: ``hold``: how long they have.
        silence: ``hold``: what it means when nobody has decided by then, ``"deny"`` or ``"allow"``.
        most: ``limit``: how many calls; ``budget``: how much; ``breaker``: how often the same call in a row.
        per: ``limit`` and ``budget``: in a ``"minute"``, ``"hour"`` or ``"day"``, which begins with the first call of a
            caller, whatever the clock says. ``breaker``: how long after the last one a call still counts as in a row.
        of: ``budget``: the field of the input that says how much a call may use. It is reserved when the call is
            decided, and can be corrected afterwards.
        log_only: It decides nothing. What it would have decided is noted.
    """

    name: str
    verdict: Verdict
    callers: list[str] = field(default_factory=lambda: ["*"])
    operations: list[str] = field(default_factory=lambda: ["*"])
    when: list[str] = field(default_factory=list)
    approvers: list[str] = field(default_factory=list)
    hours: float = 0.0
    silence: Literal["deny", "allow"] = "deny"
    most: float = 0.0
    per: Literal["minute", "hour", "day"] = "minute"
    of: str = ""
    log_only: bool = False

    def __post_init__(self) -> None:
        """Refuse what makes no sense.

        Raises:
            ValueError: It says which rule, and what is wrong with it.
        """
        missing = [each for each in _NEEDS.get(self.verdict, ()) if not getattr(self, each)]
        if missing or not (0 <= self.most < math.inf and 0 <= self.hours <= 24 * 365):
            needed = " and ".join(missing) or "numbers from 0 on, and no more hours than a year has"
            raise ValueError(f"Rule {self.name!r}: a {self.verdict} needs {needed}.")
        for each in self.when:
            _parsed(each)

    def names(self, caller: str, operation: str) -> bool:
        """Whether it is about this caller and operation, whatever the input.

        Args:
            caller: The namespace.
            operation: ``"Service.operation"``.
        """
        return any(fnmatch.fnmatchcase(caller, each) for each in self.callers) and any(
            fnmatch.fnmatchcase(operation, each) for each in self.operations
        )

    def matches(self, call: Call) -> bool:
        """Whether it is about this call.

        Args:
            call: The call.
        """
        unclear = self.verdict != "allow"
        holding = (_holds(each, call.input) for each in self.when)
        return self.names(call.caller, call.operation) and all(unclear if each is None else each for each in holding)


@validated(frozen=True, config=ConfigDict(extra="forbid"))
class Policy:
    """Rules in their order: the first that decides wins, and what none allows is denied.

    Attributes:
        rules: Each with its own name.
    """

    rules: list[Rule] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Refuse two rules of one name.

        Raises:
            ValueError: There are.
        """
        names = [rule.name for rule in self.rules]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"Two rules have one name: {', '.join(twice)}.")

    @classmethod
    def from_toml(cls, text: str) -> "Policy":
        """Read a policy: a table ``[[rules]]`` for each rule, with the names of ``Rule``'s attributes.

        Args:
            text: In TOML.

        Raises:
            ValueError: It is no TOML, or a rule makes no sense.
        """
        return cls(**tomllib.loads(text))

    def offers(self, caller: str, operation: str) -> float | None:
        """Whether a caller may call an operation with some input or other.

        Args:
            caller: The namespace.
            operation: ``"Service.operation"``.

        Returns:
            How many hours a call may be held, 0 for none; None if each call would be refused.
        """
        hours: float | None = None
        for rule in self.rules:
            if rule.log_only or rule.verdict not in ("allow", "deny", "hold") or not rule.names(caller, operation):
                continue
            if rule.verdict != "deny":
                hours = max(hours or 0.0, rule.hours)
            if not rule.when:
                break
        return hours


@dataclass
class Used:
    """How much of a guard one caller has used.

    Attributes:
        since: Of a limit or budget: when its minute, hour or day began. Of a breaker: when the last call was.
        amount: How much.
        digest: Of the last call.
    """

    since: float
    amount: float
    digest: str


@dataclass
class Usage:
    """What guards go by.

    Attributes:
        used: By the rule's name, and then by caller.
        thrown: The rules whose switch is thrown, and why.
    """

    used: dict[str, dict[str, Used]] = field(default_factory=dict)
    thrown: dict[str, str] = field(default_factory=dict)

    def _lasting(self, rule: Rule, caller: str, now: float) -> Used | None:
        """What counts at this moment: of what is longer ago, nothing does."""
        used = self.used.get(rule.name, {}).get(caller)
        return used if used and now - used.since < _SECONDS[rule.per] else None

    def of(self, rule: Rule, call: Call, now: float) -> float:
        """How much of a guard is used before this call.

        Args:
            rule: The guard.
            call: The call.
            now: In seconds since 1970.
        """
        used = self._lasting(rule, call.caller, now)
        another = used and rule.verdict == "breaker" and used.digest != call.digest()
        return used.amount if used and not another else 0.0

    def count(self, policy: Policy, call: Call, decision: "Decision") -> None:
        """Count a call that is let through or held.

        Args:
            policy: The policy that decided.
            call: The call.
            decision: What it said.
        """
        for rule in policy.rules:
            if rule.name in decision.counted:
                lasting = self._lasting(rule, call.caller, decision.at)
                since = lasting.since if lasting and rule.verdict != "breaker" else decision.at
                amount = self.of(rule, call, decision.at) + decision.counted[rule.name]
                self.used.setdefault(rule.name, {})[call.caller] = Used(since, amount, call.digest())

    def correct(self, policy: Policy, decision: "Decision", of: str, amount: float) -> None:
        """Put what a call has really used into the place of what was reserved for it, unless its time is over.

        Args:
            policy: The policy.
            decision: What it said of the call. Its ``counted`` is changed.
            of: The field that the budget goes by.
            amount: What was used.
        """
        for rule in policy.rules:
            used = self.used.get(rule.name, {}).get(decision.caller)
            budget = rule.verdict == "budget" and rule.of == of and rule.name in decision.counted
            if budget and used and used.since <= decision.at:
                used.amount += amount - decision.counted[rule.name]
                decision.counted[rule.name] = amount


@dataclass(frozen=True)
class Decision:
    """What a policy says of a call.

    Attributes:
        verdict: ``"allow"``, ``"deny"`` or ``"hold"``.
        rule: The name of the rule that decided; empty if none did.
        why: In a sentence.
        would: What rules that only log would have decided.
        caller: Who called.
        counted: By the guards' names, how much the call uses.
        at: When, in seconds since 1970.
        until: Until when a call is held, in seconds since 1970.
        joins: The id of a held call, if this one is the same again.
    """

    verdict: Literal["allow", "deny", "hold"]
    rule: str
    why: str
    would: list[str] = field(default_factory=list)
    caller: str = ""
    counted: dict[str, float] = field(default_factory=dict)
    at: float = 0.0
    until: float = 0.0
    joins: str = ""


def explain(policy: Policy, call: Call, usage: Usage | None = None, now: float = 0.0) -> Decision:
    """What a policy says of a call, and which rule says so. Nothing is changed or counted.

    Args:
        policy: The policy.
        call: The call.
        usage: What has been used.
        now: In seconds since 1970.
    """
    usage, would, counted = usage or Usage(), [], {}
    for rule in policy.rules:
        if not rule.matches(call):
            continue
        amount = _amount(rule, call)
        why = _decides(rule, call, usage, amount, now)
        if not why:
            counted[rule.name] = amount
        elif rule.log_only:
            would.append(f"{rule.name} ({rule.verdict})")
        else:
            verdict = rule.verdict if rule.verdict in ("allow", "hold") else "deny"
            used = {} if verdict == "deny" else counted
            return Decision(verdict, rule.name, why, would, call.caller, used, now)
    nobody = f"no rule allows {call.caller} to call {call.operation}"
    return Decision("deny", "", nobody, would, call.caller, at=now)


def _decides(rule: Rule, call: Call, usage: Usage, amount: float, now: float) -> str:
    """Why a rule that matches decides; empty if it leaves the call to the next one."""
    verdict, most = rule.verdict, f"{rule.most:g}"
    if verdict in ("allow", "deny"):
        when = f" when {', '.join(rule.when)}" if rule.when else ""
        return f"{call.operation} is {'allowed' if verdict == 'allow' else 'denied'} to {call.caller}{when}"
    if verdict == "hold":
        return f"it waits up to {rule.hours:g} hours for {' or '.join(rule.approvers)}"
    if verdict == "off":
        return f"it is switched off: {usage.thrown[rule.name]}" if rule.name in usage.thrown else ""
    used = usage.of(rule, call, now)
    if used + amount <= rule.most:  # which NaN is not
        return ""
    if verdict == "breaker":
        return f"{call.caller} made the same call {most} times in a row"
    what = "calls" if verdict == "limit" else rule.of
    return f"{most} {what} a {rule.per} are used up by {call.caller}: {used:g} so far, and {amount:g} more asked for"


def _amount(rule: Rule, call: Call) -> float:
    if rule.verdict != "budget":
        return float(rule.verdict in ("limit", "breaker"))
    given = call.input.get(rule.of)
    if given is None:
        return 0.0
    return float(given) if _kind(given) is float and 0 <= given < 1e300 else math.inf  # nothing unclear is let through


@cache
def _parsed(condition: str) -> tuple[list[str], str, Any]:
    found = _CONDITION.fullmatch(condition)
    try:
        path, sign, value = found.groups() if found else ("", "", "")
        wanted = json.loads(value)
    except ValueError:
        found = None
    if found is None or (sign.endswith("in") != isinstance(wanted, list)):
        raise ValueError(f'{condition!r} is no condition, such as: amount > 100, or: ticker in ["ACME", "HOOLI"]')
    return path.split("."), sign, wanted


def _holds(condition: str, given: Any) -> bool | None:
    """Whether a condition holds; None if it cannot be judged."""
    path, sign, wanted = _parsed(condition)
    for step in path:
        if not isinstance(given, Mapping) or step not in given:
            return None
        given = given[step]
    if not isinstance(wanted, list):
        return _compared(given, sign, wanted)
    found = [_compared(given, "==", each) for each in wanted]
    return (sign == "in") == (True in found) if True in found or None not in found else None


def _compared(given: Any, sign: str, wanted: Any) -> bool | None:
    kind = _kind(given)
    if kind is None or kind is not _kind(wanted) or (kind not in (float, str) and sign not in ("==", "!=")):
        return None
    return bool(getattr(operator, _COMPARE[sign])(given, wanted))


def _kind(value: Any) -> type | None:
    """Numbers are of one kind, and NaN is of none."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float if value == value else None  # math.isnan takes no large whole number
    return type(value)
