"""Answers to the exercises of notebook 11, right ones and plausible wrong ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from temporalio.exceptions import ApplicationError

from workshop_lib.governance.policy.chain import Row
from workshop_lib.governance.policy.rules import Policy, Rule

ISSUE, REFUND = ["GiftCards.issue"], ["Refunds.refund"]


def stub(*given: Any) -> Any:
    raise ApplicationError("not solved yet", non_retryable=True)


# 11.1


def cards(*order: int, **changes: Any) -> Callable[[str, str], Policy]:
    """The right policy for gift cards, with its rules in another order, or with other values in one of them."""

    def made(sales: str, marketing: str) -> Policy:
        values: dict[str, Any] = {"callers": [sales], "per": "day", "most": 3, "small": 25, "large": 100, **changes}
        callers = values["callers"] or ["*"]
        rules = [
            Rule("three a day", "limit", callers, ISSUE, most=values["most"], per=values["per"]),
            Rule("small cards", "allow", [sales], ISSUE, when=[f"dollars <= {values['small']}"]),
            Rule("large cards", "allow", [marketing], ISSUE, when=[f"dollars <= {values['large']}"]),
        ]
        return Policy([rules[number] for number in order or (0, 1, 2)])

    return made


def from_toml(sales: str, marketing: str) -> Policy:
    return Policy.from_toml(f"""
        [[rules]]
        name = "no large cards"
        verdict = "deny"
        callers = ["{sales}"]
        when = ["dollars > 25"]
        [[rules]]
        name = "three a day"
        verdict = "limit"
        callers = ["{sales}"]
        most = 3
        per = "day"
        [[rules]]
        name = "cards"
        verdict = "allow"
        callers = ["{sales}", "{marketing}"]
        operations = ["GiftCards.*"]
        when = ["dollars <= 100"]
    """)


def every_operation(sales: str, marketing: str) -> Policy:
    rules = cards()(sales, marketing).rules
    return Policy([*rules, Rule("the rest", "allow", [marketing], REFUND)])


def only_tried(sales: str, marketing: str) -> Policy:
    limit, *rules = cards()(sales, marketing).rules
    return Policy([Rule(limit.name, "limit", [sales], ISSUE, most=3, per="day", log_only=True), *rules])


# 11.2


def refunds(*order: int, **hold: Any) -> Callable[[str, str], Policy]:
    """The right policy for refunds, with its rules in another order, or with other values in the one that holds."""

    def made(sales: str, finance: str) -> Policy:
        held: dict[str, Any] = {"approvers": [finance], "hours": 48, **hold}
        rules = [
            Rule("huge", "deny", [sales], REFUND, when=["amount > 2000"]),
            Rule("small", "allow", [sales], REFUND, when=["amount <= 50"]),
            Rule("large", "hold", [sales], REFUND, **held),
        ]
        return Policy([rules[number] for number in order or (0, 1, 2)])

    return made


def by_the_hold(sales: str, finance: str) -> Policy:
    large = Rule("large", "hold", [sales], REFUND, ["amount > 50", "amount <= 2000"], [finance], 48.0)
    return Policy([large, Rule("small", "allow", [sales], REFUND, when=["amount <= 50"])])


def for_everybody(sales: str, finance: str) -> Policy:
    huge, small, large = refunds()(sales, finance).rules
    return Policy([huge, Rule(small.name, "allow", operations=REFUND, when=small.when), large])


def without_hours(sales: str, finance: str) -> Policy:
    return refunds(hours=0)(sales, finance)


# 11.3


def paid_for(*verdicts: str) -> Callable[[list[Row]], dict[str, float]]:
    """Adds up the amounts of the rows with these verdicts."""

    def summed(rows: list[Row]) -> dict[str, float]:
        paid: Counter[str] = Counter()
        for row in rows:
            if row.verdict in verdicts:
                paid[row.caller] += row.input["amount"]
        return dict(paid)

    return summed


def a_list(rows: list[Row]) -> Any:
    return list(paid_for("allow", "approved")(rows).items())


RIGHT = {
    "11.1": {"limit first": cards(), "limit last but one": cards(2, 0, 1), "toml": from_toml},
    "11.2": {"deny first": refunds(), "small first": refunds(1, 0, 2), "hold between": by_the_hold},
    "11.3": {"two verdicts": paid_for("allow", "approved")},
}
WRONG = {
    "11.1": {
        "limit after the allow": (cards(1, 0, 2), "It has to come before the rule that allows."),
        "limit for all": (cards(callers=None), "The limit is for sales only"),
        "an hour": (cards(per="hour"), '`per="day"`'),
        "another bound": (cards(small=24), "*Up to* includes the bound itself"),
        "too many operations": (every_operation, "What no rule allows is denied."),
        "only in the log": (only_tried, "A rule with log_only decides nothing."),
        "a policy": (Policy(), "Hand in the function itself"),
    },
    "11.2": {
        "hold first": (refunds(2, 0, 1), "50 dollars run at once"),
        "deny last": (refunds(1, 2, 0), "has to come before the rule that holds"),
        "for everybody": (for_everybody, "Name the callers"),
        "silence allows": (refunds(silence="allow"), "the default is"),
        "one day": (refunds(hours=24), "`hours=48`"),
        "no time": (without_hours, "Your policy cannot be made"),
        "others approve": (refunds(approvers=["sales"]), "Finance alone decides"),
    },
    "11.3": {
        "held is paid": (paid_for("allow", "hold"), "A call that is held has paid nothing yet."),
        "approved is not": (paid_for("allow"), "It was paid, too."),
        "twice": (paid_for("allow", "hold", "approved"), "has two rows"),
        "denied is paid": (paid_for("allow", "approved", "deny"), "paid nothing"),
        "a list": (a_list, "Return a dict"),
    },
}
STUBS = {"11.1": stub, "11.2": stub, "11.3": stub}
