"""Answers to the exercises of notebook 10, right and wrong."""

# No `from __future__ import annotations`: the SDK reads the operations' types from the annotations.

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from mcp.server.transport_security import TransportSecuritySettings
from nexusrpc.handler import StartOperationContext, service_handler, sync_operation
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from temporalio.client import Client
from temporalio.exceptions import ApplicationError

from workshop_lib.nexus_mcp.contract import Directory, Tool
from workshop_lib.nexus_mcp.directory import DirectoryHandler
from workshop_lib.nexus_mcp.gateway import Gateway
from workshop_lib.teams.finance.contract import ENDPOINT, Exchange, Finance
from workshop_lib.teams.it.contract import ENDPOINT as IT_ENDPOINT

# 10.1


def directory() -> DirectoryHandler:
    return DirectoryHandler({Finance: [Finance.stock_price], Exchange: [Exchange.convert]})


MADE = directory()


@service_handler(service=Directory)
class OwnDirectory:
    @sync_operation
    async def tools(self, ctx: StartOperationContext, nothing: None) -> list[Tool]:
        return MADE._tools


def own_handler() -> OwnDirectory:
    return OwnDirectory()


def stub() -> DirectoryHandler:
    raise ApplicationError("not solved yet", non_retryable=True)


def as_before() -> DirectoryHandler:
    return DirectoryHandler({Finance: [Finance.stock_price, Finance.calculate_roi]})


def no_convert() -> DirectoryHandler:
    return DirectoryHandler({Finance: [Finance.stock_price]})


def wrong_contract() -> DirectoryHandler:
    return DirectoryHandler({Finance: [Finance.stock_price, Exchange.convert]})


def a_dict() -> Any:
    return {Finance: [Finance.stock_price], Exchange: [Exchange.convert]}


# 10.2

TOKEN = "only-for-you"
FIVE = timedelta(seconds=5)
Connect = Callable[[], Awaitable[Client]]


def guarded(connect: Connect) -> Starlette:
    return Gateway(connect, [ENDPOINT], timedelta(seconds=5)).app(TOKEN)


def by_name(connect: Connect) -> Starlette:
    gateway = Gateway(endpoints=(ENDPOINT,), limit=timedelta(milliseconds=5000), connect=connect)
    return gateway.app(token=TOKEN)


def stub_102(connect: Connect) -> Starlette:
    raise ApplicationError("not solved yet", non_retryable=True)


def no_token(connect: Connect) -> Starlette:
    return Gateway(connect, [ENDPOINT], FIVE).app()


class AnyToken:
    """Looks whether there is a token, and not which one."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and b"authorization" not in dict(scope["headers"]):
            await PlainTextResponse("no token", 401)(scope, receive, send)
        else:
            await self.app(scope, receive, send)


def any_token(connect: Connect) -> Starlette:
    app = Gateway(connect, [ENDPOINT], FIVE).app()
    app.add_middleware(AnyToken)
    return app


def both(connect: Connect) -> Starlette:
    return Gateway(connect, [ENDPOINT, IT_ENDPOINT], FIVE).app(TOKEN)


def ten_seconds(connect: Connect) -> Starlette:
    return Gateway(connect, [ENDPOINT], timedelta(seconds=10)).app(TOKEN)


def other_hosts(connect: Connect) -> Starlette:
    anybody = TransportSecuritySettings(enable_dns_rebinding_protection=False)
    return Gateway(connect, [ENDPOINT], FIVE).app(TOKEN, anybody)


def connects(connect: Connect) -> Starlette:
    called: Any = connect()
    return Gateway(called, [ENDPOINT], FIVE).app(TOKEN)


RIGHT: dict[str, dict[str, Any]] = {
    "10.1": {"as in the solution": directory, "a handler of its own": own_handler},
    "10.2": {"as in the solution": guarded, "by name": by_name},
}
WRONG: dict[str, dict[str, tuple[Any, str]]] = {
    "10.1": {
        "as before": (as_before, "Leave out calculate_roi"),
        "no convert": (no_convert, "What is not listed is not found: convert"),
        "wrong contract": (wrong_contract, "in its own contract's list"),
        "a dict": (a_dict, "Expected a `DirectoryHandler`"),
    },
    "10.2": {
        "no token": (no_token, "a request without a token to be refused"),
        "any token": (any_token, "a request with another token to be refused"),
        "both": (both, "Expected Finance's tools alone"),
        "ten seconds": (ten_seconds, "Expected five seconds for each call"),
        "other hosts": (other_hosts, "leave `security` out"),
        "connects": (connects, "without a call"),
    },
}
STUBS: dict[str, Any] = {"10.1": stub, "10.2": stub_102}
