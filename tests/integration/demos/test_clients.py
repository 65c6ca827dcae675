"""What a learner pastes into an MCP client works: each configuration is read as its client does, and what it names is
started, or reached over HTTP. The MCP Inspector, which shares no code with the gateway, reads it as well."""

import asyncio
import json
import os
import re
import shlex
import shutil
import socket
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import mcp
import pytest
import yaml
from mcp import StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from waits import GUARD

from workshop_lib.demos import inspector, mcp_clients
from workshop_lib.demos.gateway import TOKEN
from workshop_lib.demos.mcp_clients import PLACES, configurations, inspect, show_clients
from workshop_lib.evidence.messages import WorkshopError
from workshop_lib.evidence.state import SERVICES, service_address, update_json
from workshop_lib.server.outside import CHOICE
from workshop_lib.workers.spawned import INSTALLED, HttpService
from workshop_lib.workshop import Workshop

PRICE = {"ticker": "ACME", "price": 120.6}
needs_inspector = pytest.mark.skipif(
    shutil.which("node") is None or not (Path(inspector.__path__[0]) / INSTALLED).exists(),
    reason="Node.js, or what `make js` installs, is missing",
)


@pytest.fixture(scope="module")
async def teams(ws: Workshop) -> None:
    await asyncio.gather(*(ws.spawn(f"workshop_lib.teams.{team}.worker") for team in ("finance", "it")))


@pytest.fixture(scope="module", params=["", "open sesame"], ids=["open", "with a token"])
async def gateway(ws: Workshop, teams: None, request: pytest.FixtureRequest) -> AsyncIterator[HttpService]:
    """The gateway over HTTP. The processes of this test see the token as those of a notebook do."""
    os.environ[TOKEN] = request.param
    served = await ws.serve("gateway", "workshop_lib.demos.gateway")
    yield served
    await served.stop()
    del os.environ[TOKEN]


def started(client: str, text: str) -> dict[str, Any]:
    """The program that a client starts: its command, arguments and environment."""
    if client == "Claude Code":
        parts = shlex.split(text)
        options, command = parts[3 : parts.index("--")], parts[parts.index("--") + 1 :]
        assert options[-3:-1] == ["--transport", "stdio"]  # an option that takes several values must not be last
        env = dict(value.split("=", 1) for option, value in pairwise(options) if option == "--env")
        return {"command": command[0], "args": command[1:], "env": env}
    if client == "Goose":
        extension = yaml.safe_load(text)["extensions"]["gateway"]
        assert (extension["name"], extension["type"], extension["enabled"]) == ("gateway", "stdio", True)
        return {"command": extension["cmd"], "args": extension["args"], "env": extension["envs"]}
    (server,) = json.loads(text)["servers" if client == "VS Code" else "mcpServers"].values()
    assert server.pop("type", "stdio") == "stdio"
    return dict(server)


def reached(client: str, text: str) -> tuple[str, dict[str, str]]:
    """The address that a client asks, and the headers that it sends."""
    token = os.environ[TOKEN]
    if client == "Claude Code":
        parts = shlex.split(text.replace(f"${TOKEN}", token))
        assert parts[-4:-1] == ["--transport", "http", "gateway"]
        header = [parts[parts.index("--header") + 1]] if "--header" in parts else []
        return parts[-1], dict(each.split(": ", 1) for each in header)
    if client == "Goose":
        extension = yaml.safe_load(text)["extensions"]["gateway"]
        sent = extension.get("headers", {})
        assert bool(sent) == bool(extension.get("env_keys"))
        return extension["uri"], {
            name: re.sub(r"\$\{(\w+)\}", lambda found: os.environ[found[1]], sent[name]) for name in sent
        }
    content = json.loads(text)
    server = content["servers"]["gateway"]
    headers = {name: sent.replace("${input:token}", token) for name, sent in server.get("headers", {}).items()}
    assert [each["id"] for each in content.get("inputs", []) if each["password"]] == ["token"] * len(headers)
    return server["url"], headers


@pytest.mark.usefixtures("teams")
async def test_a_client_starts_the_gateway_that_was_pasted(tmp_path: Path) -> None:
    """From any working directory, with nothing in the environment but what the configuration names."""
    texts = configurations()
    first, *others = [started(client, texts[client]) for client in PLACES]
    assert all(other == first for other in others)
    if "PYTHONPATH" in os.environ:  # only where the library under test is not the one that is installed
        first["env"]["PYTHONPATH"] = os.environ["PYTHONPATH"]
    async with asyncio.timeout(GUARD), mcp.Client(StdioServerParameters(**first, cwd=tmp_path)) as program:
        assert (await program.call_tool("stock_price", {"ticker": "ACME"})).structured_content == PRICE


@pytest.mark.usefixtures("gateway")
@pytest.mark.parametrize("client", ["Claude Code", "VS Code", "Goose"])
async def test_a_client_reaches_the_gateway_that_was_pasted(client: str) -> None:
    text = configurations()[f"{client}, over HTTP"]
    assert "sesame" not in text
    url, headers = reached(client, text)
    assert bool(headers) == bool(os.environ[TOKEN])
    async with (
        asyncio.timeout(GUARD),
        httpx2.AsyncClient(headers=headers) as http,
        mcp.Client(streamable_http_client(url, http_client=http)) as program,
    ):
        assert (await program.call_tool("stock_price", {"ticker": "ACME"})).structured_content == PRICE


OUTSIDE = {
    "TEMPORAL_ADDRESS": "127.0.0.1:7233",
    "TEMPORAL_NAMESPACE": "any.a1b2c",
    "TEMPORAL_TLS_SERVER_NAME": "temporal.example.com",
    "WORKSHOP_LEARNER": "ann",
}


@pytest.mark.usefixtures("ws")
async def test_they_are_shown_with_their_places_and_without_the_key_of_an_outside_service(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {**OUTSIDE, "TEMPORAL_API_KEY": "secret"}.items():
        monkeypatch.setenv(name, value)
    assert set(started("Claude Code", configurations()["Claude Code"])["env"]) == {"WORKSHOP_STATE"}
    monkeypatch.setenv(CHOICE, "env")
    show_clients()
    shown = capsys.readouterr().out
    assert "secret" not in shown
    for client, place in PLACES.items():
        text = configurations()[client]
        assert f"{client}: {place}\n\n{text}" in shown
        assert started(client, text)["env"].items() > {CHOICE: "env", **OUTSIDE}.items()


@needs_inspector
@pytest.mark.usefixtures("gateway")
@pytest.mark.parametrize("gateway", ["open sesame"], indirect=True)
async def test_the_inspector_reads_the_gateway_or_says_why_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tools = {tool["name"]: tool for tool in (await inspect("tools/list"))["tools"]}
    assert set(tools) == {"stock_price", "calculate_roi", "jira_metrics", "get_ip"}
    assert tools["stock_price"]["inputSchema"]["properties"]["ticker"]
    calls: list[tuple[str, dict[str, Any], str]] = [
        ("calculate_roi", {"invested": 800, "returned": 1000.5}, '"percent": 25.06'),
        ("stock_price", {"ticker": "NOPE"}, "No stock NOPE is traded"),
        ("stock_price", {"ticker": "007"}, "ticker"),  # a text, also where it reads as a number
        ("stock_price", {"ticker": "a=b c"}, "ticker"),
    ]
    for tool, given, said in calls:
        assert said in (await inspect("tools/call", tool, given))["content"][0]["text"]

    with pytest.raises(WorkshopError, match=r"(?s)no answer to tools/call.*Unknown tool 'nope'"):
        await inspect("tools/call", "nope")
    monkeypatch.setattr(mcp_clients, "_INSPECTOR_SECONDS", 0.1)
    with pytest.raises(WorkshopError, match="longer than"):
        await inspect("tools/list")


async def test_where_no_gateway_runs_it_says_what_to_do(ws: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mcp_clients, "javascript", lambda name: ["node"])
    update_json(ws._folder.path / SERVICES, lambda served: served.pop("gateway", None))  # another test may have done so
    with pytest.raises(WorkshopError, match=r"'gateway' does not run.*\n.*ws\.serve"):
        await inspect("tools/list")


async def test_a_service_whose_port_is_taken_moves(ws: Workshop) -> None:
    app = "workshop_lib.teams.orders.payments"
    first = await ws.serve("shop", app)
    await first.stop()
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", urlsplit(first.url).port))
        other.listen()
        moved = await ws.serve("shop", app)
        assert moved.url != first.url
        async with httpx2.AsyncClient() as customer:
            assert (await customer.get(service_address("shop"))).status_code < 500
