"""The IT team's workflows. Nobody else starts them; IT's handler does."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import RetryPolicy

with workflow.unsafe.imports_passed_through():
    from workshop_lib.teams.it import activities
    from workshop_lib.teams.it.contract import HostAddress, HostQuery, JiraMetrics, ProjectQuery

_LIMITS: dict[str, Any] = {
    "start_to_close_timeout": timedelta(seconds=30),
    "schedule_to_close_timeout": timedelta(minutes=1),
    "heartbeat_timeout": timedelta(seconds=2),
    "retry_policy": RetryPolicy(initial_interval=timedelta(milliseconds=100), maximum_interval=timedelta(seconds=1)),
}


@workflow.defn
class MeasureProject:
    """Counts a project's issues."""

    @workflow.run
    async def run(self, query: ProjectQuery) -> JiraMetrics:
        """Measure one project.

        Args:
            query: Which.

        Raises:
            ActivityError: There is no such project (``UnknownProject``), or Jira could not be read for a minute.
        """
        return await workflow.execute_activity(activities.count_issues, query.project, **_LIMITS)


@workflow.defn
class FindHost:
    """Looks a host up."""

    @workflow.run
    async def run(self, query: HostQuery) -> HostAddress:
        """Find one host.

        Args:
            query: Which.

        Raises:
            ActivityError: There is no such host (``UnknownHost``), or the list could not be read for a minute.
        """
        return await workflow.execute_activity(activities.look_up_host, query.host, **_LIMITS)
