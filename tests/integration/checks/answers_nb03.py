"""Answers to the exercises of notebook 03."""

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
        wrong("no docstring", "Start the function with a docstring", ('"""What', 'f"""What')),
        wrong(
            "says nothing",
            "Start the function with a docstring",
            ("What it costs", "Does stuff"),
            ("to ship a parcel to a country, in dollars", ""),
        ),
        wrong("one price", "To any other country, it costs 15 and 4", ("if home else 15 + 4 * kilograms", "")),
        wrong("other parameters", "Keep the parameters as they were", ("kilograms", "kilos")),
        wrong("no activity", "Keep `@activity.defn`", ("@activity.defn", "")),
    ],
    "3.2": [
        right(
            "the library's",
            body="return (await use([activity_tool(weather, start_to_close_timeout=LIMIT)], name, arguments))[0]",
            imports="from workshop_lib.agents.loop import use",
        ),
        wrong("any text", "Catch the `ValueError` of `json.loads`", ("except ValueError", "except KeyError")),
        wrong("no reason", "Catch the `ValueError` of `json.loads`", ("arguments: {error}", "arguments")),
        wrong("any JSON", "Is it a `dict`? Look first", ("match given:", 'match given or {"city": given["city"]}:')),
        wrong("any name", "Compare `name` first", (_UNKNOWN, "if False:")),
        wrong("any field", "Don't drop the extra field", (_CASE, _CASE.replace(" if not more", ""))),
        wrong("any type", "Look at the type first", (_CASE, 'case {"city": city, **more} if not more:')),
        wrong("calls the function", "Let an Activity do it", (_CALLED, "weather(city)")),
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
            "Expected a question that names 30 and sale-",
            (" {call.amount} dollars back for {call.order}", ""),
        ),
        wrong(
            "lies",
            "Expected the model to learn that a person said no",
            ("Error: refused by a person.", "30.0 dollars are paid back."),
        ),
    ],
    "3.4": [
        right("its own key", ("idempotency_key()", _STEP)),
        wrong("uuid4", "no random number", ("idempotency_key()", "str(uuid4())")),
        wrong("the run", "Each voucher needs its own key", ("idempotency_key()", "activity.info().workflow_run_id")),
        wrong(
            "no run",
            "and the run's",
            ("idempotency_key()", '"{0.task_queue}-{0.activity_id}".format(activity.info())'),
        ),
        wrong("no return", "`return` what `post_voucher` returns", ("return post_voucher", "post_voucher")),
        wrong("not called", "Call it: `idempotency_key()`", ("idempotency_key()", "idempotency_key")),
        wrong("the other way round", "the customer first", ("(customer, dollars, i", "(dollars, customer, i")),
    ],
}
