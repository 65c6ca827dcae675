"""What a learner pastes into an MCP client works: each configuration is read as its client does, and what it names is
started, or reached over HTTP. The MCP Inspector, which shares no code with our servers, reads them as well."""

from __future__ import annotations

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

from workshop_lib.demos import inspector, mcp_clients
from workshop_lib.demos.gateway import TOKEN
from workshop_lib.demos.mcp_clients import configurations, inspect, show_clients
from workshop_lib.evidence.messages import WorkshopError
from workshop_lib.evidence.state import SERVICES, service_address, update_json
from workshop_lib.server.outside import CHOICE
from workshop_lib.workers.spawned import INSTALLED, HttpService
from workshop_lib.workshop import Workshop

pytestmark = pytest.mark.anyio

WITHIN = 120.0  # seconds, a guard only
PRICE = {"ticker": "ACME", "price": 120.6}
STARTED, REACHED = ("Claude Desktop", "Claude Code", "VS Code", "Goose"), ("Claude Code", "VS Code", "Goose")
needs_inspector = pytest.mark.skipif(
    shutil.which("node") is None or not (Path(inspector.__path__[0]) / INSTALLED).exists(),
    reason="Node.js, or what `make js` installs, is missing",
)


@pytest.fixture(scope="module")
async def teams(ws: Workshop) -> AsyncIterator[None]:
    made = await asyncio.gather(*(ws.spawn(f"workshop_lib.teams.{team}.worker") for team in ("finance", "it")))
    yield
    await ws.stop(*made)


@pytest.fixture(scope="module", params=["", "open sesame"], ids=["open", "with a token"])
async def gateway(ws: Workshop, teams: None, request: pytest.FixtureRequest) -> AsyncIterator[HttpService]:
    """The gateway over HTTP. The processes of this test see the token as those of a notebook do."""
    os.environ[TOKEN] = request.param
    served = await ws.serve("gateway", mcp_clients.SERVERS["gateway"])
    yield served
    await served.stop()
    del os.environ[TOKEN]


def started(client: str, text: str) -> dict[str, Any]:
    """The program that a client starts: its command, arguments and environment."""
    if client == "Claude Code":
        parts = shlex.split(text)
        assert parts[:3] == ["claude", "mcp", "add"]
        options, command = parts[3 : parts.index("--")], parts[parts.index("--") + 1 :]
        assert options[-3:-1] == ["--transport", "stdio"]  # an option that takes several values must not stand last
        given = [value for option, value in pairwise(options) if option == "--env"]
        env = dict(each.split("=", 1) for each in given)
        return {"command": command[0], "args": command[1:], "env": env}
    if client == "Goose":
        ((name, extension),) = yaml.safe_load(text)["extensions"].items()
        assert extension["name"] == name
        assert (extension["type"], extension["enabled"]) == ("stdio", True)
        assert extension["description"]
        return {"command": extension["cmd"], "args": extension["args"], "env": extension["envs"]}
    (server,) = json.loads(text)["servers" if client == "VS Code" else "mcpServers"].values()
    assert server.pop("type", "stdio") == "stdio"
    return dict(server)


def reached(client: str, text: str) -> tuple[str, dict[str, str]]:
    """The address that a client asks, and the headers that it sends."""
    token = os.environ[TOKEN]
    if client == "Claude Code":
        parts = shlex.split(text.replace(f"${TOKEN}", token))
        assert parts[:3] == ["claude", "mcp", "add"]
        assert parts[-4:-1] == ["--transport", "http", "gateway"]
        header = [parts[parts.index("--header") + 1]] if "--header" in parts else []
        return parts[-1], dict(each.split(": ", 1) for each in header)
    if client == "Goose":
        extension = yaml.safe_load(text)["extensions"]["gateway"]
        assert extension["type"] == "streamable_http"
        sent, named = extension.get("headers", {}), extension.get("env_keys", [])
        filled = {name: re.sub(r"\$\{(\w+)\}", lambda found: os.environ[found[1]], sent[name]) for name in sent}
        return extension["uri"], filled if named else sent
    content = json.loads(text)
    server = content["servers"]["gateway"]
    assert server["type"] == "http"
    asked = {f"${{input:{each['id']}}}": token for each in content.get("inputs", []) if each["password"]}
    headers = dict(server.get("headers", {}))
    for placeholder, value in asked.items():
        headers = {name: sent.replace(placeholder, value) for name, sent in headers.items()}
    return server["url"], headers


@pytest.mark.usefixtures("teams")
@pytest.mark.parametrize(
    ("service", "tool", "given", "answer"),
    [
        ("gateway", "stock_price", {"ticker": "ACME"}, PRICE),
        ("finance-mcp", "stock_price", {"ticker": "ACME"}, PRICE),
        ("it-mcp", "get_ip", {"host": "db-1"}, {"host": "db-1", "ip": "192.0.2.21"}),
    ],
)
async def test_a_client_starts_the_server_that_was_pasted(
    service: str, tool: str, given: dict[str, str], answer: dict[str, Any], tmp_path: Path
) -> None:
    """From any working directory, with nothing in the environment but what the configuration names."""
    texts = configurations(service)
    first, *others = [started(client, texts[client]) for client in STARTED]
    assert all(other == first for other in others)
    if "PYTHONPATH" in os.environ:  # only where the library under test is not the one that is installed
        first["env"]["PYTHONPATH"] = os.environ["PYTHONPATH"]
    async with asyncio.timeout(WITHIN), mcp.Client(StdioServerParameters(**first, cwd=tmp_path)) as program:
        assert tool in [each.name for each in (await program.list_tools()).tools]
        assert (await program.call_tool(tool, given)).structured_content == answer


@pytest.mark.usefixtures("gateway")
@pytest.mark.parametrize("client", REACHED)
async def test_a_client_reaches_the_server_that_was_pasted(client: str) -> None:
    text = configurations()[f"{client}, over HTTP"]
    assert "sesame" not in text
    url, headers = reached(client, text)
    assert bool(headers) == bool(os.environ[TOKEN])
    async with (
        asyncio.timeout(WITHIN),
        httpx2.AsyncClient(headers=headers) as http,
        mcp.Client(streamable_http_client(url, http_client=http)) as program,
    ):
        answer = await program.call_tool("stock_price", {"ticker": "ACME"})
        assert answer.structured_content == PRICE


@pytest.mark.usefixtures("gateway")
def test_they_are_shown_with_their_places(capsys: pytest.CaptureFixture[str]) -> None:
    show_clients()
    shown = capsys.readouterr().out
    for client, text in configurations().items():
        assert f"{client}: " in shown
        assert text in shown
    assert ".vscode/mcp.json" in shown
    assert "claude_desktop_config.json" in shown


@pytest.mark.usefixtures("teams")
def test_an_outside_service_is_named_without_its_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEMPORAL_API_KEY", "secret")
    monkeypatch.setenv("TEMPORAL_ADDRESS", "127.0.0.1:7233")
    assert set(started("Claude Code", configurations("it-mcp")["Claude Code"])["env"]) == {"WORKSHOP_STATE"}
    monkeypatch.setenv(CHOICE, "env")
    texts = configurations("it-mcp")
    for client in STARTED:
        variables = started(client, texts[client])["env"]
        assert (variables[CHOICE], variables["TEMPORAL_ADDRESS"]) == ("env", "127.0.0.1:7233")
        assert "secret" not in texts[client]


@needs_inspector
@pytest.mark.usefixtures("gateway")
async def test_the_inspector_reads_the_gateway() -> None:
    tools = {tool["name"]: tool for tool in (await inspect("tools/list"))["tools"]}
    assert set(tools) == {"stock_price", "calculate_roi", "jira_metrics", "get_ip"}
    assert tools["stock_price"]["description"]
    assert tools["stock_price"]["inputSchema"]["properties"]["ticker"]


@needs_inspector
@pytest.mark.usefixtures("teams")
@pytest.mark.parametrize("service", ["gateway", "finance-mcp"])
async def test_the_inspector_starts_a_server_of_its_own(service: str) -> None:
    answer = await inspect("tools/call", "stock_price", {"ticker": "ACME"}, service=service, over="stdio")
    assert (answer["structuredContent"], answer["isError"]) == (PRICE, False)


@needs_inspector
@pytest.mark.usefixtures("gateway")
@pytest.mark.parametrize(
    ("tool", "given", "told"),
    [
        ("calculate_roi", {"invested": 800, "returned": 1000.5}, '"percent": 25.06'),
        ("stock_price", {"ticker": "NOPE"}, "No stock NOPE is traded"),
        ("stock_price", {"ticker": "007"}, "ticker"),  # a text, also where it reads as a number
        ("stock_price", {"ticker": "a=b c"}, "ticker"),
    ],
)
async def test_the_inspector_sends_what_it_is_given(tool: str, given: dict[str, Any], told: str) -> None:
    answer = await inspect("tools/call", tool, given)
    assert told in answer["content"][0]["text"]


@needs_inspector
@pytest.mark.usefixtures("gateway")
async def test_the_inspector_says_why_it_has_no_answer() -> None:
    with pytest.raises(WorkshopError, match=r"(?s)no answer to tools/call.*Unknown tool 'nope'"):
        await inspect("tools/call", "nope")
    with pytest.raises(WorkshopError, match=r"(?s)no answer to tools/fetch.*Unsupported method"):
        await inspect("tools/fetch")


@needs_inspector
@pytest.mark.usefixtures("teams")
async def test_the_inspector_waits_for_a_bounded_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mcp_clients, "_INSPECTOR_SECONDS", 0.1)
    with pytest.raises(WorkshopError, match="longer than"):
        await inspect("tools/list", over="stdio")


@pytest.mark.usefixtures("teams")
async def test_where_the_inspector_is_not_installed_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(WorkshopError, match=r"(?s)cannot be run.*Node\.js is not installed.*`make js`"):
        await inspect("tools/list")


@needs_inspector
@pytest.mark.usefixtures("teams")
async def test_what_is_not_served_is_named(ws: Workshop) -> None:
    update_json(ws._folder.path / SERVICES, lambda served: served.pop("it-mcp", None))  # another test may have done so
    with pytest.raises(WorkshopError, match=r"'it-mcp' does not run.*\n.*ws\.serve"):
        await inspect("tools/list", service="it-mcp")


async def test_a_service_that_starts_again_is_where_it_was(ws: Workshop) -> None:
    """What was pasted into a program's configuration goes on to be true."""
    app = "workshop_lib.teams.orders.payments"
    first = await ws.serve("shop", app)
    places = first.url, service_address("shop")
    await first.stop()
    second = await ws.serve("shop", app)
    assert (second.url, service_address("shop")) == places
    await second.stop()
    port = urlsplit(second.url).port
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", port))
        other.listen()
        third = await ws.serve("shop", app)  # somebody else has its port by now
        assert third.url != second.url
        async with httpx2.AsyncClient() as customer:
            assert (await customer.get(service_address("shop"))).status_code < 500
    await third.stop()
