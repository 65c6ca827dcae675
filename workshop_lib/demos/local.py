"""What is the same for the orchestrator of each demo: its place, its instructions, and its own tools."""

from __future__ import annotations

from workshop_lib.teams.support.activities import calculator, weather

NAMESPACE = "default"
TASK_QUEUE = "orchestrator"
INSTRUCTIONS = "You help the people of a company. Use your tools. Say so when none of them fits."
TOOLS = [calculator, weather]
