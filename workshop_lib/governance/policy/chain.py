"""The record of decisions: rows that are chained by their hashes, so that a missing or altered one is noticed."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from ..digest import sha256  # noqa: TID252 - so that the package can be lifted out


@dataclass(frozen=True)
class Row:
    """One thing that was decided.

    Attributes:
        number: 1 for the first row of a keeper, then one more each.
        at: When, in seconds since 1970.
        kind: ``"decision"``, ``"approval"``, ``"switch"`` or ``"policy"``.
        verdict: Of a decision ``allow``, ``deny`` or ``hold``; of an approval ``approved``, ``refused``, ``silence``
            or ``called off``; of a switch ``thrown`` or ``released``; of a policy ``deployed``.
        caller: The namespace that called.
        operation: ``"Service.operation"``.
        input: The operation's; of a long one, the beginning.
        id: Of a call: the same in its decision and its approval.
        rule: The name of the rule.
        why: In a sentence.
        by: The namespace that approved or refused.
        would: What rules that only log would have decided.
        link: Leads to the caller's workflow.
        previous: The hash of the row before; empty in the first.
        hash: Of all that and of ``previous``: SHA-256, in hexadecimal.
    """

    number: int
    at: float
    kind: str
    verdict: str
    caller: str = ""
    operation: str = ""
    input: dict[str, Any] = field(default_factory=dict)
    id: str = ""
    rule: str = ""
    why: str = ""
    by: str = ""
    would: list[str] = field(default_factory=list)
    link: str = ""
    previous: str = ""
    hash: str = ""

    def sealed(self) -> "Row":
        """The same, with the hash that belongs to it."""
        said = {name: value for name, value in asdict(self).items() if name != "hash"}
        return replace(self, hash=sha256(said))


def verify(rows: Iterable[Row]) -> str:
    """What is wrong with a record, in a sentence; empty if each row follows the one before.

    The last rows could be cut off without a trace: compare ``rows[-1].hash`` with the keeper's own.

    Args:
        rows: In their order, from whichever number on.
    """
    before: Row | None = None
    for row in rows:
        if row.sealed() != row:
            return f"Row {row.number} was altered."
        if before and (row.number, row.previous) != (before.number + 1, before.hash):
            return f"Row {row.number} does not follow row {before.number}: between them something was removed or added."
        before = row
    return ""


def to_jsonl(rows: Iterable[Row]) -> str:
    """A record as text, a row a line in JSON.

    Args:
        rows: In their order.
    """
    return "".join(json.dumps(asdict(row)) + "\n" for row in rows)


def from_jsonl(text: str) -> list[Row]:
    """The rows of such a text.

    Args:
        text: From ``to_jsonl``.
    """
    return [Row(**json.loads(line)) for line in text.splitlines()]
