"""Faster imports of large modules, such as LiteLLM."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_collector() -> Iterator[None]:
    """Switch the garbage collector off for an import that creates very many objects.

    The collector would look through all of them repeatedly: this takes a quarter of the time of LiteLLM's import, and
    0.3 s at some later moment.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()  # modules are not removed, so the collector can ignore them
        if was_on:
            gc.enable()
