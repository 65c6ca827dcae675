"""What the orchestrator has of its own in each demo: its place, its instructions, and activities as tools."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from temporalio.common import RetryPolicy

from workshop_lib.teams.support.activities import calculator, weather

NAMESPACE = "default"
TASK_QUEUE = "orchestrator"
INSTRUCTIONS = "You help the people of a company. Use your tools. Say so when none of them fits."
TOOLS = [calculator, weather]
_RETRY = RetryPolicy(initial_interval=timedelta(milliseconds=100), maximum_interval=timedelta(seconds=1))


def limits(limit: timedelta) -> dict[str, Any]:
    """Options of ``workflow.execute_activity`` for one use of a tool.

    Args:
        limit: How long it may take, with all attempts.
    """
    return {
        "start_to_close_timeout": limit,
        "schedule_to_close_timeout": limit,
        "heartbeat_timeout": timedelta(seconds=2),
        "retry_policy": _RETRY,
    }
