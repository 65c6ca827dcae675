"""A demo's computers killed at every boundary of a turn: the answer is right, and nothing is paid for twice.

Except in demo 3, when Finance's computer dies: a call over HTTP dies with it, and the next one is another question.

By hand a seeded sample; `make chaos` takes all.
"""

from __future__ import annotations

import asyncio
import os
import random
import re
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from temporalio.client import Client, WorkflowHandle

from workshop_lib.agents.conversation import Chat, Conversation
from workshop_lib.agents.openai_agents import AgentConversation
from workshop_lib.demos import computers, local
from workshop_lib.evidence.history import History, Step, history
from workshop_lib.nexus_mcp.contract import Directory
from workshop_lib.workers.spawned import SpawnedWorker
from workshop_lib.workshop import Workshop

pytestmark = pytest.mark.anyio

NUMBERS = [1, 2, 3, 4]
# A turn: the orchestrator asks the model, Finance reads a quote, the orchestrator asks the model again.
STEPS = [("model", 0), ("read_quote", 0), ("model", 1)]
KINDS = ("dies_before_effect", "dies_after_effect", "dies_after_report", "mid-activity")
CASES = [(number, *step, kind) for number in NUMBERS for step in STEPS for kind in KINDS]
if "WORKSHOP_CHAOS" not in os.environ:
    chance = random.Random(int(os.environ.get("WORKSHOP_SEED", "3")))
    some = [[case for case in CASES if case[0] == number] for number in chance.sample(NUMBERS, 2)]
    CASES = [chance.choice(cases) for cases in some]


@dataclass
class Demo:
    """A demo, and the processes that its computers run."""

    ws: Workshop
    module: Any
    processes: dict[str, list[SpawnedWorker]] = field(default_factory=dict)

    @property
    def over_mcp(self) -> bool:
        """Whether other teams' tools are MCP servers', so that no history leads to a team's."""
        return bool(self.module.SERVERS)

    @property
    def model_call(self) -> str:
        """The activity that asks the model."""
        return "invoke_model_activity" if issubclass(self.module.AGENT, AgentConversation) else "call_model"

    def running(self, name: str) -> list[SpawnedWorker]:
        """What runs on one of its computers."""
        return [process for process in self.processes.get(name, []) if process.running]

    async def prepare(self, dying: str) -> None:
        """Each computer runs one process, and the one that is to die another one that takes over."""
        names = [
            name for name in self.module.COMPUTERS for _ in range((2 if name == dying else 1) - len(self.running(name)))
        ]
        made = await asyncio.gather(*(self.ws.spawn(self.module.COMPUTERS[name]) for name in names))
        for name, process in zip(names, made, strict=True):
            self.processes.setdefault(name, []).append(process)


@pytest.fixture(scope="module")
async def demo(ws: Workshop, request: pytest.FixtureRequest) -> AsyncIterator[Demo]:
    """One demo after the other: they share their places."""
    await Workshop.start(model=True)
    made = Demo(ws, computers.demo(request.param))
    yield made
    await ws.stop(*(process for each in made.processes.values() for process in each))


@pytest.mark.parametrize(("demo", "name", "skip", "kind"), CASES, indirect=["demo"], ids=lambda value: str(value))
async def test_killed_at_a_boundary(
    demo: Demo, name: str, skip: int, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    ws, dying = demo.ws, "finance" if name == "read_quote" else "orchestrator"
    activity = demo.model_call if name == "model" else name
    await demo.prepare(dying)
    client = await Client.connect(**await ws.connection(local.NAMESPACE))
    finance = await Client.connect(**await ws.connection("finance"))
    priced = await stocks_priced(finance)
    handle = await client.start_workflow(
        demo.module.AGENT.run,
        Chat(model="offline"),
        id=ws.id("chat"),
        task_queue=local.TASK_QUEUE,
        execution_timeout=timedelta(minutes=2),
        task_timeout=timedelta(seconds=2),
    )
    before, began = ws.ledger.count(), time.monotonic()
    with ws.fault(f"{activity}.{'is_slow' if kind == 'mid-activity' else kind}", seconds=10, skip=skip) as fault:
        asked = asyncio.create_task(
            handle.execute_update(Conversation.send_message, "What's the stock price of HOOLI?")
        )
        while not fault.fired and not asked.done():
            await asyncio.sleep(0.02)
        if kind == "mid-activity":
            await kill_whoever_runs(activity, [handle, *await running_at(finance)], demo.processes[dying])
        reply = await asked
    with capsys.disabled():
        print(f"\n{activity} {skip + 1} {kind}: answered after {time.monotonic() - began:.1f} s")
    assert fault.fired == 1
    assert len(demo.running(dying)) == 1
    assert reply.problem == ""
    assert "311.75" in reply.text
    again = demo.over_mcp and dying == "finance"  # the call is made again, and nobody knows of the first one
    ran = await ran_at(finance, priced)
    (call,) = calls(await history(handle, follow=True))
    assert 1 <= len(ran) <= call.attempts
    assert call.attempts == 1 or again
    assert {workflow.workflow_id for workflow in call.calls} == (set() if demo.over_mcp else ran)
    in_flight = kind == "dies_after_effect"  # what was done, and not told of, is done again
    entries = ws.ledger.entries()[before:]
    quotes = sum(entry.effect == "quote" for entry in entries)
    assert quotes == len(ran) + (in_flight and name == "read_quote")
    noted = [entry.details["call"] for entry in entries if entry.effect == "model call"]
    assert len(set(noted)) == 2  # each model call that was needed, and no other
    repeated = {call for call in noted if noted.count(call) > 1}
    assert len(repeated) == (in_flight and name == "model")
    await handle.terminate()


async def stocks_priced(finance: Client) -> set[str]:
    return {execution.id async for execution in finance.list_workflows('WorkflowType = "PriceStock"')}


async def running_at(finance: Client) -> list[WorkflowHandle[Any, Any]]:
    """Finance's open workflows; the list follows a moment later."""
    await asyncio.sleep(0.5)
    wanted = 'WorkflowType = "PriceStock" AND ExecutionStatus = "Running"'
    return [finance.get_workflow_handle(execution.id) async for execution in finance.list_workflows(wanted)]


async def ran_at(finance: Client, before: set[str]) -> set[str]:
    """What Finance ran since, once it is done to its end, also where nobody waits for it any more."""
    async with asyncio.timeout(30):
        while not (ran := await stocks_priced(finance) - before):
            await asyncio.sleep(0.05)
        await asyncio.gather(*(finance.get_workflow_handle(each).result() for each in ran))
    return ran


def calls(told: History) -> list[Step]:
    """The calls of Finance's tools in a conversation."""
    return [
        step
        for step in told.steps
        if "call-tool" in step.name or (step.kind == "nexus operation" and step.name != Directory.tools.name)
    ]


async def kill_whoever_runs(name: str, among: list[WorkflowHandle[Any, Any]], workers: list[SpawnedWorker]) -> None:
    """Kill the process that runs an activity of one of these workflows."""
    async with asyncio.timeout(10):
        while True:
            for each in among:
                for activity in (await each.describe()).raw_description.pending_activities:
                    if activity.activity_type.name == name and activity.last_worker_identity:
                        pid = int(re.match(r"\d+", activity.last_worker_identity)[0])  # type: ignore[index]
                        next(worker for worker in workers if worker.pid == pid).kill()
                        return
            await asyncio.sleep(0.02)
