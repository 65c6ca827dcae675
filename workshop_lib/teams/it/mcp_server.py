"""The IT team's MCP server: a client of Temporal, which starts IT's workflows. See ``teams/finance/mcp_server.py``.

Some of its tools remember something: the project that was set, and the hosts that were asked for. A workflow keeps
it, so it outlives the server. All callers share one memory, because a call over HTTP does not say who makes it.
"""

from datetime import timedelta
from typing import Any
from uuid import uuid4

from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from temporalio.client import Client, WorkflowHandle
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.worker import Worker

from workshop_lib.server.connections import Connections
from workshop_lib.teams.it.contract import Host, HostAddress, HostQuery, JiraMetrics, Project, ProjectQuery
from workshop_lib.teams.it.worker import NAMESPACE, TASK_QUEUE
from workshop_lib.teams.it.worker import worker as nexus_worker
from workshop_lib.teams.it.workflows import FindHost, MeasureProject, Memory, Remembered
from workshop_lib.teams.mcp_serving import TeamServer, application, connected, listen, told

SERVICE = "it-mcp"
LIMIT = timedelta(minutes=15)  # of a workflow, longer than its steps may take
server = TeamServer("it", lifespan=connected(NAMESPACE), log_level="WARNING")


@server.tool()
async def jira_metrics(project: Project, ctx: Context[Client]) -> JiraMetrics:
    """Jira metrics of a project: its open issues, those closed this week, and how many days one takes."""
    metrics: JiraMetrics = await _executed(ctx, MeasureProject.run, ProjectQuery(project), "jira-metrics")
    return metrics


@server.tool()
async def get_ip(host: Host, ctx: Context[Client]) -> HostAddress:
    """The IP address of a host."""
    found: HostAddress = await _executed(ctx, FindHost.run, HostQuery(host), "get-ip")
    with told():
        await (await _memory(ctx)).signal(Memory.note_host, found.host)
    return found


@server.tool()
async def ip_history(ctx: Context[Client]) -> list[str]:
    """The history of hosts whose IP addresses were asked for, the latest first."""
    return (await _remembered(ctx)).hosts


@server.tool()
async def set_project(project: Project, ctx: Context[Client]) -> str:
    """Set the current project, which is then remembered."""
    with told():
        return await (await _memory(ctx)).execute_update(Memory.set_project, project)


@server.tool()
async def get_project(ctx: Context[Client]) -> str:
    """The chosen project: its key."""
    project = (await _remembered(ctx)).project
    if not project:
        raise ToolError("No project is set. Set one first.")
    return project


@server.tool()
async def current_project_metrics(ctx: Context[Client]) -> JiraMetrics:
    """Jira metrics of the current project, the one that is set."""
    return await jira_metrics(await get_project(ctx), ctx)


async def _executed(ctx: Context[Client], run: Any, query: Any, name: str) -> Any:
    """A workflow's result, as in Finance's server."""
    client = ctx.request_context.lifespan_context
    with told():
        return await client.execute_workflow(
            run, query, id=f"{name}-{uuid4()}", task_queue=TASK_QUEUE, execution_timeout=LIMIT
        )


async def _remembered(ctx: Context[Client]) -> Remembered:
    with told():
        return await (await _memory(ctx)).query(Memory.remembered)


async def _memory(ctx: Context[Client]) -> WorkflowHandle[Memory, None]:
    """The workflow that remembers. It is started if it is not running."""
    client = ctx.request_context.lifespan_context
    use = WorkflowIDConflictPolicy.USE_EXISTING
    return await client.start_workflow(
        Memory.run, Remembered(), id="it-memory", task_queue=TASK_QUEUE, id_conflict_policy=use
    )


app = application(server)


async def worker(ws: Connections) -> Worker:
    """The team's Worker, not yet running, and the MCP server, which runs already, in one process.

    Args:
        ws: How to reach the service.
    """
    await listen(SERVICE, server)
    return await nexus_worker(ws)


if __name__ == "__main__":
    server.run()
