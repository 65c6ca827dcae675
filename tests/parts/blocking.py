"""Activities that block, and a workflow that takes a pydantic model, for tests of workers."""

import threading

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


@workflow.defn
class Doubles:
    @workflow.run
    async def run(self, amount: Amount) -> Amount:
        return Amount(value=2 * amount.value)
