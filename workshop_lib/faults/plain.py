"""The faults of a Worker's activities, for the same functions in a program without Temporal."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any

from workshop_lib.evidence.state import notebook_folder
from workshop_lib.faults.interceptor import Faults
from workshop_lib.faults.kinds import AFTER


def breakable(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function to which ``ws.fault`` happens as it happens to an activity of that name.

    Args:
        function: The function. ``NAME.fails`` lets it raise an error; ``NAME.dies_after_effect`` kills the program
            when it has done its work. The notebook's own process is not killed.
    """
    faults = Faults(notebook_folder(), may_die="ipykernel" not in sys.modules)

    @functools.wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        if faults.take(function.__name__, "fails", "dies_before_effect"):
            raise RuntimeError(f"The fault {function.__name__}.fails")
        result = function(*args, **kwargs)
        faults.take(function.__name__, *AFTER)
        return result

    return called
