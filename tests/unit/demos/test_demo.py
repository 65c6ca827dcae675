"""Each demo defines what ``Demo`` asks for. mypy checks the types of this list."""

from importlib.util import find_spec

import pytest

from workshop_lib.agents.conversation import Conversation
from workshop_lib.demos import AGENTS, NAMES, litellm_temporal, nexus_mcp_temporal, openai_mcp_temporal, openai_temporal
from workshop_lib.demos.demo import Demo

DEMOS: list[Demo] = [litellm_temporal, openai_temporal, openai_mcp_temporal, nexus_mcp_temporal]


@pytest.mark.parametrize(("number", "demo"), list(enumerate(DEMOS, 1)))
def test_a_demo_defines_what_it_must(number: int, demo: Demo) -> None:
    assert NAMES[number] == demo.__name__.rpartition(".")[2]  # type: ignore[attr-defined]
    assert issubclass(demo.AGENT, Conversation)
    assert demo.AGENT in demo.WORKER["workflows"]
    assert AGENTS[number] == demo.AGENT.__name__
    assert set(demo.COMPUTERS) == {"orchestrator", "it", "finance"}
    assert all(find_spec(module) for module in [*demo.COMPUTERS.values(), *demo.SERVERS.values()])
