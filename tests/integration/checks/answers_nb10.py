"""Answers to the exercises of notebook 10."""

from answers import right, wrong

_OFFERS = "{Finance: [Finance.stock_price], Exchange: [Exchange.convert]}"
_MADE = "Gateway(connect, [ENDPOINT], timedelta(seconds=5)).app(TOKEN)"
_ANY = """
class AnyToken:
    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        if scope["type"] == "http" and b"authorization" not in dict(scope["headers"]):
            await PlainTextResponse("no token", 401)(scope, receive, send)
        else:
            await self.app(scope, receive, send)
"""

ANSWERS = {
    "10.1": [
        right(
            "a handler of its own",
            ("return DirectoryHandler(offers)", "return OwnDirectory(DirectoryHandler(offers))"),
            imports="""
from nexusrpc.handler import StartOperationContext, service_handler, sync_operation
from workshop_lib.nexus_mcp.contract import Directory, Tool


@service_handler(service=Directory)
class OwnDirectory:
    def __init__(self, made):
        self.made = made

    @sync_operation
    async def tools(self, ctx: StartOperationContext, nothing: None) -> list[Tool]:
        return await self.made.tools(ctx, nothing)
""",
        ),
        wrong(
            "as before",
            "saw calculate_roi, stock_price",
            (_OFFERS, "{Finance: [Finance.stock_price, Finance.calculate_roi]}"),
        ),
        wrong(
            "no convert",
            "to find convert and stock_price; saw stock_price",
            (_OFFERS, "{Finance: [Finance.stock_price]}"),
        ),
        wrong(
            "wrong contract",
            "convert is not an operation of Finance",
            (_OFFERS, "{Finance: [Finance.stock_price, Exchange.convert]}"),
        ),
        wrong("a dict", "Expected a `DirectoryHandler`", ("DirectoryHandler(offers)", "offers")),
    ],
    "10.2": [
        right(
            "by name",
            body="return Gateway(endpoints=(ENDPOINT,), limit=LIMIT, connect=connect).app(token=TOKEN)",
            imports="from datetime import timedelta\n\nLIMIT = timedelta(milliseconds=5000)",
        ),
        wrong("no token", "a request without a token to be refused", ("app(TOKEN)", "app()")),
        wrong(
            "any token",
            "a request with another token to be refused",
            body=f"made = {_MADE.replace('TOKEN', '')}\nmade.add_middleware(AnyToken)\nreturn made",
            imports=f"from starlette.responses import PlainTextResponse\n\n{_ANY}",
        ),
        wrong(
            "both",
            "Expected Finance's tools alone",
            ("[ENDPOINT]", "[ENDPOINT, it.ENDPOINT]"),
            imports="from workshop_lib.teams.it import contract as it",
        ),
        wrong("ten seconds", "Expected five seconds for each call", ("seconds=5", "seconds=10")),
        wrong("connects", "takes `connect` itself", ("Gateway(connect,", "Gateway(connect(),")),
    ],
}
