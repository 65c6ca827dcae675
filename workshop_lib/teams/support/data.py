"""What the support team knows: the shop's handbook, in an SQLite database with full-text search, and some weather."""

from __future__ import annotations

import re

from workshop_lib.teams.database import opened

HANDBOOK = {
    "Returns": "A customer may return an item within 30 days. It must be unused. The money is back within 5 days.",
    "Refunds": "A refund of up to 100 dollars is paid at once. A larger one needs the approval of a person.",
    "Shipping": "We ship to 40 countries. A parcel takes 2 days at home, and 5 to 9 days abroad. Shipping is free "
    "above 50 dollars.",
    "Warranty": "Kettles and lamps have a warranty of 2 years. A broken one is repaired or replaced, without a charge.",
    "Anvils": "No carrier takes an anvil. A customer can pick it up at the warehouse, on weekdays from 8 to 17.",
    "Teapots": "Teapots are out of stock until spring. We write to a customer by mail when they are back.",
    "Gift cards": "A gift card is valid for 3 years and cannot be paid out.",
    "Privacy": "We keep the address of a customer for 12 months after the last order, and delete it on request.",
    "Cleaning a kettle": "Boil one part of vinegar and two parts of water, wait 20 minutes, and rinse twice.",
    "Opening hours": "The shop's phone is answered on weekdays from 9 to 18, and on Saturdays from 10 to 14.",
}
_TABLES = """
CREATE TABLE IF NOT EXISTS questions (text TEXT);
CREATE VIRTUAL TABLE IF NOT EXISTS handbook USING fts5(title, text, tokenize = 'porter');
"""
_PASSAGES = [(number, *passage) for number, passage in enumerate(HANDBOOK.items(), 1)]
_ROWS = {"INSERT OR REPLACE INTO handbook (rowid, title, text) VALUES (?, ?, ?)": _PASSAGES}
WEATHER = {
    "Oslo": "snow, -4 °C",
    "Paris": "rain, 9 °C",
    "Lisbon": "sun, 17 °C",
    "Berlin": "clouds, 5 °C",
    "London": "fog, 8 °C",
    "Nairobi": "sun, 26 °C",
    "Tokyo": "clouds, 13 °C",
    "Lima": "drizzle, 18 °C",
}


def search(query: str) -> list[str]:
    """Return the two passages of the handbook that fit a question best, the best first.

    Args:
        query: The question, in plain words.

    Raises:
        sqlite3.OperationalError: Another connection has locked the database for longer than a second.
    """
    words = " OR ".join(f'"{word}"' for word in re.findall(r"\w{3,}", query))
    with opened("handbook.db", _TABLES, _ROWS) as database:
        # Questions are kept, to improve the next edition of the handbook.
        database.execute("INSERT INTO questions VALUES (?)", (query,))
        find = "SELECT title, text FROM handbook WHERE handbook MATCH ? ORDER BY rank LIMIT 2"
        found = database.execute(find, (words or '""',)).fetchall()
    return [f"{title}: {text}" for title, text in found]
