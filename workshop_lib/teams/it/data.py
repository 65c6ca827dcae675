"""The IT team's database: issues and hosts, in SQLite. Made when it is first used."""

from __future__ import annotations

import sqlite3
import statistics

from workshop_lib.teams.database import opened

HOSTS = {"web-1": "192.0.2.11", "web-2": "192.0.2.12", "db-1": "192.0.2.21", "mail": "192.0.2.31"}
PROJECTS = {"SHOP": (12, [1, 2, 2, 3, 5, 8, 2]), "PAY": (4, [1, 1, 4]), "OPS": (31, [2, 6, 9, 14])}
"""A project's open issues, and the days that those took which were closed this week."""


def issues(project: str) -> tuple[int, list[int]] | None:
    """A project's open issues, and the days that each closed one took; None if there is no such project.

    Args:
        project: Its key, in small or capital letters.

    Raises:
        sqlite3.OperationalError: Another connection has locked the database for longer than a second.
    """
    with opened("it.db", _fill) as database:
        rows = database.execute("SELECT days FROM issues WHERE project = ?", (project.upper(),)).fetchall()
    closed = [days for (days,) in rows if days is not None]
    return (len(rows) - len(closed), closed) if rows else None


def address(host: str) -> str | None:
    """A host's IP address; None if there is no such host.

    Args:
        host: Its name.

    Raises:
        sqlite3.OperationalError: As for ``issues``.
    """
    with opened("it.db", _fill) as database:
        row = database.execute("SELECT ip FROM hosts WHERE name = ?", (host.lower(),)).fetchone()
    return str(row[0]) if row else None


def median(days: list[int]) -> float:
    """The median of some days; 0 for none."""
    return float(statistics.median(days)) if days else 0.0


def _fill(database: sqlite3.Connection) -> None:
    database.execute("BEGIN IMMEDIATE")  # all of it or nothing, and once, however many begin at the same time
    database.execute("CREATE TABLE IF NOT EXISTS hosts (name TEXT PRIMARY KEY, ip TEXT)")
    database.execute("CREATE TABLE IF NOT EXISTS issues (key TEXT PRIMARY KEY, project TEXT, days INTEGER)")
    database.executemany("INSERT OR IGNORE INTO hosts VALUES (?, ?)", HOSTS.items())
    for project, (waiting, closed) in PROJECTS.items():
        rows = [(f"{project}-{i}", project, days) for i, days in enumerate([*closed, *[None] * waiting], 1)]
        database.executemany("INSERT OR IGNORE INTO issues VALUES (?, ?, ?)", rows)
