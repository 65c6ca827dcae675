"""An order as a workflow, with settings under which a crash costs a second. The sandbox imports it again."""

from datetime import timedelta

from temporalio import activity, workflow
from temporalio.common import RetryPolicy

with workflow.unsafe.imports_passed_through():
    from workshop_lib.teams.orders.activities import charge_customer, check_fraud, prepare_shipment, ship_order
    from workshop_lib.teams.orders.data import Order, Receipt

STEPS = [check_fraud, prepare_shipment, charge_customer, ship_order]
AGAIN = RetryPolicy(initial_interval=timedelta(milliseconds=100))


@activity.defn
async def pack(order: Order) -> None:
    """An activity that is a coroutine."""


@workflow.defn
class ProcessOrder:
    @workflow.run
    async def run(self, order: Order, patience: float = 1.5) -> Receipt:
        limit = timedelta(seconds=patience)
        settings = workflow.ActivityConfig(start_to_close_timeout=limit, retry_policy=AGAIN)
        await workflow.execute_activity(check_fraud, order, **settings)
        await workflow.execute_activity(prepare_shipment, order, **settings)
        charge = await workflow.execute_activity(charge_customer, order, **settings)
        parcel = await workflow.execute_activity(ship_order, order, **settings)
        return Receipt(order=order.id, charge=charge, parcel=parcel)


@workflow.defn
class Pack:
    @workflow.run
    async def run(self, order: Order) -> None:
        long, short = timedelta(seconds=60), timedelta(seconds=1)
        await workflow.execute_activity(
            pack, order, start_to_close_timeout=long, heartbeat_timeout=short, retry_policy=AGAIN
        )
