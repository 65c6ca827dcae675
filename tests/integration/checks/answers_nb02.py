"""Answers to the exercises of notebook 02."""

from answers import right, wrong

_CHARGE = "undo.append(refund_customer)\n            await do(charge_once, order)"

ANSWERS = {
    "2.1": [
        right("always the same pause", ("maximum_interval=timedelta(seconds=1)", "backoff_coefficient=1.0")),
        wrong("three attempts", "gave up after 3 attempts", ("initial", "maximum_attempts=3, initial")),
        wrong("a late first retry", "the first retry after 100 ms; saw 1 s", ("milliseconds=100", "seconds=1")),
        wrong("no longest pause", "grow to 10 s", ("maximum_interval=timedelta(seconds=1),", "")),
        wrong("a text", "a list of texts", ('["CardDeclined"]', '"CardDeclined"')),
        wrong("a number", "A pause is a `timedelta(seconds=…)`", ("timedelta(milliseconds=100)", "0.1")),
    ],
    "2.2": [
        right(
            "the workflow's id, in an async def",
            ("def charge_once", "async def charge_once"),
            ("charge(order, key=order.id)", "await asyncio.to_thread(charge, order, activity.info().workflow_id)"),
        ),
        wrong("no return", "Return what `charge` returns", ("return charge", "charge")),
        wrong("no key", "Send a key: `charge(order, key=…)`", (", key=order.id", "")),
        wrong("uuid4", "not from a clock, a random number", ("order.id)", "str(uuid4()))")),
        wrong("not a text", "The key is a text", ("key=order.id", "key=order")),
        wrong("the activity's id", "Another order needs another key", ("order.id", "activity.info().activity_id")),
    ],
    "2.3": [
        right(
            "nested",
            body="""
                try:
                    await do(prepare_shipment, order)
                    try:
                        await do(charge_once, order)
                        return await do(ship_order, order)
                    except Exception:
                        await do(refund_customer, order)
                        raise
                except Exception:
                    await do(release_shipment, order)
                    raise
            """,
        ),
        wrong("the wrong exception", "raises `ActivityError`", ("except Exception", "except ApplicationError")),
        wrong("no release", "Also undo `prepare_shipment`", ("undo.append(release_shipment)", "")),
        wrong("forwards", "the last one first", ("reversed(undo)", "undo")),
        wrong(
            "noted after",
            "*before* you charge",
            (_CHARGE, "\n            ".join(reversed(_CHARGE.split("\n            ")))),
        ),
        wrong("no raise", "After the undo, `raise`", ("            raise", "            return ''")),
    ],
    "2.4": [
        right(
            "all items, in an async def",
            ("def pack_all", "async def pack_all"),
            body="""
                done = list(activity.info().heartbeat_details)
                while len(done) < 12:
                    await asyncio.to_thread(pack_one, order, len(done) + 1)
                    done.append(len(done) + 1)
                    activity.heartbeat(*done)
            """,
        ),
        wrong("no heartbeat", "Send `activity.heartbeat(item)` after each item", ("activity.heartbeat(item)", "")),
        wrong("one too far", "The next attempt starts one item later", ("noted[0] + 1", "noted[0] + 2")),
        wrong("not a list", "later, take `[0]`", ("noted[0] + 1 if noted else 1", "noted + 1")),
        wrong("eleven items", "The last item is 12", ("13", "12")),
        wrong("blocks its loop", "Write `def`, or await", ("def pack_all", "async def pack_all")),
    ],
}
