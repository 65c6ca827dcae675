"""Signed caller identity: a Nexus caller proves its namespace with an Ed25519 signature, and the handler checks it.

Unlike a link, which is a claim that the server passes on, a signature needs the caller's private key.
"""

import asyncio
import base64
import contextlib
import json
import sqlite3
import time
import uuid
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from nexusrpc import HandlerError, HandlerErrorType
from nexusrpc.handler import OperationContext
from pydantic import TypeAdapter, ValidationError
from temporalio import client, nexus, worker, workflow

from .allowlist import verified
from .digest import sha256

HEADER = "signed-caller"
LIFETIME = timedelta(minutes=5)  # of the token of an operation without a schedule-to-close timeout
_BUSY_SECONDS = 2.0  # to wait for another process that writes to the file of nonces; a request has 10 s
_TABLE = """
    CREATE TABLE IF NOT EXISTS spent (namespace TEXT, nonce TEXT, request_id TEXT, expires REAL,
    PRIMARY KEY (namespace, nonce))
"""

T = TypeVar("T")


class Claims(NamedTuple):
    """What a token says.

    Attributes:
        namespace: Who calls.
        endpoint: Whom: a token for one team is of no use at another.
        service: The Nexus service.
        operation: The one operation that it is good for.
        digest: Of the operation's input: ``digest(given)``.
        expires: Until when, in seconds since 1970.
        nonce: Names this one call.
    """

    namespace: str
    endpoint: str
    service: str
    operation: str
    digest: str
    expires: float
    nonce: str


def digest(given: Any) -> str:
    """What a token says of an operation's input: SHA-256 of it as JSON, in hexadecimal.

    Both sides make it from what they have in their hands, the caller's value and the one that the handler got. Fields
    with their default values are left out, so that a contract can grow by such a field on either side.

    Args:
        given: The input: what pydantic can write as JSON.
    """
    adapter: TypeAdapter[Any] = TypeAdapter(type(given))
    with contextlib.suppress(ValidationError):  # the handler says what is wrong with it; here, it would stop a workflow
        given = adapter.validate_json(adapter.dump_json(given, by_alias=True, warnings=False))
    plain = adapter.dump_python(given, mode="json", by_alias=True, exclude_defaults=True, warnings=False)
    return sha256(plain)


def sign(claims: Claims, key: Ed25519PrivateKey) -> str:
    """The token: the claims and the signature, each in URL-safe Base64.

    Args:
        claims: What it says.
        key: The private key of the namespace. Ed25519 needs no random numbers: the same claims give the same token.
    """
    said = json.dumps(claims._asdict()).encode()
    return ".".join(base64.urlsafe_b64encode(part).decode() for part in (said, key.sign(said)))


def opened(token: str, keys: Mapping[str, bytes]) -> Claims:
    """What a token says, once its signature has been checked.

    Args:
        token: From ``sign``.
        keys: The public key of each namespace whose tokens are accepted, 32 raw bytes.

    Raises:
        ValueError: It is refused, with the reason.
    """
    try:
        said, signature = (base64.b64decode(part, b"-_", validate=True) for part in token.split("."))
        claims = Claims(**json.loads(said))
        key = keys.get(claims.namespace)
        claims = claims._replace(expires=float(claims.expires), nonce=str(claims.nonce))
    except (TypeError, ValueError):
        raise ValueError("The signed identity cannot be read") from None
    if key is None:
        raise ValueError(f"No key of namespace {claims.namespace!r} is known here")
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, said)
    except InvalidSignature:
        raise ValueError(f"The signature is not of namespace {claims.namespace!r}") from None
    return claims


class Signer(client.Interceptor, worker.Interceptor):
    """Signs each Nexus operation that is started through a client, or by a workflow of the client's Workers.

    ``Client.connect(…, interceptors=[Signer("sales", key)])`` is enough: a Worker takes over such an interceptor from
    its client. In a workflow the token is made of the workflow's own clock, run and a counter, so that replaying it
    gives the same. The histories of the caller hold tokens, which are spent by then, and never the key.

    A token lasts as long as the operation may take, its schedule-to-close timeout, else ``LIFETIME``: an operation
    that first reaches a handler later than that is refused.

    Args:
        namespace: The caller's, by its real name.
        key: Its private key.
    """

    def __init__(self, namespace: str, key: Ed25519PrivateKey) -> None:
        self._namespace, self._key = namespace, key

    def intercept_client(self, next: client.OutboundInterceptor) -> client.OutboundInterceptor:
        """See base class."""
        return _ClientSigner(next, self)

    def workflow_interceptor_class(
        self, input: worker.WorkflowInterceptorClassInput
    ) -> type[worker.WorkflowInboundInterceptor]:
        """See base class."""
        signer = self

        class Inbound(worker.WorkflowInboundInterceptor):
            def init(self, outbound: worker.WorkflowOutboundInterceptor) -> None:
                super().init(_WorkflowSigner(outbound, signer))

        return Inbound

    def headers(
        self,
        given: Mapping[str, str] | None,
        whom: tuple[str, str, str],
        input: Any,
        now: float,
        lasts: timedelta | None,
        nonce: str,
    ) -> dict[str, str]:
        """The headers of an operation, signed.

        Args:
            given: The caller's own headers.
            whom: The endpoint, the service and the operation.
            input: The operation's.
            now: Seconds since 1970.
            lasts: The operation's schedule-to-close timeout.
            nonce: Names this call; of no other call of this namespace.
        """
        expires = now + (lasts or LIFETIME).total_seconds()
        claims = Claims(self._namespace, *whom, digest(input), expires, nonce)
        kept = {name: value for name, value in (given or {}).items() if name.lower() != HEADER}
        return {**kept, HEADER: sign(claims, self._key)}


class _ClientSigner(client.OutboundInterceptor):
    def __init__(self, next: client.OutboundInterceptor, signer: Signer) -> None:
        super().__init__(next)
        self._signer = signer

    async def start_nexus_operation(self, input: client.StartNexusOperationInput) -> client.NexusOperationHandle[Any]:
        whom = (input.endpoint, input.service, input.operation)
        lasts = input.schedule_to_close_timeout
        input.headers = self._signer.headers(input.headers, whom, input.arg, time.time(), lasts, str(uuid.uuid4()))
        return await super().start_nexus_operation(input)


class _WorkflowSigner(worker.WorkflowOutboundInterceptor):
    def __init__(self, next: worker.WorkflowOutboundInterceptor, signer: Signer) -> None:
        super().__init__(next)
        self._signer, self._signed = signer, 0

    async def start_nexus_operation(
        self, input: worker.StartNexusOperationInput[Any, T]
    ) -> workflow.NexusOperationHandle[T]:
        self._signed += 1
        # Not workflow.uuid4(): it draws from the workflow's own random numbers, and a workflow that was started before
        # there was a signer would draw others on replay.
        nonce = f"{workflow.info().run_id}/{self._signed}"
        whom = (input.endpoint, input.service, input.operation_name)
        now, lasts = workflow.now().timestamp(), input.schedule_to_close_timeout
        input.headers = self._signer.headers(input.headers, whom, input.input, now, lasts, nonce)
        return await super().start_nexus_operation(input)


class Verifier(worker.Interceptor):
    """Lets only callers with a valid signature start or cancel operations of a handler.

    Refused with ``UNAUTHENTICATED``: no token, one that cannot be read, of an unknown namespace, with a wrong
    signature, expired, or used before. With ``UNAUTHORIZED``: one for another endpoint, service,
    operation or input. Neither is tried again; the reason is in the caller's own history.

    A token is good for one request. Nexus tries a request again under the same request id, and that passes. A request
    to cancel carries the headers of the start: its signature is checked, not its age and its nonce, because it comes
    late and again by nature.

    Args:
        keys: The public key of each namespace that may call, 32 raw bytes (``key.public_key().public_bytes_raw()``).
        nonces: The file that remembers used tokens until they expire, in SQLite. All Workers of the handler, in
            whichever process of this machine, name the same one; on several machines it has to be a shared database.
    """

    def __init__(self, keys: Mapping[str, bytes], nonces: Path) -> None:
        self.keys, self.nonces = dict(keys), nonces

    def intercept_nexus_operation(
        self, next: worker.NexusOperationInboundInterceptor
    ) -> worker.NexusOperationInboundInterceptor:
        """See base class."""
        return _Verified(next, self)

    def verify(self, headers: Mapping[str, str], whom: tuple[str, str, str], given: Any) -> Claims:
        """What the token of a request says, once its signature, its audience and the input have been checked.

        Args:
            headers: The request's.
            whom: The endpoint, the service and the operation that the request calls.
            given: The operation's input.

        Raises:
            HandlerError: It is refused.
        """
        claims = self._signed(headers, whom)
        if claims.digest != digest(given):
            raise _unauthorized(claims, f"another input of {'/'.join(whom)}")
        return claims

    def _signed(self, headers: Mapping[str, str], whom: tuple[str, str, str]) -> Claims:
        tokens = [value for name, value in headers.items() if name.lower() == HEADER]
        if len(tokens) != 1:
            raise _unauthenticated(f"The request carries {len(tokens) or 'no'} signed identity (header {HEADER!r})")
        try:
            claims = opened(tokens[0], self.keys)
        except ValueError as refused:
            raise _unauthenticated(str(refused)) from None
        signed_for = (claims.endpoint, claims.service, claims.operation)
        if signed_for != whom:
            raise _unauthorized(claims, f"{'/'.join(signed_for)}, not for {'/'.join(whom)}")
        return claims

    def spend(self, claims: Claims, request_id: str) -> None:
        """Take note that a token is used.

        Args:
            claims: The token's.
            request_id: The Nexus request's, the same for each attempt.

        Raises:
            HandlerError: It has expired, or another request has used it.
            sqlite3.OperationalError: The file cannot be written. Nexus tries again, and the request stays refused.
        """
        now = time.time()
        if not claims.expires > now:  # nor may "NaN" last for ever
            raise _unauthenticated(f"The identity of {claims.namespace!r} expired {now - claims.expires:.1f} s ago")
        if not request_id:  # as at the HTTP port: every such request would pass for the same one
            raise _unauthenticated("The request has no id, so a replay of it would look like its second attempt")
        with contextlib.closing(sqlite3.connect(self.nonces, timeout=_BUSY_SECONDS)) as database, database:
            database.execute(_TABLE)
            database.execute("DELETE FROM spent WHERE expires <= ?", (now,))
            # One statement decides, whatever other processes do at this moment.
            values = (claims.namespace, claims.nonce, request_id, claims.expires)
            database.execute("INSERT OR IGNORE INTO spent VALUES (?, ?, ?, ?)", values)
            which = "SELECT request_id FROM spent WHERE namespace = ? AND nonce = ?"
            (first,) = database.execute(which, values[:2]).fetchone()
        if first != request_id:
            raise _unauthenticated(f"The identity of {claims.namespace!r} was used before, by another request")


class _Verified(worker.NexusOperationInboundInterceptor):
    def __init__(self, next: worker.NexusOperationInboundInterceptor, verifier: Verifier) -> None:
        super().__init__(next)
        self._verifier = verifier

    async def execute_nexus_operation_start(self, input: worker.ExecuteNexusOperationStartInput) -> Any:
        claims = self._verifier.verify(input.ctx.headers, _called(input.ctx), input.input)
        # On a thread: a file that another process writes to must not stall this Worker's loop.
        await asyncio.to_thread(self._verifier.spend, claims, input.ctx.request_id)
        verified.set(claims.namespace)  # for whoever comes next, such as policy.guard
        return await super().execute_nexus_operation_start(input)

    async def execute_nexus_operation_cancel(self, input: worker.ExecuteNexusOperationCancelInput) -> None:
        self._verifier._signed(input.ctx.headers, _called(input.ctx))
        await super().execute_nexus_operation_cancel(input)


def _called(context: OperationContext) -> tuple[str, str, str]:
    return nexus.info().endpoint, context.service, context.operation


def _unauthorized(claims: Claims, what: str) -> HandlerError:
    said = f"The identity of {claims.namespace!r} is signed for {what}. Each call needs its own token."
    return HandlerError(said, type=HandlerErrorType.UNAUTHORIZED)


def _unauthenticated(what: str) -> HandlerError:
    where = nexus.info()
    return HandlerError(
        f"{what}. Callers of endpoint {where.endpoint!r} sign each operation with their namespace's key; "
        f"ask the team that runs namespace {where.namespace!r} to register yours.",
        type=HandlerErrorType.UNAUTHENTICATED,
    )
