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
from workshop_lib.teams.finance.handler import ExchangeHandler, FinanceHandler
from workshop_lib.teams.it.contract import ENDPOINT as IT_ENDPOINT
from workshop_lib.teams.it.contract import IT

# 10.1


def directory() -> DirectoryHandler:
    return DirectoryHandler({Finance: [Finance.stock_price], Exchange: [Exchange.convert]})


MADE = directory()


def tuples() -> DirectoryHandler:
    return DirectoryHandler({Finance: (Finance.stock_price,), Exchange: (Exchange.convert,)})


def other_order() -> DirectoryHandler:
    offered: dict[type, list[Any]] = {Exchange: [Exchange.convert]}
    offered[Finance] = [Finance.stock_price]
    return DirectoryHandler(offered)


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


def roi_too() -> DirectoryHandler:
    return DirectoryHandler({Finance: [Finance.stock_price, Finance.calculate_roi], Exchange: [Exchange.convert]})


def no_convert() -> DirectoryHandler:
    return DirectoryHandler({Finance: [Finance.stock_price]})


def only_convert() -> DirectoryHandler:
    return DirectoryHandler({Exchange: [Exchange.convert]})


def nothing() -> DirectoryHandler:
    return DirectoryHandler({})


def wrong_contract() -> DirectoryHandler:
    return DirectoryHandler({Finance: [Finance.stock_price, Exchange.convert]})


def by_handlers() -> DirectoryHandler:
    return DirectoryHandler({FinanceHandler: [Finance.stock_price], ExchangeHandler: [Exchange.convert]})


def names() -> DirectoryHandler:
    offered: Any = {Finance: ["stock_price"], Exchange: ["convert"]}
    return DirectoryHandler(offered)


def names_of_contracts() -> DirectoryHandler:
    offered: Any = {"Finance": [Finance.stock_price], "Exchange": [Exchange.convert]}
    return DirectoryHandler(offered)


def no_lists() -> DirectoryHandler:
    offered: Any = {Finance: Finance.stock_price, Exchange: Exchange.convert}
    return DirectoryHandler(offered)


def a_list() -> DirectoryHandler:
    offered: Any = [Finance.stock_price, Exchange.convert]
    return DirectoryHandler(offered)


def two_dicts() -> DirectoryHandler:
    make: Any = DirectoryHandler
    made: DirectoryHandler = make({Finance: [Finance.stock_price]}, {Exchange: [Exchange.convert]})
    return made


def contracts() -> DirectoryHandler:
    offered: Any = {Finance: [Finance], Exchange: [Exchange]}
    return DirectoryHandler(offered)


def twice() -> DirectoryHandler:
    return DirectoryHandler({Finance: [Finance.stock_price], Exchange: [Exchange.convert, Exchange.convert]})


def of_it() -> DirectoryHandler:
    offered: dict[type, list[Any]] = {Finance: [Finance.stock_price], Exchange: [Exchange.convert]}
    return DirectoryHandler({**offered, IT: [IT.jira_metrics]})


@service_handler(service=Directory)
class Renaming:
    @sync_operation
    async def tools(self, ctx: StartOperationContext, nothing: None) -> list[Tool]:
        return [Tool(f"{t.name}_2", *list(vars(t).values())[1:]) for t in MADE._tools]


def renamed() -> Renaming:
    return Renaming()


def a_dict() -> Any:
    return {Finance: [Finance.stock_price], Exchange: [Exchange.convert]}


def a_class() -> Any:
    return DirectoryHandler


def a_handler() -> Any:
    return ExchangeHandler()


def no_return() -> Any:
    DirectoryHandler({Finance: [Finance.stock_price], Exchange: [Exchange.convert]})


async def asynchronous() -> DirectoryHandler:
    return directory()


# 10.2

TOKEN = "only-for-you"
FIVE = timedelta(seconds=5)
Connect = Callable[[], Awaitable[Client]]


def guarded(connect: Connect) -> Starlette:
    return Gateway(connect, [ENDPOINT], timedelta(seconds=5)).app(TOKEN)


def by_name(connect: Connect) -> Starlette:
    gateway = Gateway(endpoints=(ENDPOINT,), limit=timedelta(milliseconds=5000), connect=connect)
    return gateway.app(token=TOKEN)


def this_computer(connect: Connect) -> Starlette:
    loopback = TransportSecuritySettings(allowed_hosts=["127.0.0.1:*", "localhost:*"])
    return Gateway(connect, [ENDPOINT], FIVE).app(TOKEN, loopback)


def stub_102(connect: Connect) -> Starlette:
    raise ApplicationError("not solved yet", non_retryable=True)


def no_token(connect: Connect) -> Starlette:
    return Gateway(connect, [ENDPOINT], FIVE).app()


def empty_token(connect: Connect) -> Starlette:
    return Gateway(connect, [ENDPOINT], FIVE).app("")


def other_token(connect: Connect) -> Starlette:
    return Gateway(connect, [ENDPOINT], FIVE).app("only-for-me")


def its_name(connect: Connect) -> Starlette:
    return Gateway(connect, [ENDPOINT], FIVE).app("TOKEN")


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


def only_it(connect: Connect) -> Starlette:
    return Gateway(connect, [IT_ENDPOINT], FIVE).app(TOKEN)


def nobody(connect: Connect) -> Starlette:
    return Gateway(connect, [], FIVE).app(TOKEN)


def no_such(connect: Connect) -> Starlette:
    return Gateway(connect, ["Finance"], FIVE).app(TOKEN)


def a_text(connect: Connect) -> Starlette:
    return Gateway(connect, ENDPOINT, FIVE).app(TOKEN)


def no_limit(connect: Connect) -> Starlette:
    return Gateway(connect, [ENDPOINT]).app(TOKEN)


def minutes(connect: Connect) -> Starlette:
    return Gateway(connect, [ENDPOINT], timedelta(minutes=5)).app(TOKEN)


def days(connect: Connect) -> Starlette:
    return Gateway(connect, [ENDPOINT], timedelta(5)).app(TOKEN)


def milliseconds(connect: Connect) -> Starlette:
    return Gateway(connect, [ENDPOINT], timedelta(milliseconds=5)).app(TOKEN)


def two_seconds(connect: Connect) -> Starlette:
    return Gateway(connect, [ENDPOINT], timedelta(seconds=2)).app(TOKEN)


def ten_seconds(connect: Connect) -> Starlette:
    return Gateway(connect, [ENDPOINT], timedelta(seconds=10)).app(TOKEN)


def a_number(connect: Connect) -> Starlette:
    limit: Any = 5
    return Gateway(connect, [ENDPOINT], limit).app(TOKEN)


def token_as_limit(connect: Connect) -> Starlette:
    limit: Any = TOKEN
    return Gateway(connect, [ENDPOINT], limit).app()


def other_hosts(connect: Connect) -> Starlette:
    anybody = TransportSecuritySettings(enable_dns_rebinding_protection=False)
    return Gateway(connect, [ENDPOINT], FIVE).app(TOKEN, anybody)


def other_hosts_without(connect: Connect) -> Starlette:
    anybody = TransportSecuritySettings(enable_dns_rebinding_protection=False)
    return Gateway(connect, [ENDPOINT], FIVE).app(security=anybody)


def connects(connect: Connect) -> Starlette:
    called: Any = connect()
    return Gateway(called, [ENDPOINT], FIVE).app(TOKEN)


def no_endpoints(connect: Connect) -> Starlette:
    make: Any = Gateway
    made: Starlette = make(connect).app(TOKEN)
    return made


def the_gateway(connect: Connect) -> Any:
    return Gateway(connect, [ENDPOINT], FIVE)


def the_method(connect: Connect) -> Any:
    return Gateway(connect, [ENDPOINT], FIVE).app


def no_return_102(connect: Connect) -> Any:
    Gateway(connect, [ENDPOINT], FIVE).app(TOKEN)


async def asynchronous_102(connect: Connect) -> Starlette:
    return guarded(connect)


def takes_nothing() -> Starlette:
    raise AssertionError("never called")
