"""Answers to the exercises of notebook 06, right ones and plausible wrong ones."""

from __future__ import annotations

import asyncio
import base64
import json
import uuid
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from nexusrpc import HandlerError, HandlerErrorType
from temporalio import nexus
from temporalio.client import Client, WorkflowHandle
from temporalio.exceptions import ApplicationError
from temporalio.worker import ExecuteNexusOperationStartInput, Interceptor, NexusOperationInboundInterceptor

from workshop_lib.evidence.history import history
from workshop_lib.evidence.log import unified_log
from workshop_lib.governance.allowlist import caller
from workshop_lib.governance.identity import HEADER, Verifier
from workshop_lib.workshop import Workshop

RULES = {"stock_price": ["sales"], "calculate_roi": ["sales", "marketing"]}
UNAUTHORIZED = HandlerErrorType.UNAUTHORIZED

Go = Callable[[], Awaitable[Any]]
Decide = Callable[[ExecuteNexusOperationStartInput, Go], Awaitable[Any]]


def door(decide: Decide) -> type[Interceptor]:
    """A `Door` whose method does this."""

    class DoorFor(NexusOperationInboundInterceptor):
        async def execute_nexus_operation_start(self, input: ExecuteNexusOperationStartInput) -> Any:
            return await decide(input, partial(super().execute_nexus_operation_start, input))

    class Door(Interceptor):
        def intercept_nexus_operation(self, next: NexusOperationInboundInterceptor) -> DoorFor:
            return DoorFor(next)

    return Door


def no(text: str, kind: HandlerErrorType = UNAUTHORIZED, **more: Any) -> HandlerError:
    return HandlerError(text, type=kind, **more)


def checked(input: ExecuteNexusOperationStartInput) -> tuple[str, str]:
    """The caller and the operation, or a refusal."""
    operation = input.ctx.operation
    try:
        return caller(input.ctx.inbound_links), operation
    except ValueError as error:
        raise no(f"{operation}: {error}") from None


async def by_the_rules(input: ExecuteNexusOperationStartInput, go: Go) -> Any:
    who, operation = checked(input)
    if who not in RULES.get(operation, []):
        raise no(f"{who} may not call {operation}.")
    return await go()


async def unclear_is_nobody(input: ExecuteNexusOperationStartInput, go: Go) -> Any:
    try:
        who = caller(input.ctx.inbound_links)
    except ValueError:
        who = ""
    if not any(who == allowed for allowed in RULES.get(input.ctx.operation, ())):
        raise no(f"{who or 'Somebody'} may not call {input.ctx.service}.{input.ctx.operation}.")
    return await go()


async def open_to_all(input: ExecuteNexusOperationStartInput, go: Go) -> Any:
    return await go()


async def python_errors(input: ExecuteNexusOperationStartInput, go: Go) -> Any:
    who, operation = checked(input)
    if who not in RULES.get(operation, []):
        raise PermissionError(f"{who} may not call {operation}.")
    return await go()


async def unclear_is_fine(input: ExecuteNexusOperationStartInput, go: Go) -> Any:
    try:
        who = caller(input.ctx.inbound_links)
    except ValueError:
        return await go()
    if who not in RULES.get(input.ctx.operation, []):
        raise no(f"{who} may not call {input.ctx.operation}.")
    return await go()


async def no_rule_no_key(input: ExecuteNexusOperationStartInput, go: Go) -> Any:
    who, operation = checked(input)
    if who not in RULES[operation]:
        raise no(f"{who} may not call {operation}.")
    return await go()


async def too_late(input: ExecuteNexusOperationStartInput, go: Go) -> Any:
    result = await go()
    who, operation = checked(input)
    if who not in RULES.get(operation, []):
        raise no(f"{who} may not call {operation}.")
    return result


async def says_nothing(input: ExecuteNexusOperationStartInput, go: Go) -> Any:
    who, operation = checked(input)
    if who not in RULES.get(operation, []):
        raise no("Forbidden.")
    return await go()


async def waits(input: ExecuteNexusOperationStartInput, go: Go) -> Any:
    await asyncio.sleep(60)


async def unsolved(input: ExecuteNexusOperationStartInput, go: Go) -> Any:
    raise ApplicationError("not solved yet", non_retryable=True)


def signed_door(decide: Callable[[Verifier, ExecuteNexusOperationStartInput, Any, Go], Awaitable[Any]]) -> type[Any]:
    """A `SignedDoor` whose method does this."""

    class SignedDoorFor(NexusOperationInboundInterceptor):
        def __init__(self, next: NexusOperationInboundInterceptor, verifier: Verifier) -> None:
            super().__init__(next)
            self.verifier = verifier

        async def execute_nexus_operation_start(self, input: ExecuteNexusOperationStartInput) -> Any:
            whom = (nexus.info().endpoint, input.ctx.service, input.ctx.operation)
            return await decide(self.verifier, input, whom, partial(super().execute_nexus_operation_start, input))

    class SignedDoor(Interceptor):
        def __init__(self, verifier: Verifier) -> None:
            self.verifier = verifier

        def intercept_nexus_operation(self, next: NexusOperationInboundInterceptor) -> SignedDoorFor:
            return SignedDoorFor(next, self.verifier)

    return SignedDoor


def ruled(who: str, operation: str) -> None:
    if who not in RULES.get(operation, []):
        raise no(f"{who} may not call {operation}.")


async def verified(verifier: Verifier, input: ExecuteNexusOperationStartInput, whom: Any, go: Go) -> Any:
    claims = verifier.verify(input.ctx.headers, whom, input.input)
    verifier.spend(claims, input.ctx.request_id)
    ruled(claims.namespace, input.ctx.operation)
    return await go()


class ByTheLibrary(Interceptor):
    """The library's verifier stands before the rule."""

    def __init__(self, verifier: Verifier) -> None:
        self.verifier = verifier

    def intercept_nexus_operation(self, next: NexusOperationInboundInterceptor) -> NexusOperationInboundInterceptor:
        async def by_claims(verifier: Verifier, input: ExecuteNexusOperationStartInput, whom: Any, go: Go) -> Any:
            ruled(verifier.verify(input.ctx.headers, whom, input.input).namespace, input.ctx.operation)
            return await go()

        ruling: Interceptor = signed_door(by_claims)(self.verifier)
        return self.verifier.intercept_nexus_operation(ruling.intercept_nexus_operation(next))


async def no_spend(verifier: Verifier, input: ExecuteNexusOperationStartInput, whom: Any, go: Go) -> Any:
    claims = verifier.verify(input.ctx.headers, whom, input.input)
    ruled(claims.namespace, input.ctx.operation)
    return await go()


async def no_rule(verifier: Verifier, input: ExecuteNexusOperationStartInput, whom: Any, go: Go) -> Any:
    claims = verifier.verify(input.ctx.headers, whom, input.input)
    verifier.spend(claims, input.ctx.request_id)
    return await go()


async def by_the_links(verifier: Verifier, input: ExecuteNexusOperationStartInput, whom: Any, go: Go) -> Any:
    claims = verifier.verify(input.ctx.headers, whom, input.input)
    verifier.spend(claims, input.ctx.request_id)
    ruled(*checked(input))
    return await go()


async def random_request(verifier: Verifier, input: ExecuteNexusOperationStartInput, whom: Any, go: Go) -> Any:
    claims = verifier.verify(input.ctx.headers, whom, input.input)
    verifier.spend(claims, str(uuid.uuid4()))
    ruled(claims.namespace, input.ctx.operation)
    return await go()


async def any_audience(verifier: Verifier, input: ExecuteNexusOperationStartInput, whom: Any, go: Go) -> Any:
    token = next((value for name, value in input.ctx.headers.items() if name.lower() == HEADER), None)
    if token is None:
        raise no("unsigned")
    said = json.loads(base64.urlsafe_b64decode(token.split(".")[0]))
    other = (said["endpoint"], said["service"], said["operation"])
    claims = verifier.verify(input.ctx.headers, other, input.input)
    verifier.spend(claims, input.ctx.request_id)
    ruled(claims.namespace, input.ctx.operation)
    return await go()


async def claimed(verifier: Verifier, input: ExecuteNexusOperationStartInput, whom: Any) -> str:
    claims = verifier.verify(input.ctx.headers, whom, input.input)
    verifier.spend(claims, input.ctx.request_id)
    return claims.namespace


async def signed_trusts_a_header(verifier: Verifier, input: ExecuteNexusOperationStartInput, whom: Any, go: Go) -> Any:
    who = await claimed(verifier, input, whom)
    ruled(input.ctx.headers.get("caller", who), input.ctx.operation)
    return await go()


async def signed_unsolved(verifier: Verifier, input: ExecuteNexusOperationStartInput, whom: Any, go: Go) -> Any:
    raise ApplicationError("not solved yet", non_retryable=True)


async def by_the_log(handle: WorkflowHandle[Any, Any]) -> str:
    first = (await unified_log(handle)).histories[0]
    return f"{first.namespace}/{first.workflow_id}"


async def elsewhere(namespace: str, id: str) -> WorkflowHandle[Any, Any]:
    """A handle of a Workflow in any namespace."""
    ws = Workshop.current
    assert ws is not None
    here = await Client.connect(**await ws.connection())
    return Client(here.service_client, namespace=namespace).get_workflow_handle(id)


async def up_the_links(handle: WorkflowHandle[Any, Any]) -> str:
    told = await history(handle)
    while told.links:
        told = await history(await elsewhere(told.links[0].namespace, told.links[0].workflow_id))
    return f"{told.namespace}/{told.workflow_id}"


async def from_raw_events(handle: WorkflowHandle[Any, Any]) -> str:
    namespace = (await handle.describe()).namespace
    event = await anext(aiter(handle.fetch_history_events()))
    started = event.workflow_execution_started_event_attributes
    if parent := started.parent_workflow_execution.workflow_id:
        return await from_raw_events(await elsewhere(started.parent_workflow_namespace, parent))
    for link in [*event.links, *(link for each in started.completion_callbacks for link in each.links)]:
        called = link.workflow_event
        return await from_raw_events(await elsewhere(called.namespace, called.workflow_id))
    return f"{namespace}/{handle.id}"


async def direct_caller(handle: WorkflowHandle[Any, Any]) -> str:
    link = (await history(handle)).links[0]
    return f"{link.namespace}/{link.workflow_id}"


async def no_namespace(handle: WorkflowHandle[Any, Any]) -> str:
    return (await unified_log(handle)).histories[0].workflow_id


async def past_the_end(handle: WorkflowHandle[Any, Any]) -> str:
    told = await history(handle)
    while link := told.links[0]:
        told = await history(await elsewhere(link.namespace, link.workflow_id))
    return ""


async def no_await_of_the_log(handle: WorkflowHandle[Any, Any]) -> str:
    first = unified_log(handle).histories[0]  # type: ignore[attr-defined]
    return f"{first.namespace}/{first.workflow_id}"


async def in_a_circle(handle: WorkflowHandle[Any, Any]) -> str:
    while (await history(handle)).links:
        pass
    return ""


async def nobody(handle: WorkflowHandle[Any, Any]) -> str:
    raise ApplicationError("not solved yet", non_retryable=True)


RIGHT: dict[str, dict[str, Any]] = {
    "6.1": {"by the rules": door(by_the_rules), "unclear is nobody": door(unclear_is_nobody)},
    "6.2": {"as in the solution": signed_door(verified), "the library's verifier first": ByTheLibrary},
    "6.3": {"by the log": by_the_log, "up the links": up_the_links, "from raw events": from_raw_events},
}
WRONG: dict[str, dict[str, tuple[Any, str]]] = {
    "6.1": {
        "open to all": (door(open_to_all), "Compare the caller with `RULES`"),
        "PermissionError": (door(python_errors), "Nexus tries other errors again"),
        "unclear is fine": (door(unclear_is_fine), "If nobody knows who calls, refuse"),
        "KeyError": (door(no_rule_no_key), "`RULES.get(operation, [])` is empty then"),
        "too late": (door(too_late), "refused when the operation had run"),
        "says nothing": (door(says_nothing), "lacks: marketing, stock_price"),
        "waits": (door(waits), "Your code had no answer for stock_price"),
    },
    "6.2": {
        "no spend": (signed_door(no_spend), "Call `self.verifier.spend(claims, ctx.request_id)`"),
        "no rule": (signed_door(no_rule), "compare it with `RULES`"),
        "by the links": (signed_door(by_the_links), "forged a link of sales, and got in"),
        "a random request": (signed_door(random_request), "under the request's own id"),
        "any audience": (signed_door(any_audience), "Give `verify` the call that is made"),
        "trusts a header": (signed_door(signed_trusts_a_header), "A caller writes its headers itself"),
    },
    "6.3": {
        "the direct caller": (direct_caller, "a call from sales, made by a child workflow"),
        "no namespace": (no_namespace, "Return a text"),
        "in a circle": (in_a_circle, "It goes in a circle"),
        "past the end": (past_the_end, "your code failed: IndexError"),
        "no await": (no_await_of_the_log, "is an `await` missing?"),
    },
}
STUBS: dict[str, Any] = {"6.1": door(unsolved), "6.2": signed_door(signed_unsolved), "6.3": nobody}
