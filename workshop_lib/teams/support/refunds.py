"""The refund service: an HTTP service with its own process and database. It reports each refund to the audit service.

``await ws.serve("refunds", "workshop_lib.teams.support.refunds")`` starts it. However many requests have the same
``Idempotency-Key``, there is one refund. The audit service gets the same key.
"""

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from workshop_lib.evidence.ledger import note
from workshop_lib.evidence.state import certificates, service_address
from workshop_lib.teams.database import opened

_AUDIT_SECONDS = 1.0
_TABLES = """
CREATE TABLE IF NOT EXISTS refunds (id INTEGER PRIMARY KEY, key TEXT UNIQUE, order_id TEXT, amount REAL)
"""


async def _refund(request: Request) -> JSONResponse:
    body, key = await request.json(), request.headers["idempotency-key"]
    order, amount = body["order"], body["amount"]
    with opened("refunds.db", _TABLES) as database:
        insert = "INSERT OR IGNORE INTO refunds (key, order_id, amount) VALUES (?, ?, ?)"
        database.execute(insert, (key, order, amount))
        (number,) = database.execute("SELECT id FROM refunds WHERE key = ?", (key,)).fetchone()
    note("refund", once=f"refund {key}", order=order, amount=amount)
    entry = {"what": f"refund-{number}: {amount} to {order}", "why": body["reason"]}
    try:
        async with httpx.AsyncClient(timeout=_AUDIT_SECONDS, verify=certificates()) as audit:
            url, headers = service_address("audit") + "/entries", {"Idempotency-Key": key}
            (await audit.post(url, json=entry, headers=headers)).raise_for_status()
    except httpx.HTTPError as error:
        # The money is paid, and a second request pays nothing. But a refund is not complete until it is audited.
        return JSONResponse({"error": f"audit: {type(error).__name__}"}, 502)
    return JSONResponse({"refund": f"refund-{number}"})


app = Starlette(routes=[Route("/refunds", _refund, methods=["POST"])])
