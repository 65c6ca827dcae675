"""What the orchestrator has of its own in each demo: its place, its instructions, and activities as tools."""

from __future__ import annotations

from workshop_lib.teams.support.activities import calculator, weather

NAMESPACE = "default"
TASK_QUEUE = "orchestrator"
INSTRUCTIONS = "You help the people of a company. Use your tools. Say so when none of them fits."
TOOLS = [calculator, weather]
TEAMS = {"it": "workshop_lib.teams.it.worker", "finance": "workshop_lib.teams.finance.worker"}
"""Which module runs on the other teams' computers, where they offer their tools over Nexus alone."""
