"""Workflows for the tests of `checks/harness/recorded.py`, each of which ends or comes to rest in its own way."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.common import RetryPolicy

SOON = RetryPolicy(initial_interval=timedelta(milliseconds=10))
MINUTE = timedelta(minutes=1)


@activity.defn
async def fails() -> None:
    raise ValueError("no")


@activity.defn
async def fails_twice() -> str:
    if activity.info().attempt < 3:
        raise ValueError("not yet")
    return "done"


@activity.defn
async def slow() -> str:
    await asyncio.sleep(1.5)
    return "done"


@workflow.defn
class Resting:
    @workflow.run
    async def run(self, how: str) -> str:
        if how == "idle":
            await workflow.wait_condition(lambda: False)
        if how == "long timer":
            await workflow.sleep(timedelta(days=3))
        if how == "short timer":
            await workflow.sleep(1)
        if how == "failing task":
            raise KeyError("a mistake")
        if how == "child":
            await workflow.execute_child_workflow(Resting.run, "idle", id=f"{workflow.info().workflow_id}-child")
        if how == "nobody's queue":
            await workflow.execute_activity(slow, task_queue="nobody", start_to_close_timeout=MINUTE)
        if how in ("fails", "fails_twice", "slow"):
            await workflow.execute_activity(how, start_to_close_timeout=MINUTE, retry_policy=SOON)
        return "done"
