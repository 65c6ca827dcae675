"""The exercises of notebook 09: a call of an MCP server that is made again, and which tools a model sees."""

import asyncio
import contextlib
import inspect
import logging
import runpy
import threading
import uuid
from collections.abc import Callable
from typing import Any

import temporalio.client as tc
from mcp.server.mcpserver import MCPServer
from temporalio import activity
from temporalio.exceptions import WorkflowAlreadyStartedError

from workshop_lib.checks.exercise import exercise, require
from workshop_lib.checks.harness.sdk_talks import sdk_talks
from workshop_lib.checks.harness.serving import serving
from workshop_lib.checks.harness.talks import holds
from workshop_lib.checks.harness.trial import Before, worker
from workshop_lib.demos.openai_mcp_temporal import McpConversation, over_http
from workshop_lib.evidence.failures import describe
from workshop_lib.teams.finance.activities import read_quote
from workshop_lib.teams.finance.contract import StockPrice
from workshop_lib.teams.finance.data import QUOTES
from workshop_lib.teams.finance.workflows import FEE, PriceStock
from workshop_lib.teams.mcp_serving import application
from workshop_lib.workers import takeover
from workshop_lib.workshop import Workshop

# 9.1

_TICKER = "ACME"
_REFUSED = (WorkflowAlreadyStartedError, tc.WorkflowFailureError)
Price = Callable[[tc.Client, str, str], Any]


@exercise("9.1")
async def idempotent(ws: Workshop, answer: Any) -> None:
    """One workflow for a key, whoever asks and when; another key is another workflow; a failure keeps its reason."""
    function = callable(answer) and not isinstance(answer, type)
    require(function, "the function itself, without a call", repr(answer), 'Write `check("9.1", price)`.')
    left, key, unknown = (str(uuid.uuid4()) for _ in range(3))
    ids, runs, opens = set[str](), set[str](), threading.Event()

    @activity.defn(name="read_quote")
    def quote(ticker: str) -> float:
        """Finance's own step, once the exchange has opened: until then, callers wait."""
        runs.add(str(activity.info().workflow_run_id))
        while not opens.wait(0.02):  # in short steps, between which the SDK can cancel it
            pass
        return read_quote(ticker)

    async def ask(key: str, ticker: str = _TICKER, price: Price = answer) -> Any:
        """What the learner's function gives, or what it raises."""
        try:
            made = price(client, ticker, key)
            return await made if inspect.isawaitable(made) else made
        except Exception as error:
            return error

    # A Worker of Finance's code, in the namespace of the checks: the notebook's own goes on.
    finance: dict[str, Any] = {"workflows": [PriceStock], "activities": [quote]}
    looks = {"interceptors": [Before(start_workflow=lambda input: ids.add(input.id))]}
    async with worker(ws, "finance", looks, **finance, interceptors=[takeover.Heartbeats()]) as client:
        dying = asyncio.create_task(ask(left))
        while not (runs or dying.done()):
            await asyncio.sleep(0.01)
        dying.cancel()
        twins = [asyncio.create_task(ask(key)) for _ in range(2)]
        opens.set()
        for twin in twins:
            _look(await twin, "two calls came with one key, at the same time")
        _look(await ask(key), "a call came again, with its key, when its Workflow had ended")
        for again in (key, left):
            saw = await ask(again, price=_loaded_again(answer))
            _look(saw, "a call came again, with its key, to another server, because the first had died")
        what = "one Workflow for each of two keys, although calls came again"
        require(len(ids) == len(runs) == 2, what, f"{max(len(ids), len(runs))} Workflows")
        for _ in range(2):
            saw = await ask(unknown, "NOPE")
            kept = isinstance(saw, Exception) and any("No stock NOPE is traded" in line for line in describe(saw))
            require(kept, "a failure with 'No stock NOPE is traded', each time", repr(saw), "reason")
        what = "one Workflow for a call that has failed, and comes again"
        require(len(ids) == len(runs) == 3, what, f"{max(len(ids), len(runs)) - 2} Workflows")


def _look(result: Any, when: str) -> None:
    """Look at what a call gave.

    Raises:
        Wrong: It is not the price.
    """
    if isinstance(result, BaseException) and not isinstance(result, _REFUSED):
        raise result
    price = StockPrice(_TICKER, round(QUOTES[_TICKER] * (1 + FEE), 2))
    saw = describe(result)[-1].strip() if isinstance(result, BaseException) else repr(result)
    require(result == price, f"{price} when {when}", saw, "join")


def _loaded_again(price: Price) -> Price:
    """The function as another process has it, without what this one keeps in variables; itself if it has no file."""
    try:
        again: Price = runpy.run_path(inspect.getfile(price), run_name=price.__module__)[price.__name__]
        return again
    except Exception:
        return price


# 9.2

_ALLOWED = {"stock_price", "jira_metrics", "get_ip", "calculator", "weather"}


@exercise("9.2")
async def careful(ws: Workshop, answer: Any) -> None:
    """The model sees what ALLOWED names, and nothing else that the servers have or will have."""
    handlers, level = [*logging.root.handlers], logging.root.level
    finance, it = MCPServer("finance"), MCPServer("it")
    logging.root.handlers[:], logging.root.level = handlers, level  # a server sets up its process's: the notebook's
    _offer(finance, stock_price, "calculate_roi")
    _offer(it, get_ip, "ip_history", "set_project", "get_project", "current_project_metrics")
    async with contextlib.AsyncExitStack() as started:
        serve = started.enter_async_context
        urls = {server.name: await serve(serving(application(server))) for server in (finance, it)}
        servers = {name: over_http(name, urls.__getitem__) for name in urls}
        talk = await (await serve(sdk_talks(ws, answer, base=McpConversation, servers=servers)))()

        async def asked(question: str, allowed: set[str], *parts: str) -> None:
            """Ask, and look what the model was shown, and what it answered."""
            reply = (await talk.turn(question)).reply
            shown = {tool["name"] for tool in (await talk.asked())[-1].tools}
            more, less = sorted(shown - allowed), sorted(allowed - shown)
            require(not more, "the model to see only what ALLOWED names", f"{', '.join(more)}, too", "too many")
            require(not less, "the model to see all that ALLOWED names", f"no {', '.join(less)}", "too few")
            holds(reply, *parts, advice="objects")

        question = "What is the price of ACME, and what is the IP address of db-1?"
        await asked(question, _ALLOWED - {"jira_metrics"}, "120.6", "192.0.2.21")
        _offer(it, jira_metrics, "weather_report")
        _offer(finance, None, "dividend")
        question = "How many open issues does project PAY have, what is 6 * 7, and what's the weather in Oslo?"
        await asked(question, _ALLOWED, "open 4", "42", "-4")


def stock_price(ticker: str) -> float:
    """What a stock costs, in dollars."""
    return 120.6


def get_ip(host: str) -> str:
    """The IP address of a host."""
    return "192.0.2.21"


def jira_metrics(project: str) -> str:
    """Jira metrics of a project: its open issues, and those closed this week."""
    return "open 4"


def _forbidden(name: str) -> str:
    return "You may not know."


def _offer(server: MCPServer[Any], allowed: Callable[..., Any] | None, *forbidden: str) -> None:
    """Let a server offer more tools: one that is allowed, and others by their names."""
    if allowed:
        server.add_tool(allowed)
    for name in forbidden:
        server.add_tool(_forbidden, name=name, description=f"The {name.replace('_', ' ')}.")
