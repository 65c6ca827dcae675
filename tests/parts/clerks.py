"""An agent without a model, for tests. Plain module: the sandbox imports it again."""

import asyncio
import json

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from workshop_lib.agents.conversation import Answer, Chat, Conversation, Message


@workflow.defn
class Clerk(Conversation):
    """Uses a tool for each message, and asks a human before it pays."""

    @workflow.run
    async def run(self, chat: Chat) -> int:
        return await self.converse()

    async def answer(self, messages: list[Message]) -> Answer:
        text = messages[-1]["content"]
        number = self.note("call", json.dumps({"text": text}), "look_up")
        await asyncio.sleep(0.4)
        self.note("result", f"found {text}", "look_up", number)
        said = f"You said {text}"
        if text.startswith("pay "):
            hours = 0.0001 if text.endswith("in a hurry") else 24
            said = "Paid." if await self.approved(f"{text}?".replace("pay", "Pay"), hours) else "Not paid."
        return Answer(said, [{"role": "assistant", "content": said}])
