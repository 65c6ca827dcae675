"""Answers to the exercises of notebook 06."""

from answers import right, wrong

_PASS = "return await super().execute_nexus_operation_start(input)"
_REFUSAL = 'raise HandlerError(f"{who} may not call {operation}.", type=kind)'
_SPEND = "self.verifier.spend(claims, ctx.request_id)"
_ELSEWHERE = """
    client = await Client.connect(**await Workshop.current.connection())

    def there(link):
        return Client(client.service_client, namespace=link.namespace).get_workflow_handle(link.workflow_id)

    told = await history(handle)
    {}
    return f"{{told.namespace}}/{{told.workflow_id}}"
"""
_FIRST = """
    first = {}.histories[0]
    return f"{{first.namespace}}/{{first.workflow_id}}"
"""
_HISTORY = "from workshop_lib.evidence.history import history"

ANSWERS = {
    "6.1": [
        right("unclear is nobody", ('raise HandlerError(f"{operation}: {error}", type=kind) from None', 'who = ""')),
        wrong("PermissionError", "is final for Nexus", (_REFUSAL, 'raise PermissionError("no")')),
        wrong(
            "unclear is fine",
            "If nobody knows who calls, refuse",
            ('raise HandlerError(f"{operation}: {error}", type=kind) from None', _PASS),
        ),
        wrong("KeyError", "`RULES.get(operation, [])` is empty", ("RULES.get(operation, [])", "RULES[operation]")),
        wrong(
            "too late",
            "Expected a refusal before the operation runs",
            ("        try:", f"        result = {_PASS.removeprefix('return ')}\n        try:"),
            (_PASS, "return result"),
        ),
        wrong(
            "says nothing",
            "Expected a refusal that names marketing and stock_price",
            (_REFUSAL, 'raise HandlerError("Forbidden.", type=kind)'),
        ),
    ],
    "6.2": [
        right(
            "the library's verifier first",
            (_SPEND, ""),
            (
                "return SignedDoorFor(next, self.verifier)",
                "return self.verifier.intercept_nexus_operation(SignedDoorFor(next, self.verifier))",
            ),
        ),
        wrong("no spend", "spend its token", (_SPEND, "")),
        wrong("not awaited", "Let the call pass: `return await", ("return await super", "return super")),
        wrong("no rule", "Compare it with `RULES`", ("claims.namespace not in RULES.get(ctx.operation, [])", "False")),
        wrong(
            "by the links",
            "where marketing signed, and forged a link of sales",
            ("claims.namespace", "caller(ctx.inbound_links)"),
            imports="from workshop_lib.governance.allowlist import caller",
        ),
        wrong("a random request", "under the request's own id", ("ctx.request_id)", "str(uuid4()))")),
        wrong(
            "trusts a header",
            "A caller can write anything into a header",
            ("claims.namespace not", 'ctx.headers.get("caller", claims.namespace) not'),
        ),
    ],
    "6.3": [
        right(
            "up the links",
            body=_ELSEWHERE.format("while told.links:\n        told = await history(there(told.links[0]))"),
            imports=_HISTORY,
        ),
        wrong(
            "the direct caller",
            "a call from sales, made by a child Workflow",
            body="link = (await history(handle)).links[0]\nreturn f'{link.namespace}/{link.workflow_id}'",
            imports=_HISTORY,
        ),
        wrong(
            "in a circle",
            "It goes in a circle",
            body=_ELSEWHERE.format("while told.links:\n        told = await history(handle)"),
            imports=_HISTORY,
        ),
        wrong(
            "in a circle, by its events",
            "It goes in a circle",
            body="while (await anext(handle.fetch_history_events())).event_id:\n    pass",
        ),
        right("one log", body=_FIRST.format("(await unified_log(handle))")),
        wrong(
            "no await",
            "Is an `await` missing? `unified_log` was called",
            body=_FIRST.format("unified_log(handle)"),
        ),
    ],
}
