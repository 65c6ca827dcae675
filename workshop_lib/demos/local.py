"""What is the same for the orchestrator of each demo: its place, its instructions, its own tools, and its Worker."""

from collections.abc import Callable
from typing import Any

from workshop_lib.teams.support.activities import calculator, weather
from workshop_lib.workers.takeover import QUICK_TAKEOVER

NAMESPACE = "default"
TASK_QUEUE = "orchestrator"
INSTRUCTIONS = "You help a company's staff. Use your tools. Say so when none of them fits."
TOOLS: list[Callable[..., Any]] = [calculator, weather]


def settings(agent: type, *activities: Callable[..., Any]) -> dict[str, Any]:
    """Return the arguments of the orchestrator's ``Worker``, without its client and executor.

    Args:
        agent: The Workflow that it runs.
        activities: Its activities, besides ``TOOLS``.
    """
    own = [*activities, *TOOLS]
    return {"task_queue": TASK_QUEUE, "workflows": [agent], "activities": own, **QUICK_TAKEOVER}
