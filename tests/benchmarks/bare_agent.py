"""The yardstick for an agent's turn: the bare SDKs doing the same, and nothing besides."""

import asyncio
import json
from datetime import timedelta
from typing import Any

from temporalio import activity, workflow

with workflow.unsafe.imports_passed_through():
    import litellm

MODEL: dict[str, Any] = {}  # address and key of the model
SCHEMAS: list[dict[str, Any]] = []
INSTRUCTIONS = ""


@activity.defn
async def ask(messages: list[dict[str, Any]]) -> dict[str, Any]:
    """One model call."""
    answer = await litellm.acompletion(**MODEL, messages=messages, tools=SCHEMAS)
    said: dict[str, Any] = answer.choices[0].message.model_dump(exclude_none=True)
    return said


@workflow.defn(sandboxed=False)  # its module is the benchmark's; the others run in the sandbox all the same
class BareAgent:
    """A conversation without limits, retries, memory rules or transcript."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = [{"role": "system", "content": INSTRUCTIONS}]
        self.turn = asyncio.Lock()

    @workflow.run
    async def run(self) -> None:
        """Wait."""
        await workflow.wait_condition(lambda: False)

    @workflow.update
    async def send_message(self, text: str) -> str:
        """One turn."""
        limit = timedelta(seconds=10)
        async with self.turn:
            self.messages.append({"role": "user", "content": text})
            while True:
                said = await workflow.execute_activity(ask, self.messages, start_to_close_timeout=limit)
                self.messages.append(said)
                if not said.get("tool_calls"):
                    return str(said["content"])
                for call in said["tool_calls"]:
                    given = json.loads(call["function"]["arguments"])
                    result = await workflow.execute_activity(
                        call["function"]["name"], args=[*given.values()], start_to_close_timeout=limit
                    )
                    self.messages.append({"role": "tool", "tool_call_id": call["id"], "content": str(result)})
