"""The exercises of notebook 09: a call of an MCP server that is made again, and which tools a model sees."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import inspect
import logging
import sys
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import temporalio.client as tc
from mcp.server.mcpserver import MCPServer
from temporalio.client import Client, WorkflowHandle
from temporalio.exceptions import WorkflowAlreadyStartedError

from workshop_lib.agents.openai_agents import plugin
from workshop_lib.checks.exercise import Wrong, exercise
from workshop_lib.checks.harness.serving import serving
from workshop_lib.checks.harness.talks import Begin, Talk, talks
from workshop_lib.checks.harness.trial import NAMESPACE, end, worker
from workshop_lib.checks.harness.turns import Turn, expected, turn
from workshop_lib.demos import local
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

_ID = '`id = f"stock-price-{key}"`'
_REFUSE = "`id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE`"
_JOIN = "`await client.get_workflow_handle_for(PriceStock.run, id).result()`"
_CATCH = f"Catch `WorkflowAlreadyStartedError`: the workflow is there, running or ended, and {_JOIN} waits for it."
_TICKER = "ACME"
Price = Callable[[Client, str, str], Any]


class _Starts(tc.Interceptor):
    """Sees which workflows a client starts.

    Attributes:
        asked: What it asked for, in order.
        done: How many of these the server has answered, one way or the other.
        runs: Which workflows there were then: the id of each run, and the workflow's.
    """

    def __init__(self) -> None:
        self.asked: list[tc.StartWorkflowInput] = []
        self.done = 0
        self.runs: dict[str, str] = {}

    def intercept_client(self, next: tc.OutboundInterceptor) -> tc.OutboundInterceptor:
        """See base class."""
        return _Starting(next, self)


class _Starting(tc.OutboundInterceptor):
    def __init__(self, next: tc.OutboundInterceptor, starts: _Starts) -> None:
        super().__init__(next)
        self._starts = starts

    async def start_workflow(self, input: tc.StartWorkflowInput) -> WorkflowHandle[Any, Any]:
        self._starts.asked.append(input)
        try:
            handle = await super().start_workflow(input)
            self._starts.runs[handle.result_run_id or ""] = input.id
            return handle
        finally:
            self._starts.done += 1


@exercise(
    "9.1",
    hints=(
        "Temporal keeps the id of a workflow, also when the workflow has ended. Which id would be the same in each "
        "attempt of one call, and another one in each other call?",
        f"{_ID}. By default an id may be used again when its workflow has ended: {_REFUSE} refuses that. And who is "
        "refused still wants an answer.",
        f"In a `try`: `return await client.execute_workflow(PriceStock.run, StockQuery(ticker), id=id, "
        f'task_queue="finance", {_REFUSE[1:-1]})`. `except WorkflowAlreadyStartedError:` {_JOIN}, and return that.',
    ),
)
async def idempotent(ws: Workshop, answer: Any) -> str:
    """One workflow for a key, whoever asks and when; another key is another workflow; a failure keeps its reason."""
    if not callable(answer) or isinstance(answer, type):
        if inspect.iscoroutine(answer):
            answer.close()
        raise expected("the function itself, without a call", repr(answer), 'Write `check("9.1", price)`.')
    starts = _Starts()
    client = await Client.connect(**await ws.connection(NAMESPACE, interceptors=[starts]))
    server = _Server(client, starts, answer)
    finance: dict[str, Any] = {"workflows": [PriceStock], "activities": [read_quote]}
    try:
        # Nobody at Finance works yet, so the first caller still waits when the others come.
        twins = await server.called_twice()
        left = await server.left_alone()
        # A Worker of Finance's code, in the namespace of the checks: the notebook's own goes on.
        async with worker(ws, "finance", **finance, interceptors=[takeover.Heartbeats()]):
            await server.answers(twins, left)
            await server.unknown_ticker()
    finally:
        await asyncio.gather(*(end(client.get_workflow_handle(id)) for id in starts.runs.values()))
    return (
        "Two calls with one key, at the same time, later and from another process, were answered by one workflow, also "
        "when the first caller had died. Two keys were two workflows, and what failed kept its reason."
    )


class _Server:
    """Finance's MCP server, with the learner's function in it.

    Args:
        client: Of the namespace of the checks.
        starts: What that client starts.
        price: The learner's.
    """

    def __init__(self, client: Client, starts: _Starts, price: Price) -> None:
        self._client, self._starts, self._price = client, starts, price
        self._elsewhere = _loaded_again(price)

    async def called_twice(self) -> tuple[str, list[asyncio.Task[Any]]]:
        """Two calls with one key at the same time: the key, and the calls, which still wait."""
        key = str(uuid.uuid4())
        return key, [await self._begun(key), asyncio.create_task(self._ask(key))]

    async def left_alone(self) -> str:
        """A server that dies while its caller waits: the key of the call."""
        key = str(uuid.uuid4())
        caller = await self._begun(key)
        caller.cancel()
        await asyncio.wait([caller])
        return key

    async def _begun(self, key: str) -> asyncio.Task[Any]:
        """A call whose workflow has been asked for."""
        asked = self._starts.done
        call = asyncio.create_task(self._ask(key))
        while self._starts.done == asked and not call.done():
            await asyncio.sleep(0.01)
        return call

    async def answers(self, twins: tuple[str, list[asyncio.Task[Any]]], left: str) -> None:
        """Finance works: each call has its answer, and each key one workflow.

        Args:
            twins: From ``called_twice``.
            left: From ``left_alone``.

        Raises:
            Wrong: It is not so.
        """
        for start in self._starts.asked:
            if (start.workflow, start.task_queue) != ("PriceStock", "finance"):
                raise expected("PriceStock on the task queue finance", f"{start.workflow} on {start.task_queue}")
        key, calls = twins
        for call in calls:
            _look(await call, "Two calls came with one key, at the same time.")
        _look(await self._ask(key), "A call came again, with its key, when its workflow had ended.")
        again = "A call came again, with its key, to a server that had been restarted."
        _look(await self._ask(key, price=self._elsewhere), again)
        died = "A server died while it waited, and the call came again, to another one."
        _look(await self._ask(left, price=self._elsewhere), died)
        if (begun := len(self._starts.runs)) == 0:
            advice = "Finance's workflow finds out what a stock costs: `client.execute_workflow(PriceStock.run, …)`."
            raise Wrong("`price` gave an answer, and Finance was not asked.", advice)
        if begun < 2:
            advice = "Today's and tomorrow's questions about one stock are two calls. The key names the call:"
            raise Wrong("Two calls with two keys began one workflow.", f"{advice} {_ID}.")
        if begun > 2:
            advice = f"Temporal keeps the ids of workflows, and a process forgets. {_ID}, and {_REFUSE}. {_CATCH}"
            raise Wrong(f"Calls with two keys, made again and again, began {begun} workflows.", advice)

    async def unknown_ticker(self) -> None:
        """A ticker that is not traded, twice with one key."""
        key, reason = str(uuid.uuid4()), "No stock NOPE is traded"
        for _ in range(2):
            result = await self._ask(key, "NOPE")
            if not (isinstance(result, BaseException) and any(reason in line for line in describe(result))):
                advice = "A failure is for the caller, with its reason. Catch only `WorkflowAlreadyStartedError`."
                raise expected(f"a failure with {reason!r}, also the second time", repr(result), advice)

    async def _ask(self, key: str, ticker: str = _TICKER, price: Price | None = None) -> Any:
        """What a call gives, or what it raises."""
        try:
            made = (price or self._price)(self._client, ticker, key)
            result = await made if inspect.isawaitable(made) else made
        except Exception as error:
            return error
        if inspect.iscoroutine(result):
            result.close()
        return result


def _look(result: Any, when: str) -> None:
    """Look at what a call gave.

    Raises:
        Wrong: It is not the price.
    """
    price = StockPrice(_TICKER, round(QUOTES[_TICKER] * (1 + FEE), 2))
    if isinstance(result, WorkflowAlreadyStartedError):
        raise Wrong(f"{when} It was refused: {result}", _CATCH)
    if isinstance(result, BaseException) and not isinstance(result, tc.WorkflowFailureError):
        raise result
    if result != price:
        saw = describe(result)[-1].strip() if isinstance(result, BaseException) else repr(result)
        advice = "Is an `await` missing? Leave a workflow that is there alone, and return what it returns."
        raise Wrong(f"{when} Expected {price}; saw {saw}.", f"{advice} {_CATCH}")


def _loaded_again(price: Price) -> Price:
    """The function as another process has it, without what this one keeps in variables; itself where that fails."""
    module = sys.modules.get(price.__module__)
    try:
        spec = importlib.util.spec_from_file_location(price.__module__, str(module.__file__))  # type: ignore[union-attr]
        assert spec is not None
        assert spec.loader is not None
        loaded = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(loaded)
        again: Price = getattr(loaded, price.__name__)
        return again
    except Exception:
        return price


# 9.2

_ALLOWED = {"stock_price", "jira_metrics", "get_ip", "calculator", "weather"}
_MODEL_SECONDS = 60.0  # far more than it takes: a slow machine is nobody's mistake
_KEEP = "`[tool for tool in agent.tools if tool.name in ALLOWED]`"
_REPLACE = "`return replace(agent, tools=tools)`"
_READY = f"`super().ready()` gives the agent with all tools of this turn. Keep {_KEEP}, and {_REPLACE}."


@exercise(
    "9.2",
    hints=(
        "`super().ready()` is the agent of this turn, with the tools that the servers have now and those of its own. "
        "What do you leave of them, and how do you hand it on?",
        f"Each tool has a name: {_KEEP} is what may stay, whatever else a server offers, today or tomorrow.",
        f"`tools = {_KEEP[1:-1]}`, and {_REPLACE}: a copy of the agent with these tools.",
    ),
)
async def careful(ws: Workshop, answer: Any) -> str:
    """The model sees what ALLOWED names, and nothing else that the servers have or will have."""
    servers = _Servers()
    async with _talking(ws, answer, servers) as begin:
        talk = await begin()
        made = await turn(talk, "What is the price of ACME, and what is the IP address of db-1?")
        await _shown(talk, _ALLOWED - {"jira_metrics"}, "")
        _holds(made, "120.6", "192.0.2.21")
        servers.grow()
        question = "How many open issues does project PAY have, what is 6 * 7, and what's the weather in Oslo?"
        made = await turn(talk, question)
        await _shown(talk, _ALLOWED, " after the servers had got new tools")
        _holds(made, "open 4", "42", "-4")
    return (
        "The model was shown what ALLOWED names. The servers had seven tools more, two of them since a moment ago, and "
        "it saw none of these; a tool that is allowed it saw as soon as its server had it."
    )


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


class _Servers:
    """Two MCP servers that offer the tools of Finance and IT, without their work, and more as time goes by."""

    def __init__(self) -> None:
        with _logs_as_they_are():
            self.finance, self.it = MCPServer("finance"), MCPServer("it")
        self.finance.add_tool(stock_price)
        self.it.add_tool(get_ip)
        self._forbid(self.finance, "calculate_roi")
        self._forbid(self.it, "ip_history", "set_project", "get_project", "current_project_metrics")

    def grow(self) -> None:
        """Offer more: one tool that is allowed, and two that are not."""
        self.it.add_tool(jira_metrics)
        self._forbid(self.finance, "dividend")
        self._forbid(self.it, "weather_report")

    def _forbid(self, server: MCPServer[Any], *names: str) -> None:
        for name in names:
            server.add_tool(_forbidden, name=name, description=f"The {name.replace('_', ' ')}.")


@contextlib.asynccontextmanager
async def _talking(ws: Workshop, answer: Any, servers: _Servers) -> AsyncIterator[Begin]:
    """``talks``, with both MCP servers over HTTP. The notebook's own stay as they are."""
    async with contextlib.AsyncExitStack() as started:
        urls = {
            name: await started.enter_async_context(serving(application(server)))
            for name, server in (("finance", servers.finance), ("it", servers.it))
        }
        plugins = [plugin(_MODEL_SECONDS, {name: over_http(name, urls.__getitem__) for name in urls})]
        agent = talks(ws, answer, *local.TOOLS, base=McpConversation, plugins=plugins)
        yield await started.enter_async_context(agent)


@contextlib.contextmanager
def _logs_as_they_are() -> Iterator[None]:
    """The making of an MCP server sets up the logs of a process that has not done so: here the notebook's."""
    held = logging.NullHandler()
    logging.root.addHandler(held)
    try:
        yield
    finally:
        logging.root.removeHandler(held)


async def _shown(talk: Talk, allowed: set[str], when: str) -> None:
    """Look what the model was shown in the latest turn.

    Raises:
        Wrong: More than ALLOWED names, or less.
    """
    asked = (await talk.asked())[-1:]
    shown = {tool["name"] for each in asked for tool in each.tools}
    if more := sorted(shown - allowed):
        what = f"The model is shown {', '.join(more)}{when}, which ALLOWED does not name."
        if any("set_project" in each.instructions for each in asked):
            raise Wrong(what, f"A model need not obey. What it is not shown, it cannot call. {_READY}")
        denied = f"What is forbidden can never be named in full. {_READY}" if when else _READY
        raise Wrong(what, denied)
    if less := sorted(allowed - shown):
        what = f"The model is not shown {', '.join(less)}{when}, which ALLOWED names."
        raise Wrong(what, f"Keep each tool that ALLOWED names, as soon as a server has it. {_READY}")


def _holds(made: Turn, *parts: str) -> None:
    for part in parts:
        if part not in made.reply:
            raise expected(f"a reply with {part!r}", repr(made.reply), f"Keep the tools' own objects. {_READY}")
