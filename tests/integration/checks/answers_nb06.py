"""Answers to the exercises of notebook 06, right ones and plausible wrong ones."""

from __future__ import annotations

import asyncio
import base64
import json
import uuid
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

from nexusrpc import HandlerError, HandlerErrorType, OperationError, OperationErrorState
from temporalio import nexus
from temporalio.client import Client, WorkflowHandle
from temporalio.exceptions import ApplicationError
from temporalio.worker import ExecuteNexusOperationStartInput, Interceptor, NexusOperationInboundInterceptor

from workshop_lib.evidence.history import history
from workshop_lib.evidence.log import unified_log
from workshop_lib.governance.allowlist import caller
from workshop_lib.governance.identity import HEADER, Verifier

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


async def the_other_way_round(input: ExecuteNexusOperationStartInput, go: Go) -> Any:
    who, operation = checked(input)
    if operation in RULES and who in RULES[operation]:
        return await go()
    raise HandlerError(f"Not for {who}: {operation}", type="UNAUTHORIZED")


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


async def open_to_nobody(input: ExecuteNexusOperationStartInput, go: Go) -> Any:
    raise no("marketing may not call stock_price")


async def python_errors(input: ExecuteNexusOperationStartInput, go: Go) -> Any:
    who, operation = checked(input)
    if who not in RULES.get(operation, []):
        raise PermissionError(f"{who} may not call {operation}.")
    return await go()


async def application_error(input: ExecuteNexusOperationStartInput, go: Go) -> Any:
    who, operation = checked(input)
    if who not in RULES.get(operation, []):
        raise ApplicationError(f"{who} may not call {operation}.", non_retryable=True)
    return await go()


async def internal(input: ExecuteNexusOperationStartInput, go: Go) -> Any:
    who, operation = checked(input)
    if who not in RULES.get(operation, []):
        raise no(f"{who} may not call {operation}.", HandlerErrorType.INTERNAL)
    return await go()


async def retryable(input: ExecuteNexusOperationStartInput, go: Go) -> Any:
    who, operation = checked(input)
    if who not in RULES.get(operation, []):
        raise no(f"{who} may not call {operation}.", retryable_override=True)
    return await go()


async def uncaught(input: ExecuteNexusOperationStartInput, go: Go) -> Any:
    who, operation = caller(input.ctx.inbound_links), input.ctx.operation
    if who not in RULES.get(operation, []):
        raise no(f"{who} may not call {operation}.")
    return await go()


async def unclear_is_fine(input: ExecuteNexusOperationStartInput, go: Go) -> Any:
    try:
        who = caller(input.ctx.inbound_links)
    except ValueError:
        return await go()
    if who not in RULES.get(input.ctx.operation, []):
        raise no(f"{who} may not call {input.ctx.operation}.")
    return await go()


async def first_link(input: ExecuteNexusOperationStartInput, go: Go) -> Any:
    for link in input.ctx.inbound_links:
        who = link.url.split("/")[4]
        if who not in RULES.get(input.ctx.operation, []):
            raise no(f"{who} may not call {input.ctx.operation}.")
    return await go()


async def no_rule_no_key(input: ExecuteNexusOperationStartInput, go: Go) -> Any:
    who, operation = checked(input)
    if who not in RULES[operation]:
        raise no(f"{who} may not call {operation}.")
    return await go()


async def no_rule_is_open(input: ExecuteNexusOperationStartInput, go: Go) -> Any:
    who, operation = checked(input)
    if operation in RULES and who not in RULES[operation]:
        raise no(f"{who} may not call {operation}.")
    return await go()


async def one_list(input: ExecuteNexusOperationStartInput, go: Go) -> Any:
    who, operation = checked(input)
    if who not in ("sales", "marketing"):
        raise no(f"{who} may not call {operation}.")
    return await go()


async def too_strict(input: ExecuteNexusOperationStartInput, go: Go) -> Any:
    who, operation = checked(input)
    if who != "sales" or operation not in RULES:
        raise no(f"{who} may not call {operation}.")
    return await go()


async def too_late(input: ExecuteNexusOperationStartInput, go: Go) -> Any:
    result = await go()
    who, operation = checked(input)
    if who not in RULES.get(operation, []):
        raise no(f"{who} may not call {operation}.")
    return result


async def no_await(input: ExecuteNexusOperationStartInput, go: Go) -> Any:
    who, operation = checked(input)
    if who not in RULES.get(operation, []):
        raise no(f"{who} may not call {operation}.")
    return go()


async def nothing_back(input: ExecuteNexusOperationStartInput, go: Go) -> Any:
    who, operation = checked(input)
    if who not in RULES.get(operation, []):
        raise no(f"{who} may not call {operation}.")
    await go()


async def silent(input: ExecuteNexusOperationStartInput, go: Go) -> Any:
    who, operation = checked(input)
    if who in RULES.get(operation, []):
        return await go()
    return None


async def says_nothing(input: ExecuteNexusOperationStartInput, go: Go) -> Any:
    who, operation = checked(input)
    if who not in RULES.get(operation, []):
        raise no("Forbidden.")
    return await go()


async def trusts_a_header(input: ExecuteNexusOperationStartInput, go: Go) -> Any:
    operation = input.ctx.operation
    who = input.ctx.headers.get("caller") or checked(input)[0]
    if who not in RULES.get(operation, []):
        raise no(f"{who} may not call {operation}.")
    return await go()


async def no_rule_no_name(input: ExecuteNexusOperationStartInput, go: Go) -> Any:
    who, operation = checked(input)
    if operation not in RULES:
        raise no("There is no rule.")
    if who not in RULES[operation]:
        raise no(f"{who} may not call {operation}.")
    return await go()


async def no_rule_is_its_own(input: ExecuteNexusOperationStartInput, go: Go) -> Any:
    who, operation = checked(input)
    if who not in RULES.get(operation, ["marketing"]):
        raise no(f"{who} may not call {operation}.")
    return await go()


async def waits(input: ExecuteNexusOperationStartInput, go: Go) -> Any:
    await asyncio.sleep(60)


async def bad_request(input: ExecuteNexusOperationStartInput, go: Go) -> Any:
    who, operation = checked(input)
    if who not in RULES.get(operation, []):
        raise no(f"{who} may not call {operation}.", HandlerErrorType.BAD_REQUEST)
    return await go()


async def failed_operation(input: ExecuteNexusOperationStartInput, go: Go) -> Any:
    who, operation = checked(input)
    if who not in RULES.get(operation, []):
        raise OperationError(f"{who} may not call {operation}.", state=OperationErrorState.FAILED)
    return await go()


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
    claims = verifier.verify(input.ctx.headers, whom)
    verifier.spend(claims, input.ctx.request_id)
    ruled(claims.namespace, input.ctx.operation)
    return await go()


async def rule_first(verifier: Verifier, input: ExecuteNexusOperationStartInput, whom: Any, go: Go) -> Any:
    claims = verifier.verify(input.ctx.headers, whom)
    ruled(claims.namespace, input.ctx.operation)
    await asyncio.to_thread(verifier.spend, claims, input.ctx.request_id)
    return await go()


async def links_must_agree(verifier: Verifier, input: ExecuteNexusOperationStartInput, whom: Any, go: Go) -> Any:
    claims = verifier.verify(input.ctx.headers, whom)
    verifier.spend(claims, input.ctx.request_id)
    who, operation = checked(input)
    if who != claims.namespace:
        raise no(f"{claims.namespace} may not call {operation} with a link of {who}.")
    ruled(who, operation)
    return await go()


class ByTheLibrary(Interceptor):
    """The library's verifier stands before the rule."""

    def __init__(self, verifier: Verifier) -> None:
        self.verifier = verifier

    def intercept_nexus_operation(self, next: NexusOperationInboundInterceptor) -> NexusOperationInboundInterceptor:
        async def by_claims(verifier: Verifier, input: ExecuteNexusOperationStartInput, whom: Any, go: Go) -> Any:
            ruled(verifier.verify(input.ctx.headers, whom).namespace, input.ctx.operation)
            return await go()

        ruling: Interceptor = signed_door(by_claims)(self.verifier)
        return self.verifier.intercept_nexus_operation(ruling.intercept_nexus_operation(next))


async def no_spend(verifier: Verifier, input: ExecuteNexusOperationStartInput, whom: Any, go: Go) -> Any:
    claims = verifier.verify(input.ctx.headers, whom)
    ruled(claims.namespace, input.ctx.operation)
    return await go()


async def no_rule(verifier: Verifier, input: ExecuteNexusOperationStartInput, whom: Any, go: Go) -> Any:
    claims = verifier.verify(input.ctx.headers, whom)
    verifier.spend(claims, input.ctx.request_id)
    return await go()


async def no_verify(verifier: Verifier, input: ExecuteNexusOperationStartInput, whom: Any, go: Go) -> Any:
    ruled(*checked(input))
    return await go()


async def by_the_links(verifier: Verifier, input: ExecuteNexusOperationStartInput, whom: Any, go: Go) -> Any:
    claims = verifier.verify(input.ctx.headers, whom)
    verifier.spend(claims, input.ctx.request_id)
    ruled(*checked(input))
    return await go()


async def reads_it_itself(verifier: Verifier, input: ExecuteNexusOperationStartInput, whom: Any, go: Go) -> Any:
    token = next((value for name, value in input.ctx.headers.items() if name.lower() == HEADER), None)
    if token is None:
        raise no("unsigned")
    claims = json.loads(base64.urlsafe_b64decode(token.split(".")[0]))
    ruled(claims["namespace"], input.ctx.operation)
    return await go()


async def random_request(verifier: Verifier, input: ExecuteNexusOperationStartInput, whom: Any, go: Go) -> Any:
    claims = verifier.verify(input.ctx.headers, whom)
    verifier.spend(claims, str(uuid.uuid4()))
    ruled(claims.namespace, input.ctx.operation)
    return await go()


async def constant_request(verifier: Verifier, input: ExecuteNexusOperationStartInput, whom: Any, go: Go) -> Any:
    claims = verifier.verify(input.ctx.headers, whom)
    verifier.spend(claims, "request")
    ruled(claims.namespace, input.ctx.operation)
    return await go()


async def any_audience(verifier: Verifier, input: ExecuteNexusOperationStartInput, whom: Any, go: Go) -> Any:
    token = next((value for name, value in input.ctx.headers.items() if name.lower() == HEADER), None)
    if token is None:
        raise no("unsigned")
    said = json.loads(base64.urlsafe_b64decode(token.split(".")[0]))
    claims = verifier.verify(input.ctx.headers, (said["endpoint"], said["service"], said["operation"]))
    verifier.spend(claims, input.ctx.request_id)
    ruled(claims.namespace, input.ctx.operation)
    return await go()


async def claimed(verifier: Verifier, input: ExecuteNexusOperationStartInput, whom: Any) -> str:
    claims = verifier.verify(input.ctx.headers, whom)
    verifier.spend(claims, input.ctx.request_id)
    return claims.namespace


async def signed_trusts_a_header(verifier: Verifier, input: ExecuteNexusOperationStartInput, whom: Any, go: Go) -> Any:
    who = await claimed(verifier, input, whom)
    ruled(input.ctx.headers.get("caller", who), input.ctx.operation)
    return await go()


async def signed_no_key(verifier: Verifier, input: ExecuteNexusOperationStartInput, whom: Any, go: Go) -> Any:
    who = await claimed(verifier, input, whom)
    if who not in RULES[input.ctx.operation]:
        raise no(f"{who} may not call {input.ctx.operation}.")
    return await go()


async def signed_no_rule_is_open(verifier: Verifier, input: ExecuteNexusOperationStartInput, whom: Any, go: Go) -> Any:
    who = await claimed(verifier, input, whom)
    if input.ctx.operation in RULES:
        ruled(who, input.ctx.operation)
    return await go()


async def nobody_is_called(verifier: Verifier, input: ExecuteNexusOperationStartInput, whom: Any, go: Go) -> Any:
    ruled(await claimed(verifier, input, None), input.ctx.operation)
    return await go()


async def forgets_whom(verifier: Verifier, input: ExecuteNexusOperationStartInput, whom: Any, go: Go) -> Any:
    verifier.verify(input.ctx.headers)  # type: ignore[call-arg]


async def one_operation(verifier: Verifier, input: ExecuteNexusOperationStartInput, whom: Any, go: Go) -> Any:
    ruled(await claimed(verifier, input, (*whom[:2], "stock_price")), input.ctx.operation)
    return await go()


async def swapped(verifier: Verifier, input: ExecuteNexusOperationStartInput, whom: Any, go: Go) -> Any:
    claims = verifier.verify(input.ctx.headers, whom)
    verifier.spend(input.ctx.request_id, claims)  # type: ignore[arg-type]


async def signed_internal(verifier: Verifier, input: ExecuteNexusOperationStartInput, whom: Any, go: Go) -> Any:
    who, operation = await claimed(verifier, input, whom), input.ctx.operation
    if who not in RULES.get(operation, []):
        raise no(f"{who} may not call {operation}.", HandlerErrorType.INTERNAL)
    return await go()


async def signed_says_nothing(verifier: Verifier, input: ExecuteNexusOperationStartInput, whom: Any, go: Go) -> Any:
    if await claimed(verifier, input, whom) not in RULES.get(input.ctx.operation, []):
        raise no("Forbidden.")
    return await go()


async def nonce_for_request(verifier: Verifier, input: ExecuteNexusOperationStartInput, whom: Any, go: Go) -> Any:
    claims = verifier.verify(input.ctx.headers, whom)
    verifier.spend(claims, claims.nonce)
    ruled(claims.namespace, input.ctx.operation)
    return await go()


async def signed_too_late(verifier: Verifier, input: ExecuteNexusOperationStartInput, whom: Any, go: Go) -> Any:
    result = await go()
    claims = verifier.verify(input.ctx.headers, whom)
    verifier.spend(claims, input.ctx.request_id)
    ruled(claims.namespace, input.ctx.operation)
    return result


async def signed_unsolved(verifier: Verifier, input: ExecuteNexusOperationStartInput, whom: Any, go: Go) -> Any:
    raise ApplicationError("not solved yet", non_retryable=True)


class NoVerifier(Interceptor):
    """Takes none."""


class DoorFor(NexusOperationInboundInterceptor):
    """What a Door stands before."""


async def by_the_log(handle: WorkflowHandle[Any, Any]) -> str:
    first = (await unified_log(handle)).histories[0]
    return f"{first.namespace}/{first.workflow_id}"


async def up_the_links(handle: WorkflowHandle[Any, Any]) -> str:
    told = await history(handle)
    while told.links:
        above = told.links[0]
        there = Client(handle._client.service_client, namespace=above.namespace)
        told = await history(there.get_workflow_handle(above.workflow_id))
    return f"{told.namespace}/{told.workflow_id}"


async def itself(handle: WorkflowHandle[Any, Any]) -> str:
    told = await history(handle)
    return f"{told.namespace}/{told.workflow_id}"


async def direct_caller(handle: WorkflowHandle[Any, Any]) -> str:
    above = (await history(handle)).links[0]
    return f"{above.namespace}/{above.workflow_id}"


async def no_namespace(handle: WorkflowHandle[Any, Any]) -> str:
    return (await unified_log(handle)).histories[0].workflow_id


async def wrong_namespace(handle: WorkflowHandle[Any, Any]) -> str:
    log = await unified_log(handle)
    return f"{log.histories[-1].namespace}/{log.histories[0].workflow_id}"


async def first_entry(handle: WorkflowHandle[Any, Any]) -> str:
    first = (await unified_log(handle)).entries[0]
    return f"{first.namespace}/{first.workflow_id}"


async def past_the_end(handle: WorkflowHandle[Any, Any]) -> str:
    told = await history(handle)
    while above := told.links[0]:
        there = Client(handle._client.service_client, namespace=above.namespace)
        told = await history(there.get_workflow_handle(above.workflow_id))
    return f"{told.namespace}/{told.workflow_id}"


async def in_one_namespace(handle: WorkflowHandle[Any, Any]) -> str:
    told = await history(handle)
    while told.links:
        told = await history(handle._client.get_workflow_handle(told.links[0].workflow_id))
    return f"{told.namespace}/{told.workflow_id}"


async def two_up(handle: WorkflowHandle[Any, Any]) -> str:
    above = (await history(handle)).links[0]
    there = Client(handle._client.service_client, namespace=above.namespace)
    links = (await history(there.get_workflow_handle(above.workflow_id))).links or [above]
    return f"{links[0].namespace}/{links[0].workflow_id}"


async def the_run(handle: WorkflowHandle[Any, Any]) -> str:
    first = (await unified_log(handle)).histories[0]
    return f"{first.namespace}/{first.run_id}"


async def only_sales(handle: WorkflowHandle[Any, Any]) -> str:
    return f"sales/{(await unified_log(handle)).histories[0].workflow_id}"


async def the_last(handle: WorkflowHandle[Any, Any]) -> str:
    last = (await unified_log(handle)).histories[-1]
    return f"{last.namespace}/{last.workflow_id}"


async def another_sign(handle: WorkflowHandle[Any, Any]) -> str:
    return (await by_the_log(handle)).replace("/", ":")


async def no_await_of_the_log(handle: WorkflowHandle[Any, Any]) -> str:
    first = unified_log(handle).histories[0]  # type: ignore[attr-defined]
    return f"{first.namespace}/{first.workflow_id}"


async def nothing(handle: WorkflowHandle[Any, Any]) -> None:
    await unified_log(handle)


async def two_arguments(handle: WorkflowHandle[Any, Any], namespace: str) -> str:
    return f"{namespace}/{handle.id}"


async def a_link(handle: WorkflowHandle[Any, Any]) -> Any:
    return (await history(handle)).links


async def hard_coded(handle: WorkflowHandle[Any, Any]) -> str:
    return "sales/chat-3"


async def in_a_circle(handle: WorkflowHandle[Any, Any]) -> str:
    while (await history(handle)).links:
        pass
    return ""


def not_async(handle: WorkflowHandle[Any, Any]) -> str:
    return "sales/chat-3"


async def nobody(handle: WorkflowHandle[Any, Any]) -> str:
    raise ApplicationError("not solved yet", non_retryable=True)


RIGHT: dict[str, dict[str, Any]] = {
    "6.1": {
        "by the rules": door(by_the_rules),
        "the other way round": door(the_other_way_round),
        "unclear is nobody": door(unclear_is_nobody),
    },
    "6.2": {
        "as in the solution": signed_door(verified),
        "rule first": signed_door(rule_first),
        "links must agree": signed_door(links_must_agree),
        "the library's verifier first": ByTheLibrary,
    },
    "6.3": {"by the log": by_the_log, "up the links": up_the_links, "its entries": first_entry},
}
WRONG: dict[str, dict[str, tuple[Any, str]]] = {
    "6.1": {
        "open to all": (door(open_to_all), "Compare the caller with `RULES`"),
        "open to nobody": (door(open_to_nobody), "which the rules allow, and was refused"),
        "PermissionError": (door(python_errors), "tries again until the caller's time is up"),
        "ApplicationError": (door(application_error), "A refusal is a HandlerError"),
        "INTERNAL": (door(internal), "the error has the type INTERNAL"),
        "to be tried again": (door(retryable), "Leave `retryable_override` out"),
        "ValueError not caught": (door(uncaught), "`caller` raises ValueError then: catch it"),
        "unclear is fine": (door(unclear_is_fine), "If nobody knows who calls, refuse"),
        "any link": (door(first_link), "without a link, and got in"),
        "KeyError": (door(no_rule_no_key), "`RULES.get(operation, [])` is empty then"),
        "no rule is open": (
            door(no_rule_is_open),
            "Sales called list_customers, which has no rule, and got in",
        ),
        "one list": (door(one_list), "Marketing called stock_price, and got in"),
        "too strict": (door(too_strict), "Marketing called calculate_roi, which the rules allow"),
        "too late": (door(too_late), "refused when the operation had run"),
        "no await": (door(no_await), "Is an `await` missing?"),
        "nothing back": (door(nothing_back), "and return its answer"),
        "silent": (door(silent), "and your code returned None"),
        "says nothing": (door(says_nothing), "lacks: marketing, stock_price"),
        "trusts a header": (door(trusts_a_header), "a header of its own that said sales, and got in"),
        "names nobody": (door(no_rule_no_name), "lacks: sales, list_customers"),
        "no rule is for one": (door(no_rule_is_its_own), "Marketing called list_customers, which has no rule"),
        "waits": (door(waits), "The nexus operation stock_price fails each time"),
        "BAD_REQUEST": (door(bad_request), "the error has the type BAD_REQUEST"),
        "a failed operation": (door(failed_operation), "A refusal is a HandlerError"),
        "takes a verifier": (signed_door(verified), "Keep its `__init__` as it was"),
        "an object": (door(by_the_rules)(), "Hand in the class itself: `Door`"),
        "the wrong class": (DoorFor, "Hand in `Door`, not the class behind it"),
    },
    "6.2": {
        "no verify": (signed_door(no_verify), "Call `self.verifier.verify(…)` first"),
        "no spend": (signed_door(no_spend), "Call `self.verifier.spend(claims, ctx.request_id)`"),
        "no rule": (signed_door(no_rule), "compare `claims.namespace`"),
        "by the links": (signed_door(by_the_links), "Links can be forged"),
        "reads it itself": (signed_door(reads_it_itself), "Let `verify` read the token"),
        "a random request": (signed_door(random_request), "under the request's own id"),
        "one request": (signed_door(constant_request), "before you let it through"),
        "any audience": (signed_door(any_audience), "`whom`, as it stands there"),
        "a nonce for a request": (signed_door(nonce_for_request), "with just that id"),
        "trusts a header": (signed_door(signed_trusts_a_header), "a header of its own that said sales"),
        "KeyError": (signed_door(signed_no_key), "`RULES.get(operation, [])` is empty then"),
        "no rule is open": (signed_door(signed_no_rule_is_open), "which has no rule, and got in"),
        "whom is None": (signed_door(nobody_is_called), "`verify` needs the call that is made"),
        "no whom": (signed_door(forgets_whom), "`verify` needs the call that is made"),
        "one operation": (signed_door(one_operation), "`whom`, as it stands there"),
        "swapped": (signed_door(swapped), "`self.verifier.spend(claims, ctx.request_id)`"),
        "INTERNAL": (signed_door(signed_internal), "the error has the type INTERNAL"),
        "says nothing": (signed_door(signed_says_nothing), "lacks: marketing, stock_price"),
        "an object": (signed_door(verified)(Verifier({}, Path())), "Hand in the class itself: `SignedDoor`"),
        "too late": (signed_door(signed_too_late), "refused when the operation had run"),
        "no verifier": (NoVerifier, "Keep its `__init__` as it was"),
    },
    "6.3": {
        "itself": (itself, "That is the workflow that you were given"),
        "the direct caller": (direct_caller, "That one is not the first"),
        "no namespace": (no_namespace, "Put the namespace before it"),
        "another namespace": (wrong_namespace, "its namespace is not"),
        "a list": (a_link, "Return a text"),
        "hard-coded": (hard_coded, "That one is not the first"),
        "in a circle": (in_a_circle, "Stop where `links` is empty"),
        "past the end": (past_the_end, "whoever has none began it"),
        "in one namespace": (in_one_namespace, "Let `unified_log(handle)` follow the links"),
        "two up": (two_up, "That one is not the first"),
        "the run": (the_run, "That is the id of its run"),
        "only sales": (only_sales, "its namespace is not"),
        "the last": (the_last, "That is the workflow that you were given"),
        "another sign": (another_sign, "with a slash between"),
        "no await": (no_await_of_the_log, "is an `await` missing?"),
        "nothing": (nothing, "Return a text"),
        "two arguments": (two_arguments, "takes one handle"),
        "a text": ("sales/chat-3", "Hand in the function"),
        "not async": (not_async, "an `async def`, without a call"),
    },
}
STUBS: dict[str, Any] = {
    "6.1": door(unsolved),
    "6.2": signed_door(signed_unsolved),
    "6.3": nobody,
}
