"""MCP clients that people use, before the gateway of demo 4 or a team's MCP server of demo 3.

``show_clients()`` prints what to paste into Claude Desktop, Claude Code, VS Code or Goose. ``inspect("tools/list")``
asks a server through the MCP Inspector, which is a client in JavaScript. All of it works while the notebook runs.
"""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import sys
import uuid
from typing import Any, Literal

from workshop_lib.demos.gateway import TOKEN
from workshop_lib.evidence.messages import WorkshopError
from workshop_lib.evidence.state import SERVICES, STATE_VARIABLE, notebook_folder, read_json, service_address
from workshop_lib.server.outside import CHOICE
from workshop_lib.workers.process import Process
from workshop_lib.workers.spawned import javascript

SERVERS = {
    "gateway": "workshop_lib.demos.gateway",
    "finance-mcp": "workshop_lib.teams.finance.mcp_server",
    "it-mcp": "workshop_lib.teams.it.mcp_server",
}
"""The MCP servers: by the names under which ``ws.serve`` serves them over HTTP, the modules to start over stdio."""
PLACES = {
    "Claude Desktop": "claude_desktop_config.json (Settings, Developer, Edit Config)",
    "Claude Code": "in a terminal",
    "VS Code": ".vscode/mcp.json",
    "Goose": "~/.config/goose/config.yaml",
}
"""Where each client's configuration goes."""
_INSPECTOR = "workshop_lib.demos.inspector.inspector.mjs"
_INSPECTOR_SECONDS = 30.0  # on a laptop that does other things, too
_GOOSE_SECONDS = 60


def show_clients(service: str = "gateway") -> None:
    """Print what to paste where, so that a client finds this notebook's tools.

    Args:
        service: Which MCP server, as in ``SERVERS``.
    """
    for client, text in configurations(service).items():
        print(f"{client}: {PLACES[client.partition(',')[0]]}\n\n{text}\n")


def configurations(service: str = "gateway") -> dict[str, str]:
    """What to paste into each client, by the client's name.

    The client starts the server itself and speaks with it over standard input and output. Where ``ws.serve`` serves it
    over HTTP as well, there is a second one for each client that reaches an address on this machine: Claude Desktop
    does not. No token stands in any of them: a client asks for it, or takes it from ``WORKSHOP_GATEWAY_TOKEN``.

    Args:
        service: Which MCP server, as in ``SERVERS``.

    Raises:
        WorkshopError: This process belongs to no notebook.
    """
    made = _over_stdio(service)
    if service in read_json(notebook_folder() / SERVICES):
        made |= _over_http(service, f"{service_address(service)}/mcp")
    return made


def _over_stdio(service: str) -> dict[str, str]:
    program, arguments, variables = sys.executable, ["-m", SERVERS[service]], _variables()
    started = {"command": program, "args": arguments, "env": variables}
    given = [part for name, value in variables.items() for part in ("--env", f"{name}={value}")]
    add = ["claude", "mcp", "add", *given, "--transport", "stdio", service, "--", program, *arguments]
    return {
        "Claude Desktop": _json({"mcpServers": {service: started}}),
        "Claude Code": shlex.join(add),
        "VS Code": _json({"servers": {service: {"type": "stdio", **started}}}),
        "Goose": _goose(service, type="stdio", cmd=program, args=arguments, envs=variables),
    }


def _over_http(service: str, url: str) -> dict[str, str]:
    guarded = service == "gateway" and bool(os.environ.get(TOKEN))
    add = f'claude mcp add --header "Authorization: Bearer ${TOKEN}" ' if guarded else "claude mcp add "
    server: dict[str, Any] = {"type": "http", "url": url}
    code: dict[str, Any] = {"servers": {service: server}}
    goose: dict[str, Any] = {"type": "streamable_http", "uri": url}
    if guarded:
        server["headers"] = {"Authorization": "Bearer ${input:token}"}
        asked = {"type": "promptString", "id": "token", "description": f"The value of {TOKEN}", "password": True}
        code["inputs"] = [asked]
        goose |= {"headers": {"Authorization": f"Bearer ${{{TOKEN}}}"}, "env_keys": [TOKEN]}
    return {
        "Claude Code, over HTTP": f"{add}--transport http {service} {url}",
        "VS Code, over HTTP": _json(code),
        "Goose, over HTTP": _goose(service, **goose),
    }


def _variables() -> dict[str, str]:
    """What a server needs in its environment to find this notebook's Temporal Service; no key of an outside one."""
    outside = (CHOICE, "TEMPORAL_ADDRESS", "TEMPORAL_CONFIG_FILE", "JUPYTERHUB_USER") if os.environ.get(CHOICE) else ()
    passed = {name: os.environ[name] for name in outside if name in os.environ}
    return {STATE_VARIABLE: str(notebook_folder()), **passed}


def _json(content: dict[str, Any]) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False)


def _goose(service: str, **settings: Any) -> str:
    described = {"enabled": True, "name": service, "description": "Tools of a workshop's notebook"}
    lines = {**described, **settings, "timeout": _GOOSE_SECONDS}.items()
    # JSON's values are values of YAML, too.
    indented = [f"    {name}: {json.dumps(value, ensure_ascii=False)}" for name, value in lines]
    return "\n".join(["extensions:", f"  {service}:", *indented])


async def inspect(
    method: str,
    tool: str = "",
    arguments: dict[str, Any] | None = None,
    *,
    service: str = "gateway",
    over: Literal["http", "stdio"] = "http",
) -> Any:
    """Ask an MCP server through the MCP Inspector's command line, a client that shares no code with the server.

    Args:
        method: What MCP calls it: ``"tools/list"`` or ``"tools/call"``.
        tool: Which tool to call.
        arguments: Of the call.
        service: Which MCP server, as in ``SERVERS``.
        over: ``"http"``, where ``ws.serve`` serves it; or ``"stdio"``, where the Inspector starts one of its own.

    Returns:
        What the server answered.

    Raises:
        WorkshopError: The Inspector is not installed, it did not get an answer, or nothing is served over HTTP.
    """
    command, variables = javascript(_INSPECTOR), dict(os.environ)
    options, more = ["--method", method], []
    if tool:
        options += ["--tool-name", tool]
    for name, value in (arguments or {}).items():
        options += ["--tool-arg", f"{name}={json.dumps(value)}"]
    if over == "http":
        target = f"{service_address(service)}/mcp"
        variables["INSPECTOR_TOKEN"] = os.environ.get(TOKEN, "") if service == "gateway" else ""
    else:
        target, more = sys.executable, ["--", "-m", SERVERS[service]]
        variables |= _variables()
    said, problem = await _run([*command, target, *options, *more], variables)
    try:
        return json.loads(said)
    except ValueError:
        raise WorkshopError(
            f"The MCP Inspector has no answer to {method} from {service!r}.", problem, "Does the server run?"
        ) from None


async def _run(command: list[str], variables: dict[str, str]) -> tuple[str, str]:
    """What a command writes to its standard output, and the end of what it writes to the other one."""
    log = notebook_folder() / "logs" / f"inspector-{uuid.uuid4().hex}.log"
    process = Process(command, log=log, environment=variables, piped=True)
    assert process.stdout is not None
    try:
        said = await asyncio.wait_for(asyncio.to_thread(process.stdout.read), _INSPECTOR_SECONDS)
    except TimeoutError:
        return "", f"It took longer than {_INSPECTOR_SECONDS:g} seconds."
    finally:
        process.close()
    return said.decode(), log.read_text(errors="replace").strip()[-500:]
