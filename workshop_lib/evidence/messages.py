"""How the workshop speaks to a learner: notices in the notebook, and errors of a few lines."""

import html
import re
import sys
import textwrap
from typing import Any


class WorkshopError(Exception):
    """Something that the workshop could not do, in three sentences.

    Args:
        what: What happened.
        why: The reason, where it is known.
        then: What to do next.
    """

    def __init__(self, what: str, why: str = "", then: str = "") -> None:
        super().__init__(what, why, then)
        self.what, self.why, self.then = what, why, then

    def __str__(self) -> str:
        return "\n".join(part for part in (self.what, self.why, f"→ {self.then}" if self.then else "") if part)

    def _render_traceback_(self) -> list[str]:
        # IPython calls this, and then prints no stack trace of the library.
        return wrapped(f"{type(self).__name__}: {self}")


def shortened(text: str, longest: int) -> str:
    """A text, cut if it is longer than this number of characters."""
    return text if len(text) <= longest else f"{text[:longest]}… (cut)"


def valid_text(text: str) -> str:
    """A text in which lone surrogates are replaced, because no protocol can transport them."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def wrapped(text: str) -> list[str]:
    """The lines of a text, wrapped between words. JupyterLab would wrap a red output inside words."""
    return [part for line in text.splitlines() for part in textwrap.wrap(line, _WIDTH, subsequent_indent="  ") or [""]]


_WIDTH = 96  # columns that fit a 1280 pixel window
_STYLE = (
    "border-left:3px solid var(--jp-{color}-color1,{fallback});padding:2px 10px;margin:4px 0;"
    "white-space:pre-wrap;overflow-wrap:anywhere;font-size:var(--jp-content-font-size1,14px);"
    "color:var(--jp-content-font-color1,inherit)"
)
PLAIN = "mathjax_ignore"  # otherwise JupyterLab shows "$5 and $6" as a formula
_COLORS = {"info": ("info", "#00838f"), "warn": ("warn", "#e65100"), "good": ("success", "#2e7d32")}


def in_notebook() -> bool:
    """Whether this process is a Jupyter kernel, and not a script, a terminal or a spawned Worker."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return shell is not None and hasattr(shell, "kernel")


def notebook_names() -> dict[str, Any]:
    """The notebook's names; empty in a program."""
    names: dict[str, Any] = sys.modules["IPython"].get_ipython().user_ns if in_notebook() else {}
    return names


def say(text: str, tone: str = "info", into: "Display | None" = None) -> None:
    """Show a notice under the cell that runs, or print it outside a notebook.

    Args:
        text: Plain text. Line breaks are kept, addresses become links, and text in backticks is shown as code.
        tone: ``info``, ``warn`` or ``good``: the color of the line on its left. The words carry the meaning.
        into: The display of an earlier notice, which is replaced.
    """
    color, fallback = _COLORS[tone]
    style = _STYLE.format(color=color, fallback=fallback)
    marked = re.sub(r"https?://[\w.:/-]*\w", r'<a href="\g<0>" target="_blank">\g<0></a>', html.escape(text))
    marked = re.sub(r"`([^`\n]+)`", r"<code>\1</code>", marked)
    (into or Display()).show(f'<div role="status" style="{style}">{marked}</div>', text)


class Display:
    """One output under the cell that runs. Its content can be replaced while the cell continues."""

    def __init__(self) -> None:
        self._handle: Any = None
        self._last = ""

    def show(self, markup: str, text: str) -> None:
        """Replace the content.

        Outside a notebook, the text is printed whenever it has changed.

        Args:
            markup: HTML or SVG.
            text: The same in plain text.
        """
        if not in_notebook():
            if text != self._last:
                print(text, flush=True)
                self._last = text
            return
        from IPython.display import display

        bundle = {"text/html": f'<div class="{PLAIN}">{markup}</div>', "text/plain": text}
        if self._handle is None:
            self._handle = display(bundle, raw=True, display_id=True)
        else:
            self._handle.update(bundle, raw=True)
