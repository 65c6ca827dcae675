"""An activity that blocks its thread, and pydantic models, for tests of workers."""

import threading
from datetime import timedelta

from temporalio import activity, workflow

with workflow.unsafe.imports_passed_through():
    from pydantic import BaseModel

entered, release = threading.Event(), threading.Event()


@activity.defn
def blocks() -> str:
    entered.set()
    release.wait(30)
    return "released"


@activity.defn
async def blocks_its_loop() -> str:
    entered.set()
    release.wait(30)
    return "released"


class Amount(BaseModel):
    value: int


@activity.defn
def double(amount: Amount) -> Amount:
    return Amount(value=2 * amount.value)


@workflow.defn
class Checked:
    @workflow.run
    async def run(self, amount: Amount) -> Amount:
        return await workflow.execute_activity(double, amount, start_to_close_timeout=timedelta(seconds=60))
