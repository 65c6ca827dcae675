"""The exercises of notebook 06: an allowlist, a door for signed callers, and who began a chain of calls."""

# No `from __future__ import annotations`: the SDK reads the operations' types from the annotations.

import contextlib
import inspect
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import nexusrpc
import temporalio.client as tc
import temporalio.worker as tw
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from nexusrpc import HandlerError, HandlerErrorType, Link
from nexusrpc.handler import StartOperationContext, service_handler, sync_operation
from temporalio.client import Client, WorkflowHandle
from temporalio.worker import Interceptor, Worker

from workshop_lib.checks.exercise import NOT_SOLVED, Wrong, exercise, require
from workshop_lib.checks.harness.handled import Handled, Watch, handled
from workshop_lib.checks.harness.trial import NAMESPACE, Before, stop
from workshop_lib.checks.harness.workflows import CHILD, Passing, RelayHandler
from workshop_lib.evidence.failures import advice, describe
from workshop_lib.evidence.state import notebook_folder
from workshop_lib.governance.identity import HEADER, Claims, Signer, Verifier, digest, sign
from workshop_lib.workshop import Workshop

_TYPE = "type=HandlerErrorType.UNAUTHORIZED"
_REFUSE = f'`raise HandlerError(f"{{who}} may not call {{operation}}.", {_TYPE})`'
_PASS = "`return await super().execute_nexus_operation_start(input)`"
_PROOF = "`claims = self.verifier.verify(ctx.headers, whom, input.input)`, then `….spend(claims, ctx.request_id)`"
# What somebody may write who wants to pass for sales.
_LIES = dict.fromkeys(("caller", "from", "namespace", "caller-namespace", "x-caller", "x-namespace"), "sales")
_COMPARE = f"Compare the caller with `RULES`, let it through, {_PASS}, or refuse: {_REFUSE}"
_NO_RULE = "An operation without a rule is for nobody: `RULES.get(operation, [])` is empty then."
_EITHER = (HandlerErrorType.UNAUTHORIZED, HandlerErrorType.UNAUTHENTICATED)
_NO_REFUSAL = f"Nexus tries other errors again, or the caller cannot tell what they are: {_REFUSE}"
_ERRORS = {KeyError: _NO_RULE, ValueError: f"Catch it, and refuse with a HandlerError, {_TYPE}."}


_ENDPOINT = "check-vault"


@nexusrpc.service
class Vault:
    """Two operations that have rules, and one that has none."""

    stock_price: nexusrpc.Operation[str, str]
    calculate_roi: nexusrpc.Operation[str, str]
    list_customers: nexusrpc.Operation[str, str]


@dataclass(frozen=True)
class _Attempt:
    """What became of one call.

    Attributes:
        answer: What the caller got; None if there was nothing.
        raised: What the interceptor raised; None if nothing.
        returned: What the interceptor returned; None if nothing.
        ran: Whether the operation itself has run.
    """

    answer: Any
    raised: Exception | None
    returned: Any
    ran: bool


@service_handler(service=Vault)
class _Guarded(Watch):
    """The service behind a learner's interceptor, and the ways in which others try to get in."""

    there: Handled

    def __init__(self) -> None:
        super().__init__()
        self.ran, self.forged = list[str](), dict[str, Any]()

    @sync_operation
    async def stock_price(self, ctx: StartOperationContext, name: str) -> str:
        return self._run(ctx)

    @sync_operation
    async def calculate_roi(self, ctx: StartOperationContext, name: str) -> str:
        return self._run(ctx)

    @sync_operation
    async def list_customers(self, ctx: StartOperationContext, name: str) -> str:
        return self._run(ctx)

    def _run(self, ctx: StartOperationContext) -> str:
        self.ran.append(ctx.operation)
        return "done"

    def comes(self, input: tw.ExecuteNexusOperationStartInput) -> None:
        """Forge a request, as a server's HTTP port lets anybody do."""
        headers = {**input.ctx.headers, **self.forged.get("headers", {})}
        input.ctx = replace(input.ctx, **{**self.forged, "headers": headers})

    async def ask(self, client: Client | None, operation: str, **forged: Any) -> _Attempt:
        """Call an operation from a Workflow of some namespace.

        Args:
            client: Of that namespace; None if it does not matter.
            operation: Its name.
            forged: What is other in the request when it comes: ``headers`` besides the real ones, ``inbound_links``,
                ``request_id``. Nexus tries a request again under the same id.
        """
        for seen in (self.requests, self.errors, self.answers, self.ran):
            seen.clear()
        self.forged = forged
        answer, _ = await self.there.ask(operation, "ACME", client)
        raised, returned = next(iter(self.errors), None), next(iter(self.answers), None)
        if NOT_SOLVED in str(raised):
            raise RuntimeError(NOT_SOLVED)
        return _Attempt(answer, raised, returned, bool(self.ran))


def _link(namespace: str, kind: str = "temporal.api.common.v1.Link.WorkflowEvent") -> Link:
    return Link(f"temporal:///namespaces/{namespace}/workflows/w/r/history", kind)


@contextlib.asynccontextmanager
async def _guarded(ws: Workshop, answer: Any, name: str, *given: Any) -> AsyncIterator[_Guarded]:
    """The service behind a learner's interceptor, while the block runs.

    Raises:
        Wrong: The answer is not the class of one, or it takes something else.
    """
    better = f"Hand in `{name}` itself, without a call, and not the class behind it."
    kind = isinstance(answer, type) and issubclass(answer, Interceptor)
    require(kind, "the class of a Worker's interceptor", repr(answer), better)
    try:
        interceptor = answer(*given)
    except TypeError as error:
        raise Wrong(f"`{name}` cannot be made: {error}", "Keep its `__init__` as it was.") from error
    vault = _Guarded()
    async with handled(ws, vault, _ENDPOINT, vault, [interceptor]) as vault.there:
        yield vault


async def _passes(call: Awaitable[_Attempt], what: str, better: str = _COMPARE) -> None:
    """An honest call has to get its answer.

    Args:
        call: The call.
        what: What it is, for the learner.
        better: What to do if it gets none.

    Raises:
        Wrong: It does not.
    """
    attempt = await call
    got = attempt.raised is None and attempt.ran and attempt.answer is not None
    better = f"Is an `await` missing? {_PASS}" if inspect.iscoroutine(attempt.returned) else better
    require(got, f"an answer, as the rules allow, where {what}", _seen(attempt), better)


async def _refused(
    call: Awaitable[_Attempt],
    what: str,
    *named: str,
    better: str = _COMPARE,
    types: Sequence[HandlerErrorType] = (HandlerErrorType.UNAUTHORIZED,),
) -> None:
    """A call that the rules do not allow has to be refused, before anything is done, in a way that ends it.

    Args:
        call: The call.
        what: What it is, for the learner.
        named: What the refusal has to name.
        better: What to do if it gets in.
        types: The types of errors that are right.

    Raises:
        Wrong: It gets in, or is refused in another way.
    """
    attempt = await call
    error = attempt.raised
    require(not attempt.ran, f"a refusal before the operation runs, where {what}", "that it ran", better)
    final = isinstance(error, HandlerError) and error.type in types and not error.retryable
    cure = next((cure for kind, cure in _ERRORS.items() if isinstance(error, kind)), _NO_REFUSAL if error else better)
    require(final, f"a final HandlerError with {_TYPE}, where {what}", _seen(attempt), cure)
    both = f"a refusal that names {' and '.join(named)}, where {what}: the caller's history records it"
    require(all(name in str(error) for name in named), both, repr(str(error)), _REFUSE)


def _seen(attempt: _Attempt) -> str:
    error = attempt.raised
    if isinstance(error, HandlerError):
        return f"a HandlerError of type {error.type.name}{', to be tried again' * error.retryable}: {error.message}"
    return f"{type(error).__name__}: {error}" if error else f"that your code returned {attempt.returned!r}"


async def _client(ws: Workshop, name: str, *interceptors: Any) -> Client:
    return await Client.connect(**await ws.connection(name, interceptors=list(interceptors)))


async def _rules(there: _Guarded, clients: list[Client], better: str) -> None:
    """What holds for both doors: who may call what, and nobody where there is no rule."""
    sales, marketing = clients
    for operation in ("stock_price", "calculate_roi"):
        await _passes(there.ask(sales, operation), f"sales called {operation}", better)
    await _passes(there.ask(marketing, "calculate_roi"), "marketing called calculate_roi", better)
    what = "marketing called stock_price"
    await _refused(there.ask(marketing, "stock_price"), what, "marketing", "stock_price", better=better)
    lies = "A caller writes its headers itself. They prove nothing."
    what = f"{what} with a header of its own that said sales"
    await _refused(there.ask(marketing, "stock_price", headers=_LIES), what, better=lies)
    for who, client in (("sales", sales), ("marketing", marketing)):
        what = f"{who} called list_customers, which has no rule"
        await _refused(there.ask(client, "list_customers"), what, who, "list_customers", better=_NO_RULE)


@exercise("6.1")
async def allowlist(ws: Workshop, answer: Any) -> str:
    """The honest get in, and nobody else, also whoever does not say clearly where the call comes from."""
    async with _guarded(ws, answer, "Door") as there:
        await _rules(there, [await _client(ws, "sales"), await _client(ws, "marketing")], _COMPARE)
        unclear = {
            "without a link": [],
            "with links of two namespaces": [_link("sales"), _link("marketing")],
            "with a link of an unknown type": [_link("sales", "Some.Link")],
        }
        better = f"If nobody knows who calls, refuse: `caller` raises ValueError then, and you need {_TYPE}."
        for how, links in unclear.items():
            call = there.ask(None, "calculate_roi", inbound_links=links)
            await _refused(call, f"somebody called calculate_roi {how}", better=better)
    return "Three honest calls got in. Marketing's price, an operation without a rule and three unclear calls did not."


_CLAIMS = f"Only `claims.namespace` is proved, links and headers are not: compare it with `RULES`. {_PROOF}"


@exercise("6.2")
async def signed(ws: Workshop, answer: Any) -> str:
    """Who has signed gets what the rules say, whatever the links say, and a token is good for one request."""
    keys = {name: Ed25519PrivateKey.generate() for name in ("sales", "marketing")}
    public = {name: key.public_key().public_bytes_raw() for name, key in keys.items()}
    verifier = Verifier(public, notebook_folder() / f"{ws.id('nonces')}.db")
    signing = [await _client(ws, name, Signer(name, key)) for name, key in keys.items()]
    async with _guarded(ws, answer, "SignedDoor", verifier) as there:
        await _rules(there, signing, _CLAIMS)
        unsigned = await _client(ws, "marketing")
        what = "marketing called calculate_roi without a signature"
        await _refused(there.ask(unsigned, "calculate_roi"), what, better=_CLAIMS, types=_EITHER)
        await _forged(ws, there, keys)
    return "Three honest calls and a repeated one got in. Forged links, spent and foreign tokens did not."


async def _forged(ws: Workshop, there: _Guarded, keys: dict[str, Ed25519PrivateKey]) -> None:
    """Forged requests: tokens of others, or used ones, and links of sales."""

    def token(name: str, operation: str, key: str) -> str:
        whom = (ws.namespace(_ENDPOINT), "Vault", operation)
        return sign(Claims(name, *whom, digest("ACME"), time.time() + 3600, str(uuid.uuid4())), keys[key])

    def send(request: str, token: str) -> Awaitable[_Attempt]:
        links, headers = [_link("sales")], {HEADER: token}  # for whoever believes links
        return there.ask(None, "stock_price", request_id=request, inbound_links=links, headers=headers)

    forged = {
        "marketing signed, and forged a link of sales": token("marketing", "stock_price", "marketing"),
        "marketing signed a token with the name of sales": token("sales", "stock_price", "marketing"),
        "a token of sales for calculate_roi came with a call of stock_price": token("sales", "calculate_roi", "sales"),
    }
    for what, sent in forged.items():
        await _refused(send(what, sent), what, better=_CLAIMS, types=_EITHER)
    used = token("sales", "stock_price", "sales")
    for what in ("sales signed and called stock_price", "Nexus repeated a request of sales, with its id and token"):
        await _passes(send("one", used), what, f"Spend it under the request's own id: {_PROOF}")
    what, spend = "a token that sales had used was sent with another request", f"Spend each token: {_PROOF}"
    await _refused(send("another", used), what, better=spend, types=_EITHER)


_READINGS = 50  # of one history: whoever follows the links reads each once or twice
_TEXT = '`f"{first.namespace}/{first.workflow_id}"`'
_FIRST = f"`first = (await unified_log(handle)).histories[0]` has followed the links up. Return a text: {_TEXT}."


@exercise("6.3")
async def who_began(ws: Workshop, answer: Any) -> str:
    """The right one is named for a short chain, for a longer one, and for one that begins where it ends."""
    require(inspect.iscoroutinefunction(answer), "the `async def` itself, without a call", repr(answer))
    work: dict[str, Any] = {"workflows": [Passing], "nexus_service_handlers": [RelayHandler()]}
    clients, running, endpoints = [], [], []
    for namespace, queue in ((NAMESPACE, "check-relay"), ("sales", "check-relay-far")):
        endpoints.append(await ws.endpoint(queue, namespace=namespace, task_queue=queue))
        clients.append(await Client.connect(**await ws.connection(namespace, interceptors=[_readings()])))
        running.append(ws.run(Worker, clients[-1], task_queue=queue, **work))
    (here, sales), (down, up) = clients, endpoints
    try:
        await _named(ws, answer, "a call from sales", (sales, "check-relay-far"), here, [down])
        what = "a call from sales, made by a child workflow"
        await _named(ws, answer, what, (sales, "check-relay-far"), here, [CHILD, down])
        what = "a call from here to sales and back"
        await _named(ws, answer, what, (here, "check-relay"), here, [up, CHILD, down])
    finally:
        for each in running:
            await stop(ws, each)
    return "You named the first of three chains: two workflows long, three, and four in two namespaces."


def _readings() -> Before:
    """Ends a function that reads histories again and again."""
    times: Counter[str] = Counter()

    def count(input: tc.DescribeWorkflowInput) -> None:
        times[input.id] += 1
        if times[input.id] > _READINGS:
            raise Wrong(f"`who_called` has read one history {_READINGS} times.", f"It goes in a circle. {_FIRST}")

    return Before(describe_workflow=count)


async def _named(ws: Workshop, answer: Any, what: str, top: tuple[Client, str], here: Client, plan: list[str]) -> None:
    """Let a chain of workflows run, and ask who began it.

    Args:
        ws: The workshop.
        answer: The learner's function.
        what: What the chain is, for the learner.
        top: Where it begins: a client and a task queue.
        here: Where it ends.
        plan: How each workflow calls the next.
    """
    begun: WorkflowHandle[Any, Any] = await top[0].start_workflow(
        Passing.run, plan, id=ws.id("check-chain"), task_queue=top[1]
    )
    last = here.get_workflow_handle(await begun.result())
    try:
        named = await answer(last)
    except Wrong:
        raise
    except Exception as error:
        line = describe(error)[-1].strip()
        if NOT_SOLVED in line:
            raise
        raise Wrong(f"It was {what}, and your code failed: {line}", advice(line) or _FIRST) from error
    right = f"{top[0].namespace}/{begun.id}"
    require(named == right, f"{right!r} for {what}", repr(named), _FIRST)
