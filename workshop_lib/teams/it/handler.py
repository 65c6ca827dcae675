"""The IT team's Nexus handler: it runs when somebody calls the contract."""

from nexusrpc.handler import service_handler
from temporalio.nexus import WorkflowHandle, WorkflowRunOperationContext, workflow_run_operation

from workshop_lib.teams.it.contract import IT, HostAddress, HostQuery, JiraMetrics, ProjectQuery
from workshop_lib.teams.it.workflows import FindHost, MeasureProject


@service_handler(service=IT)
class ITHandler:
    """Handles ``IT``. A workflow's id is the same for each attempt of one call."""

    @workflow_run_operation
    async def jira_metrics(self, ctx: WorkflowRunOperationContext, query: ProjectQuery) -> WorkflowHandle[JiraMetrics]:
        """Start a workflow that counts the project's issues."""
        return await ctx.start_workflow(MeasureProject.run, query, id=f"jira-metrics-{ctx.request_id}")

    @workflow_run_operation
    async def get_ip(self, ctx: WorkflowRunOperationContext, query: HostQuery) -> WorkflowHandle[HostAddress]:
        """Start a workflow that looks the host up."""
        return await ctx.start_workflow(FindHost.run, query, id=f"get-ip-{ctx.request_id}")
