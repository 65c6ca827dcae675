"""The yardstick for an agent's turn: the bare SDKs doing the same, and nothing besides."""

import asyncio
import json
import os
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.worker import Worker

with workflow.unsafe.imports_passed_through():
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # otherwise its import downloads a price list
    import litellm

    from workshop_lib.agents.conversation import Chat
    from workshop_lib.agents.model.settings import model
    from workshop_lib.demos import litellm_temporal, local
    from workshop_lib.server.connections import Connections
    from workshop_lib.teams.finance.contract import ENDPOINT, Finance

MODEL: dict[str, Any] = {}  # address and key of the model
SCHEMAS = [tool.schema for tool in litellm_temporal.tools(Chat())]
QUEUE = "bare-1"
_LIMIT = timedelta(minutes=5)  # a guard only


@activity.defn
async def ask(messages: list[dict[str, Any]]) -> dict[str, Any]:
    """One model call."""
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
        """Wait."""
        await workflow.wait_condition(lambda: False)

    @workflow.update
    async def send_message(self, text: str) -> str:
        """One turn."""
        async with self.turn:
            self.messages.append({"role": "user", "content": text})
            while True:
                said = await workflow.execute_activity(ask, self.messages, start_to_close_timeout=_LIMIT)
                self.messages.append(said)
                if not said.get("tool_calls"):
                    return str(said["content"])
                for call in said["tool_calls"]:
                    result = await use(json.loads(call["function"]["arguments"]))
                    self.messages.append({"role": "tool", "tool_call_id": call["id"], "content": result})


async def use(given: dict[str, Any]) -> str:
    """Do what the model asks for: a price."""
    endpoint = workflow.info().namespace.replace("default", ENDPOINT)  # both have the same prefix, if any
    client: workflow.NexusClient[Any] = workflow.create_nexus_client(service=Finance, endpoint=endpoint)
    operation = Finance.stock_price
    assert operation.input_type is not None
    asked = operation.input_type(**given)
    return json.dumps(asdict(await client.execute_operation(operation, asked, schedule_to_close_timeout=_LIMIT)))


async def worker(ws: Connections) -> Worker:
    """Its Worker, not yet running, with a client of the bare SDK."""
    MODEL.update(model("offline"))
    connection = await ws.connection()
    client = await Client.connect(connection["target_host"], namespace=connection["namespace"])
    return Worker(client, task_queue=QUEUE, workflows=[BareAgent], activities=[ask])
