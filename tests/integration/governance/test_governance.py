"""Governance, by attack: each is refused within five seconds and told why, and the honest caller passes."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import flows
import grpc
import httpx
import nexusrpc
import pytest
import strangers
import temporalio.api.workflowservice.v1 as api
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from temporalio.api.command.v1 import Command
from temporalio.api.common.v1 import WorkflowExecution, WorkflowType
from temporalio.api.enums.v1 import WorkflowTaskFailedCause
from temporalio.api.operatorservice.v1 import ListNexusEndpointsRequest
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.client import Client, NexusOperationFailureError, WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import KeepAliveConfig, RPCError, RPCStatusCode, TLSConfig
from temporalio.worker import Interceptor, NexusOperationInboundInterceptor, Replayer, Worker

from workshop_lib.evidence.failures import describe
from workshop_lib.evidence.state import StateFolder
from workshop_lib.governance.allowlist import FORBID_FORGED_LINKS, Allowlist
from workshop_lib.governance.identity import HEADER, Claims, Signer, Verifier, sign
from workshop_lib.governance.proxy import Authority, NamespaceProxy
from workshop_lib.server.connections import Connections
from workshop_lib.server.devserver import DevServer

pytestmark = pytest.mark.anyio

SALES, MALLORY = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
SECONDS = 5  # within which everything is refused
EVENT, OPERATION = "temporal.api.common.v1.Link.WorkflowEvent", "temporal.api.common.v1.Link.NexusOperation"
PLACE = "/workflows/w/r/history?eventID=5&eventType=NexusOperationScheduled&referenceType=EventReference"


def link(namespace: str, kind: str = EVENT, place: str = PLACE) -> str:
    return f'<temporal:///namespaces/{namespace}{place}>; type="{kind}"'


FORGED = link("sales")


@dataclass
class World:
    """A server with the namespaces sales (honest), mallory (not) and finance (whose handler is called).

    Its Workers last as long: the server still hands a task to one that has just stopped, and waits ten seconds then.
    """

    server: DevServer
    sales: Client
    mallory: Client
    finance: Client
    connections: Connections
    endpoint_id: str
    handling: Guard
    signing: Client

    def http(self, *path: str) -> str:
        steps = ["nexus", "endpoints", self.endpoint_id, "services", "Sums", *path]
        return f"http://127.0.0.1:{self.server._ports[2]}/" + "/".join(steps)


@contextlib.asynccontextmanager
async def world(folder: Path, **flags: str) -> AsyncIterator[World]:
    server = DevServer(StateFolder(folder))
    await server.restart(dynamic_config=flags)
    try:
        connections = Connections(server, None, list)
        names = ("sales", "mallory", "finance")
        sales, mallory, finance = [await Client.connect(**await connections.connection(name)) for name in names]
        await connections.endpoint(strangers.ENDPOINT, namespace="finance", task_queue="sums")
        (found,) = (await sales.operator_service.list_nexus_endpoints(ListNexusEndpointsRequest())).endpoints
        guard = Guard()
        signer = Signer("sales", SALES)
        signing = await Client.connect(server.address, namespace="sales", interceptors=[signer])
        async with calling(sales), calling(mallory), calling(signing, "signed-calls"), handler(finance, "sums", guard):
            yield World(server, sales, mallory, finance, connections, found.id, guard, signing)
    finally:
        await server.close()


def calling(client: Client, queue: str = "calls") -> Worker:
    workflows = [strangers.Call, strangers.CallTwice, strangers.Cancel, flows.Echo]
    return Worker(client, task_queue=queue, workflows=workflows)


class Guard(Interceptor):
    """Whatever guards the handler in one test."""

    def __init__(self) -> None:
        self.now: tuple[Interceptor, ...] = ()

    @contextlib.asynccontextmanager
    async def __call__(self, *interceptors: Interceptor) -> AsyncIterator[None]:
        self.now = interceptors
        yield
        self.now = ()

    def intercept_nexus_operation(self, next: NexusOperationInboundInterceptor) -> NexusOperationInboundInterceptor:
        for interceptor in reversed(self.now):
            next = interceptor.intercept_nexus_operation(next)
        return next


def handler(finance: Client, queue: str, guard: Interceptor) -> Worker:
    settings: dict[str, Any] = {"workflows": [flows.Echo], "nexus_service_handlers": [flows.SumsHandler()]}
    return Worker(finance, task_queue=queue, interceptors=[guard], **settings)


@pytest.fixture(scope="module")
async def opened(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """A server as it comes: it takes forged links."""
    async with world(tmp_path_factory.mktemp("opened")) as made:
        yield made


@pytest.fixture(scope="module")
async def closed(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """A server that forbids the header."""
    async with world(tmp_path_factory.mktemp("closed"), **FORBID_FORGED_LINKS) as made:
        yield made


async def start(client: Client, operation: str, headers: dict[str, str] | None = None) -> WorkflowHandle[Any, str]:
    name = f"call-{uuid.uuid4()}"
    return await client.start_workflow(
        strangers.Call.run,
        args=[operation, headers or {}],
        id=name,
        task_queue="calls",
        execution_timeout=strangers.LIMIT,
    )


async def call(client: Client, how: str, headers: dict[str, str] | None = None) -> str:
    """Call an operation from a workflow, or from the client itself."""
    async with asyncio.timeout(SECONDS):
        if how != "standalone":
            return await (await start(client, how, headers)).result()
        sums = client.create_nexus_client(flows.Sums, strangers.ENDPOINT)
        name, limit = f"alone-{uuid.uuid4()}", strangers.LIMIT
        result: object = await sums.execute_operation(
            "add", 1, id=name, headers=headers, schedule_to_close_timeout=limit
        )
        return str(result)


async def refused(attempt: Awaitable[object]) -> str:
    """The last reason that the caller is given."""
    with pytest.raises((WorkflowFailureError, NexusOperationFailureError)) as caught:
        await attempt
    return describe(caught.value)[-1]


# The allowlist, and the link that it reads.

HOW = ["add", "slowly", "standalone"]


@pytest.mark.parametrize("how", HOW)
async def test_the_allowlist_lets_in_whom_it_names(opened: World, how: str) -> None:
    async with opened.handling(Allowlist(["support", "sales"])):
        await call(opened.sales, how)
        told = await refused(call(opened.mallory, how))
    assert "Namespace 'mallory' may not call Sums." in told
    assert "Allowed: sales, support." in told
    assert "Ask the team that runs namespace 'finance' (endpoint 'sums')" in told


async def test_the_refused_caller_finds_the_whole_reason_in_its_own_history(opened: World) -> None:
    async with opened.handling(Allowlist(["sales"])), asyncio.timeout(SECONDS):
        handle = await start(opened.mallory, "add")
        with pytest.raises(WorkflowFailureError):
            await handle.result()
    events = [event async for event in handle.fetch_history_events()]
    (failed,) = [event for event in events if event.HasField("nexus_operation_failed_event_attributes")]
    cause = failed.nexus_operation_failed_event_attributes.failure.cause
    assert cause.nexus_handler_failure_info.type == "UNAUTHORIZED"
    assert cause.message == (
        "Namespace 'mallory' may not call Sums.add. Allowed: sales. "
        "Ask the team that runs namespace 'finance' (endpoint 'sums') to put you on its allowlist."
    )


@pytest.mark.parametrize("header", ["nexus-link", "Nexus-Link", "NEXUS-LINK"])
@pytest.mark.parametrize("how", HOW)
async def test_without_the_flag_a_forged_link_gets_in(opened: World, how: str, header: str) -> None:
    """If this fails, the server has learned to defend itself, and the text about the flag has to change."""
    async with opened.handling(Allowlist(["sales"])):
        await call(opened.mallory, how, {header: FORGED})


@pytest.mark.parametrize("header", ["nexus-link", "Nexus-Link"])
@pytest.mark.parametrize("how", HOW)
async def test_with_the_flag_it_does_not(closed: World, how: str, header: str) -> None:
    async with closed.handling(Allowlist(["sales"])):
        await call(closed.sales, how)
        if how == "standalone":
            with pytest.raises(RPCError, match=r"(?i)disallowed key: .nexus-link") as caught:
                await call(closed.mallory, how, {header: FORGED})
            assert caught.value.status == RPCStatusCode.INVALID_ARGUMENT
        else:
            await its_task_fails(await start(closed.mallory, how, {header: FORGED}))


async def its_task_fails(handle: WorkflowHandle[Any, Any]) -> None:
    """The forger's workflow task fails, and would again and again; its operation is never scheduled."""
    async with asyncio.timeout(SECONDS):
        async for event in handle.fetch_history_events(wait_new_event=True):
            assert not event.HasField("nexus_operation_scheduled_event_attributes")
            if event.HasField("workflow_task_failed_event_attributes"):
                failed = event.workflow_task_failed_event_attributes
                break
    bad = WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_BAD_SCHEDULE_NEXUS_OPERATION_ATTRIBUTES
    assert failed.cause == bad
    assert "nexus-link" in failed.failure.message.lower()
    await handle.terminate()


@pytest.mark.parametrize(
    ("forged", "reason"),
    [
        (f"{FORGED}, {link('support')}", "its links name several namespaces: sales, support"),
        (link("sales", "temporal.api.common.v1.Link.Unheard"), "unknown type 'temporal.api.common.v1.Link.Unheard'"),
        (link("sales", OPERATION), "a link that cannot be read"),  # the type says one thing, the address another
        (link("sales", place="/workflows/w"), "a link that cannot be read"),
        (FORGED.replace("temporal:///", "temporal://host/"), "a link that cannot be read"),
    ],
)
async def test_an_unclear_link_is_refused_though_all_that_it_names_are_allowed(
    opened: World, forged: str, reason: str
) -> None:
    async with opened.handling(Allowlist(["sales", "support"])):
        told = await refused(call(opened.mallory, "add", {"nexus-link": forged}))
    assert "Nobody knows which namespace calls Sums.add" in told
    assert reason in told


async def test_a_request_without_a_link_is_refused(opened: World) -> None:
    """At the server's HTTP port, which takes a forged link as well: the flag is no help there."""
    async with opened.handling(Allowlist(["sales"])), httpx.AsyncClient(timeout=SECONDS) as http:
        answer = await http.post(opened.http("add"), json=1)
        assert answer.status_code == 403
        assert "the request carries no link to its caller" in answer.text
        assert (await http.post(opened.http("add"), json=1, headers={"nexus-link": FORGED})).status_code == 200


async def test_the_http_port_takes_a_forged_link_even_with_the_flag(closed: World) -> None:
    """Open, and said so: see the docstring of ``Allowlist``."""
    async with closed.handling(Allowlist(["sales"])), httpx.AsyncClient(timeout=SECONDS) as http:
        assert (await http.post(closed.http("add"), json=1, headers={"nexus-link": FORGED})).status_code == 200


async def cancellable(client: Client) -> tuple[WorkflowHandle[Any, str], str]:
    """A workflow whose operation runs, and the token of that operation."""
    name = f"cancel-{uuid.uuid4()}"
    handle = await client.start_workflow(strangers.Cancel.run, id=name, task_queue="calls")
    async for event in handle.fetch_history_events(wait_new_event=True):
        if event.HasField("nexus_operation_started_event_attributes"):
            return handle, event.nexus_operation_started_event_attributes.operation_token
    raise AssertionError("not started")


async def cancel_by_http(made: World, token: str) -> httpx.Response:
    async with httpx.AsyncClient(timeout=SECONDS) as http:
        return await http.post(made.http("slowly", "cancel"), headers={"nexus-operation-token": token})


async def test_a_cancel_passes_the_allowlist_whoever_sends_it(opened: World) -> None:
    """Open, and said so: see the docstring of ``Allowlist``."""
    async with opened.handling(Allowlist(["sales"])), asyncio.timeout(SECONDS):
        handle, token = await cancellable(opened.sales)
        assert (await cancel_by_http(opened, token)).is_success
        await handle.signal(strangers.Cancel.cancel)
        assert await handle.result() == "cancelled"


async def test_the_story_of_the_notebook(tmp_path: Path) -> None:
    """Attack, restart with the flag, attack again: with the same clients and Workers all along."""
    async with world(tmp_path) as made, made.handling(Allowlist(["sales"])):
        await call(made.mallory, "add", {"nexus-link": FORGED})
        await made.server.restart(dynamic_config=FORBID_FORGED_LINKS)
        await until_it_answers(made.sales)
        await its_task_fails(await start(made.mallory, "add", {"nexus-link": FORGED}))
        await made.server.restart()
        await until_it_answers(made.sales)
        await its_task_fails(await start(made.mallory, "add", {"nexus-link": FORGED}))  # a plain restart opens nothing
        await made.server.restart(dynamic_config={})
        await until_it_answers(made.sales)
        await call(made.mallory, "add", {"nexus-link": FORGED})


async def until_it_answers(client: Client) -> None:
    """Clients and Workers reconnect by themselves, in a moment."""
    async with asyncio.timeout(10):
        await (await start(client, "add")).result()


def test_an_allowlist_is_no_word() -> None:
    with pytest.raises(TypeError, match="takes a list"):
        Allowlist("sales")


# Signed identity.

KEYS = {"sales": SALES.public_key().public_bytes_raw()}


def claims(**changes: Any) -> Claims:
    """What sales may say to call Sums.add now."""
    nonce = str(uuid.uuid4())
    return Claims("sales", strangers.ENDPOINT, "Sums", "add", time.time() + 60, nonce)._replace(**changes)


def token(**changes: Any) -> dict[str, str]:
    return {HEADER: sign(claims(**changes), SALES)}


@pytest.fixture
def nonces(tmp_path: Path) -> Path:
    return tmp_path / "nonces.db"


async def signed(client: Client, workflow: Any, *arguments: Any) -> WorkflowHandle[Any, Any]:
    name = f"signed-{uuid.uuid4()}"
    return await client.start_workflow(workflow, args=arguments, id=name, task_queue="signed-calls")


async def test_who_signs_passes_as_often_as_it_likes(opened: World, nonces: Path) -> None:
    async with opened.handling(Verifier(KEYS, nonces)), asyncio.timeout(2 * SECONDS):
        await (await signed(opened.signing, strangers.CallTwice.run)).result()
        await (await signed(opened.signing, strangers.Call.run, "slowly", {})).result()
        assert await call(opened.signing, "standalone") == "2"
        assert await call(opened.signing, "standalone", {HEADER.title(): "mine"}) == "2"


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        (dict, "carries no signed identity"),
        (lambda: {HEADER: "nonsense"}, "cannot be read"),
        (lambda: {HEADER: "bm8=.bm8="}, "cannot be read"),
        (lambda: {HEADER: sign(claims(), MALLORY)}, "The signature is not of namespace 'sales'"),
        (lambda: {HEADER: sign(claims(namespace="mallory"), MALLORY)}, "No key of namespace 'mallory' is known here"),
        (lambda: {HEADER: altered(token()[HEADER])}, "The signature is not of namespace 'sales'"),
        (lambda: token(expires=time.time() - 2), r"The identity of 'sales' expired 2"),
        (lambda: token(expires=float("nan")), "expired"),
    ],
)
@pytest.mark.parametrize("how", ["add", "standalone"])
async def test_who_does_not_prove_its_name_is_refused(
    opened: World, nonces: Path, how: str, headers: Callable[[], dict[str, str]], reason: str
) -> None:
    async with opened.handling(Verifier(KEYS, nonces)):
        told = await refused(call(opened.mallory, how, headers()))
        assert await call(opened.sales, "add", token()) == "2"
    assert reason in told
    assert "register yours" in told


def altered(signed: str) -> str:
    """A token that says one more second, with the signature of before."""
    said, signature = signed.split(".")
    claims = json.loads(base64.urlsafe_b64decode(said))
    claims["expires"] += 1
    return base64.urlsafe_b64encode(json.dumps(claims).encode()).decode() + "." + signature


@pytest.mark.parametrize("changed", ["endpoint", "service", "operation"])
async def test_a_token_for_something_else_is_refused(opened: World, nonces: Path, changed: str) -> None:
    async with opened.handling(Verifier(KEYS, nonces)):
        told = await refused(call(opened.mallory, "add", token(**{changed: "other"})))
    assert "is signed for " in told
    assert "other" in told
    assert "not for sums/Sums/add" in told


async def test_a_token_from_a_history_is_spent(opened: World, nonces: Path) -> None:
    async with opened.handling(Verifier(KEYS, nonces)), asyncio.timeout(SECONDS):
        handle = await signed(opened.signing, strangers.Call.run, "add", {})
        await handle.result()
        events = [event async for event in handle.fetch_history_events()]
        (stolen,) = [
            event.nexus_operation_scheduled_event_attributes.nexus_header[HEADER]
            for event in events
            if event.HasField("nexus_operation_scheduled_event_attributes")
        ]
        for how in ("add", "standalone"):
            assert "was used before, by another request" in await refused(call(opened.mallory, how, {HEADER: stolen}))


class FailsFirst(Interceptor):
    """Comes after the verification, as a handler that fails in its first attempt does."""

    def __init__(self) -> None:
        self.requests: list[str] = []

    def intercept_nexus_operation(self, next: NexusOperationInboundInterceptor) -> NexusOperationInboundInterceptor:
        requests = self.requests

        class Fails(NexusOperationInboundInterceptor):
            async def execute_nexus_operation_start(self, input: Any) -> Any:
                requests.append(input.ctx.request_id)
                if len(requests) == 1:
                    raise nexusrpc.HandlerError("not yet", type=nexusrpc.HandlerErrorType.UNAVAILABLE)
                return await super().execute_nexus_operation_start(input)

        return Fails(next)


async def test_a_second_attempt_of_the_same_request_passes(opened: World, nonces: Path) -> None:
    fails = FailsFirst()
    async with opened.handling(Verifier(KEYS, nonces), fails), asyncio.timeout(SECONDS):
        assert await (await signed(opened.signing, strangers.Call.run, "add", {})).result() == "2"
    assert len(fails.requests) == 2
    assert len(set(fails.requests)) == 1


async def test_the_request_id_must_be_there(opened: World, nonces: Path) -> None:
    """At the HTTP port it need not be; two such requests would pass for two attempts of one."""
    async with opened.handling(Verifier(KEYS, nonces)), httpx.AsyncClient(timeout=SECONDS) as http:
        answer = await http.post(opened.http("add"), json=1, headers=token())
        assert answer.status_code == 401
        assert "has no id" in answer.text


async def test_a_cancel_must_be_signed_too(opened: World, nonces: Path) -> None:
    async with opened.handling(Verifier(KEYS, nonces)), asyncio.timeout(SECONDS):
        name = f"cancel-{uuid.uuid4()}"
        handle = await opened.signing.start_workflow(strangers.Cancel.run, id=name, task_queue="signed-calls")
        echo = opened.finance.get_workflow_handle(f"echo-slow:60-{name}")
        operation = base64.urlsafe_b64encode(json.dumps({"t": 1, "ns": "finance", "wid": echo.id}).encode())
        while True:
            with contextlib.suppress(RPCError):
                await echo.describe()
                break
            await asyncio.sleep(0.05)
        answer = await cancel_by_http(opened, operation.decode().rstrip("="))
        assert answer.status_code == 401
        assert "carries no signed identity" in answer.text
        await handle.signal(strangers.Cancel.cancel)  # the server sends the headers of the start along
        assert await handle.result() == "cancelled"


async def test_signing_replays_and_leaves_no_key_behind(opened: World, nonces: Path) -> None:
    async with opened.handling(Verifier(KEYS, nonces)), asyncio.timeout(SECONDS):
        handle = await signed(opened.signing, strangers.CallTwice.run)
        await handle.result()
    history = await handle.fetch_history()
    text = history.to_json()
    raw = SALES.private_bytes_raw()
    for secret in (raw.hex(), base64.b64encode(raw).decode(), base64.urlsafe_b64encode(raw).decode()):
        assert secret not in text
    assert text.count(HEADER) == 2, "in its place, whatever the caller wrote there"
    assert "mine" not in text
    # With another key, and with none at all, as for a workflow that was started before there was a signer.
    for interceptors in ([Signer("sales", SALES)], [Signer("sales", MALLORY)], []):
        replayer = Replayer(workflows=[strangers.CallTwice], interceptors=interceptors)
        replayed = await replayer.replay_workflow(history)
        assert replayed.replay_failure is None


# The proxy, and the certificates.


@dataclass
class Guarded:
    """A proxy before the open server."""

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

            def send(method: str, request: Any, *metadata: tuple[str, str], seconds: float = SECONDS) -> Any:
                return channel.unary_unary(method)(request, metadata=metadata, timeout=seconds)

            yield send


@pytest.fixture(scope="module")
async def guarded(opened: World) -> AsyncIterator[Guarded]:
    authority = Authority()
    proxy = await NamespaceProxy.start(opened.server.address, authority, admins={"admin"})
    yield Guarded(proxy, authority)
    await proxy.close()


async def unattended(client: Client, name: str) -> None:
    """Start a workflow that no worker takes."""
    await client.start_workflow("Nobody", id=name, task_queue=name, execution_timeout=strangers.LIMIT)


def method(name: str) -> str:
    return f"/temporal.api.workflowservice.v1.WorkflowService/{name}"


def denied(send: Callable[..., Any], name: str, request: Any, *metadata: tuple[str, str]) -> str:
    """Why the proxy does not let a request through."""
    body = request if isinstance(request, bytes) else request.SerializeToString()
    began = time.monotonic()
    with pytest.raises(grpc.RpcError) as caught:
        send(name if name.startswith("/") else method(name), body, *metadata)
    assert time.monotonic() - began < SECONDS
    assert caught.value.code() == grpc.StatusCode.PERMISSION_DENIED, caught.value.details()
    return str(caught.value.details())


async def test_clients_and_workers_are_as_before(opened: World, guarded: Guarded) -> None:
    """A caller and a handler, each with its own certificate, and Nexus between them."""
    sales, finance = await guarded.client("sales"), await guarded.client("finance")
    for client in (sales, finance):  # says what is wrong, where a Worker that fails would only cancel this test
        await client.workflow_service.describe_namespace(api.DescribeNamespaceRequest(namespace=client.namespace))
    endpoint = await opened.connections.endpoint("guarded-sums", namespace="finance", task_queue="guarded-sums")
    settings: dict[str, Any] = {"task_queue": "guarded", "workflows": [strangers.Call, flows.Steps, flows.Echo]}
    async with (
        handler(finance, "guarded-sums", Allowlist(["sales"])),
        Worker(sales, **settings, activities=[flows.shaky]),
        asyncio.timeout(2 * SECONDS),
    ):
        for operation in ("add", "slowly"):
            name = f"guarded-{uuid.uuid4()}"
            await sales.execute_workflow(
                strangers.Call.run, args=[operation, {}, endpoint], id=name, task_queue="guarded"
            )
        name = f"guarded-{uuid.uuid4()}"
        result = await sales.execute_workflow(flows.Steps.run, "guarded", id=name, task_queue="guarded")
        assert result == "finished"  # with a timer, activities, and a child of the same namespace
        async with opened.handling(Allowlist(["sales"])):
            assert await call(sales, "standalone") == "2"
        await unattended(sales, "twice")
        with pytest.raises(WorkflowAlreadyStartedError):  # the details of errors come through
            await unattended(sales, "twice")


@pytest.mark.parametrize(("certificate", "namespace"), [("sales", "finance"), ("mallory", "sales")])
async def test_a_certificate_opens_its_own_namespace_only(guarded: Guarded, certificate: str, namespace: str) -> None:
    client = await guarded.client(certificate, namespace)
    async with asyncio.timeout(SECONDS):
        with pytest.raises(RPCError) as caught:
            await client.get_workflow_handle("any").describe()
    assert caught.value.status == RPCStatusCode.PERMISSION_DENIED
    assert f"The certificate of {certificate!r} does not open namespace {namespace!r}" in str(caught.value)


async def test_a_certificate_without_a_name_opens_nothing(guarded: Guarded) -> None:
    issued = guarded.authority._ca.issue_cert("sales")  # as a host's name only
    tls = TLSConfig(guarded.authority.root)
    tls.client_cert, tls.client_private_key = issued.cert_chain_pems[0].bytes(), issued.private_key_pem.bytes()
    client = await Client.connect(guarded.proxy.address, namespace="sales", tls=tls)
    with pytest.raises(RPCError, match="The certificate of '' does not open namespace 'sales'"):
        await client.get_workflow_handle("any").describe()


async def test_a_direct_start_in_finance_is_open_without_the_proxy_and_closed_with_it(
    opened: World, guarded: Guarded
) -> None:
    past_nexus = await Client.connect(opened.server.address, namespace="finance")
    async with opened.handling(Allowlist(["sales"])), asyncio.timeout(SECONDS):
        name = f"direct-{uuid.uuid4()}"
        assert await past_nexus.execute_workflow(flows.Echo.run, "got in", id=name, task_queue="sums") == "got in"
        client = await guarded.client("mallory", "finance")
        with pytest.raises(RPCError, match="does not open namespace 'finance'"):
            await client.start_workflow(flows.Echo.run, "x", id=f"direct-{uuid.uuid4()}", task_queue="sums")


@pytest.mark.parametrize("tls", ["none", "no certificate", "foreign"])
async def test_without_a_certificate_of_this_authority_nobody_connects(guarded: Guarded, tls: str) -> None:
    root = guarded.authority.root
    foreign = replace(Authority().tls("sales"), server_root_ca_cert=root)
    which: dict[str, TLSConfig | bool] = {
        "none": False,
        "no certificate": TLSConfig(server_root_ca_cert=root),
        "foreign": foreign,
    }
    async with asyncio.timeout(SECONDS):
        with pytest.raises(RuntimeError, match="Failed client connect"):
            await Client.connect(guarded.proxy.address, namespace="sales", tls=which[tls])


async def test_metadata_that_lies_about_the_namespace_is_no_help(guarded: Guarded) -> None:
    """What nginx, which sees the metadata only, would let through: and the other way round."""
    execution = WorkflowExecution(workflow_id="any")
    request = api.DescribeWorkflowExecutionRequest(namespace="finance", execution=execution)
    with guarded.raw("sales") as send:
        for metadata in ([], [("temporal-namespace", "sales")]):
            told = denied(send, "DescribeWorkflowExecution", request, *metadata)
            assert "does not open namespace 'finance', which the request DescribeWorkflowExecution names" in told
        request.namespace = "sales"
        lies = [("temporal-namespace", "sales"), ("temporal-namespace", "finance")]
        assert "does not open namespace 'finance'" in denied(send, "DescribeWorkflowExecution", request, *lies)


def command(kind: str, **attributes: Any) -> Command:
    made = Command()
    getattr(made, f"{kind}_command_attributes").CopyFrom(
        type(getattr(made, f"{kind}_command_attributes"))(**attributes)
    )
    return made


@pytest.mark.parametrize(
    "forbidden",
    [
        command("start_child_workflow_execution", namespace="finance"),
        command("signal_external_workflow_execution", namespace="finance"),
        command("request_cancel_external_workflow_execution", namespace="finance"),
        command("schedule_nexus_operation", endpoint="__temporal_system"),
    ],
)
async def test_a_workflows_commands_do_not_reach_another_namespace(guarded: Guarded, forbidden: Command) -> None:
    request = api.RespondWorkflowTaskCompletedRequest(namespace="sales", task_token=b"x", commands=[forbidden])
    with guarded.raw("sales") as send:
        told = denied(send, "RespondWorkflowTaskCompleted", request)
    assert "does not open namespace" in told


async def test_requests_within_requests_are_read(guarded: Guarded) -> None:
    inner = api.StartWorkflowExecutionRequest(namespace="finance")
    operation = api.ExecuteMultiOperationRequest.Operation(start_workflow=inner)
    request = api.ExecuteMultiOperationRequest(namespace="sales", operations=[operation])
    with guarded.raw("sales") as send:
        assert "does not open namespace 'finance'" in denied(send, "ExecuteMultiOperation", request)


async def test_a_stolen_task_token_is_no_help(opened: World, guarded: Guarded) -> None:
    """A token names its namespace. The server takes that one where the request names none: the proxy must not."""
    queue = TaskQueue(name=f"stolen-{uuid.uuid4()}")
    await unattended(opened.finance, queue.name)
    poll = api.PollWorkflowTaskQueueRequest(namespace="finance", task_queue=queue)
    task = await opened.finance.workflow_service.poll_workflow_task_queue(poll)
    done = api.RespondWorkflowTaskCompletedRequest(task_token=task.task_token)
    with guarded.raw("sales") as send:
        assert "names no namespace" in denied(send, "RespondWorkflowTaskCompleted", done)
        done.namespace = "sales"
        with pytest.raises(grpc.RpcError, match="token from a different namespace"):
            send(method("RespondWorkflowTaskCompleted"), done.SerializeToString())


@pytest.mark.parametrize(
    ("name", "request_"),
    [
        ("ListNamespaces", api.ListNamespacesRequest()),
        ("GetClusterInfo", api.GetClusterInfoRequest()),
        ("RegisterNamespace", api.RegisterNamespaceRequest(namespace="sales")),
        ("UpdateNamespace", api.UpdateNamespaceRequest(namespace="sales")),
        ("DeprecateNamespace", api.DeprecateNamespaceRequest(namespace="sales")),
        ("Unheard", b""),
        ("/temporal.api.operatorservice.v1.OperatorService/ListNexusEndpoints", b""),
        ("/temporal.api.operatorservice.v1.OperatorService/DescribeWorkflowExecution", b"\n\x05sales"),
        ("/temporal.server.api.adminservice.v1.AdminService/DescribeCluster", b""),
    ],
)
async def test_the_rest_is_for_admins(guarded: Guarded, name: str, request_: Any) -> None:
    with guarded.raw("sales") as send:
        assert "it is for admins only" in denied(send, name, request_)


async def test_what_cannot_be_read_is_refused(guarded: Guarded) -> None:
    with guarded.raw("sales") as send:
        assert "cannot be read" in denied(send, "DescribeNamespace", b"\xff\xff\xff")
        by_id = api.DescribeNamespaceRequest(namespace="sales", id=str(uuid.uuid4()))
        assert "by name only" in denied(send, "DescribeNamespace", by_id)


async def test_what_the_proxy_does_not_know_does_not_go_on(guarded: Guarded) -> None:
    from workshop_lib.governance.proxy import check

    body = api.DescribeNamespaceRequest(namespace="sales").SerializeToString()
    unknown = b"\xfa\x3e\x07finance"  # field 1007
    assert check("sales", method("DescribeNamespace"), body + unknown) == body
    twice = b"\n\x07finance" + body  # the last one counts, here and there: the server is sent one only
    assert check("sales", method("DescribeNamespace"), twice) == body


async def test_an_admin_reads_every_namespace(opened: World, guarded: Guarded) -> None:
    names = {}
    for client in (opened.sales, opened.finance):
        name = names[client.namespace] = f"seen-{uuid.uuid4()}"
        await unattended(client, name)
    for namespace, name in names.items():
        admin = await guarded.client("admin", namespace)
        assert (await admin.get_workflow_handle(name).describe()).id == name
    assert (await admin.operator_service.list_nexus_endpoints(ListNexusEndpointsRequest())).endpoints


async def test_deadlines_pass_on_and_a_client_that_has_gone_takes_up_no_task(opened: World, guarded: Guarded) -> None:
    queue = TaskQueue(name=f"left-{uuid.uuid4()}")
    poll = api.PollWorkflowTaskQueueRequest(namespace="sales", task_queue=queue)
    with guarded.raw("sales") as send, pytest.raises(grpc.RpcError, match="Context timeout is too short"):
        send(method("PollWorkflowTaskQueue"), poll.SerializeToString(), seconds=0.5)  # so the server knows of it
    sales = await guarded.client("sales")
    leaving = asyncio.create_task(sales.workflow_service.poll_workflow_task_queue(poll))
    await asyncio.sleep(0.3)
    leaving.cancel()
    await asyncio.wait([leaving])
    await asyncio.sleep(0.3)
    await unattended(sales, queue.name)
    async with asyncio.timeout(SECONDS):
        task = await opened.sales.workflow_service.poll_workflow_task_queue(poll)
    assert task.workflow_type == WorkflowType(name="Nobody")
    assert task.attempt == 1


async def test_keep_alive_is_no_offence(guarded: Guarded) -> None:
    """By default gRPC hangs up on a client that pings while it waits, as the SDK does every 30 s."""
    often = KeepAliveConfig(interval_millis=50, timeout_millis=2000)
    tls = guarded.authority.tls("sales")
    sales = await Client.connect(guarded.proxy.address, namespace="sales", tls=tls, keep_alive_config=often)
    poll = api.PollWorkflowTaskQueueRequest(namespace="sales", task_queue=TaskQueue(name="quiet"))
    waiting = asyncio.create_task(sales.workflow_service.poll_workflow_task_queue(poll))
    done, _ = await asyncio.wait([waiting], timeout=2)
    waiting.cancel()
    assert not done, waiting


async def test_headers_that_the_server_believes_end_at_the_proxy() -> None:
    seen: list[str] = []

    class Upstream(grpc.GenericRpcHandler):  # type: ignore[misc]
        def service(self, handler_call_details: Any) -> Any:
            seen.extend(name for name, _ in handler_call_details.invocation_metadata)
            return grpc.unary_unary_rpc_method_handler(lambda request, context: b"")

    upstream = grpc.server(ThreadPoolExecutor(1))
    upstream.add_generic_rpc_handlers((Upstream(),))
    port = upstream.add_insecure_port("127.0.0.1:0")
    upstream.start()
    authority = Authority()
    proxy = await NamespaceProxy.start(f"127.0.0.1:{port}", authority, admins={"admin"})
    believed = [("temporal-principal-name", "admin"), ("xdc-redirection", "false"), ("client-name", "mine")]
    for certificate in ("sales", "admin"):
        with Guarded(proxy, authority).raw(certificate) as send:
            request = api.DescribeNamespaceRequest(namespace="sales")
            send(method("DescribeNamespace"), request.SerializeToString(), *believed)
    assert seen.count("client-name") == 2
    assert {"temporal-principal-name", "xdc-redirection"}.isdisjoint(seen)
    await proxy.close()
    upstream.stop(None)


async def test_a_cell_that_blocks_stalls_nobody(opened: World, guarded: Guarded) -> None:
    with guarded.raw("sales") as send:  # blocking, on this loop's own thread
        request = api.DescribeNamespaceRequest(namespace="sales")
        assert b"sales" in send(method("DescribeNamespace"), request.SerializeToString())


async def test_it_listens_on_loopback_only_and_stops(opened: World) -> None:
    import psutil

    authority = Authority()
    proxy = await NamespaceProxy.start(opened.server.address, authority)
    port = int(proxy.address.rsplit(":", 1)[1])

    def listening() -> Sequence[str]:
        found = psutil.Process(os.getpid()).net_connections("inet")
        return [
            c.laddr.ip.removeprefix("::ffff:") for c in found if c.status == psutil.CONN_LISTEN and c.laddr.port == port
        ]

    assert listening() == ["127.0.0.1"]
    await proxy.close()
    assert listening() == []


def test_it_ends_with_its_process_and_is_quiet() -> None:
    program = """
import asyncio, socket
from workshop_lib.governance.proxy import Authority, NamespaceProxy
async def main():
    proxy = await NamespaceProxy.start("127.0.0.1:1", Authority())
    with socket.create_connection(proxy.address.split(":")) as stranger:  # without TLS
        stranger.sendall(b"hello hello hello")
        stranger.recv(100)
asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=20, check=True)
    assert done.stdout + done.stderr == ""
