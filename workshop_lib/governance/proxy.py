"""Certificates, and a gRPC proxy before a Temporal Server that lets a namespace's certificate into that namespace only.

A Temporal Server asks no caller who it is, unless you configure it to. This proxy stands for what Temporal Cloud, or an
authorizer in the server's own configuration, does in production: it is small enough to be read, and made for loopback.
"""

import asyncio
import os
import threading
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterator
from functools import cache
from typing import Any, TypeVar

import temporalio.api.workflowservice.v1 as api
import trustme
from google.protobuf.message import DecodeError, Message
from temporalio.service import TLSConfig

# It would write a line to stderr for each handshake that fails. It reads this while it is imported.
os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
import grpc

HOST = "127.0.0.1"
_WORKFLOW_SERVICE = "/temporal.api.workflowservice.v1.WorkflowService/"
# What belongs to no namespace, and tells nothing of any. The SDK asks for both while it connects.
_FOR_ALL = {_WORKFLOW_SERVICE + "GetSystemInfo", "/grpc.health.v1.Health/Check"}
# These name a namespace, but are not that namespace's own business.
_FOR_ADMINS = {_WORKFLOW_SERVICE + name for name in ("RegisterNamespace", "UpdateNamespace", "DeprecateNamespace")}
# These name namespaces to tell where something came from. Nothing is done there.
_TELLING = {"temporal.api.common.v1.Link", "temporal.api.failure.v1.Failure"}
_SYSTEM_ENDPOINT = "__temporal_system"  # its operations act on namespaces that stand in their encoded input
# The server believes what some other headers say, such as temporal-principal-name: they end here.
_HEADERS = {"client-name", "client-version", "supported-server-versions", "temporal-namespace"}
_OPTIONS = [
    ("grpc.max_receive_message_length", -1),  # the server has its own limits
    # The SDK pings every 30 s. By default gRPC closes connections that ping while a long poll waits.
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ("grpc.http2.max_ping_strikes", 0),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.so_reuseport", 0),  # another program's port is taken, not shared
]
_START_SECONDS = 60.0  # a guard only

T = TypeVar("T")


class Authority:
    """A certificate authority in memory. What it has issued is worthless when the process ends."""

    def __init__(self) -> None:
        self._ca = trustme.CA(organization_name="Temporal Nexus workshop")

    def tls(self, name: str) -> TLSConfig:
        """What a client connects with: ``Client.connect(proxy.address, tls=authority.tls("sales"), …)``.

        Args:
            name: Of the namespace, or of an admin; at most 64 characters.
        """
        key, chain = _pair(self._ca.issue_cert(common_name=name))
        return TLSConfig(server_root_ca_cert=self.root, client_cert=chain, client_private_key=key)

    @property
    def root(self) -> bytes:
        """Its own certificate, in PEM."""
        return self._ca.cert_pem.bytes()

    def server_credentials(self) -> grpc.ServerCredentials:
        """For a gRPC server on loopback that lets nobody in without a certificate of this authority."""
        pair = _pair(self._ca.issue_cert(HOST))
        return grpc.ssl_server_credentials([pair], root_certificates=self.root, require_client_auth=True)


def _pair(issued: trustme.LeafCert) -> tuple[bytes, bytes]:
    return issued.private_key_pem.bytes(), b"".join(blob.bytes() for blob in issued.cert_chain_pems)


class Refused(Exception):
    """A request that the proxy does not let through, with the reason."""


def check(name: str, method: str, body: bytes, claimed: Collection[str] = ()) -> bytes:
    """What of a request may go on to the server.

    Args:
        name: Whom the client's certificate names.
        method: The gRPC method's full name, such as ``/temporal.api.workflowservice.v1.WorkflowService/…``.
        body: The request, encoded.
        claimed: The namespaces that the request's metadata name.

    Returns:
        The request, encoded again: the server reads just what was checked here.

    Raises:
        Refused: It is not for this certificate.
    """
    who, what = f"The certificate of {name!r}", method.rpartition("/")[2]
    if method in _FOR_ALL:
        return body
    kind: type[Message] | None = getattr(api, f"{what}Request", None)
    fields = kind.DESCRIPTOR.fields_by_name if kind is not None else {}
    if method != _WORKFLOW_SERVICE + what or method in _FOR_ADMINS or kind is None or "namespace" not in fields:
        raise Refused(f"{who} may not call {what}: it is for admins only.")
    try:
        request: Any = kind.FromString(body)
    except DecodeError:
        raise Refused(f"The request {what} cannot be read, so nobody knows which namespace it is for.") from None
    if not request.namespace:  # the server would take the one in its task token
        raise Refused(f"The request {what} names no namespace. {who} is good for its own only.")
    if what == "DescribeNamespace" and request.id:
        raise Refused(f"{who} may ask for its namespace by name only: an id could be any namespace's.")
    for named in (*claimed, *_reached(request)):
        if named != name:
            raise Refused(f"{who} does not open namespace {named!r}, which the request {what} names.")
    request.DiscardUnknownFields()  # of a newer version: what cannot be checked does not go on
    encoded: bytes = request.SerializeToString()
    return encoded


def _reached(message: Message) -> Iterator[str]:
    """The namespaces that a request acts on, at whatever depth: those of its commands, too."""
    if message.DESCRIPTOR.full_name in _TELLING:
        return
    for field, value in message.ListFields():
        if field.name == "namespace" or (field.name == "endpoint" and value == _SYSTEM_ENDPOINT):
            yield value
        elif field.message_type is not None:
            if field.message_type.GetOptions().map_entry:
                value = [each for each in value.values() if isinstance(each, Message)]
            for each in [value] if isinstance(value, Message) else value:
                yield from _reached(each)


class NamespaceProxy:
    """A running proxy. ``await NamespaceProxy.start(…)`` makes it.

    Attributes:
        address: Where it listens: on loopback only, as ``Client.connect`` takes it.
    """

    def __init__(self, target: str, authority: Authority, admins: Collection[str]) -> None:
        self._admins = frozenset(admins)
        self._channel = grpc.aio.insecure_channel(target, options=_OPTIONS)
        self._server = grpc.aio.server(options=_OPTIONS)
        self._server.add_generic_rpc_handlers((_Everything(self._pass),))
        port = self._server.add_secure_port(f"{HOST}:0", authority.server_credentials())
        self.address = f"{HOST}:{port}"

    @classmethod
    async def start(cls, target: str, authority: Authority, admins: Collection[str] = ()) -> "NamespaceProxy":
        """Start a proxy on a free port. It runs on its own thread and ends with the process, if not before.

        It guards only what has to pass it: nobody but the proxy may be able to reach ``target``.

        Args:
            target: The Temporal Server's gRPC address, without TLS.
            authority: Whose certificates are let in. A certificate's common name is its namespace.
            admins: Names of certificates to which everything is open: each namespace and the operator's methods.
        """

        async def make() -> NamespaceProxy:
            proxy = cls(target, authority, admins)
            await proxy._server.start()
            return proxy

        return await _elsewhere(make())

    async def close(self) -> None:
        """Stop, and cut off the requests that are under way, long polls among them."""

        async def end() -> None:
            await self._server.stop(grace=None)
            await self._channel.close()

        await _elsewhere(end())

    async def _pass(self, method: str, body: bytes, context: "grpc.aio.ServicerContext[bytes, bytes]") -> bytes:
        # The handshake has proved that the client holds the key of this certificate.
        names = [name.decode() for name in context.auth_context().get("x509_common_name", ())]
        metadata = [(key, value) for key, value in context.invocation_metadata() or () if key in _HEADERS]
        if not (len(names) == 1 and names[0] in self._admins):
            try:
                claimed = [str(value) for key, value in metadata if key == "temporal-namespace"]
                body = check(names[0] if len(names) == 1 else "", method, body, claimed)
            except Refused as refused:
                await context.abort(grpc.StatusCode.PERMISSION_DENIED, str(refused))
        call = self._channel.unary_unary(method)(body, timeout=context.time_remaining(), metadata=metadata)
        try:  # cancelled with its client, so no long poll of a client that has gone takes up a task
            answer: bytes = await call
        except grpc.aio.AioRpcError as error:  # with its details, from which the SDK makes its exceptions
            await context.abort(error.code(), error.details() or "", tuple(error.trailing_metadata()))
        return answer


class _Everything(grpc.GenericRpcHandler):  # type: ignore[misc]  # grpcio comes without types
    """Handles each method by its name. All of Temporal's take one message and answer with one."""

    def __init__(self, handle: Callable[[str, bytes, Any], Awaitable[bytes]]) -> None:
        self._handle = handle

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[bytes, bytes]":
        method = handler_call_details.method

        async def handle(body: bytes, context: Any) -> bytes:
            return await self._handle(method, body, context)

        return grpc.unary_unary_rpc_method_handler(handle)


@cache
def _loop() -> asyncio.AbstractEventLoop:
    # One for all proxies of a process: a cell that blocks the notebook's loop does not stall it, and gRPC does not
    # bear several loops well.
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="namespace-proxy", daemon=True).start()
    return loop


async def _elsewhere(work: Coroutine[Any, Any, T]) -> T:
    return await asyncio.wait_for(asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, _loop())), _START_SECONDS)
