"""The guard's questions to the keeper: who is cancelled takes nobody else's answer away."""

import asyncio
import json
from typing import Any

import pytest

from workshop_lib.governance.policy import guard
from workshop_lib.governance.policy.keeper import Asked
from workshop_lib.governance.policy.rules import Call, Decision


async def test_who_is_cancelled_while_it_asks_spoils_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked, answer = list[list[str]](), asyncio.Semaphore(0)

    class Keeper:
        async def execute_update(self, update: Any, calls: list[Asked]) -> list[Decision]:
            asked.append([each.call.id for each in calls])
            await answer.acquire()
            return [Decision("allow", "yes", "") for _ in calls]

    monkeypatch.setattr(guard, "_keeper", Keeper)
    guards = guard.PolicyGuard()
    tasks = [asyncio.create_task(guards.decide(Asked(Call("sales", "a.b", {}, id)))) for id in "abcd"]
    while not asked:
        await asyncio.sleep(0)
    answer.release()
    while len(asked) < 2:
        await asyncio.sleep(0)
    tasks[2].cancel()  # as the SDK does when a request's time is over
    await asyncio.wait([tasks[2]])
    answer.release()
    for each in (tasks[0], tasks[1], tasks[3]):
        assert (await each).verdict == "allow"
    assert asked == [["a"], ["b", "c", "d"]]


def test_what_the_keeper_learns_of_an_input_is_short_and_flat() -> None:
    """A data converter reads about 200 levels: in an update, one call would fail with all that are asked about."""
    plain = {"amount": 5, "order": {"country": "FR", "lines": [1, 2]}}
    deep = "[" * 250 + "]" * 250
    assert guard._short(plain) == plain
    assert guard._short({"deep": json.loads(deep)}) == {"deep": deep}
    assert guard._short(plain | {"lines": ["x" * 600] * 30}) == plain | {"lines": '["' + "x" * 331}
    assert guard._short({"é": "é" * 600, "n": 10**600}) == {"é": "é" * 249, "n": "1" + "0" * 499}
