"""SQLite databases of the teams, one file each in the notebook's folder, made when they are first used."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path

from workshop_lib.evidence.state import notebook_folder

_BUSY_SECONDS = 1.0  # how long a statement waits for a database that another connection holds


@contextmanager
def opened(file: str, fill: Callable[[sqlite3.Connection], object]) -> Iterator[sqlite3.Connection]:
    """A connection; what is done with it is committed at the end, or not at all.

    Args:
        file: The database's name, such as ``"orders.db"``.
        fill: Makes its tables, and what they begin with. Each process does so once, also where they are there already.

    Raises:
        sqlite3.OperationalError: Another connection has locked the database for longer than a second.
        WorkshopError: This process belongs to no notebook.
    """
    path = notebook_folder() / file
    _prepare(path, fill)
    with _connected(path) as database:
        yield database


@cache
def _prepare(path: Path, fill: Callable[[sqlite3.Connection], object]) -> None:
    with _connected(path) as database:
        fill(database)


@contextmanager
def _connected(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(path, timeout=_BUSY_SECONDS)) as database, database:
        yield database
