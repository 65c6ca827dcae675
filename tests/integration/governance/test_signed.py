"""Signed identity, by attack: each is refused at once and told why, and the honest caller passes."""

import base64
import contextlib
import json
import time
import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import strangers
from temporalio.client import Client, WorkflowHandle
from temporalio.service import RPCError
from temporalio.worker import Replayer
from waits import GUARD, until
from worlds import MALLORY, SALES, World, call, cancel_by_http, refused

from workshop_lib.governance.identity import HEADER, Claims, Signer, Verifier, digest, sign

KEYS = {"sales": SALES.public_key().public_bytes_raw()}


def claims(**changes: Any) -> Claims:
    nonce = str(uuid.uuid4())
    return Claims("sales", strangers.ENDPOINT, "Sums", "add", digest(1), time.time() + 3600, nonce)._replace(**changes)


def token(**changes: Any) -> dict[str, str]:
    return {HEADER: sign(claims(**changes), SALES)}


@pytest.fixture
async def verified(opened: World, tmp_path: Path) -> AsyncIterator[World]:
    """Who calls Finance there must sign."""
    async with opened.handling(Verifier(KEYS, tmp_path / "nonces.db")):
        yield opened


async def signed(client: Client, workflow: Any, *arguments: Any) -> WorkflowHandle[Any, Any]:
    place: dict[str, Any] = {"id": f"signed-{uuid.uuid4()}", "task_queue": "signed-calls"}
    return await client.start_workflow(workflow, args=arguments, execution_timeout=strangers.LIMIT, **place)


async def test_who_signs_passes_as_often_as_it_likes(verified: World) -> None:
    await (await signed(verified.signing, strangers.CallTwice.run)).result()
    await (await signed(verified.signing, strangers.Call.run, "slowly", {})).result()
    assert await call(verified.signing, "standalone") == "2"
    assert await call(verified.signing, "standalone", {HEADER.title(): "mine"}) == "2"


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        (dict, "carries no signed identity"),
        (lambda: {HEADER: "bm8=.bm8="}, "cannot be read"),
        (lambda: {HEADER: sign(claims(), MALLORY)}, "The signature is not of namespace 'sales'"),
        (lambda: {HEADER: sign(claims(namespace="mallory"), MALLORY)}, "No key of namespace 'mallory' is known here"),
        (lambda: {HEADER: altered(token()[HEADER])}, "The signature is not of namespace 'sales'"),
        (lambda: token(expires=time.time() - 2), "The identity of 'sales' expired"),
        (lambda: token(expires=float("nan")), "expired"),
        (lambda: token(endpoint="other"), "is signed for other/Sums/add, not for sums/Sums/add"),
        (lambda: token(digest=digest(1000)), "is signed for another input of sums/Sums/add"),
        (lambda: token(operation="other"), "is signed for sums/Sums/other, not for sums/Sums/add"),
    ],
)
async def test_who_does_not_prove_its_name_is_refused(
    verified: World, headers: Callable[[], dict[str, str]], reason: str
) -> None:
    assert reason in await refused(call(verified.mallory, "standalone", headers()))
    assert await call(verified.sales, "standalone", token()) == "2"


def altered(signed: str) -> str:
    """A token that says one more second, with the signature of before."""
    said, signature = signed.split(".")
    claims = json.loads(base64.urlsafe_b64decode(said))
    claims["expires"] += 1
    return base64.urlsafe_b64encode(json.dumps(claims).encode()).decode() + "." + signature


async def test_a_token_from_a_history_is_spent(verified: World) -> None:
    handle = await signed(verified.signing, strangers.Call.run, "add", {})
    await handle.result()
    events = [event async for event in handle.fetch_history_events()]
    (stolen,) = [
        event.nexus_operation_scheduled_event_attributes.nexus_header[HEADER]
        for event in events
        if event.HasField("nexus_operation_scheduled_event_attributes")
    ]
    for how in ("add", "standalone"):
        assert "was used before, by another request" in await refused(call(verified.mallory, how, {HEADER: stolen}))


async def test_the_request_id_must_be_there(verified: World) -> None:
    """At the HTTP port it need not be; two such requests would pass for two attempts of one."""
    async with httpx.AsyncClient(timeout=GUARD) as http:
        answer = await http.post(verified.http("add"), json=1, headers=token())
        assert answer.status_code == 401
        assert "has no id" in answer.text


async def test_a_cancel_must_be_signed_too(verified: World) -> None:
    handle = await signed(verified.signing, strangers.Cancel.run)
    echo = verified.finance.get_workflow_handle(f"echo-slow:60-{handle.id}")
    operation = base64.urlsafe_b64encode(json.dumps({"t": 1, "ns": "finance", "wid": echo.id}).encode())

    async def begun() -> bool:
        with contextlib.suppress(RPCError):
            return bool(await echo.describe())
        return False

    await until(begun)
    answer = await cancel_by_http(verified, operation.decode().rstrip("="))
    assert answer.status_code == 401
    assert "carries no signed identity" in answer.text
    await handle.signal(strangers.Cancel.cancel)  # the server sends the headers of the start along
    assert await handle.result() == "cancelled"


async def test_signing_replays_and_leaves_no_key_behind(verified: World) -> None:
    handle = await signed(verified.signing, strangers.CallTwice.run)
    await handle.result()
    history = await handle.fetch_history()
    text = history.to_json()
    raw = SALES.private_bytes_raw()
    for secret in (raw.hex(), base64.b64encode(raw).decode(), base64.urlsafe_b64encode(raw).decode()):
        assert secret not in text
    assert text.count(HEADER) == 2, "in its place, whatever the caller wrote there"
    assert "mine" not in text
    # With another key, and with none at all, as for a workflow that was started before there was a signer.
    for interceptors in ([Signer("sales", SALES)], [Signer("sales", MALLORY)], []):
        replayer = Replayer(workflows=[strangers.CallTwice], interceptors=interceptors)
        assert (await replayer.replay_workflow(history)).replay_failure is None
