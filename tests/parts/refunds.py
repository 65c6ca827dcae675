"""A team that pays money back, its callers, and approvers, for the tests of policies. The sandbox imports it again."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta

import nexusrpc
from nexusrpc.handler import StartOperationContext, service_handler, sync_operation
from temporalio import activity, workflow
from temporalio.nexus import WorkflowHandle, WorkflowRunOperationContext, workflow_run_operation

with workflow.unsafe.imports_passed_through():
    from workshop_lib.evidence.ledger import note
    from workshop_lib.governance.policy.contract import Approval, Approvals, Waiting

ENDPOINT = "refunds"
LIMIT = timedelta(minutes=5)  # a guard


@dataclass(frozen=True)
class Refund:
    """Pay money back to a customer.

    Attributes:
        order: Of which order.
        amount: In dollars.
        note: For the customer.
    """

    order: str
    amount: float
    note: str = ""


@dataclass(frozen=True)
class Paid:
    """What was paid back."""

    order: str
    amount: float


@nexusrpc.service
class Refunds:
    pay: nexusrpc.Operation[Refund, Paid]
    count: nexusrpc.Operation[Refund, Paid]


@activity.defn
def pay_back(refund: Refund) -> None:
    info = activity.info()
    note("refund", once=f"{info.workflow_run_id}", order=refund.order, amount=refund.amount)


@workflow.defn
class PayRefund:
    @workflow.run
    async def run(self, refund: Refund) -> Paid:
        limit = timedelta(minutes=2)
        await workflow.execute_activity(
            pay_back, refund, start_to_close_timeout=limit, heartbeat_timeout=timedelta(seconds=2)
        )
        return Paid(refund.order, refund.amount)


@service_handler(service=Refunds)
class RefundsHandler:
    @workflow_run_operation
    async def pay(self, ctx: WorkflowRunOperationContext, refund: Refund) -> WorkflowHandle[Paid]:
        return await ctx.start_workflow(PayRefund.run, refund, id=f"pay-{ctx.request_id}")

    @sync_operation
    async def count(self, ctx: StartOperationContext, refund: Refund) -> Paid:
        note("counted", once=ctx.request_id, order=refund.order)
        return Paid(refund.order, refund.amount)


@workflow.defn
class Pay:
    @workflow.run
    async def run(self, operation: str, refund: Refund, seconds: float, headers: dict[str, str]) -> Paid:
        refunds = workflow.create_nexus_client(service=Refunds, endpoint=ENDPOINT)
        paid: Paid = await refunds.execute_operation(
            operation,
            refund,
            headers=headers,
            output_type=Paid,
            schedule_to_close_timeout=timedelta(seconds=seconds) if seconds else None,
        )
        return paid


@workflow.defn
class PayMany:
    @workflow.run
    async def run(self, operation: str, given: list[Refund]) -> list[str]:
        refunds = workflow.create_nexus_client(service=Refunds, endpoint=ENDPOINT)
        made = [refunds.execute_operation(operation, each, output_type=Paid) for each in given]
        results = await asyncio.gather(*made, return_exceptions=True)
        return [f"paid {each.amount:g}" if isinstance(each, Paid) else str(each.__cause__) for each in results]


@workflow.defn
class Waits:
    @workflow.run
    async def run(self) -> list[Waiting]:
        approvals = workflow.create_nexus_client(service=Approvals, endpoint=ENDPOINT)
        return await approvals.execute_operation(Approvals.waiting, None, schedule_to_close_timeout=LIMIT)


@workflow.defn
class Decides:
    @workflow.run
    async def run(self, approval: Approval, headers: dict[str, str]) -> str:
        approvals = workflow.create_nexus_client(service=Approvals, endpoint=ENDPOINT)
        return await approvals.execute_operation(
            Approvals.decide, approval, headers=headers, schedule_to_close_timeout=LIMIT
        )


CALLERS = [Pay, PayMany, Waits, Decides]
