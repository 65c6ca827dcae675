"""Answers to the exercises of notebook 01."""

from answers import right, wrong

_FUNCTIONS = "(check_fraud, prepare_shipment, charge_customer, ship_order)"
_SWALLOWED = """
    try:
        await workflow.execute_activity(check_fraud, order, start_to_close_timeout=timedelta(seconds=5))
        await workflow.execute_activity(prepare_shipment, order, start_to_close_timeout=timedelta(seconds=5))
    except Exception:
        return None
    charge = await workflow.execute_activity(charge_customer, order, start_to_close_timeout=timedelta(seconds=5))
    parcel = await workflow.execute_activity(ship_order, order, start_to_close_timeout=timedelta(seconds=5))
    return Receipt(order.id, charge, parcel)
"""
_SWAPPED = (("check_fraud, order", "prepare_shipment , order"), ("prepare_shipment, order", "check_fraud, order"))
_GATHER = "await asyncio.gather(do(activities.check_fraud), do(activities.prepare_shipment))"
_CANCEL = 'def cancel(self) -> None:\n        self._choice = "cancel"'
_WAIT = 'await workflow.wait_condition(lambda: self._choice != "", timeout=THREE_DAYS)'
_LATER = "except TimeoutError:\n            pass"

ANSWERS = {
    "1.1": [
        right(
            "in a loop, by name",
            body="""
                results = []
                for step in ("check_fraud", "prepare_shipment", "charge_customer", "ship_order"):
                    limit = timedelta(seconds=5)
                    results.append(await workflow.start_activity(step, order, schedule_to_close_timeout=limit))
                return Receipt(order.id, results[2], results[3])
            """,
        ),
        wrong(
            "an object",
            "Give the check the class itself",
            ("charge, parcel)", "charge, parcel)\n\n\nMyOrder = MyOrder()"),
        ),
        wrong(
            "plain calls",
            "A plain call of the function is not recorded",
            body=f"""
                results = [step(order) for step in {_FUNCTIONS}]
                return Receipt(order.id, results[2], results[3])
            """,
        ),
        wrong(
            "local ones", "A Local Activity is recorded only as a part", ("execute_activity", "execute_local_activity")
        ),
        wrong(
            "one not awaited",
            "Is an `await` missing? `execute_activity` was called",
            ("await workflow.execute_activity(\n            check_fraud", "workflow.execute_activity(\n  check_fraud"),
        ),
        wrong(
            "no limit",
            "Give each call `start_to_close_timeout=timedelta(seconds=5)`",
            ("check_fraud, order, start_to_close_timeout=limit", "check_fraud, order"),
        ),
        wrong("swallowed", "Let the step's error pass through", body=_SWALLOWED),
        wrong("another order", "Take the steps in the order of the text", *_SWAPPED),
        wrong("no return", "Does your code say `return`?", ("return Receipt(", "Receipt(")),
    ],
    "1.2": [
        right(
            "joins the one that runs",
            ('task_queue="orders"', 'task_queue="orders", id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING'),
        ),
        wrong("any id", "The same order must always get the same id", ("id=order.id", "id=str(uuid4())")),
        wrong(
            "reused",
            "Say that a used id stays taken",
            ("id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,", ""),
        ),
        wrong(
            "uncaught", "Catch `WorkflowAlreadyStartedError`", ("except WorkflowAlreadyStartedError", "except KeyError")
        ),
        wrong("not awaited", "Is an `await` missing? `start_workflow` was called", ("return await", "return")),
        wrong("awaited twice", "without `await`", ("return client.get", "return await client.get")),
        wrong(
            "nothing started",
            "A handle starts nothing",
            body="return client.get_workflow_handle_for(ProcessOrder.run, order.id)",
        ),
    ],
    "1.3": [
        right(
            "an async update that returns a text",
            (_CANCEL, f"{_CANCEL.replace('def', 'async def').replace('None', 'str')}\n        return 'as you wish'"),
            ("except TimeoutError", "except Exception"),
        ),
        wrong("no update", "Is `@workflow.update` above", (f"@workflow.update\n    {_CANCEL}", _CANCEL)),
        wrong("not woken", "does the condition look at it?", ('self._choice != ""', 'self._choice == "ship"')),
        wrong(
            "not looked at",
            "After the wait, look whether the customer has cancelled",
            ('if self._choice == "cancel"', "if False"),
        ),
        wrong(
            "polls",
            "Don't ask again and again",
            (_WAIT, 'while self._choice == "":\n                await workflow.sleep(0.2)'),
        ),
        wrong(
            "three days are over", "Keep the `try` and `except TimeoutError`", (_LATER, "finally:\n            pass")
        ),
    ],
    "1.4": [
        right(
            "started",
            (
                _GATHER,
                """first = workflow.start_activity(activities.check_fraud, order, start_to_close_timeout=LIMIT)
        await do(activities.prepare_shipment)
        await first""",
            ),
        ),
        wrong(
            "one by one",
            "Give both to `asyncio.gather`",
            (_GATHER, "await do(activities.check_fraud)\n        await do(activities.prepare_shipment)"),
        ),
        wrong(
            "one not awaited",
            "Expected no charge, because Mallory is blocked",
            (
                _GATHER,
                """workflow.start_activity(activities.check_fraud, order, start_to_close_timeout=LIMIT)
        await do(activities.prepare_shipment)""",
            ),
        ),
    ],
}
