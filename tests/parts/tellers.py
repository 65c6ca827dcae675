"""A team of its own, which knows of Finance its contract only. Spawned by the tests."""

from __future__ import annotations

from datetime import timedelta

from temporalio import workflow
from temporalio.client import Client
from temporalio.worker import Worker

with workflow.unsafe.imports_passed_through():
    from workshop_lib.server.connections import Connections
    from workshop_lib.teams.finance.contract import ENDPOINT, Finance, StockQuery
    from workshop_lib.workers.takeover import QUICK_TAKEOVER


@workflow.defn
class Teller:
    """Asks Finance for a price."""

    @workflow.run
    async def run(self, ticker: str) -> float:
        """Ask once."""
        finance = workflow.create_nexus_client(service=Finance, endpoint=ENDPOINT)
        limit = timedelta(seconds=120)
        found = await finance.execute_operation(
            Finance.stock_price, StockQuery(ticker), schedule_to_close_timeout=limit
        )
        return found.price


async def worker(ws: Connections) -> Worker:
    """Its Worker."""
    client = await Client.connect(**await ws.connection("default"))
    return Worker(client, task_queue="tellers", workflows=[Teller], **QUICK_TAKEOVER)
