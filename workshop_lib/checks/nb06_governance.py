"""The exercises of notebook 06: an allowlist, a door for signed callers, and who began a chain of calls."""

import contextlib
import inspect
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from nexusrpc import HandlerError, HandlerErrorType, Link
from nexusrpc.handler import StartOperationContext
from temporalio.client import Client, DescribeWorkflowInput, FetchWorkflowHistoryEventsInput
from temporalio.worker import ExecuteNexusOperationStartInput, Interceptor

from workshop_lib.checks.exercise import Wrong, exercise, expecting, require
from workshop_lib.checks.harness.handled import Caller, Watch, answering, calling, handled
from workshop_lib.checks.harness.trial import NAMESPACE, Before, start, worker
from workshop_lib.checks.harness.workflows import CHILD, Passing, RelayHandler
from workshop_lib.evidence.state import notebook_folder
from workshop_lib.governance.allowlist import caller as who_calls
from workshop_lib.governance.identity import HEADER, Claims, Signer, Verifier, digest, sign
from workshop_lib.workshop import Workshop

# What somebody may write who wants to pass for sales.
_LIES = dict.fromkeys(("caller", "from", "namespace", "caller-namespace", "x-caller", "x-namespace"), "sales")
Keys = dict[str, Ed25519PrivateKey]
_ENDPOINT, _SERVICE = "check-vault", "Vault"
_RULES = {"stock_price": ["sales"], "calculate_roi": ["sales", "marketing"], "list_customers": []}  # as the notebook's


class _Guarded(Watch):
    """A service behind a learner's interceptor, and the ways in which others try to get in."""

    inside: Caller
    sales: Caller
    marketing: Caller
    refusals: tuple[HandlerErrorType, ...] = (HandlerErrorType.UNAUTHORIZED,)
    """The types of errors that are right for who comes without a proof."""

    def __init__(self) -> None:
        super().__init__()
        self.ran, self.forged = list[str](), dict[str, Any]()

    def run(self, ctx: StartOperationContext, given: Any) -> str:
        """What each operation does."""
        self.ran.append(ctx.operation)
        return "done"

    async def comes(self, input: ExecuteNexusOperationStartInput) -> None:
        """Forge a request, as a server's HTTP port lets anybody do. The rules of an exercise name no one's prefix."""
        real = who_calls(input.ctx.inbound_links)
        own = f"/{self.inside.ws.own_name(real)}/"
        links = [Link(link.url.replace(f"/{real}/", own), link.type) for link in input.ctx.inbound_links]
        headers = {**input.ctx.headers, **self.forged.get("headers", {})}
        input.ctx = replace(input.ctx, **{"inbound_links": links, **self.forged, "headers": headers})

    async def _ask(self, caller: Caller, operation: str, forged: dict[str, Any]) -> tuple[Any, Any, str]:
        """Call an operation: the answer, what your code raised, and what it did, for the learner."""
        for seen in (self.requests, self.errors, self.answers, self.ran):
            seen.clear()
        self.forged = forged
        answer, _ = await caller.ask(operation, "ACME")
        error = next(iter(self.errors), None)
        if isinstance(error, HandlerError):
            retried = ", which is retried" * error.retryable
            return answer, error, f"a HandlerError of type {error.type.name}{retried}: {error.message}"
        saw = f"{type(error).__name__}: {error}" if error else f"that your code returned {self.answers[:1]}"
        return answer, error, saw

    async def passes(self, what: str, caller: Caller, operation: str, advice: str, **forged: Any) -> None:
        """An honest call has to get its answer.

        Args:
            what: What it is, for the learner.
            caller: Who calls; ``inside`` if it does not matter.
            operation: Its name.
            advice: What to do if it gets none.
            forged: What is other in the request when it comes: ``headers`` besides the real ones, ``inbound_links``,
                ``request_id``. Nexus tries a request again under the same id.
        """
        answer, error, saw = await self._ask(caller, operation, forged)
        got = error is None and self.ran and answer is not None
        require(got, f"an answer, as the rules allow, where {what}", saw, advice)

    async def refuses(self, what: str, caller: Caller, operation: str, advice: str, *named: str, **forged: Any) -> None:
        """A call that the rules do not allow has to be refused, before anything is done, in a way that ends it.

        Args:
            what: As for ``passes``.
            caller: As for ``passes``.
            operation: As for ``passes``.
            advice: What to do if it gets in.
            named: What the refusal has to name.
            forged: As for ``passes``.
        """
        _, error, saw = await self._ask(caller, operation, forged)
        require(not self.ran, f"a refusal before the operation runs, where {what}", "that it ran", advice)
        final = isinstance(error, HandlerError) and error.type in self.refusals and not error.retryable
        right = f"a final HandlerError with type=HandlerErrorType.UNAUTHORIZED, where {what}"
        require(final, right, saw, "final" if error else advice)
        right = f"a refusal that names {' and '.join(named)}, where {what}: the caller's history records it"
        require(all(name in str(error) for name in named), right, repr(str(error)), "final")


def _link(namespace: str, kind: str = "temporal.api.common.v1.Link.WorkflowEvent") -> Link:
    return Link(f"temporal:///namespaces/{namespace}/workflows/w/r/history", kind)


@contextlib.asynccontextmanager
async def _guarded(ws: Workshop, answer: Any, name: str, keys: Keys, *given: Any) -> AsyncIterator[_Guarded]:
    """The service behind a learner's interceptor, while the block runs.

    Raises:
        Wrong: The answer is not the class of one, or it takes something else.
    """
    kind = isinstance(answer, type) and issubclass(answer, Interceptor)
    require(kind, f"the class `{name}` of a Worker's interceptor, without a call", repr(answer))
    with expecting(f"`{name}` to take {len(given)} arguments", "Keep its `__init__` as it was.", TypeError):
        interceptor = answer(*given)
    vault = _Guarded()
    handler = answering(_SERVICE, vault.run, *_RULES)
    async with (
        handled(ws, handler, _ENDPOINT, vault, interceptors=[interceptor]) as vault.inside,
        _from(ws, "sales", keys) as vault.sales,
        _from(ws, "marketing", keys) as vault.marketing,
    ):
        yield vault


def _from(ws: Workshop, name: str, keys: Keys) -> AbstractAsyncContextManager[Caller]:
    """A caller, who signs if there is a key."""
    signers = [Signer(name, keys[name])] if keys else []
    return calling(ws, name, _ENDPOINT, *signers, service=_SERVICE)


async def _rules(there: _Guarded) -> None:
    """What holds for both doors: who may call what, and nobody where there is no rule."""
    for operation, allowed in _RULES.items():
        for who, caller in (("sales", there.sales), ("marketing", there.marketing)):
            what = f"{who} called {operation}"
            if who in allowed:
                await there.passes(what, caller, operation, "rules")
            else:
                what, advice = (what, "rules") if allowed else (f"{what}, which has no rule", "no rule")
                await there.refuses(what, caller, operation, advice, who, operation)
    what = "marketing called stock_price with a header that said sales"
    await there.refuses(what, there.marketing, "stock_price", "header", headers=_LIES)


@exercise("6.1")
async def allowlist(ws: Workshop, answer: Any) -> None:
    """The honest get in, and nobody else, also whoever does not say clearly where the call comes from."""
    async with _guarded(ws, answer, "Door", {}) as there:
        await _rules(there)
        unclear = {
            "without a link": [],
            "with links of two namespaces": [_link("sales"), _link("marketing")],
            "with a link of an unknown type": [_link("sales", "Some.Link")],
        }
        for how, links in unclear.items():
            what = f"somebody called calculate_roi {how}"
            await there.refuses(what, there.inside, "calculate_roi", "unclear", inbound_links=links)


@exercise("6.2")
async def signed(ws: Workshop, answer: Any) -> None:
    """Who has signed gets what the rules say, whatever the links say, and a token is good for one request."""
    keys = {name: Ed25519PrivateKey.generate() for name in ("sales", "marketing")}
    public = {name: key.public_key().public_bytes_raw() for name, key in keys.items()}
    verifier = Verifier(public, notebook_folder() / f"{ws.id('nonces')}.db")
    async with _guarded(ws, answer, "SignedDoor", keys, verifier) as there, _from(ws, "marketing", {}) as unsigned:
        await _rules(there)
        there.refusals = (HandlerErrorType.UNAUTHORIZED, HandlerErrorType.UNAUTHENTICATED)
        await there.refuses("marketing called calculate_roi without a signature", unsigned, "calculate_roi", "rules")
        await _forged(ws, there, keys)


async def _forged(ws: Workshop, there: _Guarded, keys: Keys) -> None:
    """Forged requests: tokens of others, or used ones, and links of sales."""

    def sent(name: str, operation: str, key: str, request: str = "") -> dict[str, Any]:
        whom = (ws.namespace(_ENDPOINT), _SERVICE, operation)
        token = sign(Claims(name, *whom, digest("ACME"), time.time() + 3600, str(uuid.uuid4())), keys[key])
        links = [_link("sales")]  # for whoever believes links
        return {"request_id": request or str(uuid.uuid4()), "inbound_links": links, "headers": {HEADER: token}}

    forged = {
        "marketing signed, and forged a link of sales": sent("marketing", "stock_price", "marketing"),
        "marketing signed a token with the name of sales": sent("sales", "stock_price", "marketing"),
        "a token of sales for calculate_roi came with a call of stock_price": sent("sales", "calculate_roi", "sales"),
    }
    for what, request in forged.items():
        await there.refuses(what, there.inside, "stock_price", "rules", **request)
    used = sent("sales", "stock_price", "sales", "one")
    for what in ("sales signed and called stock_price", "Nexus repeated a request of sales, with its id and token"):
        await there.passes(what, there.inside, "stock_price", "spend", **used)
    what = "a token that sales had used was sent with another request"
    await there.refuses(what, there.inside, "stock_price", "spend", **{**used, "request_id": "another"})


_READINGS = 50  # of one history: whoever follows the links reads each a few times


@exercise("6.3")
async def who_began(ws: Workshop, answer: Any) -> None:
    """The right one is named for a short chain, for a longer one, and for one that begins where it ends."""
    require(inspect.iscoroutinefunction(answer), "the `async def` itself, without a call", repr(answer))
    work: dict[str, Any] = {"workflows": [Passing], "nexus_service_handlers": [RelayHandler()]}
    near, far = "check-relay", "check-relay-far"
    down = await ws.endpoint(near, namespace=NAMESPACE, task_queue=near)
    up = await ws.endpoint(far, namespace="sales", task_queue=far)
    async with (
        worker(ws, near, {"interceptors": [_readings()]}, **work) as here,
        worker(ws, far, {"namespace": "sales", "interceptors": [_readings()]}, **work) as sales,
    ):
        chains: list[tuple[str, Client, str, list[str]]] = [  # what it is, and where it begins and how it goes on
            ("a call from sales", sales, far, [down]),
            ("a call from sales, made by a child Workflow", sales, far, [CHILD, down]),
            ("a call from here to sales and back", here, near, [up, CHILD, down]),
        ]
        for what, client, queue, plan in chains:
            id = ws.id("check-chain")
            begun = await start(client, queue, Passing.run, plan, id=id)
            named = await answer(here.get_workflow_handle(await begun.result()))
            right = f"{client.namespace}/{id}"
            require(named == right, f"{right!r} for {what}", repr(named))


def _readings() -> Before:
    """Ends a function that reads histories again and again."""
    times: Counter[str] = Counter()

    def count(input: DescribeWorkflowInput | FetchWorkflowHistoryEventsInput) -> None:
        times[input.id] += 1
        if times[input.id] > _READINGS:
            raise Wrong(f"`who_called` has read one history {_READINGS} times.", "circle")

    return Before(describe_workflow=count, fetch_workflow_history_events=count)
