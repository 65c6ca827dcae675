"""Workflows, activities and a Nexus service for tests. Plain module: the sandbox imports it again."""

import asyncio
from datetime import timedelta

import nexusrpc
import nexusrpc.handler
from temporalio import activity, nexus, workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError

SHORT = timedelta(seconds=60)
QUICK = RetryPolicy(initial_interval=timedelta(milliseconds=10), maximum_attempts=3)


@activity.defn
async def shaky(fail_times: int) -> str:
    if activity.info().attempt <= fail_times:
        raise RuntimeError(f"no luck in attempt {activity.info().attempt}")
    return "done"


@activity.defn
async def buggy() -> str:
    raise NameError("name 'ordr' is not defined")


@activity.defn
async def slow(seconds: float) -> str:
    await asyncio.sleep(seconds)
    return "slept"


@workflow.defn
class Echo:
    @workflow.run
    async def run(self, text: str) -> str:
        if text.startswith("slow:"):
            await workflow.sleep(float(text.removeprefix("slow:").split("-")[0]))
        return text


@workflow.defn
class Stubborn:
    """Waits until it is told to go on; has an update, a signal and a query."""

    def __init__(self) -> None:
        self.go = False

    @workflow.run
    async def run(self) -> str:
        await workflow.wait_condition(lambda: self.go)
        return "went on"

    @workflow.update
    async def add(self, n: int) -> int:
        if n < 0:
            raise ApplicationError("no negative numbers")
        return n + 1

    @workflow.update
    async def after_go(self) -> str:
        await workflow.wait_condition(lambda: self.go)
        return "gone"

    @add.validator
    def small(self, n: int) -> None:
        if n > 100:
            raise ValueError("too large")

    @workflow.signal
    def proceed(self) -> None:
        self.go = True

    @workflow.query
    def state(self) -> bool:
        return self.go


@workflow.defn
class Broken:
    @workflow.run
    async def run(self) -> str:
        return workflow.nonsense()  # type: ignore[attr-defined,no-any-return]


@workflow.defn(name="Stubborn")
class Unfinished:
    @workflow.run
    async def run(self) -> str:
        return workflow.nonsense()  # type: ignore[attr-defined,no-any-return]


@workflow.defn
class Steps:
    """A timer, a retried activity, a child; then what the argument names goes wrong."""

    @workflow.run
    async def run(self, child_queue: str) -> str:
        await workflow.sleep(0.05)
        await workflow.execute_activity(shaky, 2, start_to_close_timeout=SHORT, retry_policy=QUICK)
        child = f"{workflow.info().workflow_id}-child"
        await workflow.execute_child_workflow(Echo.run, "hello", id=child, task_queue=child_queue)
        try:
            await workflow.execute_activity(shaky, 9, start_to_close_timeout=SHORT, retry_policy=QUICK)
        except Exception:
            workflow.logger.debug("expected")
        timer = asyncio.create_task(workflow.sleep(60))
        await workflow.sleep(0.01)
        timer.cancel()
        return "finished"


@workflow.defn
class OneActivity:
    @workflow.run
    async def run(self, name: str, argument: float | None, task_queue: str | None) -> str:
        arguments = [] if argument is None else [argument]
        result: str = await workflow.execute_activity(
            name,
            args=arguments,
            task_queue=task_queue,
            start_to_close_timeout=timedelta(seconds=60),
            # One that fails with argument 77 waits long between its attempts.
            retry_policy=RetryPolicy(initial_interval=timedelta(seconds=20 if argument == 77 else 1)),
        )
        return result


@workflow.defn
class OneChild:
    @workflow.run
    async def run(self, kind: str, task_queue: str) -> str:
        result: str = await workflow.execute_child_workflow(kind, task_queue=task_queue)
        return result


@nexusrpc.service
class Sums:
    add: nexusrpc.Operation[int, int]
    slowly: nexusrpc.Operation[str, str]


@nexusrpc.handler.service_handler(service=Sums)
class SumsHandler:
    @nexusrpc.handler.sync_operation
    async def add(self, context: nexusrpc.handler.StartOperationContext, n: int) -> int:
        return n + 1

    @nexus.workflow_run_operation
    async def slowly(self, context: nexus.WorkflowRunOperationContext, text: str) -> nexus.WorkflowHandle[str]:
        return await context.start_workflow(Echo.run, text, id=f"echo-{text}")


@workflow.defn
class Caller:
    @workflow.run
    async def run(self, endpoint: str, text: str) -> str:
        client = workflow.create_nexus_client(service=Sums, endpoint=endpoint)
        number = await client.execute_operation(Sums.add, 1, schedule_to_close_timeout=SHORT)
        return await client.execute_operation(Sums.slowly, f"{text}-{number}", schedule_to_close_timeout=SHORT)
