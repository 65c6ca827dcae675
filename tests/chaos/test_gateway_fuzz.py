"""Requests that no client should send: each gets an error, none hurts the gateway. `make chaos` sends a thousand."""

import json
import os
import random
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from bridge import FINANCE, HEADERS, INITIALIZE, gateway, modern, request, serving, session
from waits import GUARD

from workshop_lib.workshop import Workshop

COUNT = 1_000 if os.environ.get("WORKSHOP_CHAOS") else 30
SEED = int(os.environ.get("WORKSHOP_SEED", "3"))
GOOD = request(1, "tools/call", name="calculate_roi", arguments={"invested": 1, "returned": 2})
WHOLE = json.dumps(GOOD).encode()
JUNK: list[Any] = [None, True, -1, 10**400, "", "\x00", "\u2028ö" * 50, [], [[]], {}, {"a": {"b": []}}]
FIELDS: dict[tuple[str, ...], list[Any]] = {
    ("jsonrpc",): JUNK,
    ("method",): [*JUNK, "tools/delete", "initialise", "rpc.discover", "x" * 9_999],
    ("params",): JUNK,
    ("params", "name"): [*JUNK, "../calculate_roi", "calculate_roi\x00", "Finance.convert", "tools", "ö" * 999],
    ("params", "arguments", "invested"): JUNK,
    ("params", "arguments", "__class__"): [*JUNK, 1e308, "x" * (1 << 20)],
    ("params", "_meta", "nexus-mcp/idempotency-key"): [*JUNK[1:], "two words", "ö"],
}
"""What a field of the request may be instead."""
ODD_HEADERS = {
    "mcp-session-id": ["", "x", "../..", "0" * 9_999],
    "mcp-protocol-version": ["1999-01-01", "", "2026-07-28 ", "x" * 999],
    "content-type": ["text/plain", "", "multipart/form-data; boundary=x"],
    "accept": ["text/html", "", "image/*"],
    "host": ["evil.example", "", "[::1", "127.0.0.1.evil.example:80"],
    "origin": ["http://evil.example", "null", "file://"],
}


def odd_body(chance: random.Random) -> bytes:
    """A request that is torn, flipped, nothing but noise, deep, a batch, or wrong in one field."""
    opened, closed = chance.choice([("[", "]"), ('{"a":', "}")])
    depth = chance.choice([100, 1_000, 50_000])
    flipped = bytearray(WHOLE)
    for _ in range(chance.randrange(1, 4)):
        flipped[chance.randrange(len(flipped))] = chance.choice(b'\x00\xff{}[]",')
    changed = inner = json.loads(WHOLE)
    *path, last = field = chance.choice(list(FIELDS))
    for step in path:
        inner = inner.setdefault(step, {})
    inner[last] = chance.choice(FIELDS[field])
    bodies = [
        WHOLE[: chance.randrange(1, len(WHOLE))],
        bytes(flipped),
        chance.randbytes(chance.randrange(1, 2_000)),
        json.dumps(request(1, "tools/call", name="calculate_roi", arguments=0))
        .replace("0}", f"{opened * depth}1{closed * depth}}}")
        .encode(),
        json.dumps([GOOD] * chance.randrange(0, 5)).encode(),
        *[json.dumps(changed).encode()] * 2,
    ]
    return chance.choice(bodies)


@pytest.fixture(scope="module")
async def url(ws: Workshop) -> AsyncIterator[str]:
    finance = await ws.spawn(FINANCE)
    async with serving(gateway(ws, "finance").app()) as served:
        yield served
    await ws.stop(finance)


def is_refused(answer: httpx.Response) -> bool:
    """An error of HTTP or of MCP, or a result that is one."""
    return answer.status_code >= 400 or '"error":{' in answer.text or '"isError":true' in answer.text


def changes_nothing(body: bytes) -> bool:
    """Whether a flip has left a request that may be made, or made a notification of it: that gets no answer."""
    try:
        said = json.loads(body)
        return not isinstance(said, dict) or "id" not in said or said == GOOD
    except ValueError:
        return False


def in_2026(body: bytes) -> tuple[bytes, dict[str, str]]:
    """The same in MCP's version of that year: what is wrong with it comes as far as it did."""
    try:
        said = json.loads(body)
        params = said["params"]
        params["_meta"] = {**modern(GOOD)["params"]["_meta"], **params.get("_meta", {})}
        body, method, name = json.dumps(said).encode(), str(said["method"]), str(params["name"])
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError):
        method, name = "tools/call", "calculate_roi"
    sent = {"mcp-protocol-version": "2026-07-28", "mcp-method": method, "mcp-name": name}
    return body, {header: value for header, value in sent.items() if value.isascii() and value.isprintable()}


async def test_each_gets_an_error_and_the_gateway_goes_on(url: str) -> None:
    chance = random.Random(SEED)
    async with session(url) as send, httpx.AsyncClient(timeout=GUARD, headers=HEADERS) as http:
        ours = (await http.post(url, json=request(0, "initialize", **INITIALIZE))).headers["mcp-session-id"]
        for number in range(COUNT):
            if chance.random() < 0.15:
                name = chance.choice(list(ODD_HEADERS))
                body, headers = WHOLE, {"mcp-session-id": ours, name: chance.choice(ODD_HEADERS[name])}
            elif chance.random() < 0.3:
                body, headers = in_2026(odd_body(chance))
            else:
                body, headers = odd_body(chance), chance.choice([{"mcp-session-id": ours}, {}])
            about = f"{number}: {headers} {body[:200]!r}"
            try:
                answer = await http.post(url, content=body, headers=headers)
            except httpx.LocalProtocolError:
                continue  # even httpx would not send it
            except httpx.TimeoutException:
                pytest.fail(f"no answer to {about}")
            assert is_refused(answer) or changes_nothing(body), f"{about} got {answer.status_code}: {answer.text[:300]}"
            assert answer.status_code != 500, f"{about} crashed something: {answer.text[:300]}"
            if number % 50 == 0:
                assert '"percent":100.0' in (await send({**GOOD, "id": f"between {number}"})).text
        assert '"percent":100.0' in (await send({**GOOD, "id": "after"})).text
