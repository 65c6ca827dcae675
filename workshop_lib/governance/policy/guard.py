"""A policy at the door of its owner: before any code of an operation runs, the keeper is asked.

``Worker(…, interceptors=[PolicyGuard()], workflows=[…, *WORKFLOWS], nexus_service_handlers=[…, ApprovalsHandler()])``,
and ``await deploy(client, policy, task_queue)`` once, as a step of each release.

Who calls is read from the links that the server puts on a request, or, where ``identity.Verifier`` stands before the
guard, from the signature. What ``allowlist`` says of links holds here as well. Whoever can act in the owner's own
namespace can go round all this (start the workflow behind an operation, or write to the keeper): credentials by
namespace close that, see ``proxy``.
"""

import asyncio
import contextlib
import dataclasses
import json
import re
from collections.abc import Awaitable
from contextvars import ContextVar
from datetime import timedelta
from typing import Any, TypeVar

from nexusrpc import HandlerError, HandlerErrorType, handler
from nexusrpc.handler import StartOperationContext, StartOperationResultAsync, StartOperationResultSync
from pydantic import TypeAdapter
from pydantic_core import to_json
from temporalio import nexus, worker
from temporalio.client import Client, WorkflowHandle
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import ApplicationError, TemporalError, WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from ..allowlist import refused, who  # noqa: TID252 - so that the package can be lifted out
from ..digest import sha256  # noqa: TID252
from .chain import Row
from .contract import Approval, Approvals, Waiting
from .held import TICKET, HeldCall, HeldInput
from .keeper import KEEPER, Kept, PolicyKeeper, held_id, request
from .rules import Call, Decision, Policy

WORKFLOWS = [PolicyKeeper, HeldCall]
"""For the owner's Worker."""

_LISTING = "Directory.tools"  # returns a list of operations, each with ``service``, ``operation`` and ``seconds``
_ANSWER_SECONDS = 7.0  # for the keeper; a request has 10 s
_LONGEST_INPUT, _LONGEST_LINK, _DEEP = 1_000, 500, 100  # bytes as JSON, characters, levels: the keeper's limits
_AT_ONCE = 25  # calls that one update asks about
_MARGIN_SECONDS = 60.0  # for what a held call does after it was approved
_YEARS = timedelta(days=3650)  # the keeper stays, and a call may be held for long
_REFUSALS = ("UNAUTHORIZED", "CONFLICT", "UNAVAILABLE")  # of the keeper, to an approver
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_current: ContextVar[str] = ContextVar("_current", default="")
T = TypeVar("T")


async def deploy(client: Client, policy: Policy, task_queue: str) -> None:
    """Let a policy hold from now on. The keeper is started where there is none.

    It returns when the server has taken it; no Worker has to run. A step of a release, and not of each Worker's start:
    an old Worker that starts again would bring back its old policy.

    Args:
        client: Of the owner's namespace.
        policy: The policy.
        task_queue: Of the Worker that has ``WORKFLOWS``.
    """
    await client.start_workflow(
        PolicyKeeper.run,
        Kept(),
        id=KEEPER,
        task_queue=task_queue,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        execution_timeout=_YEARS,
        start_signal="deploy",
        start_signal_args=[policy],
    )


async def switch(client: Client, rule: str, thrown: bool, reason: str = "") -> None:
    """Throw the switch of a rule (``off``), or release it. It holds for each call that is decided afterwards.

    Args:
        client: Of the owner's namespace.
        rule: The rule's name.
        thrown: Whether it refuses from now on.
        reason: For refused callers and for the record.

    Raises:
        WorkflowUpdateFailedError: The policy has no such rule, so nothing was stopped.
    """
    await client.get_workflow_handle(KEEPER).execute_update(PolicyKeeper.switch, args=[rule, thrown, reason])


def current() -> str:
    """Names the call that a handler of the owner is at: for ``spent``. Empty if no guard stands before it."""
    return _current.get()


async def spent(client: Client, call: str, of: str, amount: float) -> None:
    """Correct what a budget has reserved for a call.

    Args:
        client: Of the owner's namespace.
        call: What ``current`` returned in its handler.
        of: The field of the input that the budget goes by.
        amount: What was really used. Said twice, the last counts.
    """
    await client.get_workflow_handle(KEEPER).signal(PolicyKeeper.spent, args=[call, of, amount])


async def record(client: Client) -> list[Row]:
    """All that was decided, the oldest first, as far back as the namespace keeps what has ended.

    Args:
        client: Of the owner's namespace.
    """
    rows: list[Row] = []
    run: str | None = None
    while run != "":
        try:
            page = await client.get_workflow_handle(KEEPER, run_id=run).query(PolicyKeeper.page)
        except RPCError as error:
            if error.status != RPCStatusCode.NOT_FOUND or run is None:
                raise
            break  # the namespace keeps it no longer
        rows, run = page.rows + rows, page.earlier
    return rows


class PolicyGuard(worker.Interceptor):
    """Asks the keeper about each call of an operation, with one request to the server, before the handler sees it.

    A call that is refused fails with ``UNAUTHORIZED`` and the rule's name, and is not tried again. One that is held is
    an operation that has started: it ends when somebody has decided, and its caller's schedule-to-close timeout has to
    allow for that (no timeout does); it is held no longer than that. The keeper that cannot be asked lets nobody
    through: the call fails with ``UNAVAILABLE``, and Nexus tries again.

    A caller that asks again for what is held already joins that call, until it has ended: one decision, one effect, and
    the same result for each request. If one of them is called off, all are.

    Everybody may ask for the list of tools (``Directory.tools``), and gets those that the policy offers to it. About a
    service named ``Approvals`` the keeper is not asked: have no other one of that name.
    """

    def __init__(self) -> None:
        self._questions: dict[asyncio.Future[Decision], Call] = {}  # in their order, as the lock lets them in
        self._lock = asyncio.Lock()

    def intercept_nexus_operation(
        self, next: worker.NexusOperationInboundInterceptor
    ) -> worker.NexusOperationInboundInterceptor:
        """See base class."""
        return _Guarded(next, self)

    async def decide(self, call: Call) -> Decision:
        """Ask the keeper. While it is being asked, further calls gather, and are asked about together.

        So one Worker sends one update at a time, of which a workflow takes ten at once.

        Args:
            call: The call.

        Raises:
            HandlerError: It does not answer.
        """
        answer: asyncio.Future[Decision] = asyncio.get_running_loop().create_future()
        self._questions[answer] = call
        try:
            async with self._lock:
                if not answer.done():
                    now = list(self._questions.items())[:_AT_ONCE]
                    update = _keeper().execute_update(PolicyKeeper.decide, [each for _, each in now])
                    for (question, _), decision in zip(now, await _answered(update), strict=True):
                        self._questions.pop(question, None)
                        question.set_result(decision)
        finally:  # it may have failed or been cancelled
            self._questions.pop(answer, None)
        return answer.result()


class _Guarded(worker.NexusOperationInboundInterceptor):
    def __init__(self, next: worker.NexusOperationInboundInterceptor, guard: PolicyGuard) -> None:
        super().__init__(next)
        self._guard = guard

    async def execute_nexus_operation_start(self, input: worker.ExecuteNexusOperationStartInput) -> Any:
        ctx = input.ctx
        if ctx.service == Approvals.__name__:
            return await super().execute_nexus_operation_start(input)  # whom it lets in, the keeper decides
        if not ctx.request_id:
            raise _refused(ctx, "the request has no id, so its second attempt would look like a second call")
        call = _call(ctx, input.input)
        if call.operation == _LISTING:
            return await self._listed(input, call)
        decision = await self._guard.decide(call)
        ctx.outbound_links.clear()  # the caller's history leads to what is done for it, and not to everybody's keeper
        if decision.verdict == "deny":
            raise _refused(ctx, decision.why, decision.rule)
        if decision.verdict == "hold":
            return await self._hold(input, call, decision)
        _current.set(request(call))
        return await super().execute_nexus_operation_start(input)

    async def execute_nexus_operation_cancel(self, input: worker.ExecuteNexusOperationCancelInput) -> None:
        """Calls off a call that is held; the operation's own handler knows nothing of it."""
        workflow = ""
        with contextlib.suppress(TypeError):  # another kind of operation
            workflow = nexus.WorkflowHandle[Any].from_token(input.token).workflow_id
        if workflow.startswith(held_id("")):
            return await nexus.client().get_workflow_handle(workflow).cancel()
        return await super().execute_nexus_operation_cancel(input)

    async def _hold(
        self, input: worker.ExecuteNexusOperationStartInput, call: Call, decision: Decision
    ) -> StartOperationResultAsync:
        ctx, id = input.ctx, decision.joins or request(call)
        place = (nexus.info().endpoint, ctx.service, ctx.operation)
        fields = {each.name: getattr(ctx, each.name) for each in dataclasses.fields(ctx)}
        start = nexus.WorkflowRunOperationContext(**fields).start_workflow(
            HeldCall.run,
            # Without defaults: so the digest that a Signer makes of it is the one that the Verifier makes of the input.
            HeldInput(id, *place, _json(input.input, exclude_defaults=True), decision.until),
            id=held_id(id),
            id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,  # two requests that ask for the same
            execution_timeout=_YEARS,
            static_summary=f"{call.operation} for {call.caller}: {decision.why}",
        )
        try:
            return StartOperationResultAsync((await start).to_token())
        except WorkflowAlreadyStartedError:
            await _keeper().signal(PolicyKeeper.ended, id)  # the server would join a request that it knows even now
            what = "The same call was held, and has just ended. Nexus asks again."
            raise HandlerError(what, type=HandlerErrorType.UNAVAILABLE) from None

    async def _listed(self, input: worker.ExecuteNexusOperationStartInput, call: Call) -> StartOperationResultSync[Any]:
        result = await super().execute_nexus_operation_start(input)
        assert isinstance(result, StartOperationResultSync), f"{call.operation} does not answer at once"
        names = [f"{each.service}.{each.operation}" for each in result.value]
        hours = await _answered(_keeper().query(PolicyKeeper.offers, args=[call.caller, names]))
        return StartOperationResultSync(
            [
                # A caller that goes by the list would not wait for a person.
                dataclasses.replace(each, seconds=max(each.seconds, held * 3600 + _MARGIN_SECONDS)) if held else each
                for each, held in zip(result.value, hours, strict=True)
                if held is not None
            ]
        )


@handler.service_handler(service=Approvals)
class ApprovalsHandler:
    """Handles ``Approvals``, behind the same endpoint as the operations whose calls are held."""

    @handler.sync_operation
    async def waiting(self, ctx: StartOperationContext, nothing: None) -> list[Waiting]:
        """What waits for the caller."""
        return await _answered(_keeper().query(PolicyKeeper.waiting, who(ctx)))

    @handler.sync_operation
    async def decide(self, ctx: StartOperationContext, approval: Approval) -> str:
        """Approve or refuse a call, in the name of the caller."""
        arguments = [approval, who(ctx), ctx.request_id]
        return await _answered(_keeper().execute_update(PolicyKeeper.settle, args=arguments))


def _keeper() -> WorkflowHandle[PolicyKeeper, None]:
    return nexus.client().get_workflow_handle_for(PolicyKeeper.run, KEEPER)


async def _answered(answer: Awaitable[T]) -> T:
    """What the keeper answers.

    Raises:
        HandlerError: It does not; the error says so. Nexus tries again.
    """
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            return await answer
    except (TemporalError, TimeoutError) as error:
        cause = error.__cause__
        if isinstance(cause, ApplicationError) and cause.type in _REFUSALS:
            raise HandlerError(cause.message, type=HandlerErrorType[cause.type]) from None
        what = getattr(error, "message", "") or "it gave no answer in time"
        raise HandlerError(
            f"The policy of namespace {nexus.info().namespace!r} cannot be asked: {what}. Until it answers, nobody is "
            "let through. Its team has to deploy a policy, and to run the Worker of its keeper.",
            type=HandlerErrorType.UNAVAILABLE,
        ) from None


def _refused(ctx: StartOperationContext, why: str, rule: str = "") -> HandlerError:
    by = f" by rule {rule!r}" if rule else ""
    return refused(f"{ctx.service}.{ctx.operation} is refused{by}: {why}.")


def _call(ctx: StartOperationContext, given: Any) -> Call:
    plain = _json(given)
    plain = plain if isinstance(plain, dict) else {"input": plain}
    short, links = _short(plain), [each.url for each in ctx.inbound_links if len(each.url) <= _LONGEST_LINK]
    if len(json.dumps(short)) > 4 * _LONGEST_INPUT:
        raise _refused(ctx, "its input has too many fields for a policy to look at")
    whole = "" if short == plain else sha256(plain)
    place, link, ticket = f"{ctx.service}.{ctx.operation}", next(iter(links), ""), ctx.headers.get(TICKET, "")
    return Call(who(ctx), place, short, ctx.request_id, link, whole, _seconds_left(ctx), ticket)


def _json(given: Any, exclude_defaults: bool = False) -> Any:
    adapter: TypeAdapter[Any] = TypeAdapter(type(given))
    return adapter.dump_python(given, mode="json", by_alias=True, exclude_defaults=exclude_defaults)


def _short(plain: dict[str, Any]) -> dict[str, Any]:
    """What the keeper learns of an input, whose fields have equal shares of what its history can bear.

    What is longer than its share, or deeper than a data converter reads, becomes a text: its beginning. So a condition
    on it, or a budget, lets nothing through.
    """
    written = {name: to_json(value) for name, value in plain.items()}
    room = _LONGEST_INPUT if sum(map(len, written.values())) <= _LONGEST_INPUT else _LONGEST_INPUT // len(plain)
    cut = {name: text[:room] for name, text in written.items() if len(text) > room or text.count(b"[") > _DEEP}
    return plain | {name: text.decode(errors="ignore").removeprefix('"') for name, text in cut.items()}


def _seconds_left(ctx: StartOperationContext) -> float:
    """How long the caller still waits, as the request says; 0 if that has no limit."""
    left = {name.lower(): value for name, value in ctx.headers.items()}.get("operation-timeout", "")
    return sum(float(amount) * _UNITS[unit] for amount, unit in _DURATION.findall(left))
