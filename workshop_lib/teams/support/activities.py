"""The support team's tools. The model chooses by their docstrings."""

import ast
import operator
from collections.abc import Callable

import httpx
from temporalio import activity
from temporalio.exceptions import ApplicationError

from workshop_lib.evidence.ledger import note
from workshop_lib.evidence.state import certificates, service_address
from workshop_lib.teams.support.data import WEATHER, search
from workshop_lib.workers.takeover import idempotency_key

_ANSWER_SECONDS = 2.0
_LARGEST = 1e15
_OPERATORS: dict[type[ast.AST], Callable[..., float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
}


@activity.defn
def calculator(expression: str) -> float:
    """Work out an arithmetic expression, such as 12 * (3 + 4).

    Args:
        expression: The expression, with numbers, + - * / % ** and parentheses.

    Raises:
        ApplicationError: It is not such an expression, or its value is too large.
    """
    try:
        # Not `eval`: the text comes from a model, which may repeat what anybody wrote.
        value = _value(ast.parse(expression.strip(), mode="eval").body)
        if not abs(value) < _LARGEST:
            raise ValueError("its value is too large")
        return round(value, 10)
    except (SyntaxError, ValueError, ArithmeticError, TypeError, RecursionError, MemoryError) as error:
        raise ApplicationError(f"{expression!r}: {error}", type="BadExpression", non_retryable=True) from error


def _value(node: ast.AST) -> float:
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return float(node.value)
    if isinstance(node, ast.UnaryOp) and type(node.op) in _OPERATORS:
        return _OPERATORS[type(node.op)](_value(node.operand))
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        result = _OPERATORS[type(node.op)](_value(node.left), _value(node.right))
        if isinstance(result, complex) or not abs(result) < _LARGEST:
            raise ValueError("its value is too large, or no real number")
        return result
    raise ValueError("it holds something else than numbers and + - * / % ** ( )")


@activity.defn
def weather(city: str) -> str:
    """The weather in a city right now.

    Args:
        city: The name of the city.

    Raises:
        ApplicationError: The workshop has no weather for this city.
    """
    for known, text in WEATHER.items():
        if known.lower() == city.strip().lower():
            return f"{known}: {text}"
    cities = ", ".join(WEATHER)
    raise ApplicationError(f"There is weather for {cities} only.", type="UnknownCity", non_retryable=True)


@activity.defn
def search_documents(query: str) -> str:
    """Search the shop's handbook: returns, shipping, warranty and other rules.

    Args:
        query: What to look for, in plain words.
    """
    found = search(query)
    note("search", query=query)
    return "\n".join(found) or "The handbook says nothing about that."


@activity.defn
def refund(order: str, amount: float, reason: str = "") -> str:
    """Pay money back to the customer of an order.

    Args:
        order: The id of the order, such as order-7.
        amount: How much, in dollars.
        reason: Why the customer gets it back.

    Raises:
        ApplicationError: Such an amount cannot be refunded.
        httpx.HTTPError: The refund service did not answer in two seconds, broke the connection or had an error.
    """
    if not 0 < amount <= 10_000:
        raise ApplicationError(f"{amount} dollars cannot be refunded.", type="BadAmount", non_retryable=True)
    body = {"order": order, "amount": amount, "reason": reason}
    headers = {"Idempotency-Key": idempotency_key()}
    url = service_address("refunds") + "/refunds"
    answer = httpx.post(url, json=body, headers=headers, timeout=_ANSWER_SECONDS, verify=certificates())
    if answer.is_error:
        what = f"The refund service answers {answer.status_code}"
        raise httpx.HTTPStatusError(what, request=answer.request, response=answer)
    return f"{answer.json()['refund']}: {amount:.2f} dollars are paid back for {order}."
