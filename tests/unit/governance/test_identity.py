"""A token is spent once, whichever process of the handler sees it; and forgotten once it has expired."""

import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from nexusrpc import HandlerError, HandlerErrorType
from pydantic import BaseModel, Field

from workshop_lib.governance.identity import Claims, Verifier, digest


@pytest.fixture(autouse=True)
def somewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    class Info:
        endpoint, namespace = "sums", "finance"

    monkeypatch.setattr("temporalio.nexus.info", Info)


def claims(nonce: str, lasts: float = 3600) -> Claims:
    return Claims("sales", "sums", "Sums", "add", "", time.time() + lasts, nonce)


@dataclass
class Refund:
    order: str
    amount: float
    note: str = ""


def test_one_number_has_one_digest_however_it_was_written() -> None:
    """A program that knows no types writes 500, and the contract makes 500.0 of it."""
    assert digest({"order": "o", "amount": 500}) == digest(Refund("o", 500.0))
    assert digest([{"a": [1, 2.0]}]) == digest([{"a": [1.0, 2]}])
    assert len({digest(each) for each in (500, 500.5, "500", True, 1, 2**53, 2**53 + 1)}) == 7


class Renamed(BaseModel):
    order: str = Field(alias="orderId", pattern="^o")


def test_every_input_has_a_digest_whatever_the_contract_says_of_it() -> None:
    """An error would stop the caller's workflow. What is wrong with it, the handler says."""
    assert digest(Renamed(orderId="o")) == digest({"orderId": "o"})
    wrong = [Refund("o", float("nan")), Refund("o", "much"), Renamed.model_construct(order="x")]  # type: ignore[arg-type]
    assert len({digest(each) for each in wrong}) == 3


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


def test_of_many_at_once_one_gets_through(tmp_path: Path) -> None:
    def spent(number: int) -> bool:
        try:
            Verifier({}, tmp_path / "nonces.db").spend(claims(str(number // 8)), f"request-{number}")
        except HandlerError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(spent, range(160))) == 20


def test_what_has_expired_is_refused_and_forgotten(tmp_path: Path) -> None:
    verifier = Verifier({}, tmp_path / "nonces.db")
    verifier.spend(claims("old"), "request")
    with closing(sqlite3.connect(verifier.nonces)) as database, database:
        database.execute("UPDATE spent SET expires = 0")
        with pytest.raises(HandlerError, match="expired"):
            verifier.spend(claims("old", lasts=-1), "other")
    verifier.spend(claims("new"), "request")
    with closing(sqlite3.connect(verifier.nonces)) as database:
        assert database.execute("SELECT nonce FROM spent").fetchall() == [("new",)]
