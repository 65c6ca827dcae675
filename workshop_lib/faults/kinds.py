"""The names of the faults."""

from __future__ import annotations

from workshop_lib.evidence.messages import WorkshopError

FILE = "faults.json"  # in a notebook's state folder
BEFORE = ("fails", "hangs", "is_slow", "dies_before_effect")
AFTER = ("fails_after_effect", "times_out", "dies_after_effect")
JUNK = 200  # executions in a flood

KINDS = {
    "fails": "ACTIVITY.fails: it raises an error",
    "fails_after_effect": "ACTIVITY.fails_after_effect: it does its work, and then raises an error",
    "times_out": "ACTIVITY.times_out: it does its work, and returns after its start-to-close timeout",
    "hangs": "ACTIVITY.hangs: it does nothing until it is cancelled or its start-to-close timeout is over",
    "is_slow": "ACTIVITY.is_slow: it waits for `seconds`, and then does its work",
    "dies_before_effect": "ACTIVITY.dies_before_effect: its Worker's process is killed before the work",
    "dies_after_effect": "ACTIVITY.dies_after_effect: … after the work, before the server knows of it",
    "dies_after_report": "ACTIVITY.dies_after_report: … when the workflow gets the result",
    "locked": "FILE.locked, as in orders.db.locked: the notebook's SQLite file cannot be written for `seconds`",
    "flooded": f"QUEUE.flooded: {JUNK} other workflows wait in the task queue for `seconds`",
    "drops": "SERVICE.drops: an HTTP service does nothing, and closes the connection",
    "drops_answer": "SERVICE.drops_answer: … does its work, and closes the connection without the answer",
    "delays": "SERVICE.delays: … does its work, and answers `seconds` later",
    "answers_401": "SERVICE.answers_401: … refuses the key",
    "answers_404": "SERVICE.answers_404: … does not know the address or the model",
    "answers_429": "SERVICE.answers_429: … gets too many requests, and asks to wait for `seconds` (Retry-After)",
    "answers_500": "SERVICE.answers_500: … fails with an internal error",
    "answers_503": "SERVICE.answers_503: … is overloaded",
    "garbles_arguments": "model.garbles_arguments: the offline model writes arguments that are not valid JSON",
    "forgets_arguments": "model.forgets_arguments: … writes null in the place of arguments",
    "invents_field": "model.invents_field: … gives an argument that the tool does not have",
    "mistypes_field": "model.mistypes_field: … gives arguments of a wrong type",
    "invents_tool": "model.invents_tool: … calls a tool that does not exist",
    "answers_nonsense": "model.answers_nonsense: … answers with text that is not JSON",
    "dies": "server.dies: the Temporal Server is killed, and restarted after `seconds`",
}
HTTP = tuple(kind for kind, line in KINDS.items() if line.startswith("SERVICE."))
MODEL = tuple(kind for kind, line in KINDS.items() if line.startswith("model."))


def parse(name: str) -> tuple[str, str]:
    """The two parts of a fault's name: its target, and its kind.

    Args:
        name: Such as ``charge_customer.fails``.

    Raises:
        WorkshopError: There is no such fault; the message lists all of them.
    """
    target, _, kind = name.rpartition(".")
    if not target or kind not in KINDS or (target == "server") != (kind == "dies"):
        known = "\n".join(f"  {line}" for line in KINDS.values())
        raise WorkshopError(f"There is no fault {name!r}.", f"There are:\n{known}", "Use one of these names.")
    return target, kind


def happens(name: str, checking: bool) -> str:
    """What to say when a fault happens.

    Args:
        name: The fault's name.
        checking: Whether a check has switched it on.
    """
    return f"Fault: {name}{', switched on by the check' if checking else ''}"


def cannot_die(name: str) -> WorkshopError:
    """The error for a fault that would kill the kernel.

    Args:
        name: The fault's name.
    """
    why = "The Worker runs in the notebook's process, so the notebook would die with it."
    return WorkshopError(f"{name} does not happen.", why, "Run it in its own process: `await ws.spawn(Worker, …)`.")
