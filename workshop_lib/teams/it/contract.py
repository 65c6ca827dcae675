"""What the IT team offers to others: the only one of its modules that they may import."""

from dataclasses import dataclass
from typing import Annotated

import nexusrpc
from pydantic import ConfigDict, Field

ENDPOINT = "it"
Project = Annotated[str, Field(pattern="^[A-Za-z]{2,10}$", description="The project's key in Jira, such as SHOP.")]
Host = Annotated[str, Field(pattern=r"^[A-Za-z0-9.-]{1,60}$", description="The name of the host, such as web-1.")]


@dataclass(frozen=True)
class ProjectQuery:
    """Jira metrics of a project: its open issues, those closed this week, and how many days one takes.

    Attributes:
        project: Two to ten letters.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")
    project: Project


@dataclass(frozen=True)
class JiraMetrics:
    """How a project is doing.

    Attributes:
        project: Its key, in capital letters.
        open: How many of its issues are open.
        closed: How many were closed this week.
        days: How many days an issue takes, the median.
    """

    project: str
    open: int
    closed: int
    days: float


@dataclass(frozen=True)
class HostQuery:
    """The IP address of a host.

    Attributes:
        host: Letters, digits, dots and dashes.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")
    host: Host


@dataclass(frozen=True)
class HostAddress:
    """Where a host is.

    Attributes:
        host: Its name.
        ip: Its IP address.
    """

    host: str
    ip: str


@nexusrpc.service
class IT:
    """IT's operations."""

    jira_metrics: nexusrpc.Operation[ProjectQuery, JiraMetrics]
    get_ip: nexusrpc.Operation[HostQuery, HostAddress]
