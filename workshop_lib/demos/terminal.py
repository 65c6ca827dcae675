"""A demo in the terminal: ``python -m workshop_lib demos 1`` talks with you; with a question, it answers and ends."""

import asyncio
import threading
from concurrent.futures import Future
from datetime import timedelta
from typing import Any

from temporalio.client import Client, WorkflowHandle, WorkflowUpdateFailedError

from workshop_lib.agents.conversation import Chat, Conversation
from workshop_lib.demos import AGENTS, computers, local, modules
from workshop_lib.evidence.failures import reason
from workshop_lib.evidence.messages import say
from workshop_lib.workshop import Workshop


async def talk(number: int, question: str, *, processes: bool) -> int:
    """Run a demo for one conversation.

    Args:
        number: The demo's number.
        question: A question; if it is empty, questions are read from the standard input until its end.
        processes: Whether each Worker runs in its own process.

    Returns:
        The exit status: 1 if the question could not be answered.
    """
    ws = await Workshop.start(model=True, calls_model=not processes)
    try:
        if processes:
            say("Waiting for three Workers, each in a process. The agent's imports its SDKs, which takes longest.")
            await asyncio.gather(*(ws.spawn(module) for module in modules(number).values()))
        else:
            await computers.start(ws, computers.demo(number))
        client = await Client.connect(**await ws.connection(local.NAMESPACE))
        limit = timedelta(hours=12)
        handle = await client.start_workflow(
            AGENTS[number], Chat(), id=ws.id("chat"), task_queue=local.TASK_QUEUE, execution_timeout=limit
        )
        if question:
            return 0 if await _ask(handle, question) else 1
        print("Ask something. An empty line ends the conversation.")
        while text := await asyncio.wrap_future(_line()):
            await _ask(handle, text)
        await handle.signal(Conversation.end_chat)
        return 0
    finally:
        await ws.close()


def _line() -> Future[str]:
    """The next line; empty at the end. Nobody waits for its thread: so Ctrl+C ends the program at the prompt, too."""
    line: Future[str] = Future()
    line.set_running_or_notify_cancel()

    def read() -> None:
        try:
            line.set_result(input("> ").strip())
        except EOFError:
            line.set_result("")

    threading.Thread(target=read, daemon=True).start()
    return line


async def _ask(handle: WorkflowHandle[Any, Any], text: str) -> bool:
    """Ask, and print what the agent did and said. Returns whether it could answer."""
    before = await handle.query(Conversation.transcript)
    try:
        reply = await handle.execute_update(Conversation.send_message, text)
    except WorkflowUpdateFailedError as refused:
        print(reason(refused))
        return False
    seen = before[-1].number if before else 0
    for entry in await handle.query(Conversation.transcript):
        if entry.number > seen and entry.kind in ("call", "result"):
            print(f"  {'→' if entry.kind == 'call' else '←'} {entry.tool} {entry.text}")
    print(reply.text)
    return not reply.problem
