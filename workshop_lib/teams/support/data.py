"""What the support team knows: the shop's handbook, in an SQLite database with full-text search, and some weather."""

import re
import tomllib
from pathlib import Path

from workshop_lib.teams.database import opened

_KNOWN = tomllib.loads(Path(__file__).with_name("known.toml").read_text(encoding="utf-8"))
WEATHER: dict[str, str] = _KNOWN["weather"]
_TABLES = """
CREATE TABLE IF NOT EXISTS questions (text TEXT);
CREATE VIRTUAL TABLE IF NOT EXISTS handbook USING fts5(title, text, tokenize = 'porter');
"""
_PASSAGES = [(number, *passage) for number, passage in enumerate(_KNOWN["handbook"].items(), 1)]
_ROWS = {"INSERT OR REPLACE INTO handbook (rowid, title, text) VALUES (?, ?, ?)": _PASSAGES}


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
