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


def odd_body(chance: random.Random) -> bytes:
    """A request that is deep, a batch, or wrong in one field."""
    if chance.random() < 0.15:
        return json.dumps([GOOD] * chance.randrange(0, 5)).encode()
    if chance.random() < 0.15:
        opened, closed = chance.choice([("[", "]"), ('{"a":', "}")])
        depth = chance.choice([100, 1_000, 50_000])
        return WHOLE.replace(b'"invested": 1', f'"invested": {opened * depth}1{closed * depth}'.encode())
    changed = inner = json.loads(WHOLE)
    *path, last = chance.choice(list(FIELDS))
    for step in path:
        inner = inner.setdefault(step, {})
    inner[last] = chance.choice(FIELDS[*path, last])
    return json.dumps(changed).encode()


@pytest.fixture(scope="module")
async def url(ws: Workshop) -> AsyncIterator[str]:
    finance = await ws.spawn(FINANCE)
    async with serving(gateway(ws, "finance").app()) as served:
        yield served
    await ws.stop(finance)


def is_refused(answer: httpx.Response) -> bool:
    """An error of HTTP or of MCP, or a result that is one."""
    return answer.status_code >= 400 or '"error":{' in answer.text or '"isError":true' in answer.text


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
            if chance.random() < 0.3:
                body, headers = in_2026(odd_body(chance))
            else:
                body, headers = odd_body(chance), chance.choice([{"mcp-session-id": ours}, {}])
            about = f"{number}: {headers} {body[:200]!r}"
            answer = await http.post(url, content=body, headers=headers)
            assert is_refused(answer), f"{about} got {answer.status_code}: {answer.text[:300]}"
            assert answer.status_code != 500, f"{about} crashed something: {answer.text[:300]}"
            if number % 50 == 0:
                assert '"percent":100.0' in (await send({**GOOD, "id": f"between {number}"})).text
        assert '"percent":100.0' in (await send({**GOOD, "id": "after"})).text
