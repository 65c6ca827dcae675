"""What an order is, and the orders team's SQLite database: stock, charges and parcels."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from workshop_lib.teams.database import opened

_TABLES = """
CREATE TABLE IF NOT EXISTS blocked (customer TEXT PRIMARY KEY);
CREATE TABLE IF NOT EXISTS stock (item TEXT PRIMARY KEY, quantity INTEGER NOT NULL CHECK (quantity >= 0));
CREATE TABLE IF NOT EXISTS shipments
    (id INTEGER PRIMARY KEY, order_id TEXT UNIQUE, item TEXT, quantity INTEGER, parcel TEXT DEFAULT '');
CREATE TABLE IF NOT EXISTS charges (id INTEGER PRIMARY KEY, order_id TEXT, customer TEXT, amount INTEGER);
INSERT OR IGNORE INTO blocked VALUES ('Mallory');
INSERT OR IGNORE INTO stock VALUES ('kettle', 100000), ('lamp', 100000), ('anvil', 100000), ('teapot', 0);
"""


@dataclass(frozen=True)
class Order:
    """What a customer orders.

    Attributes:
        id: The order's id.
        customer: Who pays.
        item: ``kettle`` or ``lamp``; the ``teapot`` is out of stock, and no carrier takes the ``anvil``.
        quantity: How many.
        amount: The total price, in cents.
    """

    id: str
    customer: str = "Ann"
    item: str = "kettle"
    quantity: int = 1
    amount: int = 3000


@dataclass(frozen=True)
class Receipt:
    """What a customer gets at the end.

    Attributes:
        order: The order's id.
        charge: The charge's id.
        parcel: The parcel's tracking number.
    """

    order: str
    charge: str
    parcel: str


@contextmanager
def store() -> Iterator[sqlite3.Connection]:
    """A connection to the team's database. See ``teams.database.opened``."""
    with opened("orders.db", _TABLES) as database:
        database.execute("BEGIN IMMEDIATE")  # so that what it reads is still true when it writes
        yield database
