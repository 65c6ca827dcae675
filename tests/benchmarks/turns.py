"""Conversations with agents, ours and those of the bare SDKs beside them, for the benchmark of a turn.

Each makes both sides' Workers, on the same server, and yields two calls: one turn of ours, and one of the yardstick's.
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


def offline(ws: Workshop) -> dict[str, Any]:
    """Address and key of the offline model."""
    return {**model("offline"), "api_base": ws._pool.services[SERVICE].url + "/v1"}


@asynccontextmanager
async def litellm_temporal(ws: Workshop) -> AsyncIterator[tuple[Turn, Turn]]:
    """Demo 1, which uses Finance's operation. Finance's Worker is the same for both sides."""
    import bare_agent

    from workshop_lib.demos import computers, litellm_temporal, local

    await computers.start(ws, litellm_temporal)
    client = await litellm_temporal.connect(ws)
    async with await bare_agent.worker(ws) as bare:
        bare_agent.MODEL.update(offline(ws))
        yield (
            talk(client, litellm_temporal.LitellmAgent.run, local.TASK_QUEUE, Chat(model="offline")),
            talk(bare.client, bare_agent.BareAgent.run, bare_agent.QUEUE),
        )


@asynccontextmanager
async def sdk_turns(ws: Workshop, number: int) -> AsyncIterator[tuple[Turn, Turn]]:
    """Demos 2 to 4, which use Finance's operation. Finance's computer is the same for both sides."""
    import bare_sdk_agent
    from agents.mcp import MCPServerStreamableHttp
    from temporalio.openai_agents import ModelActivityParameters, OpenAIAgentsPlugin

    from workshop_lib.agents.model.calls import limits
    from workshop_lib.demos import computers, local

    demo, yardstick = computers.demo(number), bare_sdk_agent.BareSdkAgent
    started = await computers.start(ws, demo)

    def over_http(server: str) -> Callable[[str], MCPServerStreamableHttp]:
        return lambda _: MCPServerStreamableHttp({"url": f"{started.servers[f'{server}-mcp'].url}/mcp"}, name=server)

    # The parameters of the Worker that starts last count for all Workers of a process, so both sides have the same.
    known = {name: value for name, value in offline(ws).items() if name in ("model", "api_base", "api_key")}
    provider = bare_sdk_agent.OneModel(**known)
    parameters = ModelActivityParameters(**limits(Chat().model_seconds))
    servers = {server: over_http(server) for server in ("finance", "it")} if number == 3 else {}
    plugin = OpenAIAgentsPlugin(parameters, provider, mcp_servers=servers, add_temporal_spans=False)
    client, bare = await demo.connect(ws), await Client.connect(ws.server.address, plugins=[plugin])
    threads = ThreadPoolExecutor(20)
    settings: dict[str, Any] = {"workflows": [yardstick], "activities": local.TOOLS, "activity_executor": threads}
    async with Worker(bare, task_queue=f"bare-{number}", **settings):
        yield (
            talk(client, demo.AGENT.run, local.TASK_QUEUE, Chat(model="offline")),
            talk(bare, yardstick.run, f"bare-{number}", number),
        )
