"""Answers to the exercises of notebook 12, right and wrong."""

from answers import right, wrong

_ID, _DECIDED = 'f"vacation-{ctx.request_id}"', "await workflow.wait_condition(lambda: self.decision is not None)"
_GUARD, _THREE = 'interceptors=[Allowlist([ws.namespace("default")])],', 'operation(each, HumanResources, "hr", limit)'
_HR = "from temporalio import workflow\nwith workflow.unsafe.imports_passed_through():\n    import hr_worker"

ANSWERS = {
    "12.1": [
        right("another id", (_ID, 'f"{request.employee} {ctx.request_id}"')),
        right(
            "looks again each second", (_DECIDED, "while self.decision is None:\n            await workflow.sleep(1)")
        ),
        wrong("no limit", "Your Workflow's code fails each time it is run", (", start_to_close_timeout=limit", "")),
        wrong("an id for each attempt", "All attempts have the same `request_id`", (_ID, "str(uuid4())")),
        wrong("an id for each employee", "Each call has its own", (_ID, 'f"vacation-{request.employee}"')),
        wrong("does not wait", "It waits: `await workflow.wait_condition", (_DECIDED, "self.decision = True")),
        wrong("enters what was refused", "Run `enter_vacation`", ("if self.decision:", "if True:")),
        wrong("always says yes", "approved=False", ("bool(self.decision)", "True")),
        wrong("always the same days", "Read `DAYS_LEFT`.", ("DAYS_LEFT[query.employee]", "3")),
    ],
    "12.2": [
        right("a set of callers", (_GUARD, 'interceptors=[Allowlist({ws.namespace("default")})],')),
        wrong("no allowlist", "a refusal of marketing", (_GUARD, "")),
        wrong("no endpoint", "belongs into `worker`", ("    await ws.endpoint(", "    ws.endpoint(")),
        wrong("no limits", "a limit of three days", ("listed}, limits)", "listed})")),
        wrong("no directory", "a directory", ("DirectoryHandler({HumanResources: listed}, limits),", "")),
        wrong(
            "one operation listed",
            "a limit for book_vacation, which is not offered",
            (", HumanResources.book_vacation]", "]"),
        ),
        wrong(
            "another task queue",
            "a Worker on Task Queue 'hr'",
            ('        task_queue="hr",\n', '        task_queue="vacations",\n'),
        ),
        wrong("no activity", "none for ['activity']", ("activities=[enter_vacation],", "")),
    ],
    "12.3": [
        right("a list", imports=_HR, body='return [*super().teams(), *["hr"]]'),
        wrong("no model", "takes the chat's model", (", model=self.chat.model", ""), imports=_HR),
        wrong("no tools", "HrAgent to ask HR", (f"every.append({_THREE})", "pass"), imports=_HR),
        wrong(
            "only the days",
            "give it both operations",
            ("HumanResources.vacation_days, HumanResources.book_vacation", "HumanResources.vacation_days,"),
            imports=_HR,
        ),
        wrong(
            "no limit",
            "a limit of three days for a booking; saw 1 min",
            (_THREE, _THREE.replace("limit", "timedelta(minutes=1)")),
            imports=_HR,
        ),
        wrong("no team", "one more endpoint in `teams`", ('[*super().teams(), "hr"]', "super().teams()"), imports=_HR),
        wrong("without the others", "It keeps the tools", ('[*super().teams(), "hr"]', '["hr"]'), imports=_HR),
        wrong("without its tools", "It keeps the tools", ("tools(self.chat), timedelta", "[], timedelta"), imports=_HR),
    ],
}
