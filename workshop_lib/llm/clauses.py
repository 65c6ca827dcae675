"""Cuts a request: into steps one after the other, into pieces side by side, and without what is not wanted."""

from __future__ import annotations

import re

from workshop_lib.llm.arguments import text_of
from workshop_lib.llm.conversation import sentences_in
from workshop_lib.llm.memory import content_words, telling
from workshop_lib.llm.mentions import matches

_THEN = re.compile(
    r"[\s,;.]*\b(?:(?:and|but)\s+)?(?:then|after that|afterwards|after which|finally|next(?=,)|once (?:you have"
    r"|that is|that's|it is|it's)"
    r"[^,]{0,30},|with (?:the|that) (?:result|answer),?|(?=use (?:the|that) (?:result|answer|price|number"
    r"|outcome)))[\s,]*",
    re.IGNORECASE,
)
_PIECE = re.compile(
    r"(?<!\bDr)(?<!\bMr)(?<!\bMs)(?<!\bSt)(?<!\bMrs)(?<!\bProf)[.?!;]+(?=\s|$)"
    r"|,?\s+(?:and also|and|also|plus|as well as|but|or)\s+(?=\S)|,\s+|\n+",
    re.IGNORECASE,
)
_NOT = re.compile(
    r"(?:^|(?<=[.,;!?])\s*|\b(?:but|and|so|please)\s+)(?:please\s+|but\s+|and\s+)?(?:i\s+)?"
    r"(?:do not|don['’]t|never|no need to|no(?!\.)|not|skip|forget(?: about)?|leave out|without|instead of"
    r"|rather than)\s+(?!you\b|know\b)"
    r"(?:(?!\b(?:just|only|instead|rather)\b|[.,;:!?](?:\s|$)|\bbut\b).)+",
    re.IGNORECASE,
)


def steps(text: str) -> list[str]:
    """The parts of a request that are to be done one after the other.

    Args:
        text: What a person wrote.

    Returns:
        In order, without "first" and "then"; quotations are never cut.
    """
    masked = re.sub(r"\"[^\"]*\"|“[^”]*”", lambda m: "x" * len(m[0]), text)
    cuts = [0, *(m.end() for m in _THEN.finditer(masked)), len(text)]
    ends = [*(m.start() for m in _THEN.finditer(masked)), len(text)]
    parts = [text[a:b].strip(" ,.;") for a, b in zip(cuts, ends, strict=False)]
    return [re.sub(r"^first(?:ly)?\b[\s,]*|\bfirst\s*$", "", part, flags=re.IGNORECASE) for part in parts if part]


def pieces(text: str, rows: bool = False) -> list[tuple[int, int]]:
    """The parts of a step, each of which may ask for something of its own.

    Args:
        text: The step.
        rows: Whether words in a row, as in "bread, milk and eggs", are to stay together.

    Returns:
        Where each begins and ends.
    """
    masked = re.sub(r"\"[^\"]*\"|“[^”]*”|\([^)]*\)", lambda m: "x" * len(m[0]), text)
    whole = [(d.start, d.end) for d in text_of(text).mentions("date")]
    for start, end in [*whole, *((m.span() for m in text_of(text).lists()) if rows else ())]:
        masked = masked[:start] + "x" * (end - start) + masked[end:]
    found, start = [], 0
    for match in _PIECE.finditer(masked):
        if text[start : match.start()].strip():
            found.append((start, match.start()))
            start = match.end()
    if text[start:].strip():
        found.append((start, len(text)))
    return found[:40]


def without_facts(text: str) -> str:
    """Leaves out sentences that only tell something.

    Args:
        text: What a person wrote.

    Returns:
        The requests in it; all of it if there are none.
    """
    sentences = sentences_in(text)
    kept = [s for s in sentences if not telling(s)]
    return " ".join(kept) if kept and len(kept) < len(sentences) else text


def without_negations(text: str, words: set[str]) -> str:
    """Leaves out what the user does not want done.

    Args:
        text: What a person wrote.
        words: The stems that speak for tools; a "without" that means none of them stays.

    Returns:
        What is to be done.
    """

    def cut(match: re.Match[str]) -> str:
        return " " if any(matches(w, words) for w in content_words(match[0])) else match[0]

    return _NOT.sub(cut, text).strip()
