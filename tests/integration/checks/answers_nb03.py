"""Answers to the exercises of notebook 03, right and wrong. A plain module: the sandbox imports it."""

# No `from __future__ import annotations`: see workshop_lib/agents/conversation.py.

import json
import uuid
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

from temporalio import activity, workflow
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from workshop_lib.agents import loop
    from workshop_lib.agents.conversation import Answer, Chat, Conversation, Message
    from workshop_lib.agents.model.calls import ask_model
    from workshop_lib.evidence.ledger import note
    from workshop_lib.teams.support.activities import refund, weather
    from workshop_lib.workers import takeover

LIMIT: dict[str, Any] = {"start_to_close_timeout": timedelta(seconds=5)}


def agent(base: type, method: str, name: str = "") -> Callable[[Any], Any]:
    """Make a function an agent, a base with this method. Its name is what the module calls it: the sandbox looks."""

    def make(function: Any) -> Any:
        async def run(self, chat: Chat) -> int:  # type: ignore[no-untyped-def]
            return await self.converse()  # type: ignore[no-any-return]

        title = name or function.__name__
        run.__qualname__, run.__module__ = f"{title}.run", function.__module__
        members = {"__module__": function.__module__, "run": workflow.run(run), method: function}
        return workflow.defn(type(title, (base,), members))

    return make


# 3.1


def cost(kilograms: float, country: str) -> float:
    return 5 + 2 * kilograms if country == "Norway" else 15 + 4 * kilograms


def shipping(body: Any, docstring: str | None = "What it costs to ship a parcel to a country, in dollars.") -> Any:
    """A shipping_cost that does what a function does."""

    @activity.defn
    def shipping_cost(kilograms: float, country: str) -> float:
        return body(kilograms, country)  # type: ignore[no-any-return]

    shipping_cost.__doc__ = docstring
    return shipping_cost


def unfinished(*given: Any, **named: Any) -> Any:
    raise ApplicationError("not solved yet", non_retryable=True)


# 3.2

SCHEMAS = [loop.activity_tool(weather).schema]
UNKNOWN = "Unknown tool. There is: weather."


class Careful(Conversation):
    """All of exercise 3.2 but ``use``."""

    async def answer(self, messages: list[Message]) -> Answer:
        new: list[Message] = []
        while not new or new[-1]["role"] == "tool":
            new.append(await ask_model(self.chat, messages + new, SCHEMAS))
            for call in new[-1].get("tool_calls", []):
                result = await self.use(**call["function"])
                new.append({"role": "tool", "tool_call_id": call["id"], "content": result})
        return Answer(new[-1]["content"], new)

    use = unfinished


async def measured(city: Any) -> str:
    return await workflow.execute_activity(weather, city, **LIMIT)


@agent(Careful, "use")
async def by_hand(self: Any, name: str, arguments: str) -> str:
    if name != "weather":
        return UNKNOWN
    try:
        given = json.loads(arguments)
    except ValueError as error:
        return f"Invalid arguments: {error}"
    if not isinstance(given, dict) or set(given) != {"city"} or not isinstance(given["city"], str):
        return "Invalid arguments: weather takes city, a text, and nothing else."
    return await measured(given["city"])


@agent(Careful, "use")
async def from_the_library(self: Any, name: str, arguments: str) -> str:
    return (await loop.use([loop.activity_tool(weather, **LIMIT)], name, arguments))[0]


@agent(Careful, "use")
async def says_only_that_it_is_wrong(self: Any, name: str, arguments: str) -> str:
    said = await by_hand.use(self, name, arguments)
    return "Unknown tool" if said == UNKNOWN else "Invalid arguments" if "Invalid" in said else str(said)


def trusting(part: str) -> Any:
    async def use(self: Any, name: str, arguments: str) -> str:
        return (
            await measured(json.loads(arguments)["city"])
            if part in arguments
            else await by_hand.use(self, name, arguments)
        )

    return use


any_name = agent(Careful, "use", "any_name")(lambda self, name, arguments: by_hand.use(self, "weather", arguments))
no_use = agent(Careful, "use", "no_use")(unfinished)
naive = agent(Careful, "use", "naive")(trusting(""))
any_json = agent(Careful, "use", "any_json")(trusting("null"))
any_field = agent(Careful, "use", "any_field")(trusting('"colour"'))
any_type = agent(Careful, "use", "any_type")(trusting('["?"]'))


@agent(Careful, "use")
async def calls_the_function(self: Any, name: str, arguments: str) -> str:
    return weather(json.loads(arguments)["city"])


# 3.3

REFUND = loop.activity_tool(refund, **LIMIT)


class Refunds(Conversation):
    """All of exercise 3.3 but ``pay``."""

    async def answer(self, messages: list[Message]) -> Answer:
        tool = loop.Tool("refund", REFUND.description, REFUND.arguments, self.pay)
        return await loop.answer("Pay back.", messages, [tool], partial(ask_model, self.chat), self.note)

    pay = unfinished


QUESTION = "Pay {0.amount} dollars back for {0.order}?"


def paying(question: str = QUESTION, no: str = "Error: refused by a person.", hours: float = 24.0) -> Any:
    async def pay(self: Any, call: Any) -> Any:
        return await REFUND.call(call) if await self.approved(question.format(call), hours) else no

    return pay


asks_first = agent(Refunds, "pay", "asks_first")(paying())
says_too_little = agent(Refunds, "pay", "says_too_little")(paying("Pay?"))
in_a_hurry = agent(Refunds, "pay", "in_a_hurry")(paying(hours=0.001))
never_asks = agent(Refunds, "pay", "never_asks")(lambda self, call: REFUND.call(call))
no_pay = agent(Refunds, "pay", "no_pay")(unfinished)
lies = agent(Refunds, "pay", "lies")(paying(no="30.0 dollars are paid back."))


@agent(Refunds, "pay")
async def by_itself(self: Any, call: Any) -> Any:
    if await self.approved(f"{call.order}: {call.amount:.0f}?", hours=72):
        return await workflow.execute_activity(refund, args=[call.order, call.amount, call.reason], **LIMIT)
    return "The refund was not approved."


@agent(Refunds, "pay")
async def raises_a_refusal(self: Any, call: Any) -> Any:
    if not await self.approved(QUESTION.format(call)):
        raise ApplicationError("A person refused it.")
    return await REFUND.call(call)


@agent(Refunds, "pay")
async def returns_nothing(self: Any, call: Any) -> Any:
    paid = await REFUND.call(call) if await self.approved(QUESTION.format(call)) else "no"
    return None if paid != "no" else paid


@agent(Refunds, "pay")
async def pays_first(self: Any, call: Any) -> Any:
    paid = await REFUND.call(call)
    await self.approved(QUESTION.format(call))
    return paid


@agent(Refunds, "pay")
async def ignores_the_decision(self: Any, call: Any) -> Any:
    await self.approved(QUESTION.format(call))
    return await REFUND.call(call)


@agent(Refunds, "pay")
async def asks_once(self: Any, call: Any) -> Any:
    asked, self.asked = hasattr(self, "asked"), True
    agreed = asked or await self.approved(QUESTION.format(call))
    return await REFUND.call(call) if agreed else "Error: refused by a person."


# 3.4


def vouchers(key: Callable[[], Any], returns: bool = True) -> Any:
    """A send_voucher with the key that a function makes."""

    @activity.defn
    def send_voucher(customer: str, dollars: float) -> str | None:
        """Send a voucher to a customer."""
        note("voucher", once=key(), customer=customer, dollars=dollars)
        return f"A voucher of {dollars} dollars is on its way to {customer}." if returns else None

    return send_voucher


def step() -> str:
    return f"{activity.info().workflow_id}-{activity.info().workflow_run_id}-{activity.info().activity_id}"


RIGHT: dict[str, dict[str, Any]] = {
    "3.1": {"as in the solution": shipping(cost), "other words": shipping(cost, "Price of a delivery by weight.")},
    "3.2": {"by hand": by_hand, "library": from_the_library},
    "3.3": {"asks first": asks_first, "by itself": by_itself, "raises": raises_a_refusal},
    "3.4": {"the library's key": vouchers(takeover.idempotency_key), "its own": vouchers(step)},
}
_PAY = "Call `await self.approved(…)` in `pay`, each time"
WRONG: dict[str, dict[str, tuple[Any, str]]] = {
    "3.1": {
        "no docstring": (shipping(cost, None), "Begin the function with a docstring"),
        "says nothing": (shipping(cost, "Does stuff."), "in a customer's words: ship, parcel, cost"),
        "one price": (shipping(lambda kilograms, country: 5 + 2 * kilograms), "To any other country: 15 and 4"),
        "a text": (shipping(lambda kilograms, country: "27 dollars"), "does not have the type"),
        "other parameters": (weather, "Keep its parameters: kilograms, country"),
        "no activity": (cost, "Keep `@activity.defn`"),
    },
    "3.2": {
        "naive": (naive, "Catch the `ValueError` of `json.loads`"),
        "any JSON": (any_json, "is it a `dict`? Look first"),
        "any name": (any_name, "Compare `name` first"),
        "any field": (any_field, "Do not drop it: the user may want it"),
        "any type": (any_type, "Look at its type first"),
        "says only that it is wrong": (says_only_that_it_is_wrong, "what was wrong and what would be right"),
        "no activity": (calls_the_function, "Let an activity do it"),
    },
    "3.3": {
        "never asks": (never_asks, _PAY),
        "pays first": (pays_first, "paid before anybody had decided"),
        "ignores the decision": (ignores_the_decision, "A person said no, and the money was paid"),
        "asks once": (asks_once, _PAY),
        "says too little": (says_too_little, "The amount and the order belong in it"),
        "in a hurry": (in_a_hurry, "wait at least a day"),
        "lies": (lies, "A person said no, and the model was told"),
        "returns nothing": (returns_nothing, "and return what that returns"),
    },
    "3.4": {
        "uuid4": (vouchers(lambda: str(uuid.uuid4())), "no random number"),
        "the attempt": (vouchers(lambda: f"{step()}-{activity.info().attempt}"), "no attempt in it"),
        "the run": (vouchers(lambda: activity.info().workflow_run_id), "another voucher in the same conversation"),
        "no run": (vouchers(lambda: f"{activity.info().task_queue}-{activity.info().activity_id}"), "and the run's"),
        "not called": (vouchers(lambda: takeover.idempotency_key), "Call it: `idempotency_key()`"),
        "returns nothing": (vouchers(step, returns=False), "`return` what it returns"),
    },
}
STUBS = {
    "3.1": shipping(unfinished),
    "3.2": no_use,
    "3.3": no_pay,
    "3.4": vouchers(unfinished),
}
