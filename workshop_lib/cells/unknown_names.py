"""An IPython extension: a name that the notebook does not know is explained, also before its first cell has run.

``etc/ipython/ipython_kernel_config.py`` of the environment, which `make lab` writes, loads it when a kernel starts.
"""

from types import TracebackType
from typing import Any

from workshop_lib.evidence.messages import WorkshopError

_ABOVE = "Run → Run All Above Selected Cell runs them all."


def load_ipython_extension(shell: Any) -> None:
    """See IPython's ``%load_ext``."""
    shell.set_custom_exc((NameError,), _explain)
    shell.register_magic_function(_refuse, "cell", "workflow")  # until the set-up cell brings the real one


def _explain(
    shell: Any, kind: type[NameError], error: NameError, trace: TracebackType, tb_offset: int | None = None
) -> None:
    lines = shell.InteractiveTB.structured_traceback(kind, error, trace, tb_offset=tb_offset)
    then = f"→ If a cell above defines it, run that cell first, or fix it if it is red. {_ABOVE}"
    # IPython shows what this method of an error returns, in the place of its own traceback.
    error._render_traceback_ = lambda: [*lines, then]  # type: ignore[attr-defined]
    shell.showtraceback((kind, error, trace))


def _refuse(line: str, cell: str) -> None:
    raise WorkshopError("%%workflow needs the workshop.", then=f"Run the cells above first. {_ABOVE}")
