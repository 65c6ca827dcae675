"""Answers to the exercises of notebook 05."""

from answers import right, wrong

_CALL = "return await it.execute_operation"
_ID = 'id = f"host-{ctx.request_id}"'
_LIMITED = "IT.get_ip, query, schedule_to_close_timeout=timedelta(seconds=10)"
_CAUGHT = f"""
    it = workflow.create_nexus_client(service=IT, endpoint=ENDPOINT)
    try:
        return await it.execute_operation({_LIMITED})
    except Exception as error:
        return {{}}
"""
_TWO_STEPS = (
    f"return await it.execute_operation({_LIMITED})",
    f"begun = await it.start_operation({_LIMITED})\n        return await begun",
)
_DOLLARS = '    currency: str = "USD"'
_CONVERT = "PRICES[query.ticker] * rates[query.currency]"
_CURRENCY = 'raise ApplicationError("The currency is USD or EUR.", non_retryable=True)'
_TICKER = "if query.ticker not in PRICES:"
_PATCHED = 'if workflow.patched("note-questions"):'
_PLAIN = 'await workflow.execute_activity(note_question, messages[-1]["content"], start_to_close_timeout=LIMIT)'
_SYNC = """
    @sync_operation
    async def get_ip(self, ctx: StartOperationContext, query: HostQuery) -> HostAddress:
        {}
"""
_SYNC_IMPORTS = """
from nexusrpc.handler import StartOperationContext, sync_operation
from workshop_lib.teams.it.data import address
"""

ANSWERS = {
    "5.1": [
        right(
            "temporal_operation",
            body="""
                @nexus.temporal_operation
                async def get_ip(
                    self, ctx: nexus.TemporalStartOperationContext, client: nexus.TemporalNexusClient, query: HostQuery
                ) -> nexus.TemporalOperationResult[HostAddress]:
                    return await client.start_workflow(FindHost.run, query, id=f"host-{ctx.request_id}")
            """,
        ),
        wrong(
            "computes",
            "saw that your handler answers by itself",
            body=_SYNC.format('return HostAddress(query.host, address(query.host) or "")'),
            imports=_SYNC_IMPORTS,
        ),
        wrong("the host", "Two callers may ask for the same host", (_ID, "id = query.host")),
        wrong("uuid4", "Don't make the id from a clock or a random number", (_ID, "id = str(uuid4())")),
        wrong("returns nothing", "Return what `start_workflow` returns", ("return await ctx", "await ctx")),
    ],
    "5.2": [
        right(
            "starts and waits, and says why not",
            body=_CAUGHT.format('f"Error: no address. {reason(error)}"').replace(*_TWO_STEPS),
            imports="from workshop_lib.evidence.failures import reason",
        ),
        wrong(
            "a timer",
            "A timer of yours only asks for a cancellation",
            (_CALL, "async with asyncio.timeout(10):\n            " + _CALL),
            (", schedule_to_close_timeout=timedelta(seconds=10)", ""),
        ),
        wrong(
            "a child on IT's queue",
            "saw child workflow FindHost in the agent's own history",
            body='return await workflow.execute_child_workflow(FindHost.run, query, task_queue="it")',
            imports="from workshop_lib.teams.it.workflows import FindHost",
        ),
        wrong("only starts", "wait for its result", ("execute_operation", "start_operation")),
        wrong("makes up", "Catch nothing", body=_CAUGHT.format('HostAddress(query.host, "192.0.2.99")')),
        wrong("says the same", "Expected two reasons", body=_CAUGHT.format('f"There is no host {query.host}."')),
    ],
    "5.3": [
        right(
            "a bad request, and None is dollars",
            (
                f"class PriceQuery:\n    ticker: str\n{_DOLLARS}",
                "class PriceQuery:\n    ticker: str\n    currency: str | None = None",
            ),
            body="""
                currency = query.currency or "USD"
                try:
                    price = PRICES[query.ticker] * {"USD": 1, "EUR": EUROS}[currency]
                except KeyError:
                    text = "Take of: USD, EUR, ACME, HOOLI, PIED."
                    raise nexusrpc.HandlerError(text, type=nexusrpc.HandlerErrorType.BAD_REQUEST)
                return Price(query.ticker, round(price, 2), currency)
            """,
        ),
        wrong("required", "at the end of both classes", (_DOLLARS, "    currency: str")),
        wrong("euros by default", "takes euros for dollars", (_DOLLARS, '    currency: str = "EUR"')),
        wrong("divides", "do not divide", ("* rates", "/ rates")),
        wrong("not labeled", "says dollars for a price in euros", (", query.currency)", ")")),
        wrong("KeyError", "saw KeyError: 'GBP', which Nexus retries", (_CURRENCY, "pass")),
        wrong(
            "takes any",
            "Expected a refusal for",
            (_CURRENCY, "pass"),
            (_CONVERT, "PRICES[query.ticker] * rates.get(query.currency, 1)"),
        ),
    ],
    "5.4": [
        right("a patch for each question", (_PATCHED, 'if workflow.patched(f"note-questions-{self.chat.answered}"):')),
        right("a local activity", ("execute_activity", "execute_local_activity")),
        wrong("unpatched", "Take the note only below `if workflow.patched(…):`", (_PATCHED, "if True:")),
        wrong(
            "starts the note", "the note not awaited?", ("await workflow.execute_activity", "workflow.start_activity")
        ),
        wrong("the first message", "Note the newest message", ("messages[-1]", "messages[0]")),
        wrong(
            "asked in run",
            "Ask `workflow.patched(…)` in `answer`",
            ("return await self", 'self.notes = workflow.patched("note-questions")\n        return await self'),
            (_PATCHED, "if self.notes:"),
        ),
        wrong("by itself", "Let the Activity do it", body='note("question", text=messages[-1]["content"])'),
        wrong("not when replaying", "the same in each replay", (_PATCHED, "if not workflow.unsafe.is_replaying():")),
    ],
}
