"""The ledger: each side effect, noted by the activity that had it.

A workflow's history records what was tried. The ledger records what was done, in every process.
"""

import json
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from workshop_lib.evidence.state import notebook_folder


@dataclass(frozen=True)
class Effect:
    """One side effect.

    Attributes:
        effect: Its name, such as ``"charge"``.
        details: What it was about, such as ``{"order": "order-1"}``.
        at: When it was noted, in seconds since the epoch.
        process: The id of the process that noted it.
    """

    effect: str
    details: dict[str, Any]
    at: float
    process: int


class Ledger:
    """A list of side effects in an SQLite file. Several processes may add to it at the same time.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._connected() as database:
            columns = "effect TEXT, details TEXT, at REAL, process INTEGER, once TEXT UNIQUE"
            database.execute(f"CREATE TABLE IF NOT EXISTS effects ({columns})")
            database.execute("CREATE TABLE IF NOT EXISTS ids (kind TEXT PRIMARY KEY, last INTEGER)")

    def note(self, effect: str, *, once: str | None = None, **details: Any) -> None:
        """Add one side effect. It is on disk when this returns.

        Args:
            effect: Its name.
            once: A name for this particular effect. An activity that may die before the note and be retried uses the
                same name in each attempt, so that the effect is noted once.
            details: What it was about; anything that JSON can hold.
        """
        row = (effect, json.dumps(details), time.time(), os.getpid(), once)
        with self._connected() as database:
            database.execute("INSERT OR IGNORE INTO effects VALUES (?, ?, ?, ?, ?)", row)

    def entries(self, effect: str | None = None, **details: Any) -> list[Effect]:
        """The side effects so far, oldest first.

        Args:
            effect: The name of those to look for; None for all.
            details: Details that they must have.
        """
        with self._connected() as database:
            rows = database.execute("SELECT effect, details, at, process FROM effects ORDER BY rowid").fetchall()
        found = [Effect(name, json.loads(text), at, process) for name, text, at, process in rows]
        wanted = json.loads(json.dumps(details))  # as they are read from the file
        return [each for each in found if effect in (None, each.effect) and wanted.items() <= each.details.items()]

    def count(self, effect: str | None = None, **details: Any) -> int:
        """The number of ``entries``."""
        return len(self.entries(effect, **details))

    def clear(self) -> None:
        """Remove all side effects. The ids are kept, so that none is given twice."""
        with self._connected() as database:
            database.execute("DELETE FROM effects")

    def next_id(self, kind: str) -> int:
        """The next number of a kind: 1, 2, and so on, even after a restart."""
        counted = "INSERT INTO ids VALUES (?, 1) ON CONFLICT (kind) DO UPDATE SET last = last + 1 RETURNING last"
        with self._connected() as database:
            return int(database.execute(counted, (kind,)).fetchone()[0])

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        # A connection for each call, because threads and processes share only the file. No WAL: switching to it fails
        # immediately, whatever the timeout, while another process has the file open (45 of 900 times when measured).
        database = sqlite3.connect(self._path, timeout=60)
        try:
            with database:
                yield database
        finally:
            database.close()


def note(effect: str, *, once: str | None = None, **details: Any) -> None:
    """Add one side effect to the ledger of this process's notebook. For activities.

    Args:
        effect: Its name.
        once: See ``Ledger.note``.
        details: What it was about; anything that JSON can hold.

    Raises:
        WorkshopError: This process belongs to no notebook.
    """
    _opened(notebook_folder()).note(effect, once=once, **details)


@cache
def _opened(folder: Path) -> Ledger:
    return Ledger(folder / "ledger.db")
