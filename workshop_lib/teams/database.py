"""SQLite databases of the teams, each a file in the notebook's folder. They are created at their first use."""

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
    """Open a connection for one transaction, which is committed at the end of the block, or not at all.

    Args:
        file: The database's name, such as ``"orders.db"``.
        tables: Statements that create its tables, if they do not exist. Each process runs them once.
        rows: The first rows, by the statement that inserts them. The statement must be safe to repeat.

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
