"""Certificates and the proxy before a Temporal Server: a certificate opens its own namespace, and nothing else."""

import asyncio
import contextlib
import os
import threading
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import grpc
import psutil
import pytest
import strangers
import temporalio.api.workflowservice.v1 as api
from temporalio.api.command.v1 import Command
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.client import Client
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode, TLSConfig
from temporalio.worker import Worker
from waits import GUARD
from worlds import World, call, handler

from workshop_lib.governance.allowlist import Allowlist
from workshop_lib.governance.proxy import Authority, NamespaceProxy


@dataclass
class Guarded:
    proxy: NamespaceProxy
    authority: Authority

    async def client(self, certificate: str, namespace: str | None = None) -> Client:
        tls = self.authority.tls(certificate)
        return await Client.connect(self.proxy.address, namespace=namespace or certificate, tls=tls)

    @contextlib.contextmanager
    def raw(self, certificate: str) -> Any:
        """Past the SDK: any method, any body, any metadata."""
        tls = self.authority.tls(certificate)
        credentials = grpc.ssl_channel_credentials(tls.server_root_ca_cert, tls.client_private_key, tls.client_cert)
        with grpc.secure_channel(self.proxy.address, credentials) as channel:

            def send(method: str, request: Any, *metadata: tuple[str, str]) -> Any:
                return channel.unary_unary(method)(request, metadata=metadata, timeout=GUARD)

            send.future = lambda method, request: channel.unary_unary(method).future(request, timeout=GUARD)  # type: ignore[attr-defined]
            yield send


@pytest.fixture(scope="module")
async def guarded(opened: World) -> AsyncIterator[Guarded]:
    authority = Authority()
    proxy = await NamespaceProxy.start(opened.server.address, authority, admins={"admin"})
    yield Guarded(proxy, authority)
    await proxy.close()


async def unattended(client: Client, name: str) -> None:
    await client.start_workflow("Nobody", id=name, task_queue=name, execution_timeout=strangers.LIMIT)


def method(name: str) -> str:
    return f"/temporal.api.workflowservice.v1.WorkflowService/{name}"


def denied(send: Callable[..., Any], name: str, request: Any, *metadata: tuple[str, str]) -> str:
    body = request if isinstance(request, bytes) else request.SerializeToString()
    with pytest.raises(grpc.RpcError) as caught:
        send(name if name.startswith("/") else method(name), body, *metadata)
    assert caught.value.code() == grpc.StatusCode.PERMISSION_DENIED, caught.value.details()
    return str(caught.value.details())


async def test_clients_and_workers_are_as_before(opened: World, guarded: Guarded) -> None:
    """A caller and a handler, each with its own certificate, and Nexus between them."""
    sales, finance = await guarded.client("sales"), await guarded.client("finance")
    for client in (sales, finance):  # says what is wrong, where a Worker that fails would only cancel this test
        await client.workflow_service.describe_namespace(api.DescribeNamespaceRequest(namespace=client.namespace))
    endpoint = await opened.connections.endpoint("guarded-sums", namespace="finance", task_queue="guarded-sums")
    settings: dict[str, Any] = {"task_queue": "guarded", "workflows": [strangers.Call]}
    async with (
        handler(finance, "guarded-sums", Allowlist(["sales"])),
        Worker(sales, **settings),
        asyncio.timeout(GUARD),
    ):
        for operation in ("add", "slowly"):
            name = f"guarded-{uuid.uuid4()}"
            await sales.execute_workflow(
                strangers.Call.run, args=[operation, {}, endpoint], id=name, task_queue="guarded"
            )
        async with opened.handling(Allowlist(["sales"])):
            assert await call(sales, "standalone") == "2"
        await unattended(sales, "twice")
        with pytest.raises(WorkflowAlreadyStartedError):  # the details of errors come through
            await unattended(sales, "twice")


@pytest.mark.parametrize(("certificate", "namespace"), [("sales", "finance"), ("mallory", "sales"), ("", "sales")])
async def test_a_certificate_opens_its_own_namespace_only(guarded: Guarded, certificate: str, namespace: str) -> None:
    if certificate:
        client = await guarded.client(certificate, namespace)
    else:  # it has a host's name only
        issued = guarded.authority._ca.issue_cert("sales")
        tls = TLSConfig(guarded.authority.root)
        tls.client_cert, tls.client_private_key = issued.cert_chain_pems[0].bytes(), issued.private_key_pem.bytes()
        client = await Client.connect(guarded.proxy.address, namespace=namespace, tls=tls)
    with pytest.raises(RPCError) as caught:
        await client.get_workflow_handle("any").describe()
    assert caught.value.status == RPCStatusCode.PERMISSION_DENIED
    assert f"The certificate of {certificate!r} does not open namespace {namespace!r}" in str(caught.value)


async def test_without_a_certificate_of_this_authority_nobody_connects(guarded: Guarded) -> None:
    root = guarded.authority.root
    foreign = replace(Authority().tls("sales"), server_root_ca_cert=root)
    for tls in (False, TLSConfig(server_root_ca_cert=root), foreign):
        async with asyncio.timeout(GUARD):
            with pytest.raises(RuntimeError, match="Failed client connect"):
                await Client.connect(guarded.proxy.address, namespace="sales", tls=tls)


def completed(kind: str, **attributes: Any) -> api.RespondWorkflowTaskCompletedRequest:
    forbidden = Command()
    made = getattr(forbidden, f"{kind}_command_attributes")
    made.CopyFrom(type(made)(**attributes))
    return api.RespondWorkflowTaskCompletedRequest(namespace="sales", task_token=b"x", commands=[forbidden])


START = api.ExecuteMultiOperationRequest.Operation(
    start_workflow=api.StartWorkflowExecutionRequest(namespace="finance")
)
# It names its namespace, and the server would take that one.
STOLEN = api.RespondWorkflowTaskCompletedRequest(task_token=b"x")
OTHERS, ADMINS = "does not open namespace", "it is for admins only"


@pytest.mark.parametrize(
    ("name", "asked", "reason"),
    [
        ("RespondWorkflowTaskCompleted", completed("start_child_workflow_execution", namespace="finance"), OTHERS),
        ("RespondWorkflowTaskCompleted", completed("schedule_nexus_operation", endpoint="__temporal_system"), OTHERS),
        ("ExecuteMultiOperation", api.ExecuteMultiOperationRequest(namespace="sales", operations=[START]), OTHERS),
        ("DescribeNamespace", api.DescribeNamespaceRequest(namespace="finance"), OTHERS),
        ("RespondWorkflowTaskCompleted", STOLEN, "names no namespace"),
        ("ListNamespaces", api.ListNamespacesRequest(), ADMINS),
        ("UpdateNamespace", api.UpdateNamespaceRequest(namespace="sales"), ADMINS),
        ("Unheard", b"", ADMINS),
        ("/temporal.api.operatorservice.v1.OperatorService/DescribeWorkflowExecution", b"\n\x05sales", ADMINS),
        ("DescribeNamespace", b"\xff\xff\xff", "cannot be read"),
        ("DescribeNamespace", api.DescribeNamespaceRequest(namespace="sales", id="any"), "by name only"),
    ],
)
async def test_what_reaches_further_than_the_own_namespace_is_refused(
    guarded: Guarded, name: str, asked: Any, reason: str
) -> None:
    with guarded.raw("sales") as send:
        assert reason in denied(send, name, asked, ("temporal-namespace", "sales"))  # what only metadata say is no help


async def test_what_the_metadata_claim_is_compared_too(guarded: Guarded) -> None:
    with guarded.raw("sales") as send:
        lies = [("temporal-namespace", "sales"), ("temporal-namespace", "finance")]
        assert OTHERS in denied(send, "DescribeNamespace", api.DescribeNamespaceRequest(namespace="sales"), *lies)


async def test_what_the_proxy_does_not_know_does_not_go_on(guarded: Guarded) -> None:
    from workshop_lib.governance.proxy import check

    body = api.DescribeNamespaceRequest(namespace="sales").SerializeToString()
    unknown = b"\xfa\x3e\x07finance"  # field 1007
    assert check("sales", method("DescribeNamespace"), body + unknown) == body
    twice = b"\n\x07finance" + body  # the last one counts, here and there: the server is sent one only
    assert check("sales", method("DescribeNamespace"), twice) == body


async def test_what_passes_on_to_the_server() -> None:
    """Deadlines, and the end of a client that has gone; no headers that the server would believe."""
    seen: list[str] = []
    entered, left = threading.Event(), threading.Event()

    def upstream(request: bytes, context: grpc.ServicerContext) -> bytes:
        assert context.time_remaining() <= 2 * GUARD
        seen.extend(name for name, _ in context.invocation_metadata())
        if b"queue" in request:  # a long poll
            context.add_callback(left.set)
            entered.set()
            left.wait(GUARD)
        return b""

    class Upstream(grpc.GenericRpcHandler):  # type: ignore[misc]
        def service(self, handler_call_details: Any) -> Any:
            return grpc.unary_unary_rpc_method_handler(upstream)

    server = grpc.server(ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers((Upstream(),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    proxy = await NamespaceProxy.start(f"127.0.0.1:{port}", authority := Authority(), admins={"admin"})
    made = Guarded(proxy, authority)
    believed = [("temporal-principal-name", "admin"), ("xdc-redirection", "false"), ("client-name", "mine")]
    for certificate in ("sales", "admin"):
        with made.raw(certificate) as send:
            request = api.DescribeNamespaceRequest(namespace="sales")
            send(method("DescribeNamespace"), request.SerializeToString(), *believed)
    assert seen.count("client-name") == 2
    assert {"temporal-principal-name", "xdc-redirection"}.isdisjoint(seen)
    poll = api.PollWorkflowTaskQueueRequest(namespace="sales", task_queue=TaskQueue(name="queue"))
    with made.raw("sales") as send:
        leaving = send.future(method("PollWorkflowTaskQueue"), poll.SerializeToString())
        assert entered.wait(GUARD)
        leaving.cancel()
        assert left.wait(GUARD), "the client has gone, and its poll would take a task"
    await proxy.close()
    server.stop(None)


async def test_it_listens_on_loopback_only_and_stops(opened: World) -> None:
    proxy = await NamespaceProxy.start(opened.server.address, Authority())
    port = int(proxy.address.rsplit(":", 1)[1])

    def listening() -> Sequence[str]:
        found = psutil.Process(os.getpid()).net_connections("inet")
        return [
            c.laddr.ip.removeprefix("::ffff:") for c in found if c.status == psutil.CONN_LISTEN and c.laddr.port == port
        ]

    assert listening() == ["127.0.0.1"]
    await proxy.close()
    assert listening() == []
