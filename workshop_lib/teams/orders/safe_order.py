"""An order that survives: charged once, or not at all."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import RetryPolicy

with workflow.unsafe.imports_passed_through():
    from workshop_lib.teams.orders.activities import check_fraud, prepare_shipment, release_shipment, ship_order
    from workshop_lib.teams.orders.cards import charge_once, refund_customer
    from workshop_lib.teams.orders.data import Order, Receipt

# For demonstrations, retries come soon. Production waits longer between attempts.
ONE_TRY = timedelta(seconds=1.2)
RETRIES = RetryPolicy(
    initial_interval=timedelta(milliseconds=100),
    maximum_interval=timedelta(seconds=1),
    non_retryable_error_types=["CardDeclined", "Refunded"],
)


@workflow.defn
class SafeOrder:
    """Four steps. If one fails permanently, the steps before it are undone, the last one first."""

    @workflow.run
    async def run(self, order: Order) -> Receipt:
        """Process an order.

        Args:
            order: The order.

        Returns:
            What the customer gets.

        Raises:
            ActivityError: A step failed permanently. The steps before it have been undone.
        """
        undo: list[Callable[[Order], Any]] = []
        try:
            await _do(check_fraud, order)
            undo.append(release_shipment)  # first, because a step that failed may have had its effect
            await _do(prepare_shipment, order)
            undo.append(refund_customer)
            charge = await _do(charge_once, order)
            parcel = await _do(ship_order, order)
        except Exception:
            for step in reversed(undo):
                await _do(step, order)
            raise
        return Receipt(order.id, charge, parcel)


async def _do(step: Callable[[Order], Any], order: Order) -> Any:
    return await workflow.execute_activity(step, order, start_to_close_timeout=ONE_TRY, retry_policy=RETRIES)
