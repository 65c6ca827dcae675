"""Demo 1's agent, which cannot say hello without Finance."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import NexusOperationError
from temporalio.worker import Worker

with workflow.unsafe.imports_passed_through():
    from workshop_lib.agents.conversation import Answer, Chat, Message
    from workshop_lib.demos.litellm_temporal import WORKER, LitellmAgent, connect
    from workshop_lib.server.connections import Connections
    from workshop_lib.teams.finance.contract import ENDPOINT, Finance, RoiQuery


@workflow.defn
class FragileAgent(LitellmAgent):
    """Asks Finance first, whatever it is asked. Where that fails, it does not ask for the next three questions."""

    silent = 0

    @workflow.run
    async def run(self, chat: Chat) -> int:
        return await self.converse()

    async def answer(self, messages: list[Message]) -> Answer:
        down = Answer("Finance is down.", [*messages, {"role": "assistant", "content": "Finance is down."}])
        if self.silent:
            self.silent -= 1
            return down
        finance = workflow.create_nexus_client(service=Finance, endpoint=ENDPOINT)
        limit = timedelta(seconds=5)
        try:
            await finance.execute_operation(Finance.calculate_roi, RoiQuery(1, 2), schedule_to_close_timeout=limit)
        except NexusOperationError:
            self.silent = 3
            return down
        return await super().answer(messages)


async def worker(ws: Connections) -> Worker:
    """Its Worker, not yet running."""
    settings = {**WORKER, "workflows": [FragileAgent]}
    return Worker(await connect(ws), **settings, activity_executor=ThreadPoolExecutor(20))
