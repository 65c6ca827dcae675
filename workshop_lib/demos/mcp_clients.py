"""MCP clients that people use, in front of the gateway of demo 4.

``show_clients()`` prints what to paste into Claude Desktop, Claude Code, VS Code or Goose. ``inspect("tools/list")``
asks the gateway through the MCP Inspector, which is a client in JavaScript. All of it works while the notebook runs.
"""

import asyncio
import contextlib
import json
import os
import shlex
import sys
import uuid
from typing import Any

from workshop_lib.demos.gateway import TOKEN
from workshop_lib.evidence.messages import WorkshopError
from workshop_lib.evidence.state import LEARNER, SERVICES, STATE_VARIABLE, notebook_folder, read_json, service_address
from workshop_lib.server.outside import CHOICE
from workshop_lib.workers.process import Process
from workshop_lib.workers.spawned import javascript

PLACES = {
    "Claude Desktop": "claude_desktop_config.json (Settings, Developer, Edit Config)",
    "Claude Code": "in a terminal",
    "VS Code": ".vscode/mcp.json",
    "Goose": "~/.config/goose/config.yaml",
}
"""Where each client's configuration goes."""
_NAME = "gateway"
_INSPECTOR = "workshop_lib.demos.inspector.inspector.mjs"
_INSPECTOR_SECONDS = 300.0  # a guard only
_TLS = ("", "_SERVER_NAME", "_SERVER_CA_CERT_PATH", "_CLIENT_CERT_PATH", "_CLIENT_KEY_PATH")
_OUTSIDE = [CHOICE, LEARNER, "JUPYTERHUB_USER", "TEMPORAL_ADDRESS", "TEMPORAL_NAMESPACE", "TEMPORAL_CONFIG_FILE"]
_OUTSIDE += [f"TEMPORAL_TLS{name}" for name in _TLS]


def show_clients() -> None:
    """Print what to paste where, so that a client finds this notebook's tools."""
    for client, text in configurations().items():
        print(f"{client}: {PLACES[client.partition(',')[0]]}\n\n{text}\n")


def configurations() -> dict[str, str]:
    """What to paste into each client, by the client's name.

    The client starts a gateway itself and talks to it over standard input and output. Where ``ws.serve`` serves one
    over HTTP as well, each client that can reach an address on this machine gets a second configuration. Claude Desktop
    can't. No configuration contains a token: a client asks for it, or takes it from ``WORKSHOP_GATEWAY_TOKEN``.

    Raises:
        WorkshopError: This process belongs to no notebook.
    """
    made = _over_stdio()
    if _NAME in read_json(notebook_folder() / SERVICES):
        made |= _over_http(f"{service_address(_NAME)}/mcp")
    return made


def _over_stdio() -> dict[str, str]:
    # What a gateway needs to find this notebook's Temporal Service; no key of an outside one.
    variables = {STATE_VARIABLE: str(notebook_folder())}
    if os.environ.get(CHOICE):
        variables |= {name: os.environ[name] for name in _OUTSIDE if name in os.environ}
    program, arguments = sys.executable, ["-m", "workshop_lib.demos.gateway"]
    started = {"command": program, "args": arguments, "env": variables}
    given = [part for name, value in variables.items() for part in ("--env", f"{name}={value}")]
    add = ["claude", "mcp", "add", *given, "--transport", "stdio", _NAME, "--", program, *arguments]
    return {
        "Claude Desktop": _json({"mcpServers": {_NAME: started}}),
        "Claude Code": shlex.join(add),
        "VS Code": _json({"servers": {_NAME: {"type": "stdio", **started}}}),
        "Goose": _goose(type="stdio", cmd=program, args=arguments, envs=variables),
    }


def _over_http(url: str) -> dict[str, str]:
    header = ""
    server: dict[str, Any] = {"type": "http", "url": url}
    code: dict[str, Any] = {"servers": {_NAME: server}}
    goose: dict[str, Any] = {"type": "streamable_http", "uri": url}
    if os.environ.get(TOKEN):
        header = f'--header "Authorization: Bearer ${TOKEN}" '
        server["headers"] = {"Authorization": "Bearer ${input:token}"}
        asked = {"type": "promptString", "id": "token", "description": f"The value of {TOKEN}", "password": True}
        code["inputs"] = [asked]
        goose |= {"headers": {"Authorization": f"Bearer ${{{TOKEN}}}"}, "env_keys": [TOKEN]}
    return {
        "Claude Code, over HTTP": f"claude mcp add {header}--transport http {_NAME} {url}",
        "VS Code, over HTTP": _json(code),
        "Goose, over HTTP": _goose(**goose),
    }


def _json(content: dict[str, Any]) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False)


def _goose(**settings: Any) -> str:
    described = {"enabled": True, "name": _NAME, "description": "Tools of a workshop's notebook"}
    # JSON's values are values of YAML, too.
    lines = [f"    {name}: {json.dumps(value)}" for name, value in {**described, **settings, "timeout": 60}.items()]
    return "\n".join(["extensions:", f"  {_NAME}:", *lines])


async def inspect(method: str, tool: str = "", arguments: dict[str, Any] | None = None) -> Any:
    """Ask the gateway through the MCP Inspector's command line, a client that shares no code with it.

    Args:
        method: MCP's name of the request: ``"tools/list"`` or ``"tools/call"``.
        tool: Which tool to call.
        arguments: The call's arguments.

    Returns:
        What the gateway answered.

    Raises:
        WorkshopError: The Inspector is not installed or got no answer, or no gateway is served.
    """
    command = [*javascript(_INSPECTOR), f"{service_address(_NAME)}/mcp", "--method", method]
    if tool:
        command += ["--tool-name", tool]
    for name, value in (arguments or {}).items():
        command += ["--tool-arg", f"{name}={json.dumps(value)}"]
    log = notebook_folder() / "logs" / f"inspector-{uuid.uuid4().hex}.log"
    variables = {**os.environ, "INSPECTOR_TOKEN": os.environ.get(TOKEN, "")}
    process = Process(command, log=log, environment=variables, piped=True)
    assert process.stdout is not None
    said, problem = b"", f"It took longer than {_INSPECTOR_SECONDS:g} seconds."
    with contextlib.closing(process), contextlib.suppress(TimeoutError):
        said, problem = await asyncio.wait_for(asyncio.to_thread(process.stdout.read), _INSPECTOR_SECONDS), ""
    try:
        return json.loads(said)
    except ValueError:
        why = problem or log.read_text(errors="replace").strip()[-500:]
        raise WorkshopError(f"The MCP Inspector has no answer to {method}.", why, "Is the gateway running?") from None
