"""The payment service: HTTP, a process of its own, a database of its own.

``await ws.serve("workshop_lib.teams.orders.payments")`` starts it. A charge may carry an ``Idempotency-Key``, as at
real payment services: a second charge with the same key is answered with the first one, and takes no money.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from workshop_lib.evidence.ledger import note
from workshop_lib.evidence.state import notebook_folder

_TABLES = """
CREATE TABLE IF NOT EXISTS charges (id INTEGER PRIMARY KEY, key TEXT UNIQUE, order_id TEXT, amount INTEGER);
CREATE TABLE IF NOT EXISTS refunds (order_id TEXT PRIMARY KEY, amount INTEGER);
"""


def _database() -> sqlite3.Connection:
    database = sqlite3.connect(notebook_folder() / "payments.db", timeout=10, isolation_level=None)
    database.executescript(_TABLES)
    return database


def _charge(request: Request, body: dict[str, object]) -> JSONResponse:
    order, key = body["order"], request.headers.get("idempotency-key")
    if body["customer"] == "Declan":
        return JSONResponse({"error": "Declan's card was declined"}, 402)
    with closing(_database()) as database:
        database.execute("BEGIN IMMEDIATE")
        if database.execute("SELECT 1 FROM refunds WHERE order_id = ?", (order,)).fetchone():
            return JSONResponse({"error": f"{order} was refunded"}, 409)
        row = key and database.execute("SELECT id FROM charges WHERE key = ?", (key,)).fetchone()
        if not row:
            insert = "INSERT INTO charges (key, order_id, amount) VALUES (?, ?, ?) RETURNING id"
            row = database.execute(insert, (key, order, body["amount"])).fetchone()
            database.execute("COMMIT")
    note("charge", once=f"charge-{row[0]}", order=order, amount=body["amount"])
    return JSONResponse({"charge": f"charge-{row[0]}"})


def _refund(request: Request, body: dict[str, object]) -> JSONResponse:
    order = body["order"]
    with closing(_database()) as database:
        database.execute("BEGIN IMMEDIATE")
        charged = "SELECT ?, coalesce(sum(amount), 0) FROM charges WHERE order_id = ?"
        database.execute(f"INSERT OR IGNORE INTO refunds {charged}", (order, order))
        (amount,) = database.execute("SELECT amount FROM refunds WHERE order_id = ?", (order,)).fetchone()
        database.execute("COMMIT")
    if amount:
        note("refund", once=f"refund {order}", order=order, amount=amount)
    return JSONResponse({"amount": amount})


async def _charges(request: Request) -> JSONResponse:
    return _charge(request, json.loads(await request.body()))


async def _refunds(request: Request) -> JSONResponse:
    return _refund(request, json.loads(await request.body()))


app = Starlette(routes=[Route("/charges", _charges, methods=["POST"]), Route("/refunds", _refunds, methods=["POST"])])
