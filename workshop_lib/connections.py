"""The Temporal Service as one notebook uses it: connections, namespaces, Nexus endpoints, open executions."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from google.protobuf.duration_pb2 import Duration
from temporalio.api.nexus.v1 import Endpoint, EndpointSpec, EndpointTarget
from temporalio.api.operatorservice.v1 import (
    CreateNexusEndpointRequest,
    ListNexusEndpointsRequest,
    UpdateNexusEndpointRequest,
)
from temporalio.api.workflowservice.v1 import (
    DescribeNamespaceRequest,
    GetSystemInfoRequest,
    ListNamespacesRequest,
    RegisterNamespaceRequest,
)
from temporalio.client import Client, WorkflowExecution
from temporalio.service import RPCError, RPCStatusCode

from workshop_lib.messages import WorkshopError
from workshop_lib.service import CHOICE, OutsideService
from workshop_lib.waiting import Explainer, Polled

_CONNECT_SECONDS = 10.0
_RETENTION = Duration(seconds=7 * 24 * 3600)  # how long closed executions can be looked at; the server's least is a day


class Connections:
    """Connections to one Temporal Service.

    Args:
        address: Its gRPC address.
        outside: The outside service, where one was asked for.
        polled: What is known of running workers, to explain waits.
    """

    def __init__(self, address: str, outside: OutsideService | None, polled: Polled) -> None:
        self._target = dict(outside.connect) if outside else {"target_host": address}
        self._outside = outside
        self._prefix = outside.prefix if outside else ""
        self._explainer = Explainer(polled)
        self._clients: dict[str, Client] = {}

    def namespace(self, name: str) -> str:
        """The real name of a namespace: the same on the embedded server, prefixed on an outside service."""
        return self._prefix + name

    async def connection(self, namespace: str = "default", **settings: Any) -> dict[str, Any]:
        """Arguments for ``Client.connect``. The namespace is made if it is missing.

        Args:
            namespace: Its name in the workshop, such as ``"finance"``.
            settings: Further arguments of ``Client.connect``. ``interceptors`` come after the workshop's own.

        Raises:
            WorkshopError: The service does not answer, or does not let us make the namespace.
        """
        name = self.namespace(namespace)
        if name not in self._clients:
            self._clients[name] = await self._prepare(name)
        interceptors = [self._explainer, *settings.pop("interceptors", [])]
        return {**self._target, "namespace": name, "interceptors": interceptors, **settings}

    async def endpoint(self, name: str, *, namespace: str, task_queue: str) -> str:
        """Make a Nexus endpoint, or point an existing one at this target.

        Args:
            name: Its name in the workshop.
            namespace: Of the handler's worker, as in ``connection``.
            task_queue: Of the handler's worker.

        Returns:
            The endpoint's real name, as callers use it.
        """
        target = (await self.connection(namespace))["namespace"]
        real = self._prefix + name
        worker = EndpointTarget.Worker(namespace=target, task_queue=task_queue)
        spec = EndpointSpec(name=real, target=EndpointTarget(worker=worker))
        operator = self._clients[target].operator_service
        existing = await self._find_endpoint(self._clients[target], real)
        if existing is None:
            await operator.create_nexus_endpoint(CreateNexusEndpointRequest(spec=spec))
        elif existing.spec != spec:
            await operator.update_nexus_endpoint(
                UpdateNexusEndpointRequest(id=existing.id, version=existing.version, spec=spec)
            )
        return real

    async def version(self) -> str:
        """The Temporal Server's version.

        Raises:
            WorkshopError: It does not answer.
        """
        client = await self._client(self.namespace("default"))
        return (await client.workflow_service.get_system_info(GetSystemInfoRequest())).server_version

    async def open_executions(self, types: Iterable[str] | None = None) -> list[WorkflowExecution]:
        """The open workflow executions of this notebook, in all of its namespaces, oldest first.

        Args:
            types: Only those of these workflow types.
        """
        found: list[WorkflowExecution] = []
        query = 'ExecutionStatus = "Running"'
        if types is not None:
            query += f" AND WorkflowType IN ({', '.join(repr(name) for name in types)})"
        for namespace in await self._namespaces():
            client = await self._client(namespace)
            found += [execution async for execution in client.list_workflows(query)]
        return sorted(found, key=lambda execution: execution.start_time)

    async def terminate(self, executions: Iterable[WorkflowExecution], reason: str) -> None:
        """Terminate executions. One that has ended in the meantime is left as it is.

        Args:
            executions: From ``open_executions``.
            reason: What stands in their histories.
        """
        for execution in executions:
            client = await self._client(execution.namespace)
            try:
                await client.get_workflow_handle(execution.id, run_id=execution.run_id).terminate(reason=reason)
            except RPCError as error:
                if error.status != RPCStatusCode.NOT_FOUND:
                    raise

    async def _client(self, namespace: str) -> Client:
        if namespace in self._clients:
            return self._clients[namespace]
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                return await Client.connect(**self._target, namespace=namespace)
        except (RuntimeError, TimeoutError, RPCError) as error:
            where = self._target["target_host"]
            if self._outside is None:
                raise WorkshopError(
                    f"The Temporal Server at {where} does not answer.",
                    then="If you killed it: `await ws.server.restart()`. If not, run the set-up cell again.",
                ) from error
            raise WorkshopError(
                f"The Temporal Service at {where} does not answer.",
                f"{CHOICE} asks for {self._outside.origin}. {str(error) or 'No answer within ten seconds.'}",
                f"Check the address and the key, or unset {CHOICE} and restart the kernel to use the embedded server.",
            ) from error

    async def _prepare(self, name: str) -> Client:
        client = await self._client(name)
        request = RegisterNamespaceRequest(namespace=name, workflow_execution_retention_period=_RETENTION)
        try:
            # Not asked for first: the server would remember for seconds that it is not there.
            await client.workflow_service.register_namespace(request)
        except RPCError as error:
            if error.status != RPCStatusCode.ALREADY_EXISTS and not await self._exists(client, name):
                raise WorkshopError(
                    f"The service does not let us make the namespace {name!r}.",
                    error.message,
                    "Make it by hand (on Temporal Cloud: in its console), and run this cell again.",
                ) from error
        return client

    async def _exists(self, client: Client, name: str) -> bool:
        try:
            await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=name))
        except RPCError:
            return False
        return True

    async def _namespaces(self) -> list[str]:
        client = await self._client(self.namespace("default"))
        answer = await client.workflow_service.list_namespaces(ListNamespacesRequest(page_size=1000))
        names = [described.namespace_info.name for described in answer.namespaces]
        return [name for name in names if name.startswith(self._prefix) and name != "temporal-system"]

    async def _find_endpoint(self, client: Client, name: str) -> Endpoint | None:
        answer = await client.operator_service.list_nexus_endpoints(ListNexusEndpointsRequest(name=name))
        return next(iter(answer.endpoints), None)
