"""``await where(ws, handle, "finance")``: where to look at Workflows and Nexus Endpoints at work."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from temporalio.client import WorkflowHandle

from workshop_lib.evidence.history import History
from workshop_lib.server.connections import Connections
from workshop_lib.workshop import Workshop


def page(*path: str) -> str:
    """The address of a page of the Web UI; empty where there is none.

    Args:
        path: Its parts, such as ``"namespaces", "finance"``.
    """
    base = Workshop.current.server.ui_url if Workshop.current else ""
    return "/".join([base, *(quote(part, safe="") for part in path)]) if base else ""


def page_of(record: History) -> str:
    """The page of a Workflow, as ``page`` gives it."""
    return page("namespaces", record.namespace, "workflows", record.workflow_id, record.run_id, "history")


async def where(ws: Connections, *things: WorkflowHandle[Any, Any] | str) -> None:
    """Print the link that opens each thing in the Web UI, and the command that shows it.

    Args:
        ws: The workshop.
        things: Handles of Workflows, and names of Nexus Endpoints.

    Raises:
        temporalio.service.RPCError: There is no such Workflow.
    """
    address = (await ws.connection(quiet=True))["target_host"]
    for thing in things:
        if isinstance(thing, str):
            real = ws.namespace(thing)
            place, command = "nexus", f"operator nexus endpoint get --name {real}"
        else:
            seen = await thing.describe()
            place = f"namespaces/{seen.namespace}/workflows/{quote(seen.id, safe='')}/{seen.run_id}/history"
            command = f"workflow describe --namespace {seen.namespace} --workflow-id '{seen.id}'"
        if ws.server.ui_url:
            print(f"{ws.server.ui_url}/{place}")
        print(f"temporal {command} --address {address}")
