"""An agent without a model: each question says which operations of other teams it takes."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from temporalio import activity, workflow
from temporalio.exceptions import FailureError

with workflow.unsafe.imports_passed_through():
    from workshop_lib.teams.finance.contract import Finance, RoiQuery, StockQuery
    from workshop_lib.teams.it.contract import IT, HostQuery

LIMIT = timedelta(seconds=60)


@activity.defn
async def think(seconds: float) -> None:
    """Take as long as a model does."""
    await asyncio.sleep(seconds)


@workflow.defn
class Asker:
    """Answers questions until it is told to end."""

    def __init__(self) -> None:
        self.ended = False

    @workflow.run
    async def run(self) -> None:
        await workflow.wait_condition(lambda: self.ended and workflow.all_handlers_finished())

    @workflow.update
    async def ask(self, stocks: list[str], hosts: list[str], at_once: bool) -> list[str]:
        """Ask for prices, a return, and addresses; the names of those that failed come back."""
        await workflow.execute_activity(think, 0.01, start_to_close_timeout=LIMIT)
        finance: Any = workflow.create_nexus_client(service=Finance, endpoint="finance")
        desk: Any = workflow.create_nexus_client(service=IT, endpoint="it")
        calls: list[Any] = [(desk, IT.get_ip, HostQuery(host)) for host in hosts]
        calls += [(finance, Finance.stock_price, StockQuery(stock)) for stock in stocks]
        calls += [(finance, Finance.calculate_roi, RoiQuery(100, 120))] if stocks and hosts else []
        failed: list[str] = []

        async def call(client: Any, operation: Any, given: Any) -> None:
            try:
                await client.execute_operation(operation, given, schedule_to_close_timeout=LIMIT)
            except FailureError:
                failed.append(operation.name)

        made = (call(*each) for each in calls)
        if at_once:
            await asyncio.gather(*made)
        else:
            for each in made:
                await each
        return failed

    @workflow.signal
    def end(self) -> None:
        self.ended = True
