"""Conversations with agents, ours and those of the bare SDKs beside them, for the benchmark of a turn.

The yardsticks reach the offline model past the proxy in which faults can happen, and ours through it.
"""

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from temporalio.client import Client
from temporalio.worker import Worker

from workshop_lib.agents.conversation import Chat
from workshop_lib.agents.model.settings import SERVICE, model
from workshop_lib.workshop import Workshop

Turn = Callable[[], Awaitable[object]]
CONVERSATION = 10  # turns
_conversations = itertools.count()


def price(number: int) -> tuple[str, str]:
    """A question for Finance's operation, and what its answer holds."""
    from workshop_lib.teams.finance import data, workflows

    ticker = sorted(data.QUOTES)[number % len(data.QUOTES)]
    return f"What does {ticker} cost?", f"{round(data.QUOTES[ticker] * (1 + workflows.FEE), 2):g}"


def talk(client: Client, run: Any, task_queue: str, *arguments: object) -> Turn:
    """Ask, in a new conversation after each ten turns."""
    numbers = itertools.count()
    handle: Any = None

    async def ask() -> object:
        nonlocal handle
        number = next(numbers)
        if number % CONVERSATION == 0:
            settings: dict[str, Any] = {"task_queue": task_queue, "execution_timeout": timedelta(hours=1)}
            handle = await client.start_workflow(run, args=arguments, id=f"chat-{next(_conversations)}", **settings)
        asked, expected = price(number)
        answer = await handle.execute_update("send_message", asked)
        assert expected in str(answer), f"{asked} {answer}"
        return answer

    return ask


@asynccontextmanager
async def sides(ws: Workshop, number: int) -> AsyncIterator[tuple[Turn, Turn]]:
    """A turn of a demo, and of the yardstick. Both use Finance's operation, and the computers that offer it."""
    import bare_agents
    from agents.mcp import MCPServerStreamableHttp
    from temporalio.openai_agents import ModelActivityParameters, OpenAIAgentsPlugin

    from workshop_lib.agents.model.calls import limits
    from workshop_lib.demos import computers, local

    demo = computers.demo(number)
    started = await computers.start(ws, demo)
    offline = {**model("offline"), "api_base": ws._pool.services[SERVICE].url + "/v1"}
    plugins: list[Any] = []
    settings: dict[str, Any] = {"workflows": [bare_agents.BareAgent], "activities": [bare_agents.ask]}
    run: Any = bare_agents.BareAgent.run
    if number == 1:
        bare_agents.MODEL.update(offline)
    else:

        def over_http(server: str) -> Callable[[str], MCPServerStreamableHttp]:
            return lambda _: MCPServerStreamableHttp(
                {"url": f"{started.servers[f'{server}-mcp'].url}/mcp"}, name=server
            )

        # The parameters of the Worker that starts last count for all Workers of a process, so both sides have the same.
        known = {name: value for name, value in offline.items() if name in ("model", "api_base", "api_key")}
        parameters = ModelActivityParameters(**limits(Chat().model_seconds))
        servers = {server: over_http(server) for server in ("finance", "it")} if number == 3 else {}
        provider = bare_agents.OneModel(**known)
        plugins = [OpenAIAgentsPlugin(parameters, provider, mcp_servers=servers, add_temporal_spans=False)]
        settings = {"workflows": [bare_agents.BareSdkAgent], "activities": local.TOOLS}
        run = bare_agents.BareSdkAgent.run
    client, bare = await demo.connect(ws), await Client.connect(ws.server.address, plugins=plugins)
    async with Worker(bare, task_queue="bare", **settings, activity_executor=ThreadPoolExecutor(20)):
        yield (
            talk(client, demo.AGENT.run, local.TASK_QUEUE, Chat(model="offline")),
            talk(bare, run, "bare", *([number] if number > 1 else [])),
        )
