"""Answers to the exercises of notebook 08."""

from answers import right, wrong

_OWN = """
    async def exchange(dollars: float, currency: Literal['EUR', 'GBP', 'JPY']) -> str:
        '''Convert dollars to another currency.'''
        client = workflow.create_nexus_client(service=Exchange, endpoint=ENDPOINT)
        limit = timedelta(seconds=self.chat.tool_seconds)
        given = Amount(dollars, currency)
        made = await client.execute_operation(Exchange.convert, given, schedule_to_close_timeout=limit)
        return f"{{made.amount}} {{made.currency}}"

    mine = [*tools(self.chat), function_tool(exchange, {})]
    return Agent("mine", instructions="Use your tools.", tools=mine, model=self.chat.model)
"""
_IMPORTS = """
from typing import Literal

from agents import function_tool
from workshop_lib.teams.finance.contract import Amount
"""
_PATTERN = r'r"(?<!\d)\d{4}([ -]?\d{4}){3}(?!\d)"'
_TELL = 'await workflow.execute_activity(tell_security, "a card number", **LIMIT)'

ANSWERS = {
    "8.1": [
        right("a tool of its own", body=_OWN.format("failure_error_function=None"), imports=_IMPORTS),
        wrong(
            "minutes",
            "Expected the chat's limit for the call, 1 min; saw 4 min",
            ("seconds=self.chat.tool_seconds", "minutes=4"),
        ),
        wrong("no model", "which the chat names", (", model=self.chat.model", "")),
        wrong("swallows", "Catch nothing in your tool", body=_OWN.format(""), imports=_IMPORTS),
        wrong(
            "the bare operation",
            "Unsupported tool type",
            ("[*tools(self.chat), convert]", "[*tools(self.chat), Exchange.convert]"),
        ),
    ],
    "8.2": [
        right(
            "an object",
            (_PATTERN, r'r"\b(?:\d{16}|\d{4}( \d{4}){3}|\d{4}(-\d{4}){3})\b"'),
            ("    @input_guardrail(run_in_parallel=False)\n", ""),
            ("return no_cards", 'return InputGuardrail(no_cards, name="cards", run_in_parallel=False)'),
            imports="from agents import InputGuardrail",
        ),
        wrong(
            "in parallel",
            "With `@input_guardrail(run_in_parallel=False)`, the model waits",
            ("(run_in_parallel=False)", ""),
        ),
        wrong("tells nobody", "reports to Security; saw 0", (_TELL, "pass")),
        wrong("refuses twenty digits", "Refuse only 16 digits", (_PATTERN, r'r"(\d{4}[ -]?){4}"')),
        wrong("only in a row", "Expected a refusal", (_PATTERN, r'r"\b\d{16}\b"')),
        wrong("raises", "with its tripwire triggered", (_TELL, "raise ApplicationError(why, non_retryable=True)")),
    ],
}
