"""The four demos: one agent, and four ways to give it the tools of other teams. One file each."""

NAMES = {1: "litellm_temporal", 2: "openai_temporal", 3: "openai_mcp_temporal", 4: "nexus_mcp_temporal"}
"""The demos, by number."""
