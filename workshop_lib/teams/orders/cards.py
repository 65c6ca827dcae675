"""Charge a card through the payment service, and give the money back."""

from typing import Any

import httpx
from temporalio import activity
from temporalio.exceptions import ApplicationError

from workshop_lib.evidence.state import certificates, service_address
from workshop_lib.teams.orders.data import Order

_ANSWER_SECONDS = 1.0
_REFUSALS = {402: "CardDeclined", 409: "Refunded"}


def charge(order: Order, key: str | None = None) -> str:
    """Ask the payment service to charge an order's customer.

    Args:
        order: The order.
        key: The ``Idempotency-Key``: charges with the same key are one charge. Without one, each call is a new charge.

    Returns:
        The charge's id.

    Raises:
        ApplicationError: The card was declined (``CardDeclined``), or the order was refunded before (``Refunded``).
        httpx.HTTPError: The service did not answer in a second, broke the connection, or answered with an error.
    """
    body = {"order": order.id, "customer": order.customer, "amount": order.amount}
    return str(_ask("/charges", body, {"Idempotency-Key": key} if key else {})["charge"])


@activity.defn
def charge_card(order: Order) -> str:
    """Charge the customer. Each call is a new charge. See ``charge``."""
    return charge(order)


@activity.defn
def charge_once(order: Order) -> str:
    """Charge the customer; a second attempt for the same order finds the first one's charge. See ``charge``."""
    return charge(order, key=order.id)


@activity.defn
def refund_customer(order: Order) -> int:
    """Refund what an order's customer was charged. Repeating it is harmless.

    Args:
        order: The order. From now on it cannot be charged.

    Returns:
        The amount that was refunded, in cents; 0 if nothing was charged.

    Raises:
        httpx.HTTPError: See ``charge``.
    """
    return int(_ask("/refunds", {"order": order.id}, {})["amount"])


def _ask(path: str, body: dict[str, Any], headers: dict[str, str]) -> dict[str, Any]:
    settings: dict[str, Any] = {"timeout": _ANSWER_SECONDS, "verify": certificates()}
    answer = httpx.post(service_address("payments") + path, json=body, headers=headers, **settings)
    if answer.status_code in _REFUSALS:
        raise ApplicationError(answer.json()["error"], type=_REFUSALS[answer.status_code])
    if answer.is_error:
        what = f"the payment service answers {answer.status_code}"
        raise httpx.HTTPStatusError(what, request=answer.request, response=answer)
    return dict(answer.json())
