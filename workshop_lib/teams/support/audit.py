"""The audit service: an HTTP service with its own process. It records each refund once.

``await ws.serve("audit", "workshop_lib.teams.support.audit")`` starts it.
"""

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from workshop_lib.evidence.ledger import note


async def _entry(request: Request) -> JSONResponse:
    body = await request.json()
    note("audit", once=f"audit {request.headers['idempotency-key']}", what=body["what"], why=body["why"])
    return JSONResponse({})


app = Starlette(routes=[Route("/entries", _entry, methods=["POST"])])
