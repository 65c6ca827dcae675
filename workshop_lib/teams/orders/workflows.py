"""An order, from the check to the parcel."""

from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from workshop_lib.teams.orders.activities import charge_customer, check_fraud, prepare_shipment, ship_order
    from workshop_lib.teams.orders.data import Order, Receipt

ONE_TRY = timedelta(seconds=5)


@workflow.defn
class ProcessOrder:
    """Four steps, one after another. Its id is the order's."""

    @workflow.run
    async def run(self, order: Order) -> Receipt:
        """Process an order.

        Args:
            order: The order.

        Returns:
            What the customer gets.

        Raises:
            ActivityError: The customer is blocked, or the goods are out of stock.
        """
        await workflow.execute_activity(check_fraud, order, start_to_close_timeout=ONE_TRY)
        await workflow.execute_activity(prepare_shipment, order, start_to_close_timeout=ONE_TRY)
        charge = await workflow.execute_activity(charge_customer, order, start_to_close_timeout=ONE_TRY)
        parcel = await workflow.execute_activity(ship_order, order, start_to_close_timeout=ONE_TRY)
        return Receipt(order.id, charge, parcel)
