"""Callers of ``flows.Sums`` that set headers as they like, honest ones and forgers, for the tests of governance."""

from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import CancelledError, NexusOperationError

with workflow.unsafe.imports_passed_through():
    from flows import Sums

ENDPOINT = "sums"
LIMIT = timedelta(seconds=60)  # a refusal that was tried again would end with this, and not with its reason


@workflow.defn
class Call:
    @workflow.run
    async def run(self, operation: str, headers: dict[str, str], endpoint: str = ENDPOINT) -> str:
        sums = workflow.create_nexus_client(service=Sums, endpoint=endpoint)
        given = 1 if operation == "add" else workflow.info().workflow_id
        answer: object = await sums.execute_operation(
            operation, given, headers=headers, schedule_to_close_timeout=LIMIT
        )
        return str(answer)


@workflow.defn
class CallTwice:
    @workflow.run
    async def run(self) -> str:
        sums = workflow.create_nexus_client(service=Sums, endpoint=ENDPOINT)
        for _ in range(2):
            await sums.execute_operation(Sums.add, 1, headers={"Signed-Caller": "mine"})
        child: str = await workflow.execute_child_workflow("Echo", "done", id=f"child-{workflow.uuid4()}")
        return child


@workflow.defn
class Cancel:
    """Starts an operation that takes long, and cancels it when it is told to."""

    def __init__(self) -> None:
        self.now = False

    @workflow.run
    async def run(self) -> str:
        sums = workflow.create_nexus_client(service=Sums, endpoint=ENDPOINT)
        text = f"slow:60-{workflow.info().workflow_id}"
        handle = await sums.start_operation(Sums.slowly, text, schedule_to_close_timeout=LIMIT)
        await workflow.wait_condition(lambda: self.now)
        handle.cancel()
        try:
            return await handle
        except NexusOperationError as error:
            return "cancelled" if isinstance(error.cause, CancelledError) else repr(error.cause)

    @workflow.signal
    def cancel(self) -> None:
        self.now = True
