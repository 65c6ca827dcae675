"""The Temporal Service as one notebook uses it: connections, namespaces, Nexus endpoints, open executions."""

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
from workshop_lib.workers.waiting import AsksAgain, Explainer

_ANSWER_SECONDS = 120.0  # only a guard: a server on a busy machine takes its time, and a wrong address fails at once
_SYSTEM = "__temporal"  # what the names of the server's own endpoints begin with
_RETENTION = Duration(seconds=7 * 24 * 3600)  # for which closed executions are kept


class Connections:
    """Connections to one Temporal Service.

    Attributes:
        server: The embedded server, which can be killed and restarted, or an outside service, which cannot.

    Args:
        server: As above.
        polled: Returns what the Workers of this notebook poll, to explain waits.
        interceptors: Further interceptors of each connection.
    """

    def __init__(self, server: DevServer, polled: Callable[[], list[Polled]], *interceptors: Interceptor) -> None:
        self.server, self._prefix, self._suffix = server, server.prefix, server.suffix
        self._interceptors = [Explainer(polled, lambda: server.address), *interceptors]
        self._names = [OwnNames(self._real_endpoint)] if self._prefix else []
        self._prepared: set[tuple[str, str]] = set()  # addresses, and namespaces that exist there

    def namespace(self, name: str) -> str:
        """The real name of a namespace. On an outside service it has a prefix."""
        return self._prefix + name + self._suffix

    def own_name(self, real: str) -> str:
        """The name in the workshop of a namespace or endpoint, from its real name."""
        return real.removeprefix(self._prefix).removesuffix(self._suffix)

    def _real_endpoint(self, name: str) -> str:
        return name if name.startswith(_SYSTEM) else self._prefix + self.own_name(name)

    async def connection(self, namespace: str = "default", *, quiet: bool = False, **settings: Any) -> dict[str, Any]:
        """Arguments for ``Client.connect``. The namespace is created if it is missing.

        Args:
            namespace: Its name in the workshop, such as ``"finance"``.
            quiet: Whether to leave out the interceptors that bound and explain waits.
            settings: Further arguments of ``Client.connect``. ``interceptors`` come after the workshop's.

        Raises:
            WorkshopError: The service does not answer, or does not let us create the namespace.
        """
        name = self.namespace(namespace)
        await self._prepare(name)
        interceptors = [*([] if quiet else self._interceptors), *settings.pop("interceptors", [])]
        interceptors = [*self._names, *interceptors, *self._names, AsksAgain()]
        return {**self.server.connect, "namespace": name, "interceptors": interceptors, **settings}

    async def endpoint(self, name: str, *, namespace: str, task_queue: str) -> str:
        """Create a Nexus endpoint, or point an existing one at this target.

        Args:
            name: Its name in the workshop.
            namespace: The namespace of the handler's Worker, as in ``connection``.
            task_queue: The task queue of the handler's Worker.

        Returns:
            The endpoint's real name, as callers use it.

        Raises:
            WorkshopError: The service does not answer, or does not let us create or change the endpoint.
        """
        real, there = self._prefix + name, self.namespace(namespace)
        target = EndpointTarget(worker=EndpointTarget.Worker(namespace=there, task_queue=task_queue))
        spec = EndpointSpec(name=real, target=target)
        await self._prepare(there)
        command = rights.endpoint_command(real, there, task_queue)
        async with self._asking(there) as client:
            operator, found = client.operator_service, await rights.endpoints(client, real)
            if found is None:
                say(f"You may not see Nexus endpoints. If {real} does not exist, it is created by:\n{command}", "warn")
                return real
            try:
                if not found:
                    await operator.create_nexus_endpoint(operator_api.CreateNexusEndpointRequest(spec=spec))
                elif found[0].spec != spec:
                    same: dict[str, Any] = {"id": found[0].id, "version": found[0].version}
                    await operator.update_nexus_endpoint(operator_api.UpdateNexusEndpointRequest(spec=spec, **same))
            except RPCError as error:
                # Another process has created or changed it since it was looked for.
                if error.status == RPCStatusCode.ALREADY_EXISTS or "version mismatch" in error.message:
                    return await self.endpoint(name, namespace=namespace, task_queue=task_queue)
                if not rights.refused(error):
                    raise
                what = f"The service does not let us create the Nexus endpoint {real!r}, or change its target."
                then = f"Ask its administrator to run this command. Then run this cell again.\n{command}"
                raise WorkshopError(what, error.message, then) from error
        return real

    async def namespaces(self) -> list[str]:
        """The namespaces of this notebook, by their names in the workshop.

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
        """The Nexus endpoints of this notebook: by name, the namespace and the task queue of each one's target.

        All names are those in the workshop.

        Raises:
            WorkshopError: The service does not answer.
        """
        async with self._asking() as client:
            found = [(each.spec.name, each.spec.target.worker) for each in await rights.endpoints(client) or []]
        return {
            self.own_name(name): (self.own_name(target.namespace), target.task_queue)
            for name, target in found
            if name.startswith(self._prefix) and target.task_queue
        }

    async def remove_endpoints(self, beginning: str) -> None:
        """Remove Nexus endpoints, if the service lets us.

        Args:
            beginning: What their names in the workshop begin with.

        Raises:
            WorkshopError: The service does not answer.
        """
        async with self._asking() as client:
            for each in await rights.endpoints(client) or []:
                if each.spec.name.startswith(self._prefix + beginning):
                    with contextlib.suppress(RPCError):
                        deletion = operator_api.DeleteNexusEndpointRequest(id=each.id, version=each.version)
                        await client.operator_service.delete_nexus_endpoint(deletion)

    async def missing_rights(self) -> str:
        """What the credentials may not do there, and what an administrator can do; empty if nothing is missing."""
        with contextlib.suppress(WorkshopError):  # this right is checked below, too
            await self._prepare(self.namespace("default"))
        async with self._asking() as client:
            needed = rights.needs(self.server.folder.path.name)
            endpoints = {self._prefix + name: (self.namespace(to), at) for name, (to, at) in needed.endpoints.items()}
            return await rights.missing(client, rights.Needs([*map(self.namespace, needed.namespaces)], endpoints))

    async def version(self) -> str:
        """The Temporal Server's version.

        Raises:
            WorkshopError: It does not answer.
        """
        async with self._asking() as client:
            return (await client.workflow_service.get_system_info(service_api.GetSystemInfoRequest())).server_version

    async def open_executions(self, types: Iterable[str] | None = None) -> list[WorkflowExecution]:
        """The open workflow executions in all namespaces of this notebook, oldest first.

        Args:
            types: The workflow types to look for; None for all.
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
        """Terminate those executions that are still open.

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
        """A plain client for bounded questions, which raise a ``WorkshopError`` if the service does not answer."""
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                yield await Client.connect(**self.server.connect, namespace=namespace or self.namespace("default"))
        except (RuntimeError, TimeoutError, RPCError) as error:
            if isinstance(error, RPCError) and error.status != RPCStatusCode.UNAVAILABLE:
                raise
            raise self.server.silent(str(error)) from error

    async def _prepare(self, name: str) -> None:
        """Create a namespace, unless it is known to exist."""
        key = (self.server.address, name)  # a server that was restarted may have another port
        if key in self._prepared:
            return
        request = service_api.RegisterNamespaceRequest(namespace=name, workflow_execution_retention_period=_RETENTION)
        async with self._asking(name) as client:
            try:
                # Without looking for it first: the server would remember for seconds that it does not exist.
                await client.workflow_service.register_namespace(request, retry=True)  # a server bounds the rate
            except RPCError as error:
                if error.status == RPCStatusCode.UNAVAILABLE:
                    raise
                if error.status != RPCStatusCode.ALREADY_EXISTS and not await rights.namespace_exists(client, name):
                    what = f"The service does not let us create the namespace {name!r}."
                    then = "Ask its administrator to run this command. Then run this cell again.\n"
                    raise WorkshopError(what, error.message, then + rights.namespace_command(name)) from error
        self._prepared.add(key)


def attach(*interceptors: Interceptor) -> Connections:
    """The connections of the notebook that this process belongs to.

    Args:
        interceptors: Further interceptors of each connection.

    Raises:
        WorkshopError: This process belongs to no notebook.
    """
    return Connections(chosen(StateFolder(notebook_folder())), list, *interceptors)
