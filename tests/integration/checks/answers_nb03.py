"""Answers to the exercises of notebook 03."""

from __future__ import annotations

from answers import right, wrong

_AGAIN = "Call `await self.approved(…)` in `pay`, each time"
_STEP = '"{0.workflow_id}-{0.workflow_run_id}-{0.activity_id}".format(activity.info())'
_ASK = 'if not await self.approved(f"Pay {call.amount} dollars back for {call.order}?"):'
_CASE = 'case {"city": str(city), **more} if not more:'
_UNKNOWN = 'if name != "weather":'
_CALLED = """await workflow.execute_activity(
                    weather, city, start_to_close_timeout=LIMIT
                )"""

ANSWERS = {
    "3.1": [
        right(
            "other words",
            ("What it costs to ship a parcel to a country, in dollars.", "Price of a delivery by weight."),
        ),
        wrong("no docstring", "Begin the function with a docstring", ('"""What', 'f"""What')),
        wrong(
            "says nothing",
            "in a customer's words: ship, parcel, cost",
            body='"""Does stuff."""\nreturn 5 + 2 * kilograms if country == "Norway" else 15 + 4 * kilograms',
        ),
        wrong("one price", "To any other country: 15 and 4", ("if home else 15 + 4 * kilograms", "")),
        wrong("other parameters", "Keep its parameters: kilograms, country", ("kilograms", "kilos")),
        wrong("no activity", "Keep `@activity.defn`", ("@activity.defn", "")),
    ],
    "3.2": [
        right(
            "the library's",
            body="return (await use([activity_tool(weather, start_to_close_timeout=LIMIT)], name, arguments))[0]",
            imports="from workshop_lib.agents.loop import use",
        ),
        wrong("any text", "Catch the `ValueError` of `json.loads`", ("except ValueError", "except KeyError")),
        wrong("any JSON", "is it a `dict`? Look first", ("match given:", 'match given or {"city": given["city"]}:')),
        wrong("any name", "Compare `name` first", (_UNKNOWN, "if False:")),
        wrong("any field", "Do not drop it: the user may want it", (_CASE, _CASE.replace(" if not more", ""))),
        wrong("any type", "Look at its type first", (_CASE, 'case {"city": city, **more} if not more:')),
        wrong(
            "calls the function",
            "Let an activity do it",
            (
                _CALLED,
                "weather(city)",
            ),
        ),
        wrong(
            "says only that it is wrong",
            "what was wrong and what would be right",
            ("Invalid arguments: weather takes city, a text, and nothing else.", "Invalid arguments"),
        ),
    ],
    "3.3": [
        right(
            "by itself, in other words",
            (
                _ASK,
                _ASK.replace("Pay {call.amount} dollars back for {call.order}?", "{call.order}: {call.amount:.0f}?"),
            ),
            (
                "REFUND.call(call)",
                "workflow.execute_activity(refund, args=[call.order, call.amount, call.reason], **SHORT)",
            ),
            ('return "Error: refused by a person."', 'raise ApplicationError("A person refused it.")'),
            imports="from datetime import timedelta\n\nSHORT = {'start_to_close_timeout': timedelta(seconds=9)}",
        ),
        wrong("never asks", _AGAIN, (_ASK, "if False:")),
        wrong(
            "pays first",
            "Expected no payment before anybody has decided",
            (_ASK, f"paid = await REFUND.call(call)\n        {_ASK}"),
            ("return await REFUND.call(call)", "return paid"),
        ),
        wrong(
            "ignores the decision",
            "Expected no payment, because a person said no",
            ('return "Error: refused by a person."', "pass"),
        ),
        wrong(
            "asks once",
            _AGAIN,
            (
                _ASK,
                f"asked, self.asked = hasattr(self, 'asked'), True\n        {_ASK.replace('if', 'if not asked and')}",
            ),
        ),
        wrong(
            "says too little",
            "Expected a question with 30 and sale-",
            (" {call.amount} dollars back for {call.order}", ""),
        ),
        wrong("in a hurry", "Expected a day for the person", ('{call.order}?")', '{call.order}?", hours=0.001)')),
        wrong(
            "lies",
            "Expected the model to be told that a person said no",
            ("Error: refused by a person.", "30.0 dollars are paid back."),
        ),
    ],
    "3.4": [
        right("its own key", ("idempotency_key()", _STEP)),
        wrong("uuid4", "no random number", ("idempotency_key()", "str(uuid4())"), imports="from uuid import uuid4"),
        wrong("the attempt", "no attempt in it", ("idempotency_key()", f"{_STEP} + str(activity.info().attempt)")),
        wrong(
            "the run",
            "Each voucher needs its own key",
            ("idempotency_key()", "activity.info().workflow_run_id"),
        ),
        wrong(
            "no run",
            "and the run's",
            ("idempotency_key()", '"{0.task_queue}-{0.activity_id}".format(activity.info())'),
        ),
        wrong("not called", "Call it: `idempotency_key()`", ("idempotency_key()", "idempotency_key")),
    ],
}
