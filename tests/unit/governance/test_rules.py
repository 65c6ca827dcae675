"""What a policy says of a call: against a reference of ten lines, and rule by rule."""

import json
import operator
from typing import Any

import pytest
from hypothesis import given as drawn
from hypothesis import settings
from hypothesis import strategies as st

from workshop_lib.governance.policy.rules import Call, Policy, Rule, Usage, explain

SIGNS = {"==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
CALLERS, OPERATIONS = ["sales", "support", "agents"], ["Refunds.pay", "Refunds.count", "Finance.price"]
VALUES = st.one_of(st.integers(-3, 3), st.sampled_from(["ACME", "HOOLI", True, None]))
MAKES_SENSE: dict[str, Any] = {"approvers": ["leads"], "hours": 1.0, "of": "amount"}
conditions = st.tuples(st.sampled_from(["amount", "ticker"]), st.sampled_from(list(SIGNS)), VALUES)
some = st.lists(st.sampled_from([*CALLERS, *OPERATIONS, "*"]), max_size=3)
rules = st.tuples(
    *(st.sampled_from(["allow", "deny", "hold", "limit", "budget", "breaker", "off"]), some, some),
    *(st.lists(conditions, max_size=2), st.integers(1, 3), st.booleans()),
)
calls = st.tuples(
    *(st.sampled_from(CALLERS), st.sampled_from(OPERATIONS)),
    st.fixed_dictionaries({}, optional={"amount": VALUES, "ticker": VALUES}),
)
Ruled = list[tuple[str, list[str], list[str], list[tuple[str, str, Any]], int, bool]]
Calls = list[tuple[str, str, dict[str, Any]]]


def holds(condition: tuple[str, str, Any], given: dict[str, Any], unclear: bool) -> bool:
    path, sign, wanted = condition
    kinds = [type(each) if type(each) is not int else float for each in (given.get(path, ...), wanted)]
    if kinds[0] is not kinds[1] or (kinds[0] not in (float, str) and sign not in ("==", "!=")):
        return unclear
    return bool(SIGNS[sign](given[path], wanted))


def reference(ruled: Ruled, asked: Calls, thrown: set[int]) -> list[tuple[str, int]]:
    """Each call's verdict, and the number of the rule; -1 for none."""
    verdicts = []
    past: list[tuple[str, tuple[str, dict[str, Any]], list[int]]] = []  # who, what, and the guards it passed
    for caller, operation, given in asked:
        passed: list[int] = []
        for number, (verdict, callers, operations, conditions, most, log_only) in enumerate(ruled):
            about = {"*", caller} & set(callers) and {"*", operation} & set(operations)
            if not about or not all(holds(each, given, verdict != "allow") for each in conditions):
                continue
            amount, used = 1.0, [entry for entry in past if number in entry[2] and entry[0] == caller]
            if verdict == "budget":
                value = given.get("amount")
                odd = value is not None and (type(value) is not int or value < 0)
                amount = float("inf") if odd else float(value or 0)
            run = next((n for n, entry in enumerate(reversed(used)) if entry[1] != (operation, given)), len(used))
            sums = {"limit": len(used), "budget": sum(e[1][1].get("amount") or 0 for e in used), "breaker": run}
            refuses = number in thrown if verdict == "off" else verdict not in sums or sums[verdict] + amount > most
            if not refuses:
                passed.append(number)
            elif not log_only:
                end = verdict if verdict in ("allow", "hold") else "deny"
                break
        else:
            number, end = -1, "deny"
        past += [(caller, (operation, given), passed)] if end != "deny" else []
        verdicts.append((end, number))
    return verdicts


@settings(max_examples=1000, deadline=None, derandomize=True)
@drawn(st.lists(rules, max_size=5), st.lists(calls, min_size=1, max_size=8), st.sets(st.integers(0, 4)))
def test_a_thousand_policies_agree_with_the_reference(ruled: Ruled, asked: Calls, thrown: set[int]) -> None:
    policy = Policy(
        [
            Rule(
                *(str(number), verdict),  # type: ignore[arg-type]
                callers=callers,
                operations=operations,
                when=[f"{path} {sign} {json.dumps(value)}" for path, sign, value in conditions],
                most=most,
                per="day",
                log_only=log_only,
                **MAKES_SENSE,
            )
            for number, (verdict, callers, operations, conditions, most, log_only) in enumerate(ruled)
        ]
    )
    usage, said = Usage(thrown={str(number): "" for number in thrown}), []
    for caller, operation, given in asked:
        call = Call(caller, operation, given)
        decision = explain(policy, call, usage, now=1000.0)
        usage.count(policy, call, decision)
        said.append((decision.verdict, int(decision.rule or -1)))
    assert said == reference(ruled, asked, thrown)


TOML = """
[[rules]]
name = "stop"
verdict = "off"

[[rules]]
name = "five a minute"
verdict = "limit"
most = 5

[[rules]]
name = "tokens"
verdict = "budget"
most = 1000
per = "day"
of = "max_tokens"

[[rules]]
name = "large"
verdict = "hold"
callers = ["agents-*"]
operations = ["Refunds.pay"]
when = ["amount > 100", 'order.country in ["US", "FR"]']
approvers = ["leads"]
hours = 48

[[rules]]
name = "the rest"
verdict = "allow"
callers = ["agents-*"]
"""


def test_a_policy_is_read_from_toml_and_explains_itself() -> None:
    policy = Policy.from_toml(TOML)
    given = {"amount": 101, "order": {"country": "FR"}}
    held = explain(policy, Call("agents-1", "Refunds.pay", given))
    assert (held.verdict, held.rule, held.why) == ("hold", "large", "it waits up to 48 hours for leads")
    assert explain(policy, Call("agents-1", "Refunds.pay", {**given, "amount": 100})).rule == "the rest"
    stranger = explain(policy, Call("mallory", "Refunds.pay", given))
    assert (stranger.verdict, stranger.why) == ("deny", "no rule allows mallory to call Refunds.pay")
    assert [policy.offers(caller, "Refunds.pay") for caller in ("agents-1", "mallory")] == [48, None]
    assert policy.offers("agents-1", "Refunds.count") == 0


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('verdict = "alow"', "alow"),
        ('verdict = "hold"', "a hold needs approvers and hours"),
        ('verdict = "limit"', "a limit needs most"),
        ('verdict = "budget"\nmost = 1', "a budget needs of"),
        ('verdict = "limit"\nmost = nan', "a limit needs numbers from 0 on"),
        ('verdict = "hold"\napprovers = ["leads"]\nhours = inf', "no more hours than a year has"),
        ('verdict = "allow"\nwhen = ["amount over 3"]', "'amount over 3' is no condition"),
        ('verdict = "allow"\nwhen = ["amount in 3"]', "'amount in 3' is no condition"),
        ('verdict = "allow"\nmost_ = 1', "most_"),
        ('verdict = "allow"\n[[rules]]\nname = "one"\nverdict = "deny"', "Two rules have one name: one"),
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Policy.from_toml(f'[[rules]]\nname = "one"\n{text}')


def test_what_cannot_be_judged_is_not_let_through() -> None:
    """A missing field, another type, NaN. And a number that no float can hold stops no keeper."""
    policy = Policy([Rule("no", "deny", when=["amount > 100"]), Rule("yes", "allow", when=["amount <= 100"])])
    for given in ({}, *({"amount": each} for each in ("5", float("nan"), None, True, 10**400))):
        assert explain(policy, Call("sales", "Refunds.pay", given)).rule == "no"
    assert explain(policy, Call("sales", "Refunds.pay", {"amount": 5})).rule == "yes"


def test_a_limit_lasts_from_its_first_call_on_and_a_breaker_until_another_call_or_a_pause() -> None:
    """Not by the clock: else twice as many would pass around midnight."""
    policy = Policy([Rule("two", "limit", most=2), Rule("again", "breaker", most=1), Rule("yes", "allow")])
    usage = Usage()

    def asked(order: str, now: float) -> str:
        call = Call("sales", "Refunds.pay", {"order": order})
        decision = explain(policy, call, usage, now)
        usage.count(policy, call, decision)
        return decision.rule

    assert [asked("a", 10), asked("a", 11), asked("b", 12), asked("c", 69.9)] == ["yes", "again", "yes", "two"]
    assert [asked("c", 70), asked("c", 71), asked("c", 130)] == ["yes", "again", "yes"]


def test_a_budget_is_reserved_and_corrected() -> None:
    policy = Policy([Rule("tokens", "budget", most=100, per="day", of="max_tokens"), Rule("yes", "allow")])
    usage, call = Usage(), Call("sales", "Model.ask", {"max_tokens": 80})
    first = explain(policy, call, usage)
    usage.count(policy, call, first)
    told = explain(policy, call, usage)
    assert (told.rule, told.why) == (
        "tokens",
        "100 max_tokens a day are used up by sales: 80 so far, and 80 more asked for",
    )
    for _ in range(2):  # said twice, it counts once
        usage.correct(policy, first, "max_tokens", 15)
    assert explain(policy, call, usage).rule == "yes"
    assert explain(policy, Call("sales", "Model.ask", {"max_tokens": 86}), usage).rule == "tokens"
    assert explain(policy, Call("sales", "Model.ask", {"max_tokens": 10**400}), usage).rule == "tokens"
    usage.correct(policy, first, "max_tokens", float("nan"))
    assert explain(policy, call, usage).rule == "tokens"
    assert explain(policy, call, usage, now=90000).rule == "yes"
