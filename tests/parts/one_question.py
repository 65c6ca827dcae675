"""A whole turn of an agent, in a process that imports things in the order of a notebook."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from temporalio.client import Client
from temporalio.worker import Worker

from workshop_lib.workshop import Workshop


async def one_question() -> None:
    """Ask an agent for something that takes a tool."""
    ws = await Workshop.start(model=True)
    from workshop_lib.agents.conversation import Chat
    from workshop_lib.teams.support.worker import WORKER
    from workshop_lib.teams.support.workflows import Dispatcher

    client = await Client.connect(**await ws.connection("default"))
    worker = ws.run(Worker, client, **WORKER, activity_executor=ThreadPoolExecutor(5))
    handle = await client.start_workflow(Dispatcher.run, Chat(), id="chat", task_queue="support")
    print(await handle.execute_update(Dispatcher.send_message, "What is 6 * 7?"))
    await ws.stop(worker)
    await ws.close()
