"""From nothing to the first answer of a demo's agent, in the order in which a notebook does it.

The demo's number is its argument. An operation of another team is the agent's tool.
"""

import asyncio
import sys

from workshop_lib import Workshop


async def main(number: int) -> None:
    ws = await Workshop.start(model=True)
    from workshop_lib.agents.conversation import Chat
    from workshop_lib.demos import computers, local

    module = computers.demo(number)
    await computers.start(ws, module)
    client = await module.connect(ws)
    chat = Chat(model="offline")
    handle = await client.start_workflow(module.AGENT.run, chat, id="chat", task_queue=local.TASK_QUEUE)
    reply = await handle.execute_update(module.AGENT.send_message, "What does ACME cost?")
    assert "120.6" in reply.text, reply


asyncio.run(main(int(sys.argv[1])))
