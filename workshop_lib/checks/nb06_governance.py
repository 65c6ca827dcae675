"""The exercises of notebook 06: an allowlist, a door for signed callers, and who began a chain of calls."""

from __future__ import annotations

import inspect
import time
import uuid
from collections import Counter
from collections.abc import Awaitable, Sequence
from typing import Any

import temporalio.client as tc
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from nexusrpc import HandlerError, HandlerErrorType
from temporalio.client import Client, WorkflowHandle
from temporalio.worker import Interceptor, Worker

from workshop_lib.checks.exercise import NOT_SOLVED, Wrong, exercise
from workshop_lib.checks.harness import vault
from workshop_lib.checks.harness.chain import CHILD, Passing, RelayHandler
from workshop_lib.checks.harness.trial import NAMESPACE, stop
from workshop_lib.checks.harness.turns import expected
from workshop_lib.checks.harness.vault import Attempt, Guarded
from workshop_lib.evidence.failures import advice, describe
from workshop_lib.evidence.state import notebook_folder
from workshop_lib.governance.identity import Claims, Signer, Verifier, digest, sign
from workshop_lib.workshop import Workshop

_TYPE = "type=HandlerErrorType.UNAUTHORIZED"
_REFUSE = f'`raise HandlerError(f"{{who}} may not call {{operation}}.", {_TYPE})`'
_PASS = "`return await super().execute_nexus_operation_start(input)`"
_PROOF = (
    "`claims = self.verifier.verify(ctx.headers, whom, input.input)`, then "
    "`self.verifier.spend(claims, ctx.request_id)`"
)
# What somebody may write who wants to pass for sales.
_LIES = dict.fromkeys(("caller", "from", "namespace", "caller-namespace", "x-caller", "x-namespace"), "sales")
_COMPARE = f"Compare the caller with `RULES`, let it through, {_PASS}, or refuse: {_REFUSE}"
_NO_RULE = "An operation without a rule is for nobody: `RULES.get(operation, [])` is empty then."
_UNAUTHORIZED = (HandlerErrorType.UNAUTHORIZED,)
_EITHER = (HandlerErrorType.UNAUTHORIZED, HandlerErrorType.UNAUTHENTICATED)
_NO_REFUSAL = f"Nexus tries other errors again, or the caller cannot tell what they are: {_REFUSE}"
# What to do about some errors that are not refusals.
_ERRORS = {
    KeyError: _NO_RULE,
    ValueError: f"`caller` raises ValueError: catch it, and refuse with a HandlerError, {_TYPE}.",
}


def _interceptor(answer: Any, name: str, *given: Any) -> Interceptor:
    """Make a learner's interceptor.

    Raises:
        Wrong: The answer is not a class of one, or it takes something else.
    """
    if not (isinstance(answer, type) and issubclass(answer, Interceptor)):
        better = f"Hand in `{name}` itself, without a call, and not the class behind it."
        raise expected("the class of a Worker's interceptor", repr(answer), better)
    try:
        return answer(*given)
    except TypeError as error:
        raise Wrong(f"`{name}` cannot be made: {error}", "Keep its `__init__` as it was.") from error


async def _passes(call: Awaitable[Attempt], what: str, better: str = _COMPARE) -> None:
    """An honest call has to get its answer.

    Args:
        call: The call.
        what: What it is, for the learner.
        better: What to do if it gets none.

    Raises:
        Wrong: It does not.
    """
    attempt = await call
    if attempt.raised is None and attempt.ran and attempt.answer is not None:
        return
    if inspect.iscoroutine(attempt.returned):
        raise Wrong(f"{what} got no answer: a coroutine came back.", f"Is an `await` missing? {_PASS}")
    raise expected(f"an answer, as the rules allow, where {what}", _seen(attempt), better)


async def _refused(
    call: Awaitable[Attempt],
    what: str,
    *named: str,
    better: str = _COMPARE,
    types: Sequence[HandlerErrorType] = _UNAUTHORIZED,
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
    if attempt.ran and error is None:
        raise Wrong(f"{what}, and got in.", better)
    if attempt.ran:
        raise Wrong(f"{what}, and was refused when the operation had run.", "Look first, and let it through then.")
    if not isinstance(error, HandlerError) or error.type not in types or error.retryable:
        if error is not None:
            better = next((cure for kind, cure in _ERRORS.items() if isinstance(error, kind)), _NO_REFUSAL)
        right = f"a final HandlerError of type {' or '.join(each.name for each in types)}"
        raise expected(f"{right}, where {what}", _seen(attempt), better)
    if missing := [name for name in named if name not in error.message]:
        better = f"Say who may not call what. The caller's history records it, and lacks: {', '.join(missing)}."
        raise expected(f"a refusal that names both where {what}", repr(error.message), better)


def _seen(attempt: Attempt) -> str:
    error = attempt.raised
    if isinstance(error, HandlerError):
        return f"a HandlerError of type {error.type.name}{', to be tried again' * error.retryable}: {error.message}"
    return f"{type(error).__name__}: {error}" if error else f"that your code returned {attempt.returned!r}"


async def _clients(ws: Workshop, *interceptors: Any) -> list[Client]:
    """A client of sales, and one of marketing, each with its own interceptor if there are any."""
    own = [[each] for each in interceptors] or [[], []]
    names = ("sales", "marketing")
    return [
        await Client.connect(**await ws.connection(name, interceptors=more))
        for name, more in zip(names, own, strict=True)
    ]


async def _rules(there: Guarded, clients: list[Client], better: str) -> None:
    """What holds for both doors: who may call what, and nobody where there is no rule."""
    sales, marketing = clients
    for operation in ("stock_price", "calculate_roi"):
        await _passes(there.ask(sales, operation), f"sales called {operation}", better)
    await _passes(there.ask(marketing, "calculate_roi"), "marketing called calculate_roi", better)
    what = "Marketing called stock_price"
    await _refused(there.ask(marketing, "stock_price"), what, "marketing", "stock_price", better=better)
    lies = "A caller writes its headers itself. They prove nothing."
    what = f"{what} with a header of its own that said sales"
    await _refused(there.ask(marketing, "stock_price", _LIES), what, better=lies)
    for who, client in (("sales", sales), ("marketing", marketing)):
        what = f"{who.capitalize()} called list_customers, which has no rule"
        await _refused(there.ask(client, "list_customers"), what, who, "list_customers", better=_NO_RULE)


@exercise("6.1")
async def allowlist(ws: Workshop, answer: Any) -> str:
    """The honest get in, and nobody else, also whoever does not say clearly where the call comes from."""
    async with vault.guarded(ws, _interceptor(answer, "Door")) as there:
        await _rules(there, await _clients(ws), _COMPARE)
        unclear = {
            "without a link": [],
            "with links of two namespaces": [vault.link("sales"), vault.link("marketing")],
            "with a link of an unknown type": [vault.link("sales", "Some.Link")],
        }
        better = f"If nobody knows who calls, refuse: `caller` raises ValueError then, and you need {_TYPE}."
        for how, links in unclear.items():
            call = there.forge("calculate_roi", "unclear", links)
            await _refused(call, f"Somebody called calculate_roi {how}", better=better)
    return "Three honest calls got in. Marketing's price, an operation without a rule and three unclear calls did not."


_SPEND = "Call `self.verifier.spend(claims, ctx.request_id)`, with just that id, before you let it through."
_CLAIMS = f"Only `claims.namespace` is proved, links and headers are not: compare it with `RULES`. {_PROOF}"


@exercise("6.2")
async def signed(ws: Workshop, answer: Any) -> str:
    """Who has signed gets what the rules say, whatever the links say, and a token is good for one request."""
    keys = {name: Ed25519PrivateKey.generate() for name in ("sales", "marketing")}
    public = {name: key.public_key().public_bytes_raw() for name, key in keys.items()}
    verifier = Verifier(public, notebook_folder() / f"{ws.id('nonces')}.db")
    signing = await _clients(ws, *(Signer(name, key) for name, key in keys.items()))
    async with vault.guarded(ws, _interceptor(answer, "SignedDoor", verifier)) as there:
        await _rules(there, signing, _CLAIMS)
        (_, unsigned) = await _clients(ws)
        what, better = "Marketing called calculate_roi without a signature", "Call `self.verifier.verify(…)` first."
        await _refused(there.ask(unsigned, "calculate_roi"), what, better=better, types=_EITHER)
        await _forged(ws, there, keys)
    return (
        "Three honest calls and a repeated one got in. Forged links, spent and foreign tokens did not, nor did "
        "anybody where there is no rule."
    )


async def _forged(ws: Workshop, there: Guarded, keys: dict[str, Ed25519PrivateKey]) -> None:
    """Forged requests: tokens of others, or used ones, and links of sales."""

    def token(name: str, operation: str, key: str) -> str:
        whom = (ws.namespace(vault.ENDPOINT), "Vault", operation)
        return sign(Claims(name, *whom, digest("ACME"), time.time() + 3600, str(uuid.uuid4())), keys[key])

    async def send(request_id: str, token: str) -> Attempt:
        return await there.forge("stock_price", request_id, [vault.link("sales")], token)  # for whoever believes links

    forged = {
        "Marketing signed, and forged a link of sales": (token("marketing", "stock_price", "marketing"), _CLAIMS),
        "Marketing signed a token with the name of sales": (
            token("sales", "stock_price", "marketing"),
            "Let `verify` read the token: it checks the signature.",
        ),
        "A token of sales for calculate_roi came with a call of stock_price": (
            token("sales", "calculate_roi", "sales"),
            "Give `verify` the call that is made: `whom`, as it is.",
        ),
    }
    for what, (sent, better) in forged.items():
        await _refused(send(what, sent), what, better=better, types=_EITHER)
    used = token("sales", "stock_price", "sales")
    for what in ("sales signed and called stock_price", "Nexus repeated a request of sales, with its id and token"):
        await _passes(send("one", used), what, f"Spend it under the request's own id: {_PROOF}")
    what = "A token that sales had used was sent with another request"
    await _refused(send("another", used), what, better=_SPEND, types=_EITHER)


_READINGS = 50  # of one history: whoever follows the links reads each once or twice
_TEXT = '`f"{first.namespace}/{first.workflow_id}"`'
_FIRST = f"`first = (await unified_log(handle)).histories[0]` has followed the links up. Return a text: {_TEXT}."


@exercise("6.3")
async def who_began(ws: Workshop, answer: Any) -> str:
    """The right one is named for a short chain, for a longer one, and for one that begins where it ends."""
    if not inspect.iscoroutinefunction(answer):
        better = "Hand in the function `who_called`, an `async def`, without a call."
        raise expected("a coroutine function", repr(answer), better)
    work: dict[str, Any] = {"workflows": [Passing], "nexus_service_handlers": [RelayHandler()]}
    clients, running, endpoints = [], [], []
    for namespace, queue in ((NAMESPACE, "check-relay"), ("sales", "check-relay-far")):
        endpoints.append(await ws.endpoint(queue, namespace=namespace, task_queue=queue))
        clients.append(await Client.connect(**await ws.connection(namespace, interceptors=[_Readings()])))
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


class _Readings(tc.Interceptor):
    """Ends a function that reads histories again and again."""

    def intercept_client(self, next: tc.OutboundInterceptor) -> tc.OutboundInterceptor:
        """See base class."""
        return _Counted(next)


class _Counted(tc.OutboundInterceptor):
    def __init__(self, next: tc.OutboundInterceptor) -> None:
        super().__init__(next)
        self._times: Counter[str] = Counter()

    async def describe_workflow(self, input: tc.DescribeWorkflowInput) -> tc.WorkflowExecutionDescription:
        self._times[input.id] += 1
        if self._times[input.id] > _READINGS:
            raise Wrong(f"`who_called` has read one history {_READINGS} times.", f"It goes in a circle. {_FIRST}")
        return await super().describe_workflow(input)


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
    if named != (right := f"{top[0].namespace}/{begun.id}"):
        raise expected(f"{right!r} for {what}", repr(named), _FIRST)
