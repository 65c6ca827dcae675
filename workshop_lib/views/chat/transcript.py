"""A conversation as HTML and as plain text. Text from users, models and tools is shown, and never run."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from workshop_lib.agents.conversation import Line

_LONG = 200  # characters; what is longer is folded
_NOTHING = "Nothing to show yet."
_OPEN = {"call": "…", "approval": "waits for a decision"}
_NEVER = {"call": "no result", "approval": "not decided"}
# Control characters could control a terminal, and direction marks could reverse a line, so both are made visible.
_VISIBLE = {code: 0x2400 + code for code in range(32) if chr(code) not in "\n\t"} | {0x7F: 0x2421}
_VISIBLE |= dict.fromkeys([*range(0x80, 0xA0), 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)], 0xFFFD)

_FRAME = (
    '<div style="max-width:52em;font-size:var(--jp-content-font-size1,14px);'
    'color:var(--jp-content-font-color1,inherit)">{}</div>'
)
# In a reversed column, the browser keeps the end in view without a script.
_SCROLLS = (
    '<div role="log" tabindex="0" aria-label="Conversation" style="display:flex;flex-direction:column-reverse;'
    'max-height:26em;overflow-y:auto;border:1px solid var(--jp-border-color2,#bdbdbd);border-radius:4px;padding:6px">'
    '<div style="display:flex;flex-direction:column;gap:6px">{}</div></div>'
)
_WRAPS = "white-space:pre-wrap;overflow-wrap:anywhere;"
_BUBBLE = _WRAPS + "max-width:80%;padding:4px 10px;border-radius:10px;border:1px solid var(--jp-border-color2,#bdbdbd);"
_STYLES = {
    "user": _BUBBLE + "align-self:flex-end;background:var(--jp-layout-color2,#8882)",
    "waits": _BUBBLE + "align-self:flex-end;border-style:dashed",
    "agent": _BUBBLE + "align-self:flex-start",
    "call": _WRAPS + "padding:0 10px;font:var(--jp-code-font-size,13px)/1.4 var(--jp-code-font-family,monospace);"
    "color:var(--jp-content-font-color2,inherit)",
    "approval": _WRAPS + "border-left:4px solid var(--jp-warn-color1,#f57c00);padding:4px 10px;"
    "background:var(--jp-layout-color2,#8882)",
}
_NAMES = {"user": "You", "waits": "You (waits)", "agent": "Agent", "approval": "Approval"}


@dataclass(frozen=True)
class _Line:
    """A message, or a call or question together with its outcome."""

    kind: str
    text: str
    outcome: str = ""


def written(
    entries: Sequence[Line], status: str = "", *, waiting: Sequence[str] = (), ended: bool = False
) -> tuple[str, str]:
    """A conversation as HTML, and as plain text.

    Args:
        entries: The transcript, oldest first.
        status: A sentence below it.
        waiting: Messages that the agent has not begun to answer.
        ended: Whether the conversation has ended.
    """
    lines = list(_lines(entries, waiting, ended))
    shown = "".join(map(_html, lines)) or f"<i>{_NOTHING}</i>"
    below = f'<div role="status" style="min-height:1.5em;padding:2px 6px;{_WRAPS}">{safe(status)}</div>'
    text = "\n".join(map(_text, lines)) or _NOTHING
    return _FRAME.format(_SCROLLS.format(shown) + below), text + (f"\n({visible(status)})" if status else "")


def _lines(entries: Sequence[Line], waiting: Sequence[str], ended: bool) -> Iterator[_Line]:
    outcomes = {entry.of: entry for entry in entries if entry.kind in ("result", "decision")}
    for entry in entries:
        if entry.kind in ("user", "agent"):
            yield _Line(entry.kind, entry.text)
        elif entry.kind in _OPEN:
            text = _spoken(entry) if entry.kind == "call" else entry.text
            nothing = (_NEVER if ended else _OPEN)[entry.kind]
            yield _Line(entry.kind, text, _outcome(outcomes.pop(entry.number, None), nothing))
        elif outcomes.pop(entry.of, None):  # the transcript no longer keeps the old call or question
            yield _Line("call" if entry.kind == "result" else "approval", entry.tool or "…", _outcome(entry, ""))
    yield from (_Line("waits", text) for text in waiting)


def _outcome(entry: Line | None, nothing: str) -> str:
    if entry is None:
        return nothing
    if entry.kind == "decision":
        return "approved" if entry.text == "yes" else "refused"
    return entry.text


def _spoken(call: Line) -> str:
    try:
        arguments = json.loads(call.text or "{}")
    except (ValueError, RecursionError):
        arguments = None
    if not isinstance(arguments, dict):
        return f"{call.tool}({call.text})"
    return f"{call.tool}({', '.join(f'{name}={value!r}' for name, value in arguments.items())})"


def _html(line: _Line) -> str:
    inner = "".join(f"<b>{name}</b>: " for name in [_NAMES.get(line.kind)] if name) + _folded(line.text, line.kind)
    inner += f" → {_folded(line.outcome, 'call')}" if line.outcome else ""
    return f'<div style="{_STYLES[line.kind]}">{inner}</div>'


def _folded(text: str, kind: str) -> str:
    if len(text) <= _LONG or kind != "call":  # messages are not folded
        return safe(text)
    return f"<details><summary>{safe(text[: _LONG // 2])}… ({len(text):,} characters)</summary>{safe(text)}</details>"


def _text(line: _Line) -> str:
    text, outcome = _short(line.text, line.kind), _short(line.outcome, "call")
    name = _NAMES.get(line.kind)
    start = ("  " if line.kind in _OPEN else "") + (f"{name}: " if name else "")
    return start + text + (f" → {outcome}" if outcome else "")


def _short(text: str, kind: str) -> str:
    if len(text) > _LONG and kind == "call":
        text = f"{text[:_LONG]}… ({len(text):,} characters)"
    return visible(text).replace("\n", "\n    ")  # a line of a text never looks like a line of the transcript


def visible(text: str) -> str:
    """An untrusted text with its control characters made visible.

    Args:
        text: The text.
    """
    return text.replace("\r\n", "\n").translate(_VISIBLE)


def safe(text: str) -> str:
    """An untrusted text as HTML, with its control characters made visible.

    Args:
        text: The text.
    """
    return escape(visible(text))
