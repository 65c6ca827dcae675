"""The executions that one conversation has had: each begins where the one before continued as new."""

from __future__ import annotations

from temporalio.client import Client


async def lengths(client: Client, workflow_id: str) -> list[int]:
    """Of the histories of all executions of a conversation, oldest first."""
    run: str | None = (
        await client.get_workflow_handle(workflow_id).describe()
    ).raw_description.workflow_execution_info.first_run_id
    found = []
    while run:
        events = [event async for event in client.get_workflow_handle(workflow_id, run_id=run).fetch_history_events()]
        found.append(len(events))
        run = events[-1].workflow_execution_continued_as_new_event_attributes.new_execution_run_id
    return found
