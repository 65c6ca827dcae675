"""Import large modules, such as LiteLLM, in less time."""

from __future__ import annotations

import gc
import importlib
from types import ModuleType


def import_large(*names: str) -> list[ModuleType]:
    """Import modules that make very many objects, without the garbage collector.

    It would look through all of them again and again, while the import and ever after: a quarter of the time of
    LiteLLM's import, and 0.3 s in the middle of something else later.

    Args:
        names: Of the modules.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        return [importlib.import_module(name) for name in names]
    finally:
        gc.freeze()  # modules stay: the collector need not look at them
        if was_on:
            gc.enable()
