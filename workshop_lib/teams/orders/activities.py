"""The steps of an order, and one that undoes a step. Each changes the team's database and notes that in the ledger.

They are plain functions, so a script can call them, too. They block while they wait for the database, so they are
``def`` and not ``async def``: a Worker runs them on its ``activity_executor``.
"""

from temporalio import activity
from temporalio.exceptions import ApplicationError

from workshop_lib.evidence.ledger import note
from workshop_lib.teams.orders.data import Order, store

_RELEASED = "released"  # instead of a parcel's number


@activity.defn
def check_fraud(order: Order) -> None:
    """Accept an order, or refuse it permanently.

    Args:
        order: The order.

    Raises:
        ApplicationError: The customer is blocked.
    """
    with store() as database:
        blocked = database.execute("SELECT 1 FROM blocked WHERE customer = ?", (order.customer,)).fetchone()
    note("check", order=order.id)
    if blocked:
        raise ApplicationError(f"{order.customer} is blocked", type="FraudSuspected", non_retryable=True)


@activity.defn
def prepare_shipment(order: Order) -> str:
    """Take the goods from the stock and put them aside. Repeating it is harmless.

    Args:
        order: The order.

    Returns:
        The shipment's id.

    Raises:
        ApplicationError: There are not enough goods.
    """
    with store() as database:
        shipment = database.execute("SELECT id FROM shipments WHERE order_id = ?", (order.id,)).fetchone()
        if shipment is None:
            take = "UPDATE stock SET quantity = quantity - ? WHERE item = ? AND quantity >= ?"
            taken = database.execute(take, (order.quantity, order.item, order.quantity))
            if not taken.rowcount:
                raise ApplicationError(f"Too few of {order.item!r} in stock", type="OutOfStock", non_retryable=True)
            insert = "INSERT INTO shipments (order_id, item, quantity) VALUES (?, ?, ?) RETURNING id"
            shipment = database.execute(insert, (order.id, order.item, order.quantity)).fetchone()
    note("prepare", once=f"prepare {order.id}", order=order.id, item=order.item, quantity=order.quantity)
    return f"shipment-{shipment[0]}"


@activity.defn
def charge_customer(order: Order) -> str:
    """Take the money.

    Args:
        order: The order.

    Returns:
        The charge's id.
    """
    with store() as database:
        insert = "INSERT INTO charges (order_id, customer, amount) VALUES (?, ?, ?)"
        row = database.execute(insert, (order.id, order.customer, order.amount))
    note("charge", order=order.id, amount=order.amount)
    return f"charge-{row.lastrowid}"


@activity.defn
def ship_order(order: Order) -> str:
    """Send the parcel that ``prepare_shipment`` has put aside. Repeating it is harmless.

    Args:
        order: The order.

    Returns:
        The parcel's tracking number.

    Raises:
        ApplicationError: Nothing was put aside for this order, or no carrier takes it.
    """
    if order.item == "anvil":
        raise ApplicationError("No carrier takes an anvil", type="CannotShip", non_retryable=True)
    parcel = f"parcel-{order.id}"
    with store() as database:
        sent = database.execute("UPDATE shipments SET parcel = ? WHERE order_id = ?", (parcel, order.id))
    if not sent.rowcount:
        raise ApplicationError(f"Nothing was prepared for {order.id}", type="NotPrepared", non_retryable=True)
    note("ship", once=f"ship {order.id}", order=order.id, parcel=parcel)
    return parcel


@activity.defn
def release_shipment(order: Order) -> None:
    """Put back what ``prepare_shipment`` has put aside, if anything. Repeating it is harmless.

    Args:
        order: The order.
    """
    with store() as database:
        find = "SELECT item, quantity, parcel FROM shipments WHERE order_id = ? AND parcel IN ('', ?)"
        row = database.execute(find, (order.id, _RELEASED)).fetchone()
        if row is None:
            return
        item, quantity, parcel = row
        if parcel != _RELEASED:
            database.execute("UPDATE stock SET quantity = quantity + ? WHERE item = ?", (quantity, item))
            database.execute("UPDATE shipments SET parcel = ? WHERE order_id = ?", (_RELEASED, order.id))
    note("release", once=f"release {order.id}", order=order.id, item=item, quantity=quantity)
