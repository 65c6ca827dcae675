"""SQLite databases of the teams, one file each in the notebook's folder, made when they are first used."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

from workshop_lib.evidence.state import notebook_folder

_BUSY_SECONDS = 1.0  # how long a statement waits for a database that another connection holds
_filled: set[Path] = set()  # by this process
Rows = Mapping[str, Iterable[tuple[object, ...]]]


@contextmanager
def opened(file: str, tables: str, rows: Rows | None = None) -> Iterator[sqlite3.Connection]:
    """A connection; what is done with it is committed at the end, or not at all.

    Args:
        file: The database's name, such as ``"orders.db"``.
        tables: Statements that make its tables. Each process runs them once, also where the tables are there already.
        rows: What is in them from the beginning, by the statement that inserts it. Doing so twice is as good as once.

    Raises:
        sqlite3.OperationalError: Another connection has locked the database for longer than a second.
        WorkshopError: This process belongs to no notebook.
    """
    path = notebook_folder() / file
    with closing(sqlite3.connect(path, timeout=_BUSY_SECONDS)) as database, database:
        if path not in _filled:
            database.executescript(tables)
            for statement, values in (rows or {}).items():
                database.executemany(statement, values)
            database.commit()
            _filled.add(path)
        yield database
