"""The class's board: what checks report gets there once, and nobody can write for another."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from answers import Answer, made
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from lesson import lesson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from temporalio.client import Client, WorkflowUpdateFailedError
from temporalio.worker import Replayer, Worker
from waits import GUARD, until

from workshop_lib.checks.exercise import check
from workshop_lib.checks.harness.serving import serving
from workshop_lib.evidence.state import StateFolder
from workshop_lib.governance.identity import Claims, digest, sign
from workshop_lib.room import board as room
from workshop_lib.room import tell as telling
from workshop_lib.room.board import Board
from workshop_lib.room.learner import LearnerProgress, Message, Report, Standing, Tally
from workshop_lib.room.teller import Teller
from workshop_lib.server.devserver import DevServer
from workshop_lib.views import predict as predicting
from workshop_lib.workshop import Workshop

ANN, MALLORY = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()


@pytest.fixture(scope="module")
async def board(home: Path) -> AsyncIterator[Board]:
    async with room.opened() as opened:
        yield opened


@pytest.fixture(autouse=True)
def attended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a learner's machine, whatever machine this is."""
    monkeypatch.setenv("WORKSHOP_HOME", str(tmp_path))
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setattr(telling, "_said", [])


def signed(key: Ed25519PrivateKey, learner: str, *reports: Report, by: Ed25519PrivateKey | None = None) -> Message:
    """A message with a key, signed by it or by another."""
    message = Message(learner, key.public_key().public_bytes_raw().hex(), list(reports))
    token = sign(Claims(learner, "class", "board", "tell", digest(message), 0, ""), by or key)
    return replace(message, token=token)


async def post(board: Board, message: Message | str, secret: str = "") -> tuple[int, str]:
    address, _, own = board.variable.partition("/")
    body = message if isinstance(message, str) else json.dumps(asdict(message))
    headers = {"Authorization": f"Bearer {secret or own}"}
    async with httpx.AsyncClient(timeout=GUARD, trust_env=False) as http:
        answer = await http.post(f"http://{address}/", content=body, headers=headers)
    return answer.status_code, answer.text


async def standing(board: Board, learner: str) -> Standing | None:
    return next((each for each in await board.standings() if each.learner == learner), None)


async def at(board: Board, learner: str, number: int) -> Standing:
    """Where a learner is once their report with this number has arrived."""

    async def arrived() -> Standing | None:
        found = await standing(board, learner)
        return found if found and found.last == number else None

    found: Standing = await until(arrived)
    return found


async def test_nobody_writes_for_another_or_what_was_written_before(board: Board) -> None:
    first = signed(ANN, "Ann", Report(1, "2.2", False, "no key"), Report(2, "2.2", True))
    assert await post(board, first) == (200, "")
    before = await at(board, "Ann", 2)
    assert before.exercises == {"2.2": Tally(True, {"no key": 1})}
    third = Report(3, "2.3", False, "forged")
    for forged, why in (
        (signed(MALLORY, "Ann", third), "Another machine reports as 'Ann'"),
        (signed(ANN, "Ann", third, by=MALLORY), "The signature is not of namespace 'Ann'"),
        (replace(first, reports=[third]), "The signature is for another message"),
        (replace(signed(ANN, "Bob", third), learner="Ann"), "No key of namespace 'Bob' is known here"),
        (replace(first, token=""), "cannot be read"),
        (signed(ANN, "Ann", replace(third, exercise="x" * 81)), "too many reports or exercises, or a name is too long"),
    ):
        status, said = await post(board, forged)
        assert status == 403
        assert why in said
    for sent, secret, status in ((first, "guessed", 403), ("{}", "", 400), (signed(ANN, "/../Ann", third), "", 400)):
        assert (await post(board, sent, secret))[0] == status
    for replayed in (first, signed(ANN, "Ann", first.reports[0])):
        assert (await post(board, replayed))[0] == 200
    assert await standing(board, "Ann") == before


async def test_the_key_that_comes_first_counts_even_at_the_same_moment(board: Board) -> None:
    sent = [signed(key, "Twin", Report(1, f"{n}.1", True)) for n, key in enumerate([ANN, MALLORY] * 5)]
    answers = await asyncio.gather(*(post(board, message) for message in sent))
    kept = await at(board, "Twin", 1)
    assert len(kept.exercises) == 1
    winners = {message.key for message, (status, _) in zip(sent, answers, strict=True) if status == 200}
    assert winners == {kept.key}


async def test_a_check_and_a_prediction_report_what_they_found(
    ws: Workshop, board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKSHOP_CLASS", board.variable)
    monkeypatch.setenv("WORKSHOP_LEARNER", "Carla")
    good, fixed = made("0.1"), made("0.1", Answer(changes=(("{name}", "Ann"),)))
    for answer in (fixed, made("0.1", Answer(changes=(("Hello", "Hi"),))), good):
        await check("0.1", answer)
    shown: list[Any] = []
    monkeypatch.setattr(predicting, "in_notebook", lambda: True)
    monkeypatch.setattr(predicting, "show", shown.append)
    predicting.predict("2.a")
    shown[0].value = "A"
    found = await at(board, "Carla", 4)
    assert found.exercises == {
        "0.1": Tally(True, {"fixed": 1, "another mistake": 1}),
        "2.a": Tally(False, {"One: the payment service knows the order.": 1}),
    }


@pytest.mark.parametrize("unattended", ["", "WORKSHOP_STRICT", "CI"])
async def test_unset_or_unattended_nothing_is_sent(
    ws: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unattended: str
) -> None:
    if unattended:
        monkeypatch.setenv(unattended, "1")
        monkeypatch.setenv("WORKSHOP_CLASS", "127.0.0.1:9/secret")
    await check("0.1", made("0.1"))
    assert not (tmp_path / "class").exists(), "where reports are kept until they are sent"


@pytest.mark.parametrize("typed", ["127.0.0.1:9/secret", "127.0.0.1:port/secret", "127.0.0.1:9/sec…"])
async def test_a_board_that_does_not_answer_costs_a_learner_one_line(
    ws: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], typed: str
) -> None:
    monkeypatch.setenv("WORKSHOP_CLASS", typed)
    await check("0.1", made("0.1"))
    await until(lambda: telling._teller(typed, str(tmp_path / "class"), "").trouble)
    said = capsys.readouterr().out
    telling.tell("2.a", passed=True, aloud=False)
    assert not capsys.readouterr().out, "after a click, nobody would see it"
    for _ in range(2):
        await check("0.1", made("0.1"))
    said += capsys.readouterr().out
    assert said.count("Exercise 0.1 passed") == 3
    assert (
        said.count(f"The class's board has not got your results. It does not answer at {typed.partition('/')[0]}") == 1
    )


async def test_what_the_board_does_not_take_is_kept(tmp_path: Path) -> None:
    answers: asyncio.Queue[Response] = asyncio.Queue()

    async def busy(request: Request) -> Response:
        return await answers.get()

    async with serving(Starlette(routes=[Route("/", busy, methods=["POST"])])) as address:
        learner = Teller(f"{address.removeprefix('http://')}/secret", tmp_path, "Ann")
        learner.tell("1.1", passed=True)
        answers.put_nowait(Response("Not just now.", 503))
        await until(lambda: learner.trouble == "Not just now.")
        answers.put_nowait(Response("", 302))
        await until(lambda: learner.trouble == "It answers with 302.")
        assert learner.waiting()
        answers.put_nowait(Response())
        await until(lambda: not learner.waiting())


async def test_one_who_sets_no_name_stays_anonymous_and_the_same(tmp_path: Path) -> None:
    names = {Teller("127.0.0.1:9/secret", tmp_path / "one").learner for _ in range(2)}
    assert len(names) == 1
    assert names.pop().startswith("anonymous-")
    assert (tmp_path / "one").stat().st_mode & 0o077 == 0, "the key is the learner's alone"


async def test_nothing_is_lost_when_the_server_is_killed_in_between(board: Board, tmp_path: Path) -> None:
    await lesson(board, tmp_path, learners=8, seconds=3)


def command(home: Path, *arguments: str) -> subprocess.Popen[str]:
    """The instructor's command."""
    environment = {**os.environ, "WORKSHOP_HOME": str(home)}
    line = [sys.executable, "-m", "workshop_lib", "board", *arguments]
    return subprocess.Popen(line, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


async def line(process: subprocess.Popen[str], part: str) -> str:
    """The next line of its output that has this part."""
    assert process.stdout is not None
    return await asyncio.to_thread(lambda: next((each for each in process.stdout or () if part in each), ""))


async def test_the_board_is_killed_and_started_again_while_somebody_works(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    process = command(tmp_path, "--page", str(page))
    _, _, variable = (await line(process, telling.VARIABLE)).strip().partition(f"{telling.VARIABLE}=")
    learner = Teller(variable, tmp_path / "dora", "Dora")
    learner.tell("1.1", passed=True)
    await until(lambda: not learner.waiting())
    assert await line(process, "Dora")
    assert "Dora" in page.read_text()
    second = command(tmp_path)
    assert "The board is running already." in (await asyncio.to_thread(second.communicate))[0]
    assert second.returncode == 1
    process.kill()
    process.wait()
    learner.tell("1.2", passed=False, mistake="id")
    await until(lambda: learner.trouble)
    assert learner.waiting()
    process = command(tmp_path, "--listen", "localhost")  # the same place, but the command cannot know
    assert variable.partition(":")[2] in await line(process, telling.VARIABLE), "what learners have set still works"
    assert await line(process, "Everyone in the network of localhost can reach the board's door.")
    await until(lambda: not learner.waiting())
    assert await line(process, "1.2 id ×1")
    process.send_signal(signal.SIGINT)
    assert process.wait(GUARD) == 130


async def test_an_address_that_is_not_this_machines_is_explained(tmp_path: Path) -> None:
    process = command(tmp_path, "--listen", "192.0.2.1")
    said = (await asyncio.to_thread(process.communicate))[0]
    assert process.returncode == 1
    assert "→ Give an address that this machine has in the class's network" in said


async def test_a_long_history_continues_as_new_and_replays(tmp_path: Path) -> None:
    server = DevServer(StateFolder(tmp_path))
    await server.restart(dynamic_config={"limit.historyCount.suggestContinueAsNew": "20"})
    try:
        client = await Client.connect(server.address)
        async with Worker(client, task_queue="class", workflows=[LearnerProgress]):
            args: dict[str, Any] = {"id": "learner-Ann", "task_queue": "class"}
            begun = await client.start_workflow(LearnerProgress.run, Standing("Ann"), **args)
            handle = client.get_workflow_handle(begun.id)  # not of one run
            for number in range(1, 21):
                message = signed(ANN, "Ann", Report(number, "1.1", False, "too early"))
                await handle.execute_update(LearnerProgress.tell, message)
            with pytest.raises(WorkflowUpdateFailedError):
                await handle.execute_update(LearnerProgress.tell, signed(MALLORY, "Ann", Report(21, "1.1", True)))
            assert (await handle.query(LearnerProgress.standing)).exercises["1.1"].mistakes == {"too early": 20}
            assert (await handle.describe()).run_id != begun.first_execution_run_id
            first = client.get_workflow_handle("learner-Ann", run_id=begun.first_execution_run_id)
            await Replayer(workflows=[LearnerProgress]).replay_workflow(await first.fetch_history())
    finally:
        await server.close()
