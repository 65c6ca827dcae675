"""One log across namespaces: what the workflows of a chain did, in the order of time, as far as a reader may read it.

Each namespace keeps the histories of its own workflows. A Nexus operation links the caller's history with that of the
workflow behind it, both ways, and so do a parent and its child. Whoever may read both can put the whole together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from temporalio.client import WorkflowHandle

from workshop_lib.evidence.history import History, Link, called, history, linked


@dataclass
class UnifiedLog:
    """What the workflows of a chain did.

    Attributes:
        histories: Those that were read, in the order in which they started.
        unread: The workflows that are linked but could not be read, and why: ``no right to read`` or ``its record is
            gone``.
    """

    histories: list[History]
    unread: dict[Link, str]


async def unified_log(handle: WorkflowHandle[Any, Any]) -> UnifiedLog:
    """Follow the links of a workflow both ways, up to its callers and down to all that was called, and read everything.

    It reads with the rights of the handle's client. What these do not reach is named, and the rest is read.

    Args:
        handle: Any workflow of the chain.

    Raises:
        temporalio.service.RPCError: There is no such workflow, it is not for this client to read, or the server does
            not answer.
    """
    unread: dict[Link, str] = {}
    above = await linked(handle, [await history(handle)], lambda record: record.links, unread)
    found = {record.link: record for record in (await linked(handle, above.values(), called, unread)).values()}
    order = sorted(found.values(), key=lambda record: (record.started, record.namespace, record.workflow_id))
    return UnifiedLog(order, unread)
