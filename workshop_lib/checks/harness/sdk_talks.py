"""Talk to an agent of the OpenAI Agents SDK. Apart from ``talks``, because it takes long to import."""

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

from workshop_lib.agents.openai_agents import AgentConversation, plugin
from workshop_lib.checks.harness.talks import MODEL_SECONDS, Begin, talks
from workshop_lib.demos import local
from workshop_lib.workshop import Workshop


def sdk_talks(
    ws: Workshop,
    answer: Any,
    *activities: Any,
    base: type = AgentConversation,
    servers: Mapping[str, Callable[..., Any]] | None = None,
    **settings: Any,
) -> AbstractAsyncContextManager[Begin]:
    """``talks``, with the demos' own tools and the SDK's plugin: it comes after the notebook's own, and goes before it.

    Args:
        ws: The workshop.
        answer: What the learner handed in.
        activities: As for ``talks``.
        base: As for ``talks``.
        servers: How MCP servers are reached, as for ``plugin``.
        settings: As for ``talks``.
    """
    plugins = [plugin(MODEL_SECONDS, servers)]
    return talks(ws, answer, *local.TOOLS, *activities, base=base, plugins=plugins, **settings)
