"""The four demos: one agent, and four ways to give it the tools of other teams. One file each."""

NAMES = {1: "litellm_temporal", 2: "openai_temporal", 3: "openai_mcp_temporal", 4: "nexus_mcp_temporal"}
"""The demos, by number."""

AGENTS = {1: "LitellmAgent", 2: "OpenaiAgent", 3: "McpAgent", 4: "NexusMcpAgent"}
"""Their Workflows, for those who start one and need not import what it runs on, which takes seconds."""


def modules(number: int) -> dict[str, str]:
    """Which module runs on the computer ``orchestrator``, ``it`` and ``finance``: each has ``worker(ws)``.

    Args:
        number: As in ``NAMES``.
    """
    team = "mcp_server" if number == 3 else "worker"  # in demo 3, an MCP server runs beside a team's Worker
    teams = {name: f"workshop_lib.teams.{name}.{team}" for name in ("it", "finance")}
    return {"orchestrator": f"workshop_lib.demos.{NAMES[number]}", **teams}
