"""The names of the faults."""

import tomllib
from pathlib import Path

from workshop_lib.evidence.messages import WorkshopError

FILE = "faults.json"  # in a notebook's state folder
BEFORE = ("fails", "hangs", "is_slow", "dies_before_effect")
AFTER = ("fails_after_effect", "times_out", "dies_after_effect")
JUNK = 200  # executions in a flood
_READ: dict[str, dict[str, str]] = tomllib.loads(Path(__file__).with_name("kinds.toml").read_text(encoding="utf-8"))
KINDS = {kind: f"{what}.{kind}: {how}" for what, kinds in _READ.items() for kind, how in kinds.items()}
HTTP, MODEL = tuple(_READ["SERVICE"]), tuple(_READ["model"])


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


def cannot_die(name: str) -> WorkshopError:
    """The error for a fault that would kill the kernel.

    Args:
        name: The fault's name.
    """
    why = "The Worker runs in the notebook's process, so the notebook would die with it."
    return WorkshopError(f"{name} does not happen.", why, "Run it in its own process: `await ws.spawn(Worker, …)`.")
