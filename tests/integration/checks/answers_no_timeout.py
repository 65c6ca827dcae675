"""An answer to exercise 1.3 that forgets what happens after three days. A module of its own: its source is read."""

from __future__ import annotations

from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from workshop_lib.teams.orders.activities import charge_customer, prepare_shipment, ship_order
    from workshop_lib.teams.orders.data import Order

LIMIT = timedelta(seconds=5)


@workflow.defn
class Unexpecting:
    def __init__(self) -> None:
        self.choice = ""

    @workflow.run
    async def run(self, order: Order) -> str:
        await workflow.execute_activity(prepare_shipment, order, start_to_close_timeout=LIMIT)
        await workflow.wait_condition(lambda: self.choice != "", timeout=timedelta(days=3))
        if self.choice == "cancel":
            return "cancelled"
        for step in (charge_customer, ship_order):
            await workflow.execute_activity(step, order, start_to_close_timeout=LIMIT)
        return "on its way"

    @workflow.update
    def ship_now(self) -> None:
        self.choice = "ship"

    @workflow.update
    def cancel(self) -> None:
        self.choice = "cancel"
