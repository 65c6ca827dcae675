"""A handler's allowlist of caller namespaces, read from the links that the Temporal Server puts on a Nexus request."""

import re
from collections.abc import Iterable, Sequence
from contextvars import ContextVar
from typing import Any
from urllib.parse import unquote

from nexusrpc import HandlerError, HandlerErrorType, Link
from nexusrpc.handler import StartOperationContext
from temporalio import nexus
from temporalio.worker import ExecuteNexusOperationStartInput, Interceptor, NexusOperationInboundInterceptor

# What Temporal Server 1.32 forbids by default, and links, as JSON: setting the list replaces it.
_FORBIDDEN = (
    '["request-timeout", "xdc-redirection-api", "xdc-redirection-source-cell", "xdc-redirection", "caller-name", '
    '"caller-type", "call-initiation", "temporal-principal-type", "temporal-principal-name", "nexus-link"]'
)
_PLACES = ("component.nexusoperations.disallowedHeaders", "nexusoperation.disallowedHeaders")
FORBID_FORGED_LINKS = dict.fromkeys(_PLACES, _FORBIDDEN)
"""Dynamic configuration of a Temporal Server: no caller may set the header in which links travel.

The first is for operations of workflows, the second for standalone ones. A workflow that sets the header all the same
fails its workflow task again and again (``BadScheduleNexusOperationAttributes``), as it does for other bad commands.
"""

verified: ContextVar[str] = ContextVar("verified", default="")
"""The namespace whose signature ``identity.Verifier`` has checked on this request; empty if none has been."""

_ID = "[^/?#]+"
# Who called, by the link's type: a workflow, or a client's standalone operation, which need not have a run id.
_CALLERS = {
    "temporal.api.common.v1.Link.WorkflowEvent": rf"/workflows/{_ID}/{_ID}/history",
    "temporal.api.common.v1.Link.NexusOperation": rf"/nexus-operations/{_ID}/[^/?#]*/details",
}


def caller(links: Sequence[Link]) -> str:
    """The namespace that a Nexus request comes from, as its links say.

    Args:
        links: ``StartOperationContext.inbound_links``.

    Raises:
        ValueError: They do not name one namespace: there is none, one cannot be read, or they differ.
    """
    found = {_namespace(link) for link in links}
    if not found:
        raise ValueError("the request carries no link to its caller")
    if len(found) > 1:
        raise ValueError(f"its links name several namespaces: {', '.join(sorted(found))}")
    return found.pop()


def who(ctx: StartOperationContext) -> str:
    """The namespace that calls: as it has signed, where ``identity.Verifier`` stands before, else as the links say.

    Args:
        ctx: The request's.

    Raises:
        HandlerError: Nobody knows.
    """
    try:
        return verified.get() or caller(ctx.inbound_links)
    except ValueError as error:
        raise refused(f"Nobody knows which namespace calls {ctx.service}.{ctx.operation}: {error}.") from None


def refused(why: str) -> HandlerError:
    """The error of a call that Nexus does not try again. It says whom to ask.

    Args:
        why: In a sentence.
    """
    asked = nexus.info()
    whom = f"Ask the team that runs namespace {asked.namespace!r} (endpoint {asked.endpoint!r})."
    return HandlerError(f"{why} {whom}", type=HandlerErrorType.UNAUTHORIZED)


def _namespace(link: Link) -> str:
    if link.type not in _CALLERS:
        raise ValueError(f"it carries a link of the unknown type {link.type!r}")
    matched = re.fullmatch(rf"temporal:///namespaces/({_ID}){_CALLERS[link.type]}(\?[^#]*)?", link.url)
    if matched is None:
        raise ValueError(f"it carries a link that cannot be read: {link.url!r}")
    return unquote(matched[1])


class Allowlist(Interceptor):
    """Lets only callers of some namespaces start an operation: ``Worker(…, interceptors=[Allowlist(["sales"])])``.

    Where ``identity.Verifier`` stands before it, who has signed is who calls, whatever the links say.

    Everybody else, and whoever does not say clearly where the request comes from, gets an ``UNAUTHORIZED`` error with
    the reason. Nexus does not try such an operation again; the reason is recorded in the caller's own history. It names
    who is allowed: leave that out where it is a secret.

    **This alone is no zero trust.** A link is a claim that the server makes, and a caller can replace it:
    ``headers={"nexus-link": …}`` on an operation. ``FORBID_FORGED_LINKS`` forbids the server to accept that. These
    stay open even then:

    - The server's HTTP port takes a Nexus request with any link, or with none.
    - Who reaches the server's gRPC port can call as any namespace, or start the handler's workflows without Nexus.
      Credentials by namespace close both: see ``proxy``; on Temporal Cloud the server has them.
    - A request to cancel carries no link, so it is let through. Its operation token works as a capability: who has it
      can cancel, and for an operation that runs a workflow it is just that workflow's id, encoded.

    Args:
        namespaces: The callers that are allowed, by the real names of their namespaces.
    """

    def __init__(self, namespaces: Iterable[str]) -> None:
        if isinstance(namespaces, str):
            raise TypeError(f"Allowlist takes a list of namespaces: [{namespaces!r}]")  # else each letter is one
        self.namespaces = frozenset(namespaces)

    def intercept_nexus_operation(self, next: NexusOperationInboundInterceptor) -> NexusOperationInboundInterceptor:
        """See base class."""
        return _Checked(next, self.namespaces)


class _Checked(NexusOperationInboundInterceptor):
    def __init__(self, next: NexusOperationInboundInterceptor, namespaces: frozenset[str]) -> None:
        super().__init__(next)
        self._namespaces = namespaces

    async def execute_nexus_operation_start(self, input: ExecuteNexusOperationStartInput) -> Any:
        ctx, namespace = input.ctx, who(input.ctx)
        if namespace in self._namespaces:
            return await super().execute_nexus_operation_start(input)
        allowed = ", ".join(sorted(self._namespaces)) or "nobody"
        raise refused(f"Namespace {namespace!r} may not call {ctx.service}.{ctx.operation}. Allowed: {allowed}.")
