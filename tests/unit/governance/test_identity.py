"""A token is spent once, whichever process of the handler sees it; and forgotten once it has expired."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
from nexusrpc import HandlerError, HandlerErrorType

from workshop_lib.governance.identity import Claims, Verifier


@pytest.fixture(autouse=True)
def somewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if a handler ran."""

    class Info:
        endpoint, namespace = "sums", "finance"

    monkeypatch.setattr("temporalio.nexus.info", Info)


def claims(nonce: str, lasts: float = 60) -> Claims:
    return Claims("sales", "sums", "Sums", "add", time.time() + lasts, nonce)


def test_two_handlers_share_what_is_spent(tmp_path: Path) -> None:
    first, second = (Verifier({}, tmp_path / "nonces.db") for _ in range(2))
    said = claims("n")
    first.spend(said, "request")
    second.spend(said, "request")  # another attempt, which another Worker got
    for verifier in (first, second):
        with pytest.raises(HandlerError, match="was used before, by another request") as caught:
            verifier.spend(said, "other")
        assert caught.value.type == HandlerErrorType.UNAUTHENTICATED
        assert not caught.value.retryable
    second.spend(said._replace(namespace="support"), "other")  # the nonces of others are others


def test_of_many_processes_at_once_one_gets_through(tmp_path: Path) -> None:
    program = """
import sys, time
from pathlib import Path
import temporalio.nexus
from nexusrpc import HandlerError
from workshop_lib.governance import identity
temporalio.nexus.info = lambda: type("Info", (), {"endpoint": "e", "namespace": "n"})
me, file, begin = sys.argv[1], Path(sys.argv[2]), float(sys.argv[3])
verifier, won = identity.Verifier({}, file), 0
time.sleep(max(0, begin - time.time()))
for nonce in range(40):
    try:
        verifier.spend(identity.Claims("sales", "e", "s", "o", begin + 600, str(nonce)), me)
        won += 1
    except HandlerError:
        pass
print(won)
"""
    arguments = [str(tmp_path / "nonces.db"), str(time.time() + 2)]
    started = [
        subprocess.Popen([sys.executable, "-c", program, str(me), *arguments], stdout=subprocess.PIPE, text=True)
        for me in range(3)
    ]
    won = [int(process.communicate(timeout=30)[0]) for process in started]
    assert sum(won) == 40, won


def test_what_has_expired_is_forgotten(tmp_path: Path) -> None:
    verifier = Verifier({}, tmp_path / "nonces.db")
    verifier.spend(claims("short", lasts=0.2), "request")
    time.sleep(0.25)
    with pytest.raises(HandlerError, match="expired"):
        verifier.spend(claims("short", lasts=-0.1), "other")
    verifier.spend(claims("long"), "request")
    with closing(sqlite3.connect(verifier.nonces)) as database:
        assert database.execute("SELECT nonce FROM spent").fetchall() == [("long",)]


def test_a_file_that_cannot_be_written_lets_nobody_in(tmp_path: Path) -> None:
    """Nexus tries such a request again: the error is none that a caller could mend."""
    with pytest.raises(sqlite3.OperationalError):
        Verifier({}, tmp_path / "missing" / "nonces.db").spend(claims("n"), "request")
