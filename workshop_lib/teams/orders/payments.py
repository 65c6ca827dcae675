"""The payment service: an HTTP service with its own process and database.

``await ws.serve("payments", "workshop_lib.teams.orders.payments")`` starts it. A charge may have an
``Idempotency-Key``, as with real payment services: a second charge with the same key takes no money, and is answered
with the first one.
"""

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from workshop_lib.evidence.ledger import note
from workshop_lib.teams.database import opened

_TABLES = """
CREATE TABLE IF NOT EXISTS charges (id INTEGER PRIMARY KEY, key TEXT UNIQUE, order_id TEXT, amount INTEGER);
CREATE TABLE IF NOT EXISTS refunds (order_id TEXT PRIMARY KEY, amount INTEGER);
"""


async def _charge(request: Request) -> JSONResponse:
    body, key = await request.json(), request.headers.get("idempotency-key")
    order = body["order"]
    if body["customer"] == "Declan":
        return JSONResponse({"error": "Declan's card was declined"}, 402)
    with opened("payments.db", _TABLES) as database:
        database.execute("BEGIN IMMEDIATE")  # so that what it reads is still true when it writes
        if database.execute("SELECT 1 FROM refunds WHERE order_id = ?", (order,)).fetchone():
            return JSONResponse({"error": f"{order} was refunded"}, 409)
        row = key and database.execute("SELECT id FROM charges WHERE key = ?", (key,)).fetchone()
        if not row:
            insert = "INSERT INTO charges (key, order_id, amount) VALUES (?, ?, ?) RETURNING id"
            row = database.execute(insert, (key, order, body["amount"])).fetchone()
    note("charge", once=f"charge-{row[0]}", order=order, amount=body["amount"])
    return JSONResponse({"charge": f"charge-{row[0]}"})


async def _refund(request: Request) -> JSONResponse:
    order = (await request.json())["order"]
    with opened("payments.db", _TABLES) as database:
        charged = "SELECT ?, coalesce(sum(amount), 0) FROM charges WHERE order_id = ?"
        database.execute(f"INSERT OR IGNORE INTO refunds {charged}", (order, order))
        (amount,) = database.execute("SELECT amount FROM refunds WHERE order_id = ?", (order,)).fetchone()
    if amount:
        note("refund", once=f"refund {order}", order=order, amount=amount)
    return JSONResponse({"amount": amount})


app = Starlette(routes=[Route("/charges", _charge, methods=["POST"]), Route("/refunds", _refund, methods=["POST"])])
