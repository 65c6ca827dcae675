"""Faults of plain functions, in a program without Temporal."""

import functools
import sys
from collections.abc import Callable
from typing import Any

from workshop_lib.evidence.state import notebook_folder
from workshop_lib.faults.interceptor import Faults


def breakable(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function to which ``ws.fault`` can happen, as to an activity of the same name.

    Args:
        function: The function. ``NAME.fails`` makes it raise an error; ``NAME.dies_after_effect`` kills the program
            after it has done its work. The notebook's process is not killed.
    """
    faults = Faults(notebook_folder(), may_die="ipykernel" not in sys.modules)

    @functools.wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        if faults.take(function.__name__, "fails", "dies_before_effect"):
            raise RuntimeError(f"The fault {function.__name__}.fails")
        result = function(*args, **kwargs)
        faults.take(function.__name__, "dies_after_effect")
        return result

    return called
