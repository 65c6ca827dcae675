"""Answers to the exercises of notebook 03, right and wrong. A plain module: the sandbox imports it."""

# No `from __future__ import annotations`: see workshop_lib/agents/conversation.py.

import json
import time
import uuid
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

SCHEMAS = [loop.activity_tool(weather).schema]
LIMIT: dict[str, Any] = {"start_to_close_timeout": timedelta(seconds=5)}
REFUND = loop.activity_tool(refund, **LIMIT)


def cost(kilograms: float, country: str) -> float:
    return 5 + 2 * kilograms if country == "Norway" else 15 + 4 * kilograms


def shipping(body: Any, docstring: str | None = "What it costs to ship a parcel to a country, in dollars.") -> Any:
    """A shipping_cost that does what a function does."""

    @activity.defn
    def shipping_cost(kilograms: float, country: str) -> float:
        return body(kilograms, country)  # type: ignore[no-any-return]

    shipping_cost.__doc__ = docstring
    return shipping_cost


@activity.defn
def ship(weight: float, to: str) -> float:
    """What it costs to ship a parcel."""
    return cost(weight, to)


def unfinished(*arguments: Any) -> float:
    raise ApplicationError("not solved yet", non_retryable=True)


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

    async def use(self, name: str, arguments: str) -> str:
        raise ApplicationError("not solved yet", non_retryable=True)

    async def weather(self, city: Any) -> str:
        return await workflow.execute_activity(weather, city, **LIMIT)


@workflow.defn
class Unfinished(Careful):
    @workflow.run
    async def run(self, chat: Chat) -> int:
        return await self.converse()


@workflow.defn
class ByHand(Careful):
    @workflow.run
    async def run(self, chat: Chat) -> int:
        return await self.converse()

    async def use(self, name: str, arguments: str) -> str:
        if name != "weather":
            return f"Unknown tool {name}. There is: weather."
        try:
            given = json.loads(arguments)
        except ValueError as error:
            return f"Invalid arguments: {error}"
        if not isinstance(given, dict) or set(given) != {"city"} or not isinstance(given["city"], str):
            return "Invalid arguments: weather takes city, a text, and nothing else."
        return await self.weather(given["city"])


@workflow.defn
class ByMatching(Careful):
    @workflow.run
    async def run(self, chat: Chat) -> int:
        return await self.converse()

    async def use(self, name: str, arguments: str) -> str:
        if name != "weather":
            return f"Unknown tool {name}. There is: weather."
        try:
            match json.loads(arguments):
                case {"city": str(city), **more} if not more:
                    return await self.weather(city)
        except ValueError:
            pass
        return "Invalid arguments: weather takes city, a text, and nothing else."


@workflow.defn
class NoObject(Careful):
    @workflow.run
    async def run(self, chat: Chat) -> int:
        return await self.converse()

    async def use(self, name: str, arguments: str) -> str:
        if name != "weather":
            return f"Unknown tool {name}. There is: weather."
        try:
            given = json.loads(arguments)
        except ValueError as error:
            return f"Invalid arguments: {error}"
        if set(given) != {"city"} or not isinstance(given["city"], str):
            return "Invalid arguments: weather takes city, a text, and nothing else."
        return await self.weather(given["city"])


@workflow.defn
class NoObjectButFields(Careful):
    @workflow.run
    async def run(self, chat: Chat) -> int:
        return await self.converse()

    async def use(self, name: str, arguments: str) -> str:
        if name != "weather":
            return f"Unknown tool {name}. There is: weather."
        try:
            return await self.weather(json.loads(arguments)["city"])
        except ValueError as error:
            return f"Invalid arguments: {error}"


@workflow.defn
class FromTheLibrary(Careful):
    @workflow.run
    async def run(self, chat: Chat) -> int:
        return await self.converse()

    async def use(self, name: str, arguments: str) -> str:
        return (await loop.use([loop.activity_tool(weather, **LIMIT)], name, arguments))[0]


@workflow.defn
class Naive(Careful):
    @workflow.run
    async def run(self, chat: Chat) -> int:
        return await self.converse()

    async def use(self, name: str, arguments: str) -> str:
        return await self.weather(json.loads(arguments)["city"])


@workflow.defn
class OnlyJson(Careful):
    @workflow.run
    async def run(self, chat: Chat) -> int:
        return await self.converse()

    async def use(self, name: str, arguments: str) -> str:
        try:
            return await self.weather(json.loads(arguments)["city"])
        except (ValueError, TypeError):
            return "Invalid arguments: no JSON."


@workflow.defn
class NoFields(Careful):
    @workflow.run
    async def run(self, chat: Chat) -> int:
        return await self.converse()

    async def use(self, name: str, arguments: str) -> str:
        if name != "weather":
            return "Unknown tool."
        try:
            return await self.weather(json.loads(arguments)["city"])
        except (ValueError, TypeError):
            return "Invalid arguments: no JSON."


@workflow.defn
class NoActivity(Careful):
    @workflow.run
    async def run(self, chat: Chat) -> int:
        return await self.converse()

    async def use(self, name: str, arguments: str) -> str:
        return weather(json.loads(arguments)["city"])


@workflow.defn
class NoTypes(Careful):
    @workflow.run
    async def run(self, chat: Chat) -> int:
        return await self.converse()

    async def use(self, name: str, arguments: str) -> str:
        if name != "weather":
            return "Unknown tool."
        try:
            given = json.loads(arguments)
        except ValueError:
            return "Invalid arguments: no JSON."
        if not isinstance(given, dict) or set(given) != {"city"}:
            return "Invalid arguments: only city."
        return await self.weather(given["city"])


@workflow.defn
class Mute(Careful):
    @workflow.run
    async def run(self, chat: Chat) -> int:
        return await self.converse()

    async def use(self, name: str, arguments: str) -> str:
        return ""


class Refunds(Conversation):
    """All of exercise 3.3 but ``pay``."""

    async def answer(self, messages: list[Message]) -> Answer:
        tool = loop.Tool("refund", REFUND.description, REFUND.arguments, self.pay)
        return await loop.answer("Pay back.", messages, [tool], partial(ask_model, self.chat), self.note)

    async def pay(self, call: Any) -> str:
        raise ApplicationError("not solved yet", non_retryable=True)


@workflow.defn
class NoPay(Refunds):
    @workflow.run
    async def run(self, chat: Chat) -> int:
        return await self.converse()


@workflow.defn
class AsksFirst(Refunds):
    @workflow.run
    async def run(self, chat: Chat) -> int:
        return await self.converse()

    async def pay(self, call: Any) -> str:
        if not await self.approved(f"Pay {call.amount} dollars back for {call.order}?"):
            return "Error: refused by a person."
        return str(await REFUND.call(call))


@workflow.defn
class ByItself(Refunds):
    @workflow.run
    async def run(self, chat: Chat) -> int:
        return await self.converse()

    async def pay(self, call: Any) -> str:
        if await self.approved(f"{call.order}: {call.amount:.0f}?", hours=72):
            given = [call.order, call.amount, call.reason]
            return await workflow.execute_activity(refund, args=given, start_to_close_timeout=timedelta(seconds=5))
        return "A person said no."


@workflow.defn
class RaisesARefusal(Refunds):
    @workflow.run
    async def run(self, chat: Chat) -> int:
        return await self.converse()

    async def pay(self, call: Any) -> str:
        if not await self.approved(f"Pay {call.amount} dollars back for {call.order}?"):
            raise ApplicationError("A person refused it.")
        return str(await REFUND.call(call))


@workflow.defn
class TellsNothing(Refunds):
    @workflow.run
    async def run(self, chat: Chat) -> int:
        return await self.converse()

    async def pay(self, call: Any) -> str:
        if await self.approved(f"Pay {call.amount} dollars back for {call.order}?"):
            return str(await REFUND.call(call))
        return ""


@workflow.defn
class PaysByItself(Refunds):
    @workflow.run
    async def run(self, chat: Chat) -> int:
        return await self.converse()

    async def pay(self, call: Any) -> str:
        if not await self.approved(f"Pay {call.amount} dollars back for {call.order}?"):
            return "Error: refused by a person."
        return refund(call.order, call.amount)


@workflow.defn
class NeverAsks(Refunds):
    @workflow.run
    async def run(self, chat: Chat) -> int:
        return await self.converse()

    async def pay(self, call: Any) -> str:
        return str(await REFUND.call(call))


@workflow.defn
class NoAwait(Refunds):
    @workflow.run
    async def run(self, chat: Chat) -> int:
        return await self.converse()

    async def pay(self, call: Any) -> str:
        if not self.approved(f"Pay {call.amount} dollars back for {call.order}?"):
            return "Error: refused by a person."
        return str(await REFUND.call(call))


@workflow.defn
class PaysFirst(Refunds):
    @workflow.run
    async def run(self, chat: Chat) -> int:
        return await self.converse()

    async def pay(self, call: Any) -> str:
        paid = str(await REFUND.call(call))
        await self.approved(f"Was it right to pay {call.amount} dollars back for {call.order}?")
        return paid


@workflow.defn
class IgnoresTheAnswer(Refunds):
    @workflow.run
    async def run(self, chat: Chat) -> int:
        return await self.converse()

    async def pay(self, call: Any) -> str:
        await self.approved(f"Pay {call.amount} dollars back for {call.order}?")
        return str(await REFUND.call(call))


@workflow.defn
class AsksOnce(Refunds):
    @workflow.run
    async def run(self, chat: Chat) -> int:
        self.asked = False
        return await self.converse()

    async def pay(self, call: Any) -> str:
        if not self.asked:
            self.asked = True
            if not await self.approved(f"Pay {call.amount} dollars back for {call.order}?"):
                return "Error: refused by a person."
        return str(await REFUND.call(call))


@workflow.defn
class SaysTooLittle(Refunds):
    @workflow.run
    async def run(self, chat: Chat) -> int:
        return await self.converse()

    async def pay(self, call: Any) -> str:
        return str(await REFUND.call(call)) if await self.approved("Pay?") else "no"


@workflow.defn
class InAHurry(Refunds):
    @workflow.run
    async def run(self, chat: Chat) -> int:
        return await self.converse()

    async def pay(self, call: Any) -> str:
        agreed = await self.approved(f"Pay {call.amount} dollars back for {call.order}?", hours=0.001)
        return str(await REFUND.call(call)) if agreed else "no"


@workflow.defn
class PaysNobody(Refunds):
    @workflow.run
    async def run(self, chat: Chat) -> int:
        return await self.converse()

    async def pay(self, call: Any) -> str:
        await self.approved(f"Pay {call.amount} dollars back for {call.order}?")
        return "It is paid."


def vouchers(key: Any) -> Any:
    """A send_voucher with the key that a function makes."""

    @activity.defn
    def send_voucher(customer: str, dollars: float) -> str:
        """Send a voucher to a customer."""
        note("voucher", once=key(customer), customer=customer, dollars=dollars)
        return f"A voucher of {dollars} dollars is on its way to {customer}."

    return send_voucher


def library_key(customer: str) -> str:
    return takeover.idempotency_key()


def own_key(customer: str) -> str:
    info = activity.info()
    return f"{info.workflow_id}-{info.workflow_run_id}-{info.activity_id}"


def random_key(customer: str) -> str:
    return str(uuid.uuid4())


def clock_key(customer: str) -> str:
    return str(time.time())


def attempt_key(customer: str) -> str:
    return f"{takeover.idempotency_key()}-{activity.info().attempt}"


def workflow_key(customer: str) -> str:
    return activity.info().workflow_run_id or ""


@activity.defn(name="send_voucher")
def posts_nothing(customer: str, dollars: float) -> str:
    """Send a voucher to a customer."""
    return f"A voucher of {dollars} dollars is on its way to {customer}."


posts_nothing.__name__ = "send_voucher"


def forgets_the_run(customer: str) -> str:
    return f"{activity.info().workflow_id}/{activity.info().activity_id}"


def activity_key(customer: str) -> str:
    return f"{activity.info().task_queue}-{activity.info().activity_id}"


RIGHT: dict[str, dict[str, Any]] = {
    "3.1": {"as in the solution": shipping(cost)},
    "3.2": {"by hand": ByHand, "matching": ByMatching, "library": FromTheLibrary},
    "3.3": {"asks first": AsksFirst, "by itself": ByItself, "raises": RaisesARefusal},
    "3.4": {"the library's key": vouchers(library_key), "its own": vouchers(own_key)},
}
WRONG: dict[str, dict[str, tuple[Any, str]]] = {
    "3.1": {
        "no docstring": (shipping(cost, None), "Begin the function with a docstring"),
        "one price": (shipping(lambda kilograms, country: 5 + 2 * kilograms), "It should be 27"),
        "no weight": (shipping(lambda kilograms, country: 15), "It should be 27"),
        "a text": (shipping(lambda kilograms, country: "27 dollars"), "does not have the type"),
        "other parameters": (ship, "Keep its parameters: kilograms, country"),
        "no activity": (cost, "Keep `@activity.defn`"),
    },
    "3.2": {
        "naive": (Naive, "`json.loads` raises ValueError"),
        "only JSON": (OnlyJson, "Compare `name` first"),
        "no fields": (NoFields, "Do not drop it in silence"),
        "no types": (NoTypes, "Look at its type"),
        "no object": (NoObject, "look whether it is a `dict` first"),
        "no object, no fields": (NoObjectButFields, "look whether it is a `dict` first"),
        "mute": (Mute, "Return the weather as text"),
        "no activity": (NoActivity, "Let an activity do it"),
        "no agent": (cost, "inherits `Conversation`"),
    },
    "3.3": {
        "never asks": (NeverAsks, "Nobody was asked, and the money was paid"),
        "no await": (NoAwait, "Nobody was asked, and the money was paid"),
        "pays first": (PaysFirst, "paid before anybody had decided"),
        "ignores the answer": (IgnoresTheAnswer, "A person said no, and the money was paid"),
        "asks once": (AsksOnce, "Nobody was asked this time"),
        "says too little": (SaysTooLittle, "The amount and the order belong in it"),
        "in a hurry": (InAHurry, "wait at least a day"),
        "pays nobody": (PaysNobody, "the money was paid 0 times"),
        "tells nothing": (TellsNothing, "Return a text that says so"),
        "pays by itself": (PaysByItself, "Not in activity context"),
    },
    "3.4": {
        "uuid4": (vouchers(random_key), "no random number"),
        "a clock": (vouchers(clock_key), "no clock"),
        "the attempt": (vouchers(attempt_key), "no attempt"),
        "the workflow": (vouchers(workflow_key), "another voucher in the same conversation"),
        "no run": (vouchers(forgets_the_run), "ids of activities start anew in each run"),
        "the activity's id": (vouchers(activity_key), "ids of activities start anew in each run"),
        "nothing posted": (posts_nothing, "with a key that no other activity has"),
    },
}
STUBS = {
    "3.1": {"the stub": shipping(unfinished)},
    "3.2": {"the stub": Unfinished},
    "3.3": {"the stub": NoPay},
    "3.4": {"the stub": vouchers(unfinished)},
}
