"""The exercise machinery, with the exercise of notebook 00."""

import ast
import asyncio
import re
import threading
import tomllib
import weakref
from pathlib import Path
from typing import Any

import pytest
from answers import Answer, made
from temporalio import activity
from temporalio.client import Client

from workshop_lib.checks import exercise
from workshop_lib.checks.exercise import check, hint
from workshop_lib.evidence.messages import WorkshopError
from workshop_lib.evidence.progress import progress
from workshop_lib.faults.fault import CHECKING
from workshop_lib.teams.orders.data import Order
from workshop_lib.teams.orders.workflows import ProcessOrder
from workshop_lib.workshop import Workshop

GOOD, BAD = made("0.1"), made("0.1", Answer(changes=(("Hello", "Hi"),)))


@pytest.fixture(autouse=True)
def home_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ws: Workshop) -> None:
    monkeypatch.setenv("WORKSHOP_HOME", str(tmp_path))


async def test_a_pass_is_not_lost_by_a_later_mistake() -> None:
    await check("0.1", GOOD)
    await check("0.1", BAD)
    assert progress()["0.1"].passed
    assert progress()["0.1"].checks == 2


async def test_endpoints_that_a_check_has_made_are_removed(ws: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    async def proof(ws: Workshop, answer: Any) -> str:
        await ws.endpoint("check-left", namespace="checks", task_queue="check-left")
        await ws.endpoint("learners", namespace="default", task_queue="learners")
        raise exercise.Wrong("it", "something else")

    monkeypatch.setitem(exercise._PROOFS, "0.9", proof)
    await check("0.9", None)
    assert (await ws.endpoints()).keys() & {"check-left", "learners"} == {"learners"}


async def test_a_service_that_has_ended_is_started_again(ws: Workshop, capsys: pytest.CaptureFixture[str]) -> None:
    (await ws.serve("payments", "workshop_lib.teams.orders.payments")).kill()
    await check("2.2", made("2.2"))
    assert "✓ Exercise 2.2 passed" in capsys.readouterr().out


async def test_a_service_that_is_down_is_no_mistake(ws: Workshop, capsys: pytest.CaptureFixture[str]) -> None:
    await ws.server.kill()
    try:
        await check("0.1", GOOD)
    finally:
        await ws.server.restart()
    assert "Exercise 0.1 was not checked. The Temporal Server at" in capsys.readouterr().out
    assert not progress()["0.1"].error


async def test_a_check_waits_for_one_that_was_interrupted_to_end(ws: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    """It gives the endpoints back: later, it would take them from the next check."""
    seen: list[str] = []

    async def proof(ws: Workshop, answer: Any) -> None:
        seen.append(f"{answer} begins")
        try:
            await asyncio.sleep(60 if answer == "first" else 0)
        finally:
            await asyncio.sleep(0.3)
            seen.append(f"{answer} ends")

    monkeypatch.setitem(exercise._PROOFS, "0.9", proof)
    first = asyncio.create_task(check("0.9", "first"))
    while not seen:
        await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait([first])
    await check("0.9", "second")
    assert seen == ["first begins", "first ends", "second begins", "second ends"]


async def test_strictly_a_wrong_answer_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKSHOP_STRICT", "1")
    await check("0.1", GOOD)
    with pytest.raises(WorkshopError, match="not right yet"):
        await check("0.1", BAD)


async def test_a_check_that_hangs_is_given_up_without_a_verdict(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(exercise, "CHECK_SECONDS", 0.5)
    release = threading.Event()

    @activity.defn(name="greet")
    async def blocks_its_loop(name: str) -> str:
        release.wait(60)
        return name

    await check("0.1", blocks_its_loop)
    assert not release.is_set()
    assert "Exercise 0.1 was not checked" in (said := capsys.readouterr().out)
    assert "not right" not in said
    release.set()


async def test_progress_that_cannot_be_kept_is_no_failure(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "progress.json").write_text("{ spoilt")
    await check("0.1", GOOD)
    assert progress()["0.1"].passed
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("WORKSHOP_HOME", str(tmp_path / "file"))
    await check("0.1", GOOD)
    text = capsys.readouterr().out
    assert text.count("✓ Exercise 0.1 passed") == 2
    assert "could not be saved" in text
    await hint("0.1")


async def test_a_proof_that_breaks_is_no_pass_and_is_remembered(capsys: pytest.CaptureFixture[str]) -> None:
    @exercise.exercise("0.99")
    async def broken(ws: Workshop, answer: Any) -> str:
        raise KeyError("the proof's own mistake")

    await check("0.99", None)
    assert "your code raised an error" in capsys.readouterr().out
    assert "KeyError" in progress()["0.99"].error
    del exercise._PROOFS["0.99"]


async def test_a_coroutine_that_nobody_awaited_is_named_and_gone_before_the_next_check(
    capsys: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder
) -> None:
    """Found later, in the sandbox of the next check's Worker, the warning about it would make a right answer fail."""
    left: list[weakref.ref[Any]] = []

    async def place(client: Client, order: Order) -> Any:
        made = client.start_workflow(ProcessOrder.run, order, id=order.id, task_queue="orders")
        left.append(weakref.ref(made))
        return made

    await check("1.2", place)
    assert left
    assert not any(each() for each in left)
    said = capsys.readouterr()
    assert "Is an `await` missing? `start_workflow` was called, and nobody waited for it" in said.out
    assert not said.err
    assert not [each for each in recwarn if "never awaited" in str(each.message)]


async def test_all_advice_that_a_proof_names_is_there() -> None:
    folder = Path(exercise.__file__).parent
    advice = tomllib.loads((folder / "advice.toml").read_text(encoding="utf-8"))
    for path in folder.glob("nb*.py"):
        code = ast.parse(path.read_text(encoding="utf-8"))
        numbers = re.findall(r'@exercise\("(.+?)"\)', path.read_text(encoding="utf-8"))
        known = {name for number in numbers for name in advice.get(number, {})}
        for call in (each for each in ast.walk(code) if isinstance(each, ast.Call)):
            name = call.func.id if isinstance(call.func, ast.Name) else ""
            place = {"require": 3, "expected": 2, "expecting": 1, "Wrong": 1}.get(name, len(call.args))
            for given in call.args[place:]:
                if isinstance(given, ast.Constant) and not str(given.value).endswith((".", "?")):
                    assert given.value in known, f"{path.name}, line {given.lineno}: {given.value!r}"


async def test_hints_come_in_three_steps(capsys: pytest.CaptureFixture[str]) -> None:
    for shown in (1, 2, 3, 3):
        await hint("0.1")
        text = capsys.readouterr().out
        assert text.count("Hint ") == shown
        assert ("no more hints" in text) == (shown == 3)
    assert "return" in text


async def test_an_unknown_exercise_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(WorkshopError, match=r"(?s)no exercise 0.7.*Known in this notebook: 0.1"):
        await hint("0.7")
    await check("0.7", None)
    assert "There is no exercise 0.7" in capsys.readouterr().out
    assert CHECKING.get() is None, "the learner's own failures are not the check's"
    await check(0.1, None)  # type: ignore[arg-type]
    assert 'The number is a text: "0.1"' in capsys.readouterr().out
    assert not progress(), "they are no exercises"
