"""What the guard tells its keeper, and whom it answers."""

import asyncio
import json
from typing import Any

import pytest

from workshop_lib.governance.policy import guard
from workshop_lib.governance.policy.keeper import Kept, PolicyKeeper
from workshop_lib.governance.policy.rules import Call, Decision, Policy, Rule, explain


async def test_who_is_cancelled_while_it_asks_spoils_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, answer = list[int](), asyncio.Semaphore(0)

    class Keeper:
        async def execute_update(self, update: Any, calls: list[Call]) -> list[Decision]:
            asked.append(len(calls))
            await answer.acquire()
            return [Decision("allow", "yes", "")] * len(calls)

    monkeypatch.setattr(guard, "_keeper", Keeper)
    monkeypatch.setattr(guard, "_ANSWER_SECONDS", 600.0)  # a busy machine may rest for longer than seven
    guards = guard.PolicyGuard()
    first, *tasks = [asyncio.create_task(guards.decide(Call("sales", "a.b", {}, id))) for id in "abcd"]
    while not asked:  # the others gather meanwhile
        await asyncio.sleep(0)
    answer.release()
    await first
    while len(asked) < 2:
        await asyncio.sleep(0)
    tasks[1].cancel()  # as the SDK does when a request's time is over
    await asyncio.wait([tasks[1]])
    answer.release()
    assert [(await each).verdict for each in (tasks[0], tasks[2])] == ["allow", "allow"]
    assert asked == [1, 3]


def test_what_the_keeper_learns_of_an_input_is_short_and_flat() -> None:
    """A data converter reads about 200 levels: in an update, one call would fail with all that are asked about."""
    plain, deep = {"amount": 5, "order": {"country": "FR", "lines": [1, 2]}}, "[" * 250 + "]" * 250
    assert guard._short(plain) == plain
    assert guard._short({"deep": json.loads(deep)}) == {"deep": deep}
    assert guard._short(plain | {"lines": ["x" * 600] * 30}) == plain | {"lines": '["' + "x" * 331}
    assert guard._short({"é": "é" * 600, "n": 10**600}) == {"é": "é" * 249, "n": "1" + "0" * 499}


def test_however_many_calls_are_held_the_keeper_hashes_a_new_one_as_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """An update asks about 25 calls in one workflow task, which has two seconds."""
    hashed, digest = list[Call](), Call.digest
    monkeypatch.setattr(Call, "digest", lambda call: hashed.append(call) or digest(call))  # type: ignore[func-returns-value]
    policy = Policy([Rule("large", "hold", approvers=["leads"], hours=1)])
    keeper = PolicyKeeper(Kept(policy))
    for number in range(30):
        call = Call("sales", "a.b", {"amount": number}, f"{number}")
        assert keeper._hold(call, call.id, explain(policy, call)).until
    assert len(hashed) == 30
