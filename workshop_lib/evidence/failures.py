"""Explain a failure: what failed, in which line of which cell, and what to use instead."""

import asyncio
import re
import tomllib
import traceback
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from temporalio.api.failure.v1 import Failure
from temporalio.exceptions import ApplicationError, FailureError, TemporalError, TimeoutError, is_cancelled_exception

from workshop_lib.evidence.messages import wrapped

if TYPE_CHECKING:
    from pydantic import ValidationError

_Failed = TypeVar("_Failed", BaseException, Failure)
_MOST_CAUSES = 20  # an exception may be its own cause

BUG_NAMES = {"AttributeError", "ImportError", "ModuleNotFoundError", "NameError", "UnboundLocalError"}
BUG_NAMES |= {"NotImplementedError", "SyntaxError", "TypeError", "NotFoundError"}
"""Types of failures that a retry cannot fix: the code or the registration is wrong."""

# This package has a folder of the same name.
_CELL = re.compile(r'File "(?P<file>[^"]*(?<!workshop_lib)[/\\]cells[/\\](?P<name>\w+)\.py)", line (?P<line>\d+)')


_REPLAY = "a replay would not do the same."


@cache  # not at import: the sandbox would refuse to read a file
def _known() -> dict[str, dict[str, str]]:
    return tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))


def _fitting(kind: str, text: str) -> str:
    """What ``failures.toml`` has of a kind for a text; may be empty."""
    return next((said for pattern, said in _known()[kind].items() if re.search(pattern, text)), "")


def explain_sandbox(message: str) -> str:
    """The sandbox's message, with the reason and what to use instead.

    Args:
        message: The message of a ``RestrictedWorkflowAccessError``.
    """
    first = message.split(" If this is code from a module", 1)[0].replace(".__call__", "()")
    called = first.removeprefix("Cannot access ")
    return f"{first.removesuffix('.')}: {_REPLAY} Use {_fitting('instead', called) or 'an activity'} instead."


def causes(failed: _Failed) -> list[_Failed]:
    """A failure and its causes, the innermost last.

    Args:
        failed: An exception, or a failure from a history.
    """
    chain = [failed]
    while len(chain) < _MOST_CAUSES and (cause := _cause(chain[-1])) is not None:
        chain.append(cause)
    return chain


def _cause(failed: Any) -> Any:
    if isinstance(failed, Failure):
        return failed.cause if failed.HasField("cause") else None
    return getattr(failed, "cause", None) or failed.__cause__  # a Nexus handler's error has only Python's cause


def _raised(error: BaseException) -> BaseException:
    """The error that the code raised. Its causes are details for the developer."""
    chain = causes(error)
    return next((each for each in chain if isinstance(each, ApplicationError)), chain[-1])


def kind(error: BaseException) -> str:
    """The type of an error, as the code that failed named it.

    Args:
        error: The error of an activity, a child workflow or a Nexus operation.
    """
    raised = _raised(error)
    return (raised.type if isinstance(raised, ApplicationError) else None) or type(raised).__name__


def reason(error: BaseException) -> str:
    """Why something failed, as a message for the user: the message of the code that failed.

    Args:
        error: See ``kind``.
    """
    raised = _raised(error)
    if isinstance(raised, TimeoutError):
        return "It did not answer in time."
    text = str(getattr(raised, "message", "") or raised).strip()
    if text in ("", "Application error"):  # the SDK's text for an exception without a message
        text = kind(error)
    return text if text.endswith((".", "!", "?")) else f"{text}."


def cancelled(error: BaseException) -> bool:
    """Whether this workflow was cancelled, and not only the step that it waited for.

    Args:
        error: The step's error.
    """
    task = asyncio.current_task()
    return is_cancelled_exception(error) and bool(task and task.cancelling())


def invalid_fields(error: "ValidationError") -> str:
    """What pydantic found wrong in each field.

    Args:
        error: The error.
    """
    found = error.errors(include_url=False)
    return "; ".join(f"{'.'.join(map(str, each['loc'])) or 'the JSON'}: {each['msg']}" for each in found)


def line_of_cell(name: str, number: int, source: str) -> str:
    """The line of a cell as messages show it."""
    open_ended = source.rstrip().endswith(("(", "[", "{", ","))
    return f'cell "{name}", line {number}' + (f": `{source.strip()}{'…' if open_ended else ''}`" if source else "")


def cell_line(stack_trace: str, at: datetime | None = None) -> str:
    """The last line of a ``%%workflow`` cell in a stack trace, with its text; empty if there is none.

    Args:
        stack_trace: In the format of Python or the SDK.
        at: When it was written. The text is left out if the cell has changed since then.
    """
    found = list(_CELL.finditer(stack_trace))
    if not found:
        return ""
    file, name, number = found[-1]["file"], found[-1]["name"], int(found[-1]["line"])
    try:
        changed = at is not None and Path(file).stat().st_mtime > at.timestamp() + 1
        source = "" if changed else Path(file).read_text(encoding="utf-8").split("\n")[number - 1]
    except (OSError, IndexError):
        source = ""
    return line_of_cell(name, number, source)


def sentence(failure: Failure, at: datetime | None = None) -> str:
    """A failure from a history in one sentence, with the line of a cell if it has one.

    Args:
        failure: The API's message. The sentence is about its innermost cause.
        at: When it happened, if the cell may have been edited since.
    """
    failure = causes(failure)[-1]
    kind = failure.application_failure_info.type if failure.HasField("application_failure_info") else ""
    message = _without_address(failure.message)
    text = f"{kind}: {message}" if kind else message
    if kind == "RestrictedWorkflowAccessError" and _REPLAY not in failure.message:
        text = explain_sandbox(failure.message)
    where = cell_line(failure.stack_trace, at)
    return f"{text} ({where})" if where else text


def _without_address(message: str) -> str:
    # pydantic's errors end with an address, or with advice for its own users.
    return re.sub(r"(?s)\s*For further information visit \S+| Set `arbitrary_types_allowed=True`.*", "", message)


def advice(text: str) -> str:
    """What to do about a failure whose message does not say it; may be empty."""
    return _fitting("advice", text)


def _own_line(error: BaseException) -> str:
    formatted = "".join(traceback.format_tb(error.__traceback__))
    remote = error.failure.stack_trace if isinstance(error, FailureError) and error.failure else ""
    return cell_line(remote) or cell_line(formatted)


def describe(error: BaseException) -> list[str]:
    """An exception and its causes, one line each, the innermost last, with lines of cells."""
    lines: list[str] = []
    for current in causes(error):
        kind = getattr(current, "type", None)  # an ApplicationError's; a TimeoutError has a number there
        name = kind if isinstance(kind, str) and kind else type(current).__name__
        text = f"{name}: {_without_address(getattr(current, 'message', None) or str(current))}"
        where = _own_line(current)
        lines.append(f"{'  ' * len(lines)}{'↳ ' if lines else ''}{text}{f' ({where})' if where else ''}")
    return lines


def render_in_notebooks() -> None:
    """Make IPython show the SDK's errors as their chain of causes, and an interrupt as one line.

    Otherwise each is pages of the SDK's stack frames.
    """

    def failed(error: BaseException) -> list[str]:
        if isinstance(getattr(error, "cause", None) or error.__cause__, asyncio.CancelledError):
            return interrupted(error)
        lines = describe(error)
        what = advice(lines[-1])
        return _notebook_line(error) + wrapped("\n".join([*lines, f"→ {what}"] if what else lines))

    def interrupted(error: BaseException) -> list[str]:
        return [*_notebook_line(error), "Interrupted. Everything beside the notebook continues, including workflows."]

    # IPython's hook for exception classes, which changes only the display.
    TemporalError._render_traceback_ = failed  # type: ignore[attr-defined]
    asyncio.CancelledError._render_traceback_ = interrupted  # type: ignore[attr-defined]


def _notebook_line(error: BaseException) -> list[str]:
    # ipykernel gives each cell a file under .../ipykernel_PID/. The first such frame is the learner's line.
    for frame in traceback.extract_tb(error.__traceback__):
        if "ipykernel_" in frame.filename:
            return [f"In this cell, line {frame.lineno}: {frame.line}"]
    return []
