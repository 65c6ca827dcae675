"""Put a failure into words: what failed, at which line of which cell, and what to use instead."""

from __future__ import annotations

import asyncio
import re
import traceback
from pathlib import Path

from temporalio.api.failure.v1 import Failure
from temporalio.exceptions import FailureError, TemporalError

# What a workflow must not call, and what the SDK offers in its place. The first match counts.
_INSTEAD = (
    (r"datetime\.(now|utcnow|today)|date\.today", "workflow.now()"),
    (r"\btime\.(time|monotonic|perf_counter)", "workflow.time()"),
    (r"\btime\.sleep", "await workflow.sleep(seconds)"),
    (r"\brandom\.|\bsecrets\.", "workflow.random()"),
    (r"\buuid\.|\bos\.urandom", "workflow.uuid4()"),
    (r"\bthreading\.|\bsubprocess\.|\bmultiprocessing\.", "an activity"),
    (r"\bopen\b|\bsocket\.|\bhttp|\burllib|\bpathlib\.|\bos\.|\bio\.|\bsqlite3|\brequests", "an activity"),
)

# A worker cannot mend these by trying again: the code or the registration is wrong.
BUGS = frozenset(
    {
        "AttributeError",
        "ImportError",
        "ModuleNotFoundError",
        "NameError",
        "NotFoundError",
        "NotImplementedError",
        "SyntaxError",
        "TypeError",
        "UnboundLocalError",
    }
)

_CELL = re.compile(r'File "(?P<file>[^"]*[/\\]cells[/\\](?P<name>\w+)\.py)", line (?P<line>\d+)')


def explain_sandbox(message: str) -> str:
    """The sandbox's message, with the reason and with what to use instead.

    Args:
        message: Of a ``RestrictedWorkflowAccessError``.
    """
    first = message.split(" If this is code from a module", 1)[0].replace(".__call__", "()")
    called = first.removeprefix("Cannot access ")
    instead = next((use for pattern, use in _INSTEAD if re.search(pattern, called)), "an activity")
    return f"{first.removesuffix('.')}: a replay would not do the same. Use {instead} instead."


def cell_line(stack_trace: str) -> str:
    """Where in a ``%%workflow`` cell a stack trace ends: ``cell "orders", line 7: `code` ``; empty if nowhere."""
    found = list(_CELL.finditer(stack_trace))
    if not found:
        return ""
    last = found[-1]
    number = int(last["line"])
    try:
        source = Path(last["file"]).read_text().splitlines()[number - 1].strip()
    except (OSError, IndexError):
        return f'cell "{last["name"]}", line {number}'
    return f'cell "{last["name"]}", line {number}: {source}'


def sentence(failure: Failure) -> str:
    """A failure from a history in one sentence, with the line of the cell where it has one.

    Args:
        failure: The API's message. The innermost cause is what is told.
    """
    while failure.HasField("cause"):
        failure = failure.cause
    kind = failure.application_failure_info.type if failure.HasField("application_failure_info") else ""
    text = f"{kind}: {failure.message}" if kind else failure.message
    if kind == "RestrictedWorkflowAccessError":
        text = explain_sandbox(failure.message)
    where = cell_line(failure.stack_trace)
    return f"{text} ({where})" if where else text


def _own_line(error: BaseException) -> str:
    formatted = "".join(traceback.format_tb(error.__traceback__))
    remote = error.failure.stack_trace if isinstance(error, FailureError) and error.failure else ""
    return cell_line(remote) or cell_line(formatted)


def describe(error: BaseException) -> list[str]:
    """An exception and its causes, one line each, the innermost last, with the lines of cells where they have one."""
    lines: list[str] = []
    current: BaseException | None = error
    while current is not None and len(lines) < 20:
        kind = getattr(current, "type", None) or type(current).__name__
        text = f"{kind}: {getattr(current, 'message', None) or current}"
        where = _own_line(current)
        lines.append(f"{'  ' * len(lines)}{'↳ ' if lines else ''}{text}{f' ({where})' if where else ''}")
        current = getattr(current, "cause", None) or current.__cause__
    return lines


def render_in_notebooks() -> None:
    """Make IPython show failures of the SDK as their chain of causes, and an interrupt as one line.

    Without it, each is pages of the SDK's own frames.
    """

    def failed(error: BaseException) -> list[str]:
        return _notebook_line(error) + describe(error)

    def interrupted(error: BaseException) -> list[str]:
        return [*_notebook_line(error), "Interrupted. What runs beside the notebook goes on."]

    # The hook that IPython offers to exception classes; nothing but the display changes.
    TemporalError._render_traceback_ = failed  # type: ignore[attr-defined]
    asyncio.CancelledError._render_traceback_ = interrupted  # type: ignore[attr-defined]


def _notebook_line(error: BaseException) -> list[str]:
    # ipykernel gives each cell a file of its own under .../ipykernel_PID/; the first such frame is the learner's line.
    for frame in traceback.extract_tb(error.__traceback__):
        if "ipykernel_" in frame.filename:
            return [f"In this cell, line {frame.lineno}: {frame.line}"]
    return []
