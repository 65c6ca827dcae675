"""A policy at its owner's door, on a real server: what is held, what is attacked. For the ways in see the next file."""

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
import refunds
from owned import LARGE, OWNER, SMALL, Owned, owned
from temporalio.client import WorkflowUpdateFailedError
from temporalio.service import RPCError
from waits import until

from workshop_lib.governance.policy.chain import from_jsonl, to_jsonl, verify
from workshop_lib.governance.policy.guard import _short, switch
from workshop_lib.governance.policy.keeper import KEEPER, PolicyKeeper
from workshop_lib.governance.policy.rules import Call, Decision, Rule
from workshop_lib.views.desk import desk
from workshop_lib.workshop import Workshop

ALLOW = Rule("yes", "allow", callers=["sales"])
LONG = {"lines": ["x" * 600] * 30}  # payloads have a limit of 2 MB


@pytest.fixture(scope="module")
async def world(ws: Workshop) -> AsyncIterator[Owned]:
    async with owned(ws) as made, made.owner():
        yield made


@pytest.mark.parametrize("operation", ["pay", "count"])
async def test_a_held_call_runs_once_when_another_namespace_approves(world: Owned, operation: str) -> None:
    await world.rules(LARGE, SMALL)
    call = await world.start("sales", refunds.Pay, operation, refunds.Refund(f"held {operation}", 500))
    waiting = await world.one_waiting()
    assert (waiting.caller, waiting.operation, waiting.input["amount"]) == ("sales", f"Refunds.{operation}", 500)
    assert f"/workflows/{call.id}/" in waiting.link
    assert world.paid(f"held {operation}") == 0
    assert await world.decide("leads", waiting.id, True, "he called") == "Approved by leads: he called"
    assert await world.outcome(call) == "paid 500"
    assert world.paid(f"held {operation}") == 1
    rows = await world.rows()
    assert [(row.kind, row.verdict, row.by) for row in rows] == [
        ("policy", "deployed", ""),
        ("decision", "hold", ""),
        ("approval", "approved", "leads"),
    ]
    assert await world.waiting() == []
    event = "nexus_operation_started_event_attributes"
    (started,) = [each for each in (await call.fetch_history()).events if each.HasField(event)]  # type: ignore[arg-type]
    assert [link.workflow_event.workflow_id for link in started.links] == [f"held-{waiting.id}"]


async def test_a_held_call_is_refused_or_runs_into_silence_or_is_called_off(world: Owned) -> None:
    await world.rules(LARGE, SMALL)
    call = await world.start("sales", refunds.Pay, "pay", refunds.Refund("refused", 500))
    await world.decide("leads", (await world.one_waiting()).id, False, "too much")
    assert await world.outcome(call) == "Refused: Refused by leads: too much."
    call = await world.start("sales", refunds.Pay, "pay", refunds.Refund("off", 500))
    held = await world.one_waiting()
    await call.cancel()
    assert "ancel" in await world.outcome(call)

    async def called_off() -> bool:
        return (await world.rows())[-1].verdict == "called off" and not await world.waiting()

    await until(called_off)
    assert "No call" in await world.decide("leads", held.id)
    briefly = replace(LARGE, hours=0.0001)
    for silence, said in (("deny", "Refused: Nobody of leads, boss decided in time"), ("allow", "paid 500")):
        await world.rules(briefly if silence == "deny" else replace(briefly, silence="allow"))
        assert said in await world.pay("sales", 500, order=f"silent {silence}")
        assert (await world.rows())[-1].verdict == "silence"
        assert world.paid(f"silent {silence}") == (silence == "allow")


async def test_who_asks_again_after_a_held_call_was_terminated_is_held_again(world: Owned) -> None:
    await world.rules(LARGE, SMALL)
    asked = (refunds.Pay, "pay", refunds.Refund("terminated", 500))
    first, held = await world.start("sales", *asked), await world.one_waiting()
    await world.clients[OWNER].get_workflow_handle(f"held-{held.id}").terminate()
    assert "terminated" in await world.outcome(first)
    second = await world.start("sales", *asked)
    again = await world.one_waiting(besides=held.id)
    await world.decide("leads", again.id)
    assert await world.outcome(second) == "paid 500"
    assert world.paid("terminated") == 1


async def test_a_request_that_joined_a_held_call_is_not_held_again_after_its_end(world: Owned) -> None:
    await world.rules(LARGE, SMALL)
    keeper = world.clients[OWNER].get_workflow_handle(KEEPER)

    async def ask(id: str) -> Decision:
        asked = [Call("sales", "Refunds.pay", {"amount": 500}, id)]
        decided: list[Decision] = await keeper.execute_update(PolicyKeeper.decide, asked)
        return decided[0]

    await ask("first")
    joined = await ask("second")
    await keeper.signal(PolicyKeeper.ended, joined.joins)
    assert await ask("second") == joined, "it would be held, approved and paid a second time"
    await keeper.signal(PolicyKeeper.ended, joined.joins)  # its Worker died before it could join
    assert (await ask("second")).joins == ""


async def test_a_call_is_held_no_longer_than_its_caller_waits_and_the_caller_hears_why(world: Owned) -> None:
    await world.rules(replace(LARGE, silence="allow"))
    told = await world.pay("sales", 500, "pay", "short", 20.0)
    # On a machine on which two seconds are not enough to say it, the caller's own limit ends the call.
    assert "Refused: Nobody of leads, boss decided in time" in told or "timed out" in told.lower()
    assert (await world.rows())[-1].verdict == "silence"
    assert world.paid("short") == 0


async def test_the_switch_stops_what_was_approved_and_has_not_begun(world: Owned) -> None:
    await world.rules(Rule("stop", "off", callers=["sales"]), LARGE, SMALL)
    call = await world.start("sales", refunds.Pay, "pay", refunds.Refund("stopped", 500))
    held = await world.one_waiting()
    await switch(world.clients[OWNER], "stop", True, "loop")
    await world.decide("leads", held.id)
    assert "refused by rule 'stop': it is switched off: loop" in await world.outcome(call)
    assert world.paid("stopped") == 0
    with pytest.raises(WorkflowUpdateFailedError) as caught:
        await switch(world.clients[OWNER], "stp", False)
    assert "No rule 'stp' has a switch. With a switch: stop." in str(caught.value.cause)
    await switch(world.clients[OWNER], "stop", False)
    assert await world.pay("sales", 5) == "paid 5"


async def test_log_only_refuses_nothing_and_is_recorded(world: Owned) -> None:
    await world.rules(replace(LARGE, log_only=True), Rule("no", "deny", log_only=True), SMALL)
    assert await world.pay("sales", 500) == "paid 500"
    assert (await world.rows())[-1].would == ["large (hold)", "no (deny)"]


async def test_who_has_no_right_neither_reads_nor_approves_nor_changes(world: Owned) -> None:
    await world.rules(replace(LARGE, approvers=["sales", "leads"]), SMALL)
    call = await world.start("sales", refunds.Pay, "pay", refunds.Refund("attacked", 500))
    held = await world.one_waiting()
    assert await world.waiting("mallory") == await world.waiting("sales") == []
    assert await world.decide("mallory", held.id) == f"HandlerError: No call {held.id} waits for mallory."
    assert "Nobody approves an own call" in await world.decide("sales", held.id)
    # A ticket of one's own making, before the call is approved and by somebody else.
    ticket = {"held-call": held.id}
    for who in ("sales", "mallory"):
        told = await world.pay(who, 500, "pay", "attacked", 60.0, ticket)
        assert f"{who} has no approved call that this one could carry out" in told
        assert [(row.verdict, row.caller) for row in await world.rows()][-1] == ("deny", who)
    # The keeper is in the owner's namespace, and nobody else's: there is none of that name here.
    keeper = world.clients["mallory"].get_workflow_handle(KEEPER)
    with pytest.raises(RPCError, match="not found"):
        await keeper.execute_update("settle", args=[{"id": held.id, "approve": True, "reason": ""}, "leads", "x"])
    assert world.paid("attacked") == 0
    assert await world.decide("leads", held.id, False) == "Refused by leads"
    assert await world.decide("leads", held.id) in (
        "HandlerError: It is decided already: Refused by leads.",
        f"HandlerError: No call {held.id} waits for leads.",  # it has ended meanwhile
    )
    await world.outcome(call)


async def test_two_hundred_calls_by_four_workers_and_never_one_too_many(world: Owned) -> None:
    """The Workers have nothing in common but the keeper."""
    limit = Rule("fifty", "limit", operations=["Refunds.count"], most=50, per="day")
    budget = Rule("sum", "budget", operations=["Refunds.pay"], most=100, per="day", of="amount")
    await world.rules(limit, budget, ALLOW)
    given = [refunds.Refund(str(n), 1 + n % 3) for n in range(25)]
    async with world.owner(), world.owner(), world.owner():
        calls = {n: await world.start("sales", refunds.PayMany, ("count", "pay")[n % 2], given) for n in range(8)}
        told = {n: [text.partition(" ") for text in await call.result()] for n, call in calls.items()}
    let_through = [(n % 2, float(text[2])) for n in told for text in told[n] if text[0] == "paid"]
    counted, paid = ([amount for kind, amount in let_through if kind == odd] for odd in (0, 1))
    assert len(counted) == 50
    assert 98 <= sum(paid) <= 100  # one of 3 did not fit any more, one of 1 or 2 did
    rows = [row for row in await world.rows() if row.kind == "decision"]
    assert len(rows) == 200
    assert sum(row.verdict == "allow" for row in rows) == len(counted) + len(paid)


async def test_the_keeper_goes_on_as_a_new_run_and_forgets_nothing(world: Owned) -> None:
    await world.rules(Rule("sum", "limit", callers=["agents"], most=600, per="day"), LARGE, Rule("yes", "allow"))
    held = await world.start("sales", refunds.Pay, "pay", refunds.Refund("lasting", 500))
    waiting, keeper = await world.one_waiting(), world.clients[OWNER].get_workflow_handle(KEEPER)

    async def ask(first: int, caller: str = "agents") -> list[Decision]:
        calls = [Call(caller, "Refunds.pay", _short({"amount": n, **LONG}), str(n)) for n in range(first, first + 50)]
        return await keeper.execute_update(PolicyKeeper.decide, calls)

    for n in range(1000, 1200, 50):
        await ask(n, "leads")
    first = (await keeper.describe()).run_id
    for n in range(0, 500, 50):
        await ask(n)

    async def again() -> Any:
        decided = await ask(450)  # a second attempt; it is not counted again
        return (await keeper.describe()).run_id != first and decided

    decided = await until(again)
    assert {(each.verdict, each.rule) for each in decided} == {("allow", "yes")}
    assert [each.verdict for n in (500, 550, 600) for each in await ask(n)] == ["allow"] * 100 + ["deny"] * 50
    assert await world.decide("leads", waiting.id) == "Approved by leads"
    assert await world.outcome(held) == "paid 500"
    rows = await world.rows()
    assert [row.number for row in rows] == list(range(1, len(rows) + 1))
    assert Counter(row.kind for row in rows) == {"policy": 1, "decision": 851, "approval": 1}
    assert from_jsonl(to_jsonl(rows)) == rows
    assert verify([*rows[:7], *rows[8:]]) == "Row 9 does not follow row 7: between them something was removed or added."
    assert verify([*rows[:7], replace(rows[7], verdict="deny"), *rows[8:]]) == "Row 8 was altered."


async def test_nobody_is_let_through_while_the_keeper_cannot_be_asked(world: Owned) -> None:
    await world.rules(ALLOW)
    await world.clients[OWNER].get_workflow_handle(KEEPER).terminate()
    call = await world.start("sales", refunds.Pay, "pay", refunds.Refund("closed", 1))

    async def failure() -> str:
        pending = (await call.describe()).raw_description.pending_nexus_operations
        return str(pending[0].last_attempt_failure) if pending and pending[0].attempt else ""

    assert "The policy of namespace \\'support\\' cannot be asked" in await until(failure)
    assert world.paid("closed") == 0
    await world.rules(ALLOW)
    assert await world.outcome(call) == "paid 1"


async def test_an_approver_decides_with_the_keyboard(world: Owned, capsys: pytest.CaptureFixture[str]) -> None:
    await world.rules(LARGE)
    order = world.ws.id("order")
    asked = await world.start("sales", refunds.Pay, "pay", refunds.Refund(order, 700))
    office = await desk(world.clients["leads"], refunds.ENDPOINT, calls=1)
    said, approve, refuse = office._row(1, office.waiting[0]).children
    assert [approve.description, refuse.description] == ["Approve", "Refuse"]
    said.value = "the customer called"
    approve.click()
    assert said.disabled
    await until(lambda: not office.waiting)
    assert (await world.outcome(asked), world.paid(order)) == ("paid 700", 1)
    refuse.click()  # too late
    await until(lambda: not office._tasks)
    assert "No call" in capsys.readouterr().out
