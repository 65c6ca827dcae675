"""The Temporal Service as one notebook uses it: connections, namespaces, Nexus endpoints, open executions."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

import temporalio.api.operatorservice.v1 as operator_api
import temporalio.api.workflowservice.v1 as service_api
from google.protobuf.duration_pb2 import Duration
from temporalio.api.nexus.v1 import EndpointSpec, EndpointTarget
from temporalio.client import Client, Interceptor, WorkflowExecution
from temporalio.service import RPCError, RPCStatusCode

from workshop_lib.evidence.messages import WorkshopError, say
from workshop_lib.evidence.state import StateFolder, notebook_folder
from workshop_lib.server import rights
from workshop_lib.server.devserver import DevServer
from workshop_lib.server.names import OwnNames
from workshop_lib.server.outside import chosen
from workshop_lib.workers.reasons import Polled
from workshop_lib.workers.waiting import Explainer

_ANSWER_SECONDS = 20.0
_RETENTION = Duration(seconds=7 * 24 * 3600)  # how long closed executions can be looked at; the server's least is a day


class Connections:
    """Connections to one Temporal Service.

    Attributes:
        server: The embedded server, to be killed and restarted. An outside service is neither, and says so.

    Args:
        server: Of the service: the embedded one, or what stands for an outside one.
        polled: Returns what the workers of this notebook poll, to explain waits.
        interceptors: What else each connection carries.
    """

    def __init__(self, server: DevServer, polled: Callable[[], list[Polled]], *interceptors: Interceptor) -> None:
        self.server, self._prefix = server, server.prefix
        self._interceptors = [Explainer(polled), *interceptors]
        self._names = [OwnNames(self._prefix)] if self._prefix else []
        self._prepared: set[tuple[str, str]] = set()  # addresses and namespaces that are known to be there

    def namespace(self, name: str) -> str:
        """The real name of a namespace: the same on the embedded server, prefixed on an outside service."""
        return self._prefix + name

    def own_name(self, real: str) -> str:
        """What the workshop calls the namespace or endpoint that has this real name."""
        return real.removeprefix(self._prefix)

    async def connection(self, namespace: str = "default", *, quiet: bool = False, **settings: Any) -> dict[str, Any]:
        """Arguments for ``Client.connect``. The namespace is made if it is missing.

        Args:
            namespace: Its name in the workshop, such as ``"finance"``.
            quiet: Whether to leave out what bounds waits and explains them to whoever sits before a cell.
            settings: Further arguments of ``Client.connect``. ``interceptors`` come after the workshop's own.

        Raises:
            WorkshopError: The service does not answer, or does not let us make the namespace.
        """
        name = self.namespace(namespace)
        await self._prepare(name)
        interceptors = [*([] if quiet else self._interceptors), *settings.pop("interceptors", [])]
        interceptors = [*self._names, *interceptors, *self._names]
        return {**self.server.connect, "namespace": name, "interceptors": interceptors, **settings}

    async def endpoint(self, name: str, *, namespace: str, task_queue: str) -> str:
        """Make a Nexus endpoint, or point an existing one at this target.

        Args:
            name: Its name in the workshop.
            namespace: Of the handler's worker, as in ``connection``.
            task_queue: Of the handler's worker.

        Returns:
            The endpoint's real name, as callers use it.
        """
        real = self._prefix + name
        worker = EndpointTarget.Worker(namespace=self.namespace(namespace), task_queue=task_queue)
        spec = EndpointSpec(name=real, target=EndpointTarget(worker=worker))
        await self._prepare(self.namespace(namespace))
        command = rights.endpoint_command(real, worker.namespace, task_queue)
        async with self._asking(self.namespace(namespace)) as client:
            operator = client.operator_service
            request = operator_api.ListNexusEndpointsRequest(name=real)
            pages = await rights.listed(operator.list_nexus_endpoints, request)
            if pages is None:
                say(f"{real} is taken to be there: you may not see Nexus endpoints. If it is not:\n{command}", "warn")
                return real
            found = [each for page in pages for each in page.endpoints]
            try:
                if not found:
                    await operator.create_nexus_endpoint(operator_api.CreateNexusEndpointRequest(spec=spec))
                elif found[0].spec != spec:
                    same: dict[str, Any] = {"id": found[0].id, "version": found[0].version}
                    await operator.update_nexus_endpoint(operator_api.UpdateNexusEndpointRequest(spec=spec, **same))
            except RPCError as error:
                if not rights.refused(error):
                    raise
                what = f"The service does not let us make the Nexus endpoint {real!r}, or change where it leads."
                then = f"Ask its administrator, and run this cell again:\n{command}"
                raise WorkshopError(what, error.message, then) from error
        return real

    async def namespaces(self) -> list[str]:
        """The namespaces of this notebook, by the workshop's own names.

        Raises:
            WorkshopError: The service does not answer.
        """
        async with self._asking() as client:
            request = service_api.ListNamespacesRequest(page_size=1000)
            pages = await rights.listed(client.workflow_service.list_namespaces, request)
        if pages is None:
            names = sorted(name for _, name in self._prepared)
        else:
            names = [described.namespace_info.name for page in pages for described in page.namespaces]
        return [self.own_name(name) for name in names if name.startswith(self._prefix) and name != "temporal-system"]

    async def endpoints(self) -> dict[str, tuple[str, str]]:
        """The Nexus endpoints of this notebook: by name, the namespace and the task queue to which each leads.

        The names are the workshop's own.

        Raises:
            WorkshopError: The service does not answer.
        """
        async with self._asking() as client:
            request = operator_api.ListNexusEndpointsRequest(page_size=1000)
            pages = await rights.listed(client.operator_service.list_nexus_endpoints, request)
        targets = {each.spec.name: each.spec.target.worker for page in pages or [] for each in page.endpoints}
        return {
            self.own_name(name): (self.own_name(target.namespace), target.task_queue)
            for name, target in targets.items()
            if name.startswith(self._prefix) and target.task_queue
        }

    async def remove_endpoints(self, beginning: str) -> None:
        """Remove Nexus endpoints, as far as the service lets us.

        Args:
            beginning: What their names in the workshop begin with.

        Raises:
            WorkshopError: The service does not answer.
        """
        async with self._asking() as client:
            operator, request = client.operator_service, operator_api.ListNexusEndpointsRequest(page_size=1000)
            for page in await rights.listed(operator.list_nexus_endpoints, request) or []:
                for each in page.endpoints:
                    if each.spec.name.startswith(self._prefix + beginning):
                        with contextlib.suppress(RPCError):
                            deletion = operator_api.DeleteNexusEndpointRequest(id=each.id, version=each.version)
                            await operator.delete_nexus_endpoint(deletion)

    async def missing_rights(self) -> str:
        """What the credentials may not do there, and what an administrator can do; empty if nothing is missing."""
        with contextlib.suppress(WorkshopError):  # it is among what is missing
            await self._prepare(self.namespace("default"))
        async with self._asking() as client:
            return await rights.missing(client, self._prefix)

    async def version(self) -> str:
        """The Temporal Server's version.

        Raises:
            WorkshopError: It does not answer.
        """
        async with self._asking() as client:
            answer = await client.workflow_service.get_system_info(service_api.GetSystemInfoRequest())
            return answer.server_version

    async def open_executions(self, types: Iterable[str] | None = None) -> list[WorkflowExecution]:
        """The open workflow executions of this notebook, in all of its namespaces, oldest first.

        Args:
            types: Only those of these workflow types.
        """
        found: list[WorkflowExecution] = []
        query = 'ExecutionStatus = "Running"'
        if types is not None:
            query += f" AND WorkflowType IN ({', '.join(repr(name) for name in types)})"
        for namespace in map(self.namespace, await self.namespaces()):
            async with self._asking(namespace) as client:
                found += [execution async for execution in client.list_workflows(query)]
        return sorted(found, key=lambda execution: execution.start_time)

    async def terminate(self, executions: Iterable[WorkflowExecution], reason: str) -> None:
        """Terminate executions. One that has ended in the meantime is left as it is.

        Args:
            executions: From ``open_executions``.
            reason: Recorded in their histories.
        """
        for execution in executions:
            try:
                async with self._asking(execution.namespace) as client:
                    await client.get_workflow_handle(execution.id, run_id=execution.run_id).terminate(reason=reason)
            except RPCError as error:
                if error.status != RPCStatusCode.NOT_FOUND:
                    raise

    @contextlib.asynccontextmanager
    async def _asking(self, namespace: str | None = None) -> AsyncIterator[Client]:
        """A plain client for questions that are bounded, and that say in words that the service does not answer."""
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                yield await Client.connect(**self.server.connect, namespace=namespace or self.namespace("default"))
        except (RuntimeError, TimeoutError, RPCError) as error:
            if isinstance(error, RPCError) and error.status != RPCStatusCode.UNAVAILABLE:
                raise
            raise self.server.silent(str(error)) from error

    async def _prepare(self, name: str) -> None:
        """Make a namespace, unless it is known to be there."""
        key = (self.server.address, name)  # a restarted server may have had to take another port
        if key in self._prepared:
            return
        request = service_api.RegisterNamespaceRequest(namespace=name, workflow_execution_retention_period=_RETENTION)
        async with self._asking(name) as client:
            try:
                # Not asked for first: the server would remember for seconds that it is not there.
                await client.workflow_service.register_namespace(request)
            except RPCError as error:
                if error.status == RPCStatusCode.UNAVAILABLE:
                    raise
                if error.status != RPCStatusCode.ALREADY_EXISTS and not await rights.namespace_exists(client, name):
                    what = f"The service does not let us make the namespace {name!r}."
                    then = f"Ask its administrator, and run this cell again:\n{rights.namespace_command(name)}"
                    raise WorkshopError(what, error.message, then) from error
        self._prepared.add(key)


def attach(*interceptors: Interceptor) -> Connections:
    """The connections of the notebook that this process belongs to.

    Args:
        interceptors: What each connection carries.

    Raises:
        WorkshopError: It belongs to none.
    """
    return Connections(chosen(StateFolder(notebook_folder())), list, *interceptors)
