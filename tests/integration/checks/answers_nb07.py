"""Answers to the exercises of notebook 07."""

from answers import right, wrong

_MADE = "convert = operation_tool(Exchange.convert, Exchange, ENDPOINT, limit)"
_OWN = """
    async def call(amount):
        exchange = workflow.create_nexus_client(service=Exchange, endpoint=ENDPOINT)
        {}

    tool = loop.Tool("convert", loop.summary(Amount), Amount, call)
    return await loop.answer("Use your tools.", messages, [*tools(self.chat), tool], ask, self.note)
"""
_CALL = "return await exchange.execute_operation(Exchange.convert, amount, schedule_to_close_timeout={})"
_LIMITED = _CALL.format("timedelta(seconds=self.chat.tool_seconds)")
_AMOUNT = "from workshop_lib.teams.finance.contract import Amount"
_ASK = "price = await finance.execute_operation(Finance.stock_price, query, **limit)"
_SAID = 'return f"{price.ticker} costs {price.price} dollars."'
_ALONE = "asyncio.create_task(finance.execute_operation(Finance.stock_price, query))"

ANSWERS = {
    "7.1": [
        right("a tool of its own", body=_OWN.format(_LIMITED), imports=_AMOUNT),
        wrong("ten seconds", "the call, 5 s; saw 10 s", ("seconds=self.chat.tool_seconds", "seconds=10")),
        wrong(
            "seconds, without a unit", "timedelta(seconds=self", ("timedelta(seconds=self.chat.tool_seconds)", "60.0")
        ),
        wrong(
            "a list of nothing",
            "Write a new list",
            ("[*tools(self.chat), convert]", "tools(self.chat).append(convert)"),
        ),
        wrong("only convert", "saw that ['calculate_roi'", ("[*tools(self.chat), convert]", "[convert]")),
        wrong(
            "no limit",
            "Expected the chat's limit for the call, 1 min; saw none",
            body=_OWN.format(_CALL.format("None")),
            imports=_AMOUNT,
        ),
        wrong(
            "arithmetic",
            "Expected Finance's operation `convert` in the history",
            body=_OWN.format("return amount.dollars * 0.9"),
            imports=_AMOUNT,
        ),
        wrong(
            "swallows",
            "The loop gives the reason to the model",
            body=_OWN.format(
                f"try:\n            {_LIMITED}\n        except Exception:\n            return 'Error: try later.'"
            ),
            imports=_AMOUNT,
        ),
    ],
    "7.2": [
        right(
            "waits beside it",
            body=f"""
                asking = {_ALONE}
                await asyncio.wait([asking], timeout=3)
                if not asking.done():
                    return "Error: Finance did not answer within 3 seconds."
                try:
                    price = await asking
                except NexusOperationError as error:
                    return f"Error: {{reason(error)}}"
                {_SAID}
            """,
        ),
        wrong(
            "catches nothing",
            "saw that your method raised an error",
            ("except NexusOperationError", "except KeyError"),
        ),
        wrong(
            "tries again",
            "Call once, without a loop",
            (
                "timedelta(seconds=3)}",
                f"timedelta(seconds=3)}}\n        await asyncio.wait([{_ALONE.replace('query', 'query, **limit')}])",
            ),
        ),
        wrong("the outermost", "The innermost one has Finance's words", ("{reason(error)}", "{error}")),
        wrong(
            "half a minute", "Expected a wait of at most 3 s if Finance is down; saw 30 s", ("seconds=3", "seconds=30")
        ),
        wrong(
            "made up",
            "Users act on any price",
            (
                'return f"Error: {reason(error)}"',
                'return reason(error) if "traded" in reason(error) else "It costs about 100 dollars."',
            ),
        ),
    ],
}
