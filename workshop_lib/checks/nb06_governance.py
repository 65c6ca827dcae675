"""The exercises of notebook 06: an allowlist, a door for signed callers, and who began a chain of calls."""

from __future__ import annotations

import asyncio
import inspect
import time
import uuid
from collections import Counter
from collections.abc import Mapping
from typing import Any

import temporalio.client as tc
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from nexusrpc import HandlerError, HandlerErrorType
from temporalio.client import Client, WorkflowHandle
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import Interceptor, Worker

from workshop_lib.checks.exercise import NOT_SOLVED, Wrong, exercise
from workshop_lib.checks.harness import vault
from workshop_lib.checks.harness.chain import Hop, Passing, RelayHandler, Talking
from workshop_lib.checks.harness.handled import passing
from workshop_lib.checks.harness.trial import NAMESPACE, end
from workshop_lib.checks.harness.vault import Attempt, Guarded
from workshop_lib.evidence.failures import advice, describe
from workshop_lib.evidence.history import History, history
from workshop_lib.evidence.messages import WorkshopError
from workshop_lib.evidence.state import notebook_folder
from workshop_lib.governance.identity import HEADER, Claims, Signer, Verifier, sign
from workshop_lib.workshop import Workshop

_TYPE = "type=HandlerErrorType.UNAUTHORIZED"
_REFUSE = f'`raise HandlerError(f"{{who}} may not call {{operation}}.", {_TYPE})`'
_PASS = "`return await super().execute_nexus_operation_start(input)`"
_PROOF = "`claims = self.verifier.verify(ctx.headers, whom)`, then `self.verifier.spend(claims, ctx.request_id)`"
_WHOM = "Give `verify` the call that is made: `whom`, as it stands there."
# What somebody may write who wants to pass for sales.
_LIES = dict.fromkeys(("caller", "from", "namespace", "caller-namespace", "x-caller", "x-namespace"), "sales")
_NO_RULE = "An operation without a rule is for nobody: `RULES.get(operation, [])` is empty then."


def _interceptor(answer: Any, name: str, *given: Any) -> Interceptor:
    """Make a learner's interceptor.

    Raises:
        Wrong: The answer is no class of one, or it takes something else.
    """
    if not isinstance(answer, type):
        raise Wrong(f"You handed in {answer!r}.", f"Hand in the class itself: `{name}`, without a call.")
    if not issubclass(answer, Interceptor):
        raise Wrong(f"{answer.__name__} is no interceptor of a Worker.", f"Hand in `{name}`, not the class behind it.")
    try:
        return answer(*given)
    except TypeError as error:
        call = f"`{name}({'verifier' if given else ''})`"
        raise Wrong(f"{call} cannot be made: {error}", "Keep its `__init__` as it was.") from error


def _passes(attempt: Attempt, what: str, cure: str = "Fix that line.") -> None:
    """An honest call has to get its answer.

    Args:
        attempt: What became of it.
        what: What was tried, for the learner.
        cure: What to do if the code fails.

    Raises:
        Wrong: It does not.
    """
    if inspect.iscoroutine(attempt.returned):
        raise Wrong(f"{what} got no answer: a coroutine came back.", f"Is an `await` missing? {_PASS}")
    if isinstance(attempt.raised, HandlerError):
        advice = _WHOM if "is signed for" in attempt.raised.message else "Compare with `RULES`."
        raise Wrong(f"{what}, which the rules allow, and was refused: {attempt.raised.message}", advice)
    if attempt.raised is not None:
        kind = type(attempt.raised).__name__
        raise Wrong(f"{what}, which the rules allow, and your code failed: {kind}: {attempt.raised}", cure)
    if not attempt.ran or attempt.answer is None:
        raise Wrong(
            f"{what}, which the rules allow, and got no answer.", f"Let it through, and return its answer: {_PASS}"
        )


def _refused(attempt: Attempt, what: str, types: Mapping[HandlerErrorType, str], advice: str = "") -> str:
    """A call that the rules do not allow has to be refused, before anything is done, in a way that ends it.

    Args:
        attempt: What became of it.
        what: What was tried, for the learner.
        types: The types of errors that are right.
        advice: What to do if it got in.

    Returns:
        The sentence of the refusal.

    Raises:
        Wrong: It got in, or is refused in another way.
    """
    if attempt.ran and attempt.raised is None:
        raise Wrong(f"{what}, and got in.", advice or f"Compare the caller with `RULES`, and refuse: {_REFUSE}")
    if attempt.ran:
        raise Wrong(f"{what}, and was refused when the operation had run.", "Look first, and let it through then.")
    if attempt.raised is None:
        raise Wrong(f"{what}, and your code returned {attempt.returned!r}.", f"Refuse with an error: {_REFUSE}")
    _right_error(attempt.raised, what, types)
    assert isinstance(attempt.raised, HandlerError)
    return attempt.raised.message


def _right_error(error: Exception, what: str, types: Mapping[HandlerErrorType, str]) -> None:
    told = f"{type(error).__name__}: {error}"
    if isinstance(error, HandlerError) and error.type in types and not error.retryable:
        return
    if isinstance(error, HandlerError) and error.type in types:
        raise Wrong(f"{what}, and your refusal says that it can be tried again.", "Leave `retryable_override` out.")
    if isinstance(error, HandlerError):
        names = " or ".join(f"`HandlerErrorType.{each.name}`" for each in types)
        advice = f"A refusal has the type {names}. Nexus does not try it again, and the caller can tell what it is."
        raise Wrong(f"{what}, and the error has the type {error.type.name}.", advice)
    if isinstance(error, KeyError):
        raise Wrong(f"{what}, and your code failed: {told}", _NO_RULE)
    if isinstance(error, ValueError) and "link" in str(error):
        advice = f"`caller` raises ValueError then: catch it, and refuse with a HandlerError, {_TYPE}."
        raise Wrong(f"{what}, and your code failed: {told}", advice)
    again = " Nexus takes it for a passing error, and tries again until the caller's time is up." * passing(error)
    raise Wrong(f"{what}, and your code raised {told}.{again}", f"A refusal is a HandlerError: {_REFUSE}")


def _named(sentence: str, what: str, *names: str) -> None:
    missing = [name for name in names if name not in sentence]
    if missing:
        raise Wrong(
            f"{what}, and was told: {sentence!r}",
            f"Say who may not call what. It stands in the caller's history, and lacks: {', '.join(missing)}.",
        )


_UNAUTHORIZED = {HandlerErrorType.UNAUTHORIZED: "not allowed"}
_EITHER = {HandlerErrorType.UNAUTHORIZED: "not allowed", HandlerErrorType.UNAUTHENTICATED: "not known"}


async def _clients(ws: Workshop, *interceptors: Any) -> list[Client]:
    """A client of sales, and one of marketing, each with its own interceptor if there are any."""
    own = [[each] for each in interceptors] or [[], []]
    names = ("sales", "marketing")
    return [
        await Client.connect(**await ws.connection(name, interceptors=more))
        for name, more in zip(names, own, strict=True)
    ]


@exercise("6.1")
async def allowlist(ws: Workshop, answer: Any) -> str:
    """The honest get in, and nobody else, also whoever does not say clearly where the call comes from."""
    sales, marketing = await _clients(ws)
    async with vault.guarded(ws, _interceptor(answer, "Door")) as there:
        for operation in ("stock_price", "calculate_roi"):
            _passes(await there.call(sales, operation), f"Sales called {operation}")
        _passes(await there.ask(sales, "stock_price"), "Sales called stock_price from a workflow")
        _passes(await there.call(marketing, "calculate_roi"), "Marketing called calculate_roi")
        what = "Marketing called stock_price"
        told = _refused(await there.call(marketing, "stock_price"), what, _UNAUTHORIZED)
        _named(told, what, "marketing", "stock_price")
        what = "Marketing called stock_price with a header of its own that said sales"
        advice = "A caller writes its headers itself. Ask `caller(links)` who it is."
        _refused(await there.call(marketing, "stock_price", _LIES), what, _UNAUTHORIZED, advice)
        await _without_a_rule(there, sales, marketing)
        two = {"nexus-link": ", ".join(vault.link(name)["nexus-link"] for name in ("sales", "marketing"))}
        unclear = {
            "Somebody called calculate_roi without a link": {},
            "Somebody called calculate_roi with links of two namespaces": two,
            "Somebody called calculate_roi with a link of an unknown type": vault.link("sales", "Some.Link"),
        }
        closed = f"If nobody knows who calls, refuse: `caller` raises ValueError then, and you need {_TYPE}."
        for what, headers in unclear.items():
            attempt = await there.post("calculate_roi", str(uuid.uuid4()), headers)
            _refused(attempt, what, _UNAUTHORIZED, closed)
    return "Four honest calls got in. Marketing's price, an operation without a rule and three unclear calls did not."


async def _without_a_rule(there: Guarded, *callers: Client) -> None:
    for client in callers:
        what = f"{there.who(client).capitalize()} called list_customers, which has no rule"
        told = _refused(await there.call(client, "list_customers"), what, _UNAUTHORIZED, _NO_RULE)
        _named(told, what, there.who(client), "list_customers")


@exercise("6.2")
async def signed(ws: Workshop, answer: Any) -> str:
    """Who has signed gets what the rules say, whatever the links say, and a token is good for one request."""
    keys = {name: Ed25519PrivateKey.generate() for name in ("sales", "marketing")}
    public = {name: key.public_key().public_bytes_raw() for name, key in keys.items()}
    verifier = Verifier(public, notebook_folder() / f"{ws.id('nonces')}.db")
    sales, marketing = await _clients(ws, *(Signer(name, key) for name, key in keys.items()))
    (_, unsigned) = await _clients(ws)
    async with vault.guarded(ws, _interceptor(answer, "SignedDoor", verifier)) as there:
        cure = f"`verify` needs the call that is made, `spend` the request's own id: {_PROOF}."
        for operation in ("stock_price", "calculate_roi"):
            _passes(await there.call(sales, operation), f"Sales signed and called {operation}", cure)
        _passes(await there.call(marketing, "calculate_roi"), "Marketing signed and called calculate_roi", cure)
        await _attacks(ws, there, keys, marketing, unsigned)
        what = "Sales signed and called stock_price from a workflow"
        _passes(attempt := await there.ask(sales, "stock_price"), what, cure)
        what = "Marketing sent a token that it had found in the history of sales"
        _refused(await there.call(unsigned, "stock_price", {HEADER: attempt.headers[HEADER]}), what, _EITHER, _SPEND)
        await _without_a_rule(there, sales, marketing)
    return (
        "Four honest calls and a repeated one got in. Forged links, stolen, spent and foreign tokens did not, nor did "
        "anybody where there is no rule."
    )


_SPEND = "Call `self.verifier.spend(claims, ctx.request_id)`, with just that id, before you let it through."


async def _attacks(
    ws: Workshop, there: Guarded, keys: dict[str, Ed25519PrivateKey], marketing: Client, unsigned: Client
) -> None:
    rule = "A signature says who calls; whether that one may is for `RULES`: compare `claims.namespace`."
    what = "Marketing called stock_price, with a signature of its own"
    told = _refused(await there.call(marketing, "stock_price"), what, _UNAUTHORIZED, rule)
    _named(told, what, "marketing", "stock_price")
    what = "Marketing called stock_price, with a signature and with a header of its own that said sales"
    lies = "A caller writes its headers itself. Only `claims.namespace` is proved."
    _refused(await there.call(marketing, "stock_price", _LIES), what, _UNAUTHORIZED, lies)
    what = "Marketing called calculate_roi without a signature"
    _refused(await there.call(unsigned, "calculate_roi"), what, _EITHER, "Call `self.verifier.verify(…)` first.")

    def token(name: str, operation: str, key: str = "") -> dict[str, str]:
        whom = (ws.namespace(vault.ENDPOINT), "Vault", operation)
        claims = Claims(name, *whom, time.time() + 60, str(uuid.uuid4()))
        return {**vault.link("sales"), HEADER: sign(claims, keys[key or name])}  # for whoever believes links

    links = "Links can be forged. Only `claims.namespace` is proved."
    what = "Marketing called stock_price with a link of sales, and a signature of its own"
    _refused(await there.post("stock_price", "a", token("marketing", "stock_price")), what, _EITHER, links)
    what = "Marketing wrote the name of sales into a token, and signed it with its own key"
    proof = "Let `verify` read the token: it checks the signature."
    _refused(await there.post("stock_price", "b", token("sales", "stock_price", "marketing")), what, _EITHER, proof)
    what = "A token of sales for calculate_roi was sent with a call of stock_price"
    _refused(await there.post("stock_price", "c", token("sales", "calculate_roi")), what, _EITHER, _WHOM)
    stolen = token("sales", "stock_price")
    _passes(await there.post("stock_price", "d", stolen), "Sales signed and called stock_price")
    again = "Nexus repeated a request of sales, with the same id and the same token"
    attempt = await there.post("stock_price", "d", stolen)
    if attempt.raised is not None:
        raise Wrong(f"{again}, and it was refused.", "Spend the token under the request's own id: `ctx.request_id`.")
    _passes(attempt, again)
    what = "A token that sales had used was sent with another request"
    _refused(await there.post("stock_price", "e", stolen), what, _EITHER, _SPEND)


_SECONDS = 120.0  # a guard: an answer takes a tenth of one
_READINGS = 50  # of one history: who follows the links reads each once or twice
_TEXT = '`f"{namespace}/{workflow_id}"`'
_UP = "Follow `links` until a workflow has none: `links = (await history(handle)).links`."


@exercise("6.3")
async def who_began(ws: Workshop, answer: Any) -> str:
    """The right one is named for a short chain, a long one, one that begins where it ends, and a conversation."""
    _takes_a_handle(answer)
    far = await Client.connect(**await ws.connection("sales"))
    near = await Client.connect(**await ws.connection(NAMESPACE, interceptors=[_Readings()]))
    here, there = "check-relay", "check-relay-far"
    work: dict[str, Any] = {"workflows": [Passing, Talking], "nexus_service_handlers": [RelayHandler()]}
    running = []
    for client, queue, namespace in ((near, here, NAMESPACE), (far, there, "sales")):
        await ws.endpoint(queue, namespace=namespace, task_queue=queue)
        running.append(ws.run(Worker, client, task_queue=queue, **work))
    down, up, child = Hop("operation", ws.namespace(here)), Hop("operation", ws.namespace(there)), Hop("child")
    chains: list[tuple[str, Client, str, list[Hop]]] = [
        ("a call from sales", far, there, [down]),
        ("a call from sales, made by a child workflow", far, there, [child, down]),
        ("a call from here to sales and back", near, here, [up, child, down]),
    ]
    begun: list[WorkflowHandle[Any, Any]] = []
    try:
        for what, client, queue, plan in chains:
            begun.append(await client.start_workflow(Passing.run, plan, id=ws.id("check-chain"), task_queue=queue))
            last = near.get_workflow_handle(await begun[-1].result())
            await _asked(answer, last, what, await history(begun[-1]))
        talk = await far.start_workflow(Talking.run, 2, id=ws.id("check-chat"), task_queue=there)
        begun.append(talk)
        for _ in range(2):
            last = near.get_workflow_handle(await talk.execute_update(Talking.ask, [child, down]))
        await _asked(answer, last, "the second question of a conversation of sales", await history(talk))
    finally:
        await asyncio.gather(*map(end, begun))
        await ws.stop(*running)
    return "You named the first of four chains: two workflows long, three, four in two namespaces, and a conversation."


class _Readings(tc.Interceptor):
    """Ends a function that reads the same history again and again."""

    def intercept_client(self, next: tc.OutboundInterceptor) -> tc.OutboundInterceptor:
        """See base class."""
        return _CountedReadings(next)


class _CountedReadings(tc.OutboundInterceptor):
    def __init__(self, next: tc.OutboundInterceptor) -> None:
        super().__init__(next)
        self._times: Counter[str] = Counter()

    async def describe_workflow(self, input: tc.DescribeWorkflowInput) -> tc.WorkflowExecutionDescription:
        self._times[input.id] += 1
        if self._times[input.id] > _READINGS:
            what = f"`who_called` read the history of {input.id} {_READINGS} times."
            raise Wrong(what, "Stop where `links` is empty.")
        return await super().describe_workflow(input)


def _takes_a_handle(answer: Any) -> None:
    """Look at the function before it is called.

    Raises:
        Wrong: It is none, or takes something else.
    """
    if inspect.iscoroutine(answer):
        answer.close()  # else Python tells of it, later
    if not inspect.iscoroutinefunction(answer):
        raise Wrong(f"You handed in {answer!r}.", "Hand in the function `who_called`, an `async def`, without a call.")
    try:
        inspect.signature(answer).bind(None)
    except TypeError as error:
        raise Wrong(f"`who_called` takes one handle: {error}.", "Keep its parameters: `handle`.") from error


async def _asked(answer: Any, last: WorkflowHandle[Any, Any], what: str, first: History) -> None:
    told = await _answered(answer, last, what)
    right = f"{first.namespace}/{first.workflow_id}"
    if told == right:
        return
    saw = f"It was {what}, and you named {told!r}. It began with {right!r}."
    if not isinstance(told, str):
        raise Wrong(saw, f"Return a text: {_TEXT}.")
    if told == first.workflow_id:
        raise Wrong(saw, "An id is good in its own namespace only. Put the namespace before it, with a slash between.")
    if first.run_id in told:
        raise Wrong(saw, f"That is the id of its run. Return the workflow's: {_TEXT}.")
    if first.namespace in told and first.workflow_id in told:
        raise Wrong(saw, f"The two are right. Write them with a slash between, and nothing else: {_TEXT}.")
    if told.partition("/")[2] == first.workflow_id:
        raise Wrong(saw, "The workflow is right, its namespace is not: take that of the same link or history.")
    if told.endswith(last.id):
        raise Wrong(saw, f"That is the workflow that you were given. {_UP}")
    raise Wrong(saw, f"That one is not the first. {_UP}")


async def _answered(answer: Any, last: WorkflowHandle[Any, Any], what: str) -> Any:
    try:
        return await asyncio.wait_for(answer(last), _SECONDS)
    except Wrong:
        raise
    except TimeoutError as error:
        then = "Does it stop where `links` is empty? If it does, check again."
        raise WorkshopError(f"`who_called` had no answer for {what} after {_SECONDS:.0f} s.", then=then) from error
    except Exception as error:
        raise _failed(error, what) from error


def _failed(error: Exception, what: str) -> Exception:
    line = describe(error)[-1].strip()
    if NOT_SOLVED in line:
        return error
    better = advice(line) or "Fix that line."
    if isinstance(error, IndexError):
        better = f"Where the chain began, `links` is empty: whoever has none began it. {_UP}"
    if isinstance(error, RPCError) and error.status == RPCStatusCode.NOT_FOUND:
        better = (
            "A Workflow is known in its own Namespace only. Let `unified_log(handle)` follow the links: it reads each "
            "Workflow in the Namespace where it runs."
        )
    return Wrong(f"It was {what}, and your code failed: {line}", better)
