"""The yardsticks for a turn of the demos: the bare SDKs doing the same, and nothing besides.

A module of its own: the sandbox imports it again.
"""

import asyncio
import json
import os
from dataclasses import asdict, replace
from datetime import timedelta
from typing import Any

from temporalio import activity, workflow

with workflow.unsafe.imports_passed_through():
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # otherwise its import downloads a price list
    import litellm
    from agents import Agent, FunctionTool, Model, ModelProvider, Runner, Tool
    from agents.extensions.models.litellm_model import LitellmModel
    from nexusrpc import Operation
    from temporalio.openai_agents.workflow import activity_as_tool, nexus_operation_as_tool, temporal_mcp_server

    from workshop_lib.agents.conversation import Chat
    from workshop_lib.agents.loop import summary
    from workshop_lib.demos import litellm_temporal, local
    from workshop_lib.nexus_mcp.contract import Directory
    from workshop_lib.teams.finance.contract import Finance, StockQuery
    from workshop_lib.teams.it.contract import IT

MODEL: dict[str, Any] = {}  # address and key of the model
SCHEMAS = [tool.schema for tool in litellm_temporal.tools(Chat())]
_LIMIT = timedelta(minutes=5)  # a guard only


@activity.defn
async def ask(messages: list[dict[str, Any]]) -> dict[str, Any]:
    answer = await litellm.acompletion(**MODEL, messages=messages, tools=SCHEMAS)
    said: dict[str, Any] = answer.choices[0].message.model_dump(exclude_none=True)
    return said


@workflow.defn  # in the sandbox, as is the SDK's default
class BareAgent:
    """A conversation without limits, retries, memory rules or transcript."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = [{"role": "system", "content": local.INSTRUCTIONS}]
        self.turn = asyncio.Lock()

    @workflow.run
    async def run(self) -> None:
        await workflow.wait_condition(lambda: False)

    @workflow.update
    async def send_message(self, text: str) -> str:
        """One turn, in which the model asks for prices."""
        endpoint = workflow.info().namespace.replace("default", "finance")  # both have the same prefix, if any
        finance = workflow.create_nexus_client(service=Finance, endpoint=endpoint)
        async with self.turn:
            self.messages.append({"role": "user", "content": text})
            while True:
                said = await workflow.execute_activity(ask, self.messages, start_to_close_timeout=_LIMIT)
                self.messages.append(said)
                if not said.get("tool_calls"):
                    return str(said["content"])
                for call in said["tool_calls"]:
                    asked = StockQuery(**json.loads(call["function"]["arguments"]))
                    price = await finance.execute_operation(
                        Finance.stock_price, asked, schedule_to_close_timeout=_LIMIT
                    )
                    content = json.dumps(asdict(price))
                    self.messages.append({"role": "tool", "tool_call_id": call["id"], "content": content})


class OneModel(ModelProvider):
    """One model for all."""

    def __init__(self, model: str, api_base: str, api_key: str) -> None:
        self._model = LitellmModel(model, api_base, api_key)

    def get_model(self, model_name: str | None) -> Model:
        return self._model


def operation(operation: Operation[Any, Any], service: type, endpoint: str) -> Tool:
    """One operation, described as ours is: both sides ask the model the same."""
    made = nexus_operation_as_tool(operation, service=service, endpoint=endpoint, schedule_to_close_timeout=_LIMIT)
    assert isinstance(made, FunctionTool)
    assert operation.input_type is not None
    return replace(made, description=summary(operation.input_type))


@workflow.defn
class BareSdkAgent:
    """A conversation without limits, memory rules, transcript, or words for what goes wrong.

    Args:
        demo: The demo that does the same. As in 3, two MCP servers are asked for their tools once a turn; here the SDK
            does that, one by one, and each call has its own connection. As in 4, two directories are asked in each
            turn, at once, although the tools are known.
    """

    @workflow.init
    def __init__(self, demo: int) -> None:
        self.demo = demo
        self.messages: list[Any] = []
        self.turn = asyncio.Lock()

    @workflow.run
    async def run(self, demo: int) -> None:
        await workflow.wait_condition(lambda: False)

    @workflow.update
    async def send_message(self, text: str) -> str:
        async with self.turn:
            result = await Runner.run(await self.agent(), [*self.messages, {"role": "user", "content": text}])
            self.messages = result.to_input_list()
            return str(result.final_output)

    async def agent(self) -> Agent[None]:
        """The agent of this turn."""
        tools: list[Tool] = [activity_as_tool(each, start_to_close_timeout=_LIMIT) for each in local.TOOLS]
        more: dict[str, Any] = {}
        if self.demo == 3:  # new ones in each turn: each remembers what its server offered
            more["mcp_servers"] = [temporal_mcp_server(name, factory_argument=name) for name in ("finance", "it")]
        else:
            tools += [
                operation(Finance.stock_price, Finance, "finance"),
                operation(Finance.calculate_roi, Finance, "finance"),
                operation(IT.jira_metrics, IT, "it"),
                operation(IT.get_ip, IT, "it"),
            ]
        if self.demo == 4:
            directories = [workflow.create_nexus_client(service=Directory, endpoint=name) for name in ("finance", "it")]
            asked = [
                each.execute_operation(Directory.tools, None, schedule_to_close_timeout=_LIMIT) for each in directories
            ]
            await asyncio.gather(*asked)
        return Agent("assistant", instructions=local.INSTRUCTIONS, model="offline", tools=tools, **more)
