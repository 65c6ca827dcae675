"""One log across namespaces: what the workflows of a chain did, in order of time, as far as a reader may read it.

Each namespace keeps the histories of its workflows. A Nexus operation links the caller's history and the history of the
workflow behind it in both directions, and so do a parent and its child. A reader of both can combine them.
"""

from dataclasses import dataclass
from typing import Any

from temporalio.client import WorkflowHandle

from workshop_lib.evidence.history import History, Link, called, history, linked


@dataclass
class UnifiedLog:
    """What the workflows of a chain did.

    Attributes:
        histories: The histories that were read, in the order in which the workflows started.
        unread: The linked workflows that could not be read, and why: ``no right to read`` or
            ``its record was deleted``.
    """

    histories: list[History]
    unread: dict[Link, str]


async def unified_log(handle: WorkflowHandle[Any, Any]) -> UnifiedLog:
    """Read a workflow, its callers, and all that they called, by following the links in their histories.

    It reads with the rights of the handle's client, and names the workflows that these do not include.

    Args:
        handle: Any workflow of the chain.

    Raises:
        temporalio.service.RPCError: There is no such workflow, this client may not read it, or the server does not
            answer.
    """
    unread: dict[Link, str] = {}
    above = await linked(handle, [await history(handle)], lambda record: record.links, unread)
    found = {record.link: record for record in (await linked(handle, above.values(), called, unread)).values()}
    order = sorted(found.values(), key=lambda record: (record.started, record.namespace, record.workflow_id))
    return UnifiedLog(order, unread)
