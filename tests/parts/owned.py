"""An owner whose operations a policy guards, its callers and its approvers, each in a namespace, on one server."""

import asyncio
import contextlib
import inspect
import uuid
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import refunds
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.service import RPCError
from temporalio.worker import Interceptor, Worker
from waits import GUARD, until

from workshop_lib.evidence.failures import describe
from workshop_lib.governance.identity import Signer
from workshop_lib.governance.policy.chain import Row, verify
from workshop_lib.governance.policy.contract import Approval, Waiting
from workshop_lib.governance.policy.guard import WORKFLOWS, ApprovalsHandler, PolicyGuard, deploy, record
from workshop_lib.governance.policy.held import HeldCall
from workshop_lib.governance.policy.keeper import KEEPER
from workshop_lib.governance.policy.rules import Policy, Rule
from workshop_lib.nexus_mcp.directory import DirectoryHandler
from workshop_lib.server.connections import Connections
from workshop_lib.workers.takeover import QUICK_TAKEOVER
from workshop_lib.workshop import Workshop

OWNER, QUEUE, CALLS = "support", "refunds", "refund-calls"
LARGE = Rule("large", "hold", callers=["sales", "leads"], approvers=["leads", "boss"], hours=48, when=["amount > 100"])
SMALL = Rule("small", "allow", callers=["sales", "leads"])
OWNERS: dict[str, Any] = {
    "task_queue": QUEUE,
    "workflows": [refunds.PayRefund, *WORKFLOWS],
    "activities": [refunds.pay_back],
    "nexus_service_handlers": [
        refunds.RefundsHandler(),
        ApprovalsHandler(),
        DirectoryHandler({refunds.Refunds: [refunds.Refunds.pay, refunds.Refunds.count]}),
    ],
    **QUICK_TAKEOVER,
    "interceptors": [*QUICK_TAKEOVER["interceptors"], PolicyGuard()],
}
KEYS = {name: Ed25519PrivateKey.generate() for name in (OWNER, "sales", "leads", "boss", "mallory")}
TYPED: dict[str, Any] = {"data_converter": pydantic_data_converter}
CALLERS: dict[str, Any] = {"task_queue": CALLS, "workflows": refunds.CALLERS, **QUICK_TAKEOVER}


async def ruled(owner: Client, queue: str, *rules: Rule) -> None:
    """Deploy a policy, and forget what its keeper had counted."""
    with contextlib.suppress(RPCError):  # there is none
        await owner.get_workflow_handle(KEEPER).terminate()
    await deploy(owner, Policy(list(rules)), queue)


@dataclass
class Owned:
    """Clients of the namespaces, and what they do.

    ``sales`` calls, ``leads`` and ``boss`` approve, and ``mallory`` may do nothing.
    """

    ws: Workshop
    clients: dict[str, Client]

    async def rules(self, *rules: Rule, queue: str = QUEUE) -> None:
        await ruled(self.clients[OWNER], queue, *rules)

    async def start(self, who: str, workflow: Any, *args: Any) -> WorkflowHandle[Any, Any]:
        missing = len(inspect.signature(workflow.run).parameters) - 1 - len(args)
        args = (*args, *(0.0, {})[2 - missing :])
        name = f"{who}-{uuid.uuid4()}"
        return await self.clients[who].start_workflow(workflow.run, args=args, id=name, task_queue=CALLS)

    async def pay(self, who: str, amount: float, operation: str = "pay", order: str = "", *more: Any) -> str:
        refund = refunds.Refund(order or str(uuid.uuid4()), amount)
        return await self.outcome(await self.start(who, refunds.Pay, operation, refund, *more))

    async def outcome(self, handle: WorkflowHandle[Any, Any]) -> str:
        async with asyncio.timeout(GUARD):
            try:
                result = await handle.result()
            except WorkflowFailureError as error:
                return describe(error)[-1].strip(" ↳")
        return f"paid {result.amount:g}" if isinstance(result, refunds.Paid) else str(result)

    async def waiting(self, who: str = "leads") -> list[Waiting]:
        found: list[Waiting] = await (await self.start(who, refunds.Waits)).result()
        return found

    async def one_waiting(self, besides: str = "") -> Waiting:
        async def look() -> list[Waiting]:
            return [each for each in await self.waiting() if each.id != besides]

        (found,) = await until(look)
        assert isinstance(found, Waiting)
        return found

    async def decide(self, who: str, id: str, approve: bool = True, reason: str = "", *more: Any) -> str:
        return await self.outcome(await self.start(who, refunds.Decides, Approval(id, approve, reason), *more))

    async def rows(self) -> list[Row]:
        found = await record(self.clients[OWNER])
        assert verify(found) == ""
        return found

    def paid(self, order: str) -> int:
        return self.ws.ledger.count("refund", order=order) + self.ws.ledger.count("counted", order=order)

    @contextlib.asynccontextmanager
    async def owner(self, *before: Interceptor) -> AsyncIterator[None]:
        """One more Worker of the owner, with a connection of its own."""
        client = await Client.connect(**await self.ws.connection(OWNER, quiet=True, **TYPED))
        settings = {**OWNERS, "interceptors": [*QUICK_TAKEOVER["interceptors"], *before, PolicyGuard()]}
        async with Worker(client, **settings, activity_executor=ThreadPoolExecutor(4)):
            yield


async def worker(ws: Connections) -> Worker:
    """The owner's Worker as a process of its own, without the keeper."""
    client = await Client.connect(**await ws.connection(OWNER, **TYPED))
    settings = {**OWNERS, "workflows": [refunds.PayRefund, HeldCall]}
    return Worker(client, **settings, activity_executor=ThreadPoolExecutor(4))


@contextlib.asynccontextmanager
async def owned(ws: Workshop, *others: str, signed: bool = False) -> AsyncIterator[Owned]:
    """The callers' and approvers' Workers run, without those of others; they and the owner's are up to the test."""
    names = list(KEYS)
    clients = {
        name: await Client.connect(
            **await ws.connection(
                name, quiet=True, interceptors=[Signer(ws.namespace(name), KEYS[name])] if signed else [], **TYPED
            )
        )
        for name in names
    }
    await ws.endpoint(refunds.ENDPOINT, namespace=OWNER, task_queue=QUEUE)
    async with contextlib.AsyncExitStack() as running:
        for name in {*names} - {OWNER, *others}:
            await running.enter_async_context(Worker(clients[name], **CALLERS))
        yield Owned(ws, clients)
