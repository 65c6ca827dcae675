"""The IT team's workflows. Only IT's handler and its MCP server start them."""

from dataclasses import dataclass, field
from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from workshop_lib.teams.it import activities
    from workshop_lib.teams.it.contract import HostAddress, HostQuery, JiraMetrics, ProjectQuery
    from workshop_lib.workers.takeover import limits

_LIMITS = {**limits(timedelta(minutes=10)), "start_to_close_timeout": timedelta(seconds=30)}


@workflow.defn
class MeasureProject:
    """Counts a project's issues."""

    @workflow.run
    async def run(self, query: ProjectQuery) -> JiraMetrics:
        """Measure one project.

        Args:
            query: Which project.

        Raises:
            ActivityError: The project does not exist (``UnknownProject``), or Jira could not be read for ten minutes.
        """
        return await workflow.execute_activity(activities.count_issues, query.project, **_LIMITS)


@workflow.defn
class FindHost:
    """Looks a host up."""

    @workflow.run
    async def run(self, query: HostQuery) -> HostAddress:
        """Find one host.

        Args:
            query: Which host.

        Raises:
            ActivityError: The host does not exist (``UnknownHost``), or the list could not be read for ten minutes.
        """
        return await workflow.execute_activity(activities.look_up_host, query.host, **_LIMITS)


_MOST_HOSTS = 20


@dataclass
class Remembered:
    """What ``Memory`` remembers, and one execution hands over to the next.

    Attributes:
        project: The project that was set; empty if none was.
        hosts: The hosts that were asked for, the latest first, each once.
    """

    project: str = ""
    hosts: list[str] = field(default_factory=list)


@workflow.defn
class Memory:
    """What IT's tools remember from one call to the next. It runs until somebody terminates it.

    Args:
        known: What it remembers at the start.
    """

    @workflow.init
    def __init__(self, known: Remembered) -> None:
        self._known = known

    @workflow.run
    async def run(self, known: Remembered) -> None:
        """Remember.

        Args:
            known: See the class.
        """
        long = workflow.info().is_continue_as_new_suggested
        await workflow.wait_condition(lambda: long() and workflow.all_handlers_finished())
        workflow.continue_as_new(self._known)

    @workflow.update
    async def set_project(self, project: str) -> str:
        """Remember an existing project.

        Args:
            project: Its key.

        Returns:
            The key, as it is written in Jira.

        Raises:
            ActivityError: The project does not exist, or Jira could not be read for ten minutes.
        """
        metrics = await workflow.execute_activity(activities.count_issues, project, **_LIMITS)
        self._known.project = metrics.project
        return metrics.project

    @workflow.signal
    def note_host(self, host: str) -> None:
        """Remember a host.

        Args:
            host: Its name.
        """
        others = [each for each in self._known.hosts if each != host]
        self._known.hosts = [host, *others][:_MOST_HOSTS]

    @workflow.query
    def remembered(self) -> Remembered:
        """All that it remembers."""
        return self._known
