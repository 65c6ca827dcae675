"""The IT team's activities."""

from temporalio import activity
from temporalio.exceptions import ApplicationError

from workshop_lib.evidence.ledger import note
from workshop_lib.teams.it.contract import HostAddress, JiraMetrics
from workshop_lib.teams.it.data import address, metrics


@activity.defn
def count_issues(project: str) -> JiraMetrics:
    """Measure a project.

    Args:
        project: Its key in Jira.

    Raises:
        ApplicationError: The project does not exist (``UnknownProject``).
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
    """Find the address of a host.

    Args:
        host: Its name.

    Raises:
        ApplicationError: The host does not exist (``UnknownHost``).
        sqlite3.OperationalError: The database is locked.
    """
    ip = address(host)
    note("host lookup", host=host.lower())
    if ip is None:
        raise ApplicationError(f"IT knows no host {host}.", type="UnknownHost", non_retryable=True)
    return HostAddress(host.lower(), ip)
