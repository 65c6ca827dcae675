"""Answers to the exercises of notebook 01, right and wrong. A plain module: the sandbox imports it again."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

with workflow.unsafe.imports_passed_through():
    from workshop_lib.teams.orders.activities import charge_customer, check_fraud, prepare_shipment, ship_order
    from workshop_lib.teams.orders.data import Order, Receipt

FIVE = timedelta(seconds=5)
Run = Callable[[Order], Any]


def do(step: Any, order: Order) -> Any:
    return workflow.execute_activity(step, order, start_to_close_timeout=FIVE)


@workflow.defn
class OneByOne:
    @workflow.run
    async def run(self, order: Order) -> Receipt:
        await do(check_fraud, order)
        await do(prepare_shipment, order)
        charge = await do(charge_customer, order)
        parcel = await do(ship_order, order)
        return Receipt(order.id, charge, parcel)


@workflow.defn
class InALoop:
    @workflow.run
    async def run(self, order: Order) -> Receipt:
        results = []
        for step in ("check_fraud", "prepare_shipment", "charge_customer", "ship_order"):
            handle = workflow.start_activity(step, order, schedule_to_close_timeout=FIVE)
            results.append(await handle)
        return Receipt(order.id, results[2], results[3])


@workflow.defn
class ADict:
    @workflow.run
    async def run(self, order: Order) -> dict[str, str]:
        await self._do(check_fraud, order)
        await self._do(prepare_shipment, order)
        return {
            "order": order.id,
            "charge": await self._do(charge_customer, order),
            "parcel": await self._do(ship_order, order),
        }

    async def _do(self, step: Any, order: Order) -> Any:
        return await do(step, order)


@workflow.defn
class Gathered:
    @workflow.run
    async def run(self, order: Order) -> Receipt:
        await asyncio.gather(do(check_fraud, order), do(prepare_shipment, order))
        charge = await do(charge_customer, order)
        return Receipt(order.id, charge, await do(ship_order, order))


@workflow.defn
class Started:
    @workflow.run
    async def run(self, order: Order) -> Receipt:
        first = workflow.start_activity(check_fraud, order, start_to_close_timeout=FIVE)
        second = workflow.start_activity(prepare_shipment, order, start_to_close_timeout=FIVE)
        await first
        await second
        charge = await do(charge_customer, order)
        return Receipt(order.id, charge, await do(ship_order, order))


@workflow.defn
class Grouped:
    @workflow.run
    async def run(self, order: Order) -> Receipt:
        async with asyncio.TaskGroup() as group:
            group.create_task(do(check_fraud, order))
            group.create_task(do(prepare_shipment, order))
        charge = await do(charge_customer, order)
        return Receipt(order.id, charge, await do(ship_order, order))


@workflow.defn
class AnIdOnly:
    @workflow.run
    async def run(self, order: Order) -> Receipt:
        await workflow.execute_activity("check_fraud", order.id, start_to_close_timeout=FIVE)
        return Receipt(order.id, "charge", "parcel")


@workflow.defn
class ANumber:
    @workflow.run
    async def run(self, order: Order) -> Receipt:
        await workflow.execute_activity(check_fraud, order, start_to_close_timeout=5)  # type: ignore[call-overload]
        return Receipt(order.id, "charge", "parcel")


@workflow.defn
class Unprepared:
    @workflow.run
    async def run(self, order: Order) -> Receipt:
        await do(check_fraud, order)
        charge = await do(charge_customer, order)
        return Receipt(order.id, charge, await do(ship_order, order))


@workflow.defn
class Stub:
    @workflow.run
    async def run(self, order: Order) -> Receipt:
        raise ApplicationError("not solved yet", non_retryable=True)


@workflow.defn
class NoShipping:
    @workflow.run
    async def run(self, order: Order) -> Receipt:
        await do(check_fraud, order)
        await do(prepare_shipment, order)
        return Receipt(order.id, await do(charge_customer, order), "parcel")


@workflow.defn
class ChargedFirst:
    @workflow.run
    async def run(self, order: Order) -> Receipt:
        charge = await do(charge_customer, order)
        await do(check_fraud, order)
        await do(prepare_shipment, order)
        return Receipt(order.id, charge, await do(ship_order, order))


@workflow.defn
class Direct:
    @workflow.run
    async def run(self, order: Order) -> Receipt:
        check_fraud(order)
        prepare_shipment(order)
        charge = charge_customer(order)
        return Receipt(order.id, charge, ship_order(order))


@workflow.defn
class PartlyDirect:
    @workflow.run
    async def run(self, order: Order) -> Receipt:
        check_fraud(order)
        await do(prepare_shipment, order)
        charge = await do(charge_customer, order)
        return Receipt(order.id, charge, await do(ship_order, order))


@workflow.defn
class NotAwaited:
    @workflow.run
    async def run(self, order: Order) -> Receipt:
        for step in (check_fraud, prepare_shipment, charge_customer, ship_order):
            do(step, order).close()
        return Receipt(order.id, "charge", "parcel")


@workflow.defn
class ReturnsACoroutine:
    @workflow.run
    async def run(self, order: Order) -> Receipt:
        await do(check_fraud, order)
        await do(prepare_shipment, order)
        return Receipt(order.id, do(charge_customer, order), "parcel")


@workflow.defn
class NoLimit:
    @workflow.run
    async def run(self, order: Order) -> Receipt:
        await workflow.execute_activity(check_fraud, order)
        return Receipt(order.id, "charge", "parcel")


@workflow.defn
class Swallows:
    @workflow.run
    async def run(self, order: Order) -> Receipt | None:
        try:
            await do(check_fraud, order)
            await do(prepare_shipment, order)
        except ActivityError:
            return None
        charge = await do(charge_customer, order)
        return Receipt(order.id, charge, await do(ship_order, order))


@workflow.defn
class GoesOn:
    @workflow.run
    async def run(self, order: Order) -> Receipt:
        results = await asyncio.gather(do(check_fraud, order), do(prepare_shipment, order), return_exceptions=True)
        charge = await do(charge_customer, order)
        if any(isinstance(result, Exception) for result in results):
            raise ApplicationError("refused", non_retryable=True)
        return Receipt(order.id, charge, await do(ship_order, order))


@workflow.defn
class ReturnsNothing:
    @workflow.run
    async def run(self, order: Order) -> None:
        for step in (check_fraud, prepare_shipment, charge_customer, ship_order):
            await do(step, order)


@workflow.defn
class Swapped:
    @workflow.run
    async def run(self, order: Order) -> Receipt:
        await do(check_fraud, order)
        await do(prepare_shipment, order)
        charge = await do(charge_customer, order)
        return Receipt(order.id, await do(ship_order, order), charge)


@workflow.defn
class Twice:
    @workflow.run
    async def run(self, order: Order) -> Receipt:
        await do(check_fraud, order)
        await do(prepare_shipment, order)
        await do(charge_customer, order)
        charge = await do(charge_customer, order)
        return Receipt(order.id, charge, await do(ship_order, order))


@workflow.defn
class Typo:
    @workflow.run
    async def run(self, order: Order) -> Receipt:
        return Receipt(order.ident, "charge", "parcel")  # type: ignore[attr-defined]


@workflow.defn
class MadeThenAwaited:
    @workflow.run
    async def run(self, order: Order) -> Receipt:
        first, second = do(check_fraud, order), do(prepare_shipment, order)
        await first
        await second
        charge = await do(charge_customer, order)
        return Receipt(order.id, charge, await do(ship_order, order))


@workflow.defn
class ChargedMeanwhile:
    @workflow.run
    async def run(self, order: Order) -> Receipt:
        _, _, charge = await asyncio.gather(
            do(check_fraud, order), do(prepare_shipment, order), do(charge_customer, order)
        )
        return Receipt(order.id, charge, await do(ship_order, order))


class _Cooling:
    """What the answers to 1.3 have in common."""

    def __init__(self) -> None:
        self.hurry = False
        self.cancelled = False

    async def before(self, order: Order) -> None:
        await do(check_fraud, order)
        await do(prepare_shipment, order)

    async def wait(self, condition: Callable[[], bool]) -> None:
        with contextlib.suppress(TimeoutError):
            await workflow.wait_condition(condition, timeout=timedelta(days=3))

    async def after(self, order: Order) -> str:
        await do(charge_customer, order)
        parcel: str = await do(ship_order, order)
        return parcel


class _Told(_Cooling):
    """With both updates, each of which only notes that it was called."""

    @workflow.update
    def ship_now(self) -> None:
        self.hurry = True

    @workflow.update
    def cancel(self) -> None:
        self.cancelled = True


@workflow.defn
class TwoFlags(_Told):
    @workflow.run
    async def run(self, order: Order) -> str:
        await self.before(order)
        await self.wait(lambda: self.hurry or self.cancelled)
        return "cancelled" if self.cancelled else await self.after(order)


@workflow.defn
class AnEvent(_Cooling):
    def __init__(self) -> None:
        super().__init__()
        self.choice: asyncio.Future[str] | None = None

    @workflow.run
    async def run(self, order: Order) -> str:
        await self.before(order)
        self.choice = asyncio.Future()
        done, _ = await workflow.wait([self.choice], timeout=timedelta(days=3).total_seconds())
        if done and self.choice.result() == "cancel":
            return "cancelled"
        return await self.after(order)

    @workflow.update
    async def ship_now(self) -> None:
        assert self.choice
        self.choice.set_result("ship")

    @workflow.update
    async def cancel(self) -> str:
        assert self.choice
        self.choice.set_result("cancel")
        return "as you wish"


@workflow.defn
class NoCancel(_Cooling):
    @workflow.run
    async def run(self, order: Order) -> str:
        await self.before(order)
        await self.wait(lambda: self.hurry)
        return await self.after(order)

    @workflow.update
    def ship_now(self) -> None:
        self.hurry = True

    @workflow.signal
    def cancel(self) -> None:
        self.cancelled = True


@workflow.defn
class NotWoken(_Told):
    @workflow.run
    async def run(self, order: Order) -> str:
        await self.before(order)
        await self.wait(lambda: self.hurry)
        return "cancelled" if self.cancelled else await self.after(order)


@workflow.defn
class NotLookedAt(_Told):
    @workflow.run
    async def run(self, order: Order) -> str:
        await self.before(order)
        await self.wait(lambda: self.hurry or self.cancelled)
        return await self.after(order)


@workflow.defn
class Fails(_Told):
    @workflow.run
    async def run(self, order: Order) -> str:
        await self.before(order)
        await self.wait(lambda: self.hurry or self.cancelled)
        if self.cancelled:
            raise ApplicationError("cancelled by the customer")
        return await self.after(order)


@workflow.defn
class Polls(_Told):
    @workflow.run
    async def run(self, order: Order) -> str:
        await self.before(order)
        while not (self.hurry or self.cancelled):
            await workflow.sleep(0.2)
        return "cancelled" if self.cancelled else await self.after(order)


@workflow.defn
class OtherWords(_Told):
    @workflow.run
    async def run(self, order: Order) -> str:
        await self.before(order)
        await self.wait(lambda: self.hurry or self.cancelled)
        return "Cancelled." if self.cancelled else await self.after(order)


@workflow.defn
class NeverShips(_Told):
    @workflow.run
    async def run(self, order: Order) -> str:
        await self.before(order)
        await self.wait(lambda: self.hurry or self.cancelled)
        return "cancelled"
