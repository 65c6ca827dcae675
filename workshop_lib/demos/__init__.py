"""The four demos: one agent, and four ways to give it the tools of other teams. Each is one file."""

NAMES = {1: "litellm_temporal", 2: "openai_temporal", 3: "openai_mcp_temporal", 4: "nexus_mcp_temporal"}
"""The demos, by number."""

AGENTS = {1: "LitellmAgent", 2: "OpenaiAgent", 3: "McpAgent", 4: "NexusMcpAgent"}
"""Their Workflows, by number. To start one by its name, nobody has to import the demo, which takes seconds."""


def modules(number: int) -> dict[str, str]:
    """Return the modules that run on the computers ``orchestrator``, ``it`` and ``finance``. Each has ``worker(ws)``.

    Args:
        number: The demo's number.
    """
    team = "mcp_server" if number == 3 else "worker"  # in demo 3, an MCP server runs beside a team's Worker
    teams = {name: f"workshop_lib.teams.{name}.{team}" for name in ("it", "finance")}
    return {"orchestrator": f"workshop_lib.demos.{NAMES[number]}", **teams}
