"""A team whose operations take and give whatever types there are, for the tests of the bridge between MCP and Nexus."""

import asyncio
from dataclasses import dataclass, field
from enum import Enum
from typing import Annotated, Any, Optional

import flows
import nexusrpc
from nexusrpc.handler import StartOperationContext, service_handler, sync_operation
from pydantic import BaseModel, ConfigDict, Field
from temporalio.exceptions import ApplicationError
from temporalio.nexus import WorkflowHandle, WorkflowRunOperationContext, workflow_run_operation

ENDPOINT = "parts"


class Colour(Enum):
    """A colour."""

    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True)
class Line:
    part: str
    count: Annotated[int, Field(gt=0, le=99)] = 1
    parts: "list[Line]" = field(default_factory=list)


@dataclass(frozen=True)
class Order:
    """Order parts for a customer.

    Whatever else stands here is not told.
    """

    customer: str
    lines: list[Line]
    colour: Colour = Colour.RED
    note: Optional[str] = None  # noqa: UP045  # as many people write it
    tags: dict[str, int | str] = field(default_factory=dict)


class Shipment(BaseModel):
    """Ship an order."""

    model_config = ConfigDict(extra="forbid")
    weight: float = Field(gt=0, description="In kilograms.")
    lines: list[Line] = Field(default_factory=list, max_length=3)
    to: str = Field("home", alias="to-where")


@dataclass(frozen=True)
class Stock:
    """How many parts there are."""

    red: int
    blue: int


@nexusrpc.service
class Parts:
    """Each answers with what it was given, as Python shows it: so it shows whether types came through."""

    order: nexusrpc.Operation[Order, str]
    ship: nexusrpc.Operation[Shipment, str]
    count: nexusrpc.Operation[int, str]
    find: nexusrpc.Operation[str | None, str]
    stock: nexusrpc.Operation[None, Stock]
    total: nexusrpc.Operation[list[int], int]
    forget: nexusrpc.Operation[str, None]


@nexusrpc.service(name="troubles")
class Trouble:
    """What fails, and what takes long."""

    fails: nexusrpc.Operation[str, str]
    breaks: nexusrpc.Operation[str, str]
    refuses: nexusrpc.Operation[str, str]
    waits: nexusrpc.Operation[str, str]


@service_handler(service=Parts)
class PartsHandler:
    @sync_operation
    async def order(self, ctx: StartOperationContext, given: Order) -> str:
        return repr(given)

    @sync_operation
    async def ship(self, ctx: StartOperationContext, given: Shipment) -> str:
        return repr(given)

    @sync_operation
    async def count(self, ctx: StartOperationContext, given: int) -> str:
        return repr(given)

    @sync_operation
    async def find(self, ctx: StartOperationContext, given: str | None) -> str:
        return repr(given)

    @sync_operation
    async def stock(self, ctx: StartOperationContext, given: None) -> Stock:
        return Stock(3, 4)

    @sync_operation
    async def total(self, ctx: StartOperationContext, given: list[int]) -> int:
        return sum(given)

    @sync_operation
    async def forget(self, ctx: StartOperationContext, given: str) -> None:
        return None


@service_handler(service=Trouble)
class TroubleHandler:
    """Handles ``Trouble``. ``started`` gets the id of each workflow of ``waits``, once for each start."""

    def __init__(self) -> None:
        self.started: asyncio.Queue[str] = asyncio.Queue()

    @sync_operation
    async def fails(self, ctx: StartOperationContext, given: str) -> str:
        raise ApplicationError(f"There is no {given}.", type="NoSuchPart", non_retryable=True)

    @sync_operation
    async def breaks(self, ctx: StartOperationContext, given: str) -> str:
        raise OSError("the database is locked")  # may pass, so it is tried again until its time is up

    @sync_operation
    async def refuses(self, ctx: StartOperationContext, given: str) -> str:
        raise nexusrpc.HandlerError("Only on Sundays.", type=nexusrpc.HandlerErrorType.UNAUTHENTICATED)

    @workflow_run_operation
    async def waits(self, ctx: WorkflowRunOperationContext, given: str) -> WorkflowHandle[str]:
        id = f"waits-{given}-{ctx.request_id}"
        handle = await ctx.start_workflow(flows.Stubborn.run, id=id)
        self.started.put_nowait(id)
        return handle


OFFERED: dict[type, list[Any]] = {
    Parts: [getattr(Parts, name) for name in nexusrpc.get_service_definition(Parts).operation_definitions],  # type: ignore[union-attr]
    Trouble: [Trouble.fails, Trouble.breaks, Trouble.refuses, Trouble.waits],
}
