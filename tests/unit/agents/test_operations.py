"""A Nexus operation as a tool: all that a model is told comes from the contract."""

from __future__ import annotations

from datetime import timedelta

import pytest

from workshop_lib.agents import loop
from workshop_lib.agents.operations import operation_tool
from workshop_lib.teams.finance.contract import ENDPOINT, Finance
from workshop_lib.teams.it.contract import IT

pytestmark = pytest.mark.anyio

LIMIT = timedelta(seconds=5)


def test_a_tool_is_described_by_the_contract() -> None:
    described = operation_tool(Finance.calculate_roi, Finance, ENDPOINT, LIMIT).schema["function"]
    assert described["name"] == "calculate_roi"
    assert described["description"] == "The return on an investment (ROI), in percent."
    fields = described["parameters"]["properties"]
    assert {name: (field["type"], field.get("exclusiveMinimum")) for name, field in fields.items()} == {
        "invested": ("number", 0),
        "returned": ("number", None),
    }
    assert all(field["description"] for field in fields.values())
    assert described["parameters"]["additionalProperties"] is False


async def test_arguments_that_break_the_contract_never_leave_the_agent() -> None:
    tools = [operation_tool(Finance.stock_price, Finance, ENDPOINT, LIMIT), operation_tool(IT.get_ip, IT, "it", LIMIT)]
    for arguments in ('{"ticker": "far too long"}', '{"tikcer": "ACME"}', '{"ticker": "ACME", "colour": "blue"}'):
        text, mistaken = await loop.use(tools, "stock_price", arguments)
        assert mistaken
        assert text.startswith("Invalid arguments for stock_price. "), text
