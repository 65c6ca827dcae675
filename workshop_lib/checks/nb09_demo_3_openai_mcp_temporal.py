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
from temporalio.client import Client, WorkflowHandle
from temporalio.exceptions import WorkflowAlreadyStartedError

from workshop_lib.agents.openai_agents import plugin
from workshop_lib.checks.exercise import NOT_SOLVED, Wrong, exercise
from workshop_lib.checks.harness.serving import serving
from workshop_lib.checks.harness.talks import Begin, Talk, advised, talks
from workshop_lib.checks.harness.trial import end, worker
from workshop_lib.demos import local
from workshop_lib.demos.openai_mcp_temporal import McpConversation, over_http
from workshop_lib.evidence.failures import describe
from workshop_lib.teams.finance.activities import read_quote
from workshop_lib.teams.finance.contract import StockPrice
from workshop_lib.teams.finance.data import QUOTES
from workshop_lib.teams.finance.workflows import FEE, PriceStock
from workshop_lib.teams.it import worker as team_it
from workshop_lib.workers import takeover
from workshop_lib.workshop import Workshop

# 9.1

_ANSWER_SECONDS = 6.0  # for one call; an undisturbed one takes a tenth of a second
_SLOW_SECONDS = 0.4
_ID = '`id = f"stock-price-{key}"`'
_REFUSE = "`id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE`"
_JOIN = "`await client.get_workflow_handle_for(PriceStock.run, id).result()`"
_CATCH = f"Catch `WorkflowAlreadyStartedError`: then it is there already, running or done, and {_JOIN} waits for it."
_OF_TICKER = (
    f"The id of a workflow says which call it is for. The key names that, and a ticker does not: tomorrow's question "
    f"about a stock is another one. {_ID}."
)
Price = Callable[[Client, str, str], Any]


class _Starts(tc.Interceptor):
    """Sees which workflows a client starts.

    Attributes:
        ids: What it asked for, by id, in order.
        runs: What there was then: the id of each run.
    """

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.runs: dict[str, str] = {}

    def intercept_client(self, next: tc.OutboundInterceptor) -> tc.OutboundInterceptor:
        """See base class."""
        return _Starting(next, self)


class _Starting(tc.OutboundInterceptor):
    def __init__(self, next: tc.OutboundInterceptor, starts: _Starts) -> None:
        super().__init__(next)
        self._starts = starts

    async def start_workflow(self, input: tc.StartWorkflowInput) -> WorkflowHandle[Any, Any]:
        self._starts.ids.append(input.id)
        handle = await super().start_workflow(input)
        self._starts.runs[handle.result_run_id or ""] = input.id
        return handle


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
    if inspect.isawaitable(answer):
        _close(answer)
        raise Wrong("You handed in what a call gives.", "Hand in the function itself, without a call: `price`.")
    if not callable(answer) or isinstance(answer, type):
        raise Wrong(f"You handed in {answer!r}, which is no function.", 'Hand in the function: `check("9.1", price)`.')
    starts = _Starts()
    finance: dict[str, Any] = {"workflows": [PriceStock], "activities": [read_quote]}
    finance["interceptors"] = [takeover.Heartbeats()]
    # A Worker of Finance's code, in the namespace of the checks: the notebook's own goes on.
    async with worker(ws, "finance", client_interceptors=[starts], **finance) as client:
        server = _Server(ws, client, starts, answer)
        try:
            await server.called_twice()
            await server.left_alone()
            await server.other_keys()
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
        ws: The workshop.
        client: Of the namespace with Finance's Worker.
        starts: What that client starts.
        price: The learner's.
    """

    def __init__(self, ws: Workshop, client: Client, starts: _Starts, price: Price) -> None:
        self._ws, self._client, self._starts, self._price = ws, client, starts, price
        self._elsewhere = _loaded_anew(price)

    async def called_twice(self) -> None:
        """One key, twice at the same time, and again when the workflow has ended."""
        key, runs, ids = str(uuid.uuid4()), len(self._starts.runs), len(self._starts.ids)
        with self._ws.fault("read_quote.is_slow", seconds=_SLOW_SECONDS, times=2):
            results = await asyncio.gather(*(self._ask("ACME", key) for _ in range(2)))
        self._one_workflow(key, runs, ids, results)
        for result in results:
            _look(result, "ACME", "Two calls came with one key, at the same time.")
        for price, when in (
            (self._price, "A call came again, with its key, when its workflow had ended."),
            (self._elsewhere, "A call came again, with its key, to a server that had been started anew."),
        ):
            before = len(self._starts.runs)
            result = await self._ask("ACME", key, price)
            if len(self._starts.runs) > before and price is self._price:
                what = f"{when} It began a second workflow."
                advice = "A conflict policy is for a workflow that still runs. For one that has ended there is another "
                raise Wrong(what, f"{advice}argument: {_REFUSE}. {_CATCH}")
            if len(self._starts.runs) > before:
                advice = "What a process keeps in a variable ends with it. Temporal keeps the ids of workflows:"
                raise Wrong(f"{when} It began a second workflow.", f"{advice} {_ID}, and {_REFUSE}.")
            _look(result, "ACME", when)

    def _one_workflow(self, key: str, runs: int, ids: int, results: list[Any]) -> None:
        begun, asked = list(self._starts.runs.values())[runs:], self._starts.ids[ids:]
        if len(begun) == 1:
            return
        if not asked:
            _unsolved(results)
            if failed := [result for result in results if isinstance(result, BaseException)]:
                raise failed[0]
            _look(results[0], "ACME", "A call came.")
            raise Wrong(
                f"A call was answered with {results[0]!r}, and Finance had not been asked.",
                "What a stock costs, Finance's workflow finds out: `client.execute_workflow(PriceStock.run, …)`.",
            )
        if not begun:
            what = f"A call came with a new key, and began no workflow. The id was {asked[0]!r}."
            raise Wrong(what, _OF_TICKER if key not in asked[0] else f"Does it reach Finance? {_ID}.")
        if len(set(asked)) > 1:
            what = f"Two calls came with one key, and began two workflows: {asked[0]} and {asked[1]}."
            raise Wrong(what, f"What is made anew in each call cannot tell that two are the same. {_ID}.")
        what = "Two calls came with one key, and the second one ended the workflow of the first, to begin its own."
        raise Wrong(what, f"The first caller still waits. Leave the workflow that is there: {_REFUSE}. {_CATCH}")

    async def left_alone(self) -> None:
        """The server dies while the first caller waits, and another server is asked with the same key."""
        key, before = str(uuid.uuid4()), len(self._starts.runs)
        with self._ws.fault("read_quote.is_slow", seconds=_SLOW_SECONDS, times=2):
            first = asyncio.ensure_future(self._ask("GLOBX", key))
            while len(self._starts.runs) == before and not first.done():
                await asyncio.sleep(0.01)
            first.cancel()
            await asyncio.wait([first])
            result = await self._ask("GLOBX", key, self._elsewhere)
        when = "A server died while it waited for its workflow, and the call came again, to another one."
        if len(self._starts.runs) > before + 1:
            raise Wrong(f"{when} It began a second workflow.", f"The first one still ran: {_ID}, and {_REFUSE}.")
        if len(self._starts.runs) == before:
            what = f"A call came with a new key, and began no workflow. The id was {self._starts.ids[-1]!r}."
            raise Wrong(what, _OF_TICKER)
        _look(result, "GLOBX", when)

    async def other_keys(self) -> None:
        """Two keys for one ticker."""
        before, keys = len(self._starts.runs), [str(uuid.uuid4()) for _ in range(2)]
        results = await asyncio.gather(*(self._ask("HOOLI", key) for key in keys))
        begun = len(self._starts.runs) - before
        if begun < 2:
            raise Wrong(f"Two calls came for one stock, with two keys, and began {begun} workflow.", _OF_TICKER)
        for result in results:
            _look(result, "HOOLI", "Two calls came for one stock, with two keys.")

    async def unknown_ticker(self) -> None:
        """A ticker that is not traded, twice with one key."""
        key = str(uuid.uuid4())
        for when in ("was asked for", "was asked for a second time, with the same key"):
            result = await self._ask("NOPE", key)
            what = f"NOPE, which is not traded, {when}."
            advice = "A failure is for the caller, with its reason. Catch nothing but `WorkflowAlreadyStartedError`."
            if isinstance(result, WorkflowAlreadyStartedError):
                _look(result, "NOPE", what)
            if not isinstance(result, BaseException):
                raise Wrong(f"{what} The answer was {result!r}.", advice)
            if not any("No stock NOPE is traded" in line for line in describe(result)):
                raise Wrong(f"{what} It failed with {describe(result)[-1].strip()!r}.", advice)

    async def _ask(self, ticker: str, key: str, price: Price | None = None) -> Any:
        """What a call gives, or what it raises."""
        try:
            result = await asyncio.wait_for(self._called(price or self._price, ticker, key), _ANSWER_SECONDS)
        except Exception as error:
            return error
        if inspect.isawaitable(result):
            _close(result)
            what = "`price` returned something that is to be awaited, and no price."
            return Wrong(what, "An `await` is missing: `return await client.execute_workflow(…)`.")
        return result

    async def _called(self, price: Price, ticker: str, key: str) -> Any:
        made = price(self._client, ticker, key)
        return await made if inspect.isawaitable(made) else made


def _look(result: Any, ticker: str, when: str) -> None:
    """Look at what a call gave.

    Raises:
        Wrong: It is not the price.
    """
    _unsolved([result])
    price = StockPrice(ticker, round(QUOTES[ticker] * (1 + FEE), 2)) if ticker in QUOTES else None
    if isinstance(result, Wrong):
        raise result
    if isinstance(result, WorkflowAlreadyStartedError):
        raise Wrong(f"{when} It was refused: {result}", _CATCH)
    if isinstance(result, TimeoutError):
        raise Wrong(f"{when} There was no answer in {_ANSWER_SECONDS:.0f} s.", "What does `price` wait for?")
    if isinstance(result, tc.WorkflowFailureError):
        what = f"{when} It failed: {describe(result)[-1].strip().removeprefix('↳ ')}"
        raise Wrong(what, f"A workflow that is there is left alone, whoever waits for it. {_CATCH}")
    if isinstance(result, BaseException):
        raise result
    if isinstance(result, WorkflowHandle):
        raise Wrong(f"{when} The answer was a handle.", "A handle is no price yet: `await handle.result()`.")
    if result is None:
        raise Wrong(f"{when} The answer was None.", f"There is a way on which `price` returns nothing. {_CATCH}")
    if isinstance(result, dict):
        advice = "A handle that is made of an id alone knows no types."
        raise Wrong(f"{when} The answer was a dict, and no `StockPrice`.", f"{advice} {_JOIN} does.")
    if result != price:
        what = f"{when} Finance says {price}, and the answer was {result!r}."
        raise Wrong(what, f"Give what the workflow returned, and make nothing up. {_CATCH}")


def _unsolved(results: list[Any]) -> None:
    for result in results:
        if isinstance(result, BaseException) and NOT_SOLVED in str(result):
            raise result


def _loaded_anew(price: Price) -> Price:
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


def _close(awaitable: Any) -> None:
    """Python would say, later, that it was never awaited."""
    if inspect.iscoroutine(awaitable):
        awaitable.close()


# 9.2

_ALLOWED = {"stock_price", "jira_metrics", "get_ip", "calculator", "weather"}
_MODEL_SECONDS = 5.0
_KEEP = "`[tool for tool in agent.tools if tool.name in ALLOWED]`"
_READY = f"`super().ready()` gives the agent with all tools of this turn. Keep {_KEEP}, and"
_REPLACE = "`return replace(agent, tools=tools)`"
_MISTAKES = {
    "'NoneType' object has no attribute": f"`ready` returns the agent. Does it say `return`? {_REPLACE}.",
    "'list' object has no attribute": f"`ready` returns the agent, not its tools: {_REPLACE}.",
    "'generator' object": f"`tools` is a list: {_KEEP}, in square brackets.",
    "must be a list": f"`tools` is a list: {_KEEP}, in square brackets.",
    "'str' object has no attribute": f"The tools are objects, and ALLOWED has names. Keep the objects: {_KEEP}.",
    "Unsupported tool type": f"The tools are objects, and ALLOWED has names. Keep the objects: {_KEEP}.",
    "unhashable": f"The tools are objects, and ALLOWED has names: compare `tool.name`. {_KEEP}.",
    "FrozenInstanceError": f"Make a new agent: {_REPLACE}.",
    "coroutine": "A coroutine came instead of an agent: is an `await` missing before `super().ready()`?",
}


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
    async with _offering(ws) as servers, _talks(ws, answer, servers) as begin:
        talk = await begin()
        with advised(_MISTAKES):
            reply = await talk.say("What is the price of ACME, and what is the IP address of db-1?")
            await _shown(talk, _ALLOWED - {"jira_metrics"})
            _holds(reply, "120.6", "192.0.2.21")
            servers.grow()
            reply = await talk.say(
                "How many open issues does project PAY have, what is 6 * 7, and what's the weather in Oslo?"
            )
            await _shown(talk, _ALLOWED)
            _holds(reply, "open 4", "42", "-4")
        if used := {entry.tool for entry in await talk.lines("call")} - _ALLOWED:
            raise Wrong(f"The model called {', '.join(sorted(used))}.", f"{_READY} {_REPLACE}.")
    return (
        "The model was shown what ALLOWED names. The servers had seven tools more, two of them since a moment ago, and "
        "it saw none of these; a tool that is allowed it saw as soon as its server had it."
    )


class _Servers:
    """The teams' MCP servers with their own tools, of which some come later. They start workflows in one namespace.

    Args:
        client: Of that namespace.
    """

    def __init__(self, client: Client) -> None:
        with _logs_as_they_are():
            from mcp.server.mcpserver import MCPServer

            from workshop_lib.teams.finance import mcp_server as finance
            from workshop_lib.teams.it import mcp_server as it

            @contextlib.asynccontextmanager
            async def lifespan(server: MCPServer[Client]) -> AsyncIterator[Client]:
                yield client

            self.finance = MCPServer("finance", lifespan=lifespan, log_level="WARNING")
            self.it = MCPServer("it", lifespan=lifespan, log_level="WARNING")
        self._later = it.jira_metrics
        its = (it.get_ip, it.ip_history, it.set_project, it.get_project, it.current_project_metrics)
        for server, tools in ((self.finance, (finance.stock_price, finance.calculate_roi)), (self.it, its)):
            for tool in tools:
                server.add_tool(tool)
        self.urls: dict[str, str] = {}

    def grow(self) -> None:
        """Offer more: one tool that is allowed, and two that are not."""
        self.it.add_tool(self._later)
        self.finance.add_tool(dividend)
        self.it.add_tool(weather_report)


def dividend(ticker: str) -> float:
    """The dividend that a stock has paid."""
    return 1.75


def weather_report(city: str) -> str:
    """A report on the weather in a city."""
    return f"It rains in {city}."


@contextlib.asynccontextmanager
async def _offering(ws: Workshop) -> AsyncIterator[_Servers]:
    """Both MCP servers over HTTP, and the Workers behind them, in the namespace of the checks.

    The notebook's own servers, and who they are known to, stay as they are.
    """
    beats: dict[str, Any] = {"interceptors": [takeover.Heartbeats()]}
    finance = {"workflows": [PriceStock], "activities": [read_quote], **beats}
    it = {"workflows": team_it.WORKER["workflows"], "activities": team_it.WORKER["activities"], **beats}
    async with contextlib.AsyncExitStack() as started:
        client = await started.enter_async_context(worker(ws, "finance", **finance))
        await started.enter_async_context(worker(ws, "it", **it))
        started.push_async_callback(end, client.get_workflow_handle("it-memory"))
        servers = _Servers(client)
        from workshop_lib.teams.mcp_serving import application

        for name, server in (("finance-mcp", servers.finance), ("it-mcp", servers.it)):
            servers.urls[name] = await started.enter_async_context(serving(application(server)))
        yield servers


def _talks(ws: Workshop, answer: Any, servers: _Servers) -> contextlib.AbstractAsyncContextManager[Begin]:
    reached = {team: over_http(f"{team}-mcp", servers.urls.__getitem__) for team in ("finance", "it")}
    plugins = [plugin(_MODEL_SECONDS, reached)]
    return talks(ws, answer, *local.TOOLS, base=McpConversation, plugins=plugins)


async def _shown(talk: Talk, allowed: set[str]) -> None:
    """Look what the model was shown in the latest turn.

    Raises:
        Wrong: More than ALLOWED names, or less.
    """
    asked = (await talk.asked())[-1]
    shown = {tool["name"] for tool in asked.tools}
    more, less = sorted(shown - allowed), sorted(allowed - shown)
    if more and "dividend" in more and set(more) <= {"dividend", "weather_report"}:
        what = f"While the conversation went on, the servers got new tools, and the model was shown {', '.join(more)}."
        raise Wrong(what, f"What is forbidden can never be named in full. Name what is allowed: {_KEEP}.")
    if more and any(name in asked.instructions for name in ("set_project", "calculate_roi")):
        what = f"The model was told not to use some tools, and is shown them all the same: {', '.join(more)}."
        raise Wrong(what, f"A model need not obey. What it is not shown, it cannot call. {_READY} {_REPLACE}.")
    if more and not less:
        raise Wrong(f"The model is shown {', '.join(more)}, which ALLOWED does not name.", f"{_READY} {_REPLACE}.")
    if more:
        what = f"The model is shown {', '.join(more)}, which ALLOWED does not name, and not {', '.join(less)}."
        raise Wrong(what, f"It is the other way round. {_READY} {_REPLACE}.")
    if not shown:
        raise Wrong("The model is shown no tool at all.", f"Those in ALLOWED are to stay. {_READY} {_REPLACE}.")
    if less:
        what = f"The model is shown {', '.join(sorted(shown))}. ALLOWED names {', '.join(less)}, too."
        raise Wrong(what, f"Keep each that ALLOWED names, as soon as a server has it. {_READY} {_REPLACE}.")


def _holds(reply: str, *parts: str) -> None:
    if missing := [part for part in parts if part not in reply]:
        what = f"A tool that is allowed was to give {missing[0]!r}, and the user was told {reply!r}."
        raise Wrong(what, f"Hand on the tools as they are, with all they do. {_READY} {_REPLACE}.")


@contextlib.contextmanager
def _logs_as_they_are() -> Iterator[None]:
    """The making of an MCP server sets up the logs of a process that has not done so: here the notebook's."""
    held = logging.NullHandler()
    logging.root.addHandler(held)
    try:
        yield
    finally:
        logging.root.removeHandler(held)
