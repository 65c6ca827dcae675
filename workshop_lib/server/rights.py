"""What the credentials may not do on an outside service, and what its administrator can do about it."""

import tomllib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import temporalio.api.workflowservice.v1 as service_api
from temporalio.api.nexus.v1 import Endpoint
from temporalio.api.operatorservice.v1 import CreateNexusEndpointRequest, ListNexusEndpointsRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

_NEEDS = tomllib.loads((Path(__file__).parent / "needs.toml").read_text(encoding="utf-8"))
_REFUSALS = (RPCStatusCode.PERMISSION_DENIED, RPCStatusCode.UNAUTHENTICATED, RPCStatusCode.UNIMPLEMENTED)


@dataclass(frozen=True)
class Needs:
    """What a notebook and its checks use on a service, by its name in the workshop.

    Attributes:
        namespaces: Their names.
        endpoints: By name, the target's namespace and task queue.
    """

    namespaces: list[str]
    endpoints: dict[str, tuple[str, str]]


def number(notebook: str) -> str:
    """The two digits that a notebook's name begins with; empty if it is not one of those that run on a shared service.

    Args:
        notebook: Its name.
    """
    return notebook[:2] if notebook[:2] in _NEEDS else ""


def needs(notebook: str) -> Needs:
    """What a notebook uses; if ``number`` is empty, what all of these use.

    Args:
        notebook: Its name.
    """
    chosen = [_NEEDS[number(notebook)]] if number(notebook) else _NEEDS.values()
    namespaces = sorted({name for each in chosen for name in each["namespaces"]})
    endpoints = {name: tuple(to) for each in chosen for name, to in each.get("endpoints", {}).items()}
    return Needs(namespaces, endpoints)


def refused(error: RPCError) -> bool:
    """Whether the service refuses something to these credentials, or to everyone.

    Args:
        error: The service's answer.
    """
    return error.status in _REFUSALS


async def listed(call: Callable[..., Awaitable[Any]], request: Any) -> list[Any] | None:
    """All pages of a list; None if the service does not show it to these credentials.

    Args:
        call: The service's method.
        request: Its request, which this function changes.
    """
    found: list[Any] = []
    try:
        while not found or request.next_page_token:
            found.append(await call(request))
            request.next_page_token = found[-1].next_page_token
    except RPCError as error:
        if not refused(error):
            raise
        return None
    return found


async def endpoints(client: Client, name: str = "") -> list[Endpoint] | None:
    """The service's Nexus endpoints; None if it does not show them to these credentials.

    Args:
        client: A client of any namespace.
        name: The real name of the only one to look for; empty for all.
    """
    request = ListNexusEndpointsRequest(name=name, page_size=1000)
    pages = await listed(client.operator_service.list_nexus_endpoints, request)
    return None if pages is None else [each for page in pages for each in page.endpoints]


async def missing(client: Client, needed: Needs) -> str:
    """What these credentials may not do, with the commands for an administrator; empty if nothing is missing.

    Each right is tried with an empty request, which creates nothing: the service refuses it in any case.

    Args:
        client: A client of a namespace that exists.
        needed: What the notebook uses, by its real name.
    """
    service, operator = client.workflow_service, client.operator_service
    said: list[str] = []

    def ask(what: str, commands: list[str]) -> None:
        if commands:
            said.extend([f"They may not {what}. Before you continue, ask the administrator:", *commands, _TERRAFORM])

    if not await _may(service.register_namespace, service_api.RegisterNamespaceRequest()):
        absent = [name for name in needed.namespaces if not await namespace_exists(client, name)]
        ask("create namespaces, or not read these", [namespace_command(name) for name in absent])
    if not await _may(operator.create_nexus_endpoint, CreateNexusEndpointRequest()):
        there = {each.spec.name for each in await endpoints(client) or []}
        lacking = [(name, *to) for name, to in needed.endpoints.items() if name not in there]
        ask("create Nexus endpoints", [endpoint_command(*each) for each in lacking])
    if not await _may(service.list_namespaces, service_api.ListNamespacesRequest(page_size=1)):
        said.append("They may not list namespaces: `topology` and `ws.reset()` see only those that this kernel used.")
    if said:
        said.insert(0, "What your credentials may not do:")
    standalone = service_api.ListNexusOperationExecutionsRequest(namespace=client.namespace)
    if not await _may(service.list_nexus_operation_executions, standalone):
        said.append(_STANDALONE)
    return "\n".join(said)


_STANDALONE = (
    "Standalone Nexus operations are switched off there. The notebooks call operations from Workflows instead.\n"
    "→ An administrator switches them on with the dynamic configuration nexusoperation.enableStandalone=true."
)
_TERRAFORM = "  On Temporal Cloud: the Terraform resources temporalcloud_namespace, temporalcloud_nexus_endpoint."


def namespace_command(name: str) -> str:
    """The command that creates a namespace.

    Args:
        name: Its real name.
    """
    return f"  temporal operator namespace create --retention 7d --namespace {name}"


def endpoint_command(name: str, namespace: str, task_queue: str) -> str:
    """The command that creates a Nexus endpoint.

    Args:
        name: Its real name.
        namespace: The real name of its target namespace.
        task_queue: Its target task queue.
    """
    target = f"--target-namespace {namespace} --target-task-queue {task_queue}"
    return f"  temporal operator nexus endpoint create --name {name} {target}"


async def _may(call: Callable[..., Awaitable[Any]], request: Any) -> bool:
    try:
        await call(request)
    except RPCError as error:
        return not refused(error)
    return True


async def namespace_exists(client: Client, name: str) -> bool:
    """Whether a namespace exists and these credentials may see it.

    Args:
        client: A client of any namespace.
        name: The namespace's real name.
    """
    try:
        await client.workflow_service.describe_namespace(service_api.DescribeNamespaceRequest(namespace=name))
    except RPCError:
        return False
    return True
