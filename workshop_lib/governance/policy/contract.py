"""What an approver imports: the Nexus service by which it sees what waits for it, and decides."""

from dataclasses import dataclass, field
from typing import Any

import nexusrpc


@dataclass(frozen=True)
class Waiting:
    """A call that waits for a person.

    Attributes:
        id: Names it.
        caller: The namespace that it comes from.
        operation: ``"Service.operation"``.
        input: Its input; of a long one, the beginning.
        rule: The name of the rule that holds it.
        since: From when on, in seconds since 1970.
        until: Until when a decision counts, in seconds since 1970.
        link: Leads to the caller's workflow.
    """

    id: str
    caller: str
    operation: str
    input: dict[str, Any] = field(default_factory=dict)
    rule: str = ""
    since: float = 0.0
    until: float = 0.0
    link: str = ""


@dataclass(frozen=True)
class Approval:
    """What an approver decides.

    Attributes:
        id: Of the call that waits.
        approve: Whether it may run.
        reason: For the caller and for the record.
    """

    id: str
    approve: bool
    reason: str = ""


@nexusrpc.service
class Approvals:
    """What an approver can do, from its own namespace. It sees and decides only what waits for that."""

    waiting: nexusrpc.Operation[None, list[Waiting]]
    decide: nexusrpc.Operation[Approval, str]
