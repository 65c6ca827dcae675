"""The IT team's activities."""

from __future__ import annotations

from temporalio import activity
from temporalio.exceptions import ApplicationError

from workshop_lib.evidence.ledger import note
from workshop_lib.teams.it.contract import HostAddress, JiraMetrics
from workshop_lib.teams.it.data import address, metrics


@activity.defn
def count_issues(project: str) -> JiraMetrics:
    """How a project is doing.

    Args:
        project: Its key in Jira.

    Raises:
        ApplicationError: There is no such project (``UnknownProject``).
        sqlite3.OperationalError: The database is locked.
    """
    found = metrics(project)
    note("jira search", project=project.upper())
    if found is None:
        what = f"There is no project {project.upper()} in Jira."
        raise ApplicationError(what, type="UnknownProject", non_retryable=True)
    return found


@activity.defn
def look_up_host(host: str) -> HostAddress:
    """Where a host is.

    Args:
        host: Its name.

    Raises:
        ApplicationError: There is no such host (``UnknownHost``).
        sqlite3.OperationalError: The database is locked.
    """
    ip = address(host)
    note("host lookup", host=host.lower())
    if ip is None:
        raise ApplicationError(f"IT knows no host {host}.", type="UnknownHost", non_retryable=True)
    return HostAddress(host.lower(), ip)
