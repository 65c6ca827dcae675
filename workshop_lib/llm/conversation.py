"""A conversation in OpenAI's chat-completions form, sorted: what is asked now, what was said, what calls came to."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from workshop_lib.llm.memory import telling

_LIMIT = 6000  # characters of a message that are looked at
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")
_WRONG = re.compile(
    r"invalid[ _-](?:arguments?|params?|parameters?|input|value|type)|validation[ _]?error|field required"
    r"|(?:unexpected|unknown|extra)[ _-](?:field|keyword|argument|param|propert|input)|extra inputs"
    r"|missing\b.{0,20}\b(?:argument|field|param|propert)|required (?:property|argument|field|parameter)"
    r"|input should be|not a valid (?:number|integer|string|date|float|bool)|missing:? ['\"`]\w+['\"`]",
    re.IGNORECASE,
)
# Words that any text may hold: they speak of arguments only where they stand by an argument's name.
_OF_FIELD = re.compile(
    r"(\w+)['\"`]?:?\s+(?:(?:is|are|was)\s+)?"
    r"(?:missing|required|not allowed|invalid|must be|should be|has to be|needs to be)\b"
    r"|\b(?:missing|unexpected|required|invalid)\b:?\s+['\"`]?(\w+)",
    re.IGNORECASE,
)
_UNKNOWN = re.compile(
    r"(?:unknown|no such|unrecognized) (?:tool|function)|(?:tool|function)\b.{0,60}\b(?:not found"
    r"|does not exist|is (?:not known|unknown))",
    re.IGNORECASE,
)
_FAILED = re.compile(r"\b(?:failed|unavailable|timed out|timeout|declined|refused)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Done:
    """A call and what it came to.

    Attributes:
        name: The tool.
        arguments: What it was called with.
        text: The result as text.
        fields: The names of the tool's parameters.
    """

    name: str
    arguments: dict[str, Any]
    text: str
    fields: frozenset[str] = frozenset()

    @property
    def _short(self) -> bool:
        return len(self.text) < 700 or self.text[:40].lower().lstrip("{\"' ").startswith(("error", "an error"))

    @property
    def unknown(self) -> bool:
        """Whether there was no such tool."""
        return self._short and bool(_UNKNOWN.search(self.text[:700]))

    @property
    def wrong(self) -> bool:
        """Whether the call itself was wrong, and may be put right."""
        if self.unknown or not self._short:
            return self.unknown
        named = {name for match in _OF_FIELD.finditer(self.text[:700]) for name in match.groups() if name}
        return bool(_WRONG.search(self.text[:700])) or bool(named & (self.fields | set(self.arguments)))

    @property
    def handed_over(self) -> bool:
        """Whether all that it did was to hand the conversation over to another agent."""
        return bool(re.fullmatch(r"\s*\{\s*\"assistant\":\s*\"[^\"]*\"\s*\}\s*", self.text))

    @property
    def failed(self) -> bool:
        """Whether it came to nothing, for whatever reason."""
        start = self.text[:40].lower().lstrip("{\"' ")
        if self.wrong or start.startswith(("error", "an error", "exception", "traceback")):
            return True
        return len(self.text) < 200 and self.text[:1] not in "[{" and bool(_FAILED.search(self.text))


class Conversation:
    """What the planner needs to know of a conversation.

    Attributes:
        length: How many messages there are.
        ids: The ids of all calls so far.
        request: The latest message of the user's; empty if there is none.
        older: The user's earlier messages, the latest first.
        facts: What the user told, in order.
        asked: Whether the assistant's last words before the request were a question for an argument.
        slots: The calls of this turn, each with its repeats after a wrong call.
        rounds: The tools called in this turn, one set for each time, repeats of wrong calls not counted.
        earlier: The calls of earlier turns with their results, in order.
    """

    def __init__(self, messages: list[dict[str, Any]], fields: dict[str, frozenset[str]]) -> None:
        said = [m for m in messages if isinstance(m, dict)] if isinstance(messages, list) else []
        users = [at for at, m in enumerate(said) if m.get("role") == "user" and text_in(m.get("content")).strip()]
        self.length = len(said)
        last = users[-1] if users else len(said)
        self.request = _short(text_in(said[last].get("content"))) if users else ""
        self.older = [_short(text_in(said[at].get("content"))) for at in reversed(users[-21:-1])]
        self.facts = _facts([text_in(said[at].get("content"))[:_LIMIT] for at in users[-200:]])
        self.asked = self._was_asked(said[:last])
        self.ids = {c.get("id") for m in said for c in _calls(m)}
        results = {m.get("tool_call_id"): text_in(m.get("content")) for m in said if m.get("role") == "tool"}
        self.slots: list[list[Done]] = []
        self.rounds: list[set[str]] = []
        for message in said[last + 1 :]:
            self._add_round([_done(call, results, fields) for call in _calls(message)])
        self.earlier = [_done(call, results, fields) for m in said[:last][-200:] for call in _calls(m)]

    @property
    def done(self) -> list[Done]:
        """The latest result of each call of this turn."""
        return [slot[-1] for slot in self.slots]

    def _add_round(self, calls: list[Done]) -> None:
        """Tells a wrong call's repeats from new calls: they come right after it, before anything else."""
        waiting = [slot for slot in self.slots if slot[-1].wrong and len(slot) < 3 and self.slots]
        repeats = False
        for call in calls:
            slot = next((s for s in waiting if s[-1].unknown or s[-1].name == call.name), None)
            if slot is None:
                self.slots.append([call])
                continue
            waiting.remove(slot)
            slot.append(call)
            repeats = True
        if calls and not repeats:
            self.rounds.append({call.name for call in calls})

    @staticmethod
    def _was_asked(before: list[dict[str, Any]]) -> bool:
        words = next((text_in(m.get("content")) for m in reversed(before) if m.get("role") == "assistant"), "")
        return words.rstrip().endswith("?") and "need" in words


def text_in(content: Any) -> str:
    """The text of a message.

    Args:
        content: A string, a list of parts, or nothing.

    Returns:
        The text, parts joined by line breaks.
    """
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "\n".join(str(p.get("text") or "") if isinstance(p, dict) else str(p) for p in parts)


def sentences_in(text: str) -> list[str]:
    """The sentences of a text.

    Args:
        text: What a person wrote.

    Returns:
        Each with its full stop or question mark.
    """
    return [s.strip() for s in _SENTENCE.split(text) if s.strip()]


def _short(text: str) -> str:
    """The beginning and the end of a very long text: what is asked mostly stands there."""
    return text if len(text) <= _LIMIT else text[: _LIMIT - 1000] + " … " + text[-1000:]


def _facts(texts: list[str]) -> list[str]:
    return [fact for text in texts for sentence in sentences_in(text)[:50] if (fact := telling(sentence))]


def _calls(message: dict[str, Any]) -> list[dict[str, Any]]:
    calls = message.get("tool_calls") if message.get("role") == "assistant" else None
    return [c for c in calls if isinstance(c, dict)] if isinstance(calls, list) else []


def _done(call: dict[str, Any], results: dict[Any, str], fields: dict[str, frozenset[str]]) -> Done:
    function = call.get("function")
    function = function if isinstance(function, dict) else {}
    try:
        arguments = json.loads(function.get("arguments") or "{}")
    except (TypeError, ValueError):
        arguments = {}
    known = results.get(call.get("id"), "error: no result came")
    name = str(function.get("name") or "")
    return Done(name, arguments if isinstance(arguments, dict) else {}, known, fields.get(name, frozenset()))
