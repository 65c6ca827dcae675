"""The tools that a model is sent: what they take, and which words speak for which of them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from math import log
from typing import Any

from workshop_lib.llm.arguments import Filled, Param, fill, params_of, text_of
from workshop_lib.llm.memory import content_words
from workshop_lib.llm.mentions import stems

COMMON = frozenset(
    stems(
        "get show give tell fetch tool use using work out run call such as e g etc one any some all its their them with"
        " without into onto per via let make want need like know see new"
    )
)
_FIELDS = ((3.0, "name"), (1.3, "description"), (1.4, "params"), (2.0, "options"), (0.9, "about"))


@dataclass(frozen=True)
class Tool:
    """A tool that may be called.

    Attributes:
        name: Its name.
        params: What it takes.
        own: The stems of its name and description.
        named: The stems of its name.
        weights: How much each stem that speaks for it counts.
        asks: The question words of its description.
    """

    name: str
    params: tuple[Param, ...]
    own: frozenset[str]
    named: frozenset[str]
    weights: dict[str, float]
    asks: frozenset[str]

    def filled(self, text: str, prose: bool = True) -> Filled:
        """Finds its arguments in a text."""
        return fill(self.params, text_of(text), self.own, prose)


@lru_cache(maxsize=64)
def read_tools(text: str) -> tuple[Tool, ...]:
    """Reads the tools' schemas; words that many of them share count little.

    Args:
        text: The tools as JSON text, so that a set already read is known again.

    Returns:
        The tools, in the order given.
    """
    raw = [t.get("function") for t in json.loads(text) if isinstance(t, dict)]
    functions = [f for f in raw if isinstance(f, dict) and f.get("name")]
    fields = [_fields(f) for f in functions]
    spread: dict[str, int] = {}
    for one in fields:
        for word in set().union(*one.values()):
            spread[word] = spread.get(word, 0) + 1
    count = len(functions)
    found = []
    for function, one in zip(functions, fields, strict=True):
        weights: dict[str, float] = {}
        for weight, name in _FIELDS:
            for word in one[name]:
                rare = log((count + 1) / spread[word]) / log(count + 1)
                weights[word] = max(weights.get(word, 0.0), weight * max(rare, 0.05))
        params = tuple(params_of(function.get("parameters")))
        asks = frozenset(stems(str(function.get("description") or ""))) & set(stems("where when who whether"))
        own = frozenset(one["name"] | one["description"])
        found.append(Tool(str(function["name"]), params, own, frozenset(one["name"]), weights, asks))
    return tuple(found)


def _fields(function: dict[str, Any]) -> dict[str, set[str]]:
    params = params_of(function.get("parameters"))
    options = [str(o) for p in params for o in p.schema.get("enum") or []]
    texts = {
        "name": str(function["name"]),
        "description": str(function.get("description") or ""),
        "params": " ".join(" ".join(p.path) for p in params),
        "about": " ".join(str(p.schema.get("description") or "") for p in params),
        "options": " ".join(options),
    }
    return {name: {w for w in content_words(text) if w not in COMMON} for name, text in texts.items()}
