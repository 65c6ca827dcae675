"""From nothing to an agent's first answer, in the order in which a notebook does it."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from temporalio.client import Client
from temporalio.worker import Worker

from workshop_lib import Workshop


async def main() -> None:
    """Start, and ask once."""
    ws = await Workshop.start(model=True)
    from workshop_lib.conversation import Chat
    from workshop_lib.teams.support.worker import WORKER
    from workshop_lib.teams.support.workflows import Dispatcher

    client = await Client.connect(**await ws.connection("default"))
    ws.run(Worker, client, **WORKER, activity_executor=ThreadPoolExecutor(20))
    chat = Chat(model="offline")
    handle = await client.start_workflow(Dispatcher.run, chat, id="chat", task_queue="support")
    await handle.execute_update(Dispatcher.send_message, "What is 6 * 7?")


asyncio.run(main())
