"""What has run: the executions of one conversation, and the prices that Finance has been asked for."""

from temporalio.client import Client
from waits import until

from workshop_lib.server.connections import Connections


async def lengths(client: Client, workflow_id: str) -> list[int]:
    """The lengths of its executions' histories, oldest first. Each begins where the one before continued as new."""
    run: str | None = (
        await client.get_workflow_handle(workflow_id).describe()
    ).raw_description.workflow_execution_info.first_run_id
    found = []
    while run:
        events = [event async for event in client.get_workflow_handle(workflow_id, run_id=run).fetch_history_events()]
        found.append(len(events))
        run = events[-1].workflow_execution_continued_as_new_event_attributes.new_execution_run_id
    return found


async def priced(place: Connections, least: int = 0) -> int:
    """How many prices Finance has been asked for, once there are so many: the server's list follows a moment later."""
    finance = await Client.connect(**await place.connection("finance", quiet=True))

    async def listed() -> list[int]:
        count = (await finance.count_workflows("WorkflowType = 'PriceStock'")).count
        return [count] if count >= least else []

    found: list[int] = await until(listed)
    return found[0]
