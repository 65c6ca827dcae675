"""The demos in a terminal: a question and its answer, a conversation on standard input, and processes of their own."""

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from kernels import wait_until_gone

COMMAND = [sys.executable, "-m", "workshop_lib", "demos"]


def demos(*arguments: str, said: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *arguments], input=said, capture_output=True, text=True, timeout=600, check=False)


def test_a_question_is_answered_and_nothing_is_left(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path_factory.mktemp("terminal")
    monkeypatch.setenv("WORKSHOP_HOME", str(own))
    monkeypatch.setenv("PYTHONPROFILEIMPORTTIME", "1")
    done = demos("--processes", "1", "What does ACME cost?")
    assert done.returncode == 0, done.stderr
    assert "workshop_lib.demos.terminal" in done.stderr
    assert "litellm" not in done.stderr, "only the agent's process imports the SDKs, which takes seconds"
    assert '→ stock_price {"ticker": "ACME"}' in done.stdout
    assert done.stdout.rstrip().endswith("price 120.6.")
    assert not wait_until_gone(own)


@pytest.mark.full
def test_a_conversation_goes_on_until_the_input_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKSHOP_HOME", str(tmp_path))
    done = demos("2", said=f"My name is Ann.\n{'long ' * 1000}\nWhat's my name?\n")
    assert (done.returncode, done.stderr) == (0, "")
    assert "A message has 1 to 4000 characters." in done.stdout
    assert "Your name is Ann." in done.stdout


@pytest.mark.full
def test_interrupted_at_the_prompt_it_ends_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKSHOP_HOME", str(tmp_path))
    piped: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    # Of a shell's background job, a process inherits that it ignores the signal.
    piped["preexec_fn"] = lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)
    with subprocess.Popen([*COMMAND, "1"], **piped) as talk:
        assert talk.stdout is not None
        while talk.stdout.read(1) != ">":
            assert talk.poll() is None
        talk.send_signal(signal.SIGINT)
        assert talk.wait(timeout=600) == 130
    assert not wait_until_gone(tmp_path)
