"""Workflows for the tests of `checks/harness/recorded.py`, each of which ends or comes to rest in its own way."""

import asyncio
from datetime import timedelta

import nexusrpc
import nexusrpc.handler
from temporalio import activity, workflow
from temporalio.common import RetryPolicy
from temporalio.nexus import WorkflowHandle, WorkflowRunOperationContext, workflow_run_operation

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


@nexusrpc.service
class Rest:
    rest: nexusrpc.Operation[str, str]


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
        if how.startswith("nexus "):
            client = workflow.create_nexus_client(service=Rest, endpoint="resting")
            return await client.execute_operation(Rest.rest, how.removeprefix("nexus "))
        if how in ("fails", "fails_twice", "slow"):
            await workflow.execute_activity(how, start_to_close_timeout=MINUTE, retry_policy=SOON)
        return "done"


@nexusrpc.handler.service_handler(service=Rest)
class RestHandler:
    @workflow_run_operation
    async def rest(self, ctx: WorkflowRunOperationContext, how: str) -> WorkflowHandle[str]:
        return await ctx.start_workflow(Resting.run, how, id=f"resting-{ctx.request_id}")
