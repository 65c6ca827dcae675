"""Answers to the exercise of notebook 00, right and wrong."""

from __future__ import annotations

from typing import Any

from temporalio import activity
from temporalio.exceptions import ApplicationError


def answer(value: Any) -> Any:
    """An activity `greet` that returns a value, or what a function makes of the name, or raises it."""

    @activity.defn(name="greet")
    async def greet(name: str) -> Any:
        result = value(name) if callable(value) else value
        if isinstance(result, Exception):
            raise result
        return result

    return greet


@activity.defn(name="greet")
def plain(name: str) -> str:
    return f"Hello, {name}!"


RIGHT = {"0.1": {"a plain def": plain, "format": answer("Hello, {}!".format)}}
WRONG = {
    "0.1": {
        "nothing returned": (answer(lambda name: None), "Does your code say `return`?"),
        "a fixed name": (answer("Hello, Ann!"), "Use the argument `name` instead of a fixed name."),
        "other words": (answer(lambda name: f"Hi {name}"), "expected 'Hello, Ann!', saw 'Hi Ann'"),
        "a forgotten f": (answer("Hello, {name}!"), "Put an `f` before the quotation mark"),
        "an error": (answer(lambda name: ValueError("oops")), "ValueError: oops"),
        "a call": ("Hello, Ann!", "Hand in the function itself, without a call"),
    }
}
STUBS = {"0.1": answer(ApplicationError("not solved yet", non_retryable=True))}
