"""The IT team's SQLite database: issues and hosts."""

import statistics

from workshop_lib.teams.database import Rows, opened
from workshop_lib.teams.it.contract import JiraMetrics

HOSTS = {"web-1": "192.0.2.11", "web-2": "192.0.2.12", "db-1": "192.0.2.21", "mail": "192.0.2.31"}
PROJECTS = {"SHOP": (12, [1, 2, 2, 3, 5, 8, 2]), "PAY": (4, [1, 1, 4]), "OPS": (31, [2, 6, 9, 14])}
"""For each project: how many issues are open, and how many days each closed issue of this week took."""
_TABLES = """
CREATE TABLE IF NOT EXISTS hosts (name TEXT PRIMARY KEY, ip TEXT);
CREATE TABLE IF NOT EXISTS issues (key TEXT PRIMARY KEY, project TEXT, days INTEGER);
"""
_ISSUES = [
    (f"{project}-{number}", project, days)
    for project, (waiting, closed) in PROJECTS.items()
    for number, days in enumerate([*closed, *[None] * waiting], 1)
]
_ROWS: Rows = {
    "INSERT OR IGNORE INTO hosts VALUES (?, ?)": HOSTS.items(),
    "INSERT OR IGNORE INTO issues VALUES (?, ?, ?)": _ISSUES,
}


def metrics(project: str) -> JiraMetrics | None:
    """Measure a project; None if it does not exist.

    Args:
        project: Its key, in small or capital letters.

    Raises:
        sqlite3.OperationalError: Another connection has locked the database for longer than a second.
    """
    with opened("it.db", _TABLES, _ROWS) as database:
        rows = database.execute("SELECT days FROM issues WHERE project = ?", (project.upper(),)).fetchall()
    closed = [days for (days,) in rows if days is not None]
    if not rows:
        return None
    return JiraMetrics(project.upper(), len(rows) - len(closed), len(closed), float(statistics.median(closed)))


def address(host: str) -> str | None:
    """Return a host's IP address; None if the host does not exist.

    Args:
        host: Its name.

    Raises:
        sqlite3.OperationalError: See ``metrics``.
    """
    with opened("it.db", _TABLES, _ROWS) as database:
        row = database.execute("SELECT ip FROM hosts WHERE name = ?", (host.lower(),)).fetchone()
    return str(row[0]) if row else None
