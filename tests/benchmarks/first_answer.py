"""From nothing to an agent's first answer, in the order in which a notebook does it.

With a number as its argument it asks that demo's agent; without one, the support team's.
"""

import asyncio
import sys
from concurrent.futures import ThreadPoolExecutor

from temporalio.client import Client
from temporalio.worker import Worker

from workshop_lib import Workshop


async def support(ws: Workshop) -> None:
    """Ask the support team's agent once."""
    from workshop_lib.agents.conversation import Chat
    from workshop_lib.teams.support.worker import WORKER
    from workshop_lib.teams.support.workflows import Dispatcher

    client = await Client.connect(**await ws.connection("default"))
    ws.run(Worker, client, **WORKER, activity_executor=ThreadPoolExecutor(20))
    chat = Chat(model="offline")
    handle = await client.start_workflow(Dispatcher.run, chat, id="chat", task_queue="support")
    await handle.execute_update(Dispatcher.send_message, "What is 6 * 7?")


async def demo(ws: Workshop, number: int) -> None:
    """Ask a demo's agent once: an operation of another team is its tool."""
    from workshop_lib.agents.conversation import Chat
    from workshop_lib.demos import computers, local

    module = computers.demo(number)
    await computers.start(ws, module)
    client = await module.connect(ws)
    chat = Chat(model="offline")
    handle = await client.start_workflow(module.AGENT.run, chat, id="chat", task_queue=local.TASK_QUEUE)
    reply = await handle.execute_update(module.AGENT.send_message, "What does ACME cost?")
    assert "120.6" in reply.text, reply


async def main() -> None:
    """Start, and ask once."""
    ws = await Workshop.start(model=True)
    await (demo(ws, int(sys.argv[1])) if sys.argv[1:] else support(ws))


asyncio.run(main())
