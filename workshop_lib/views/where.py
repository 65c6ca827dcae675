"""``await where(ws, handle, "finance")``: how to open Workflows and Nexus Endpoints in the Web UI and the CLI."""

from typing import Any

from temporalio.client import WorkflowHandle

from workshop_lib.evidence.history import History
from workshop_lib.server.connections import Connections
from workshop_lib.workshop import Workshop


def page(*path: str) -> str:
    """The address of a page of the Web UI, as from ``DevServer.page``; empty while no workshop is started.

    Args:
        path: Its parts.
    """
    return Workshop.current.server.page(*path) if Workshop.current else ""


def page_of(record: History) -> str:
    """The address of a Workflow's page, as from ``page``."""
    return page("namespaces", record.namespace, "workflows", record.workflow_id, record.run_id, "history")


async def where(ws: Connections, *things: WorkflowHandle[Any, Any] | str) -> None:
    """Print the link that opens each thing in the Web UI, and the command that shows it.

    Args:
        ws: The workshop.
        things: Handles of Workflows, and names of Nexus Endpoints in the workshop.

    Raises:
        temporalio.service.RPCError: There is no such Workflow.
    """
    address = (await ws.connection(quiet=True))["target_host"]
    for thing in things:
        if isinstance(thing, str):
            path, command = ["nexus"], f"operator nexus endpoint get --name {ws.server.prefix}{thing}"
        else:
            seen = await thing.describe()
            path = ["namespaces", seen.namespace, "workflows", seen.id, seen.run_id, "history"]
            command = f"workflow describe --namespace {seen.namespace} --workflow-id '{seen.id}'"
        if link := ws.server.page(*path):
            print(link)
        print(f"temporal {command} --address {address}")
