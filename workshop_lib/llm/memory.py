"""What a conversation holds: facts that the user told, and what earlier calls of tools came to."""

from __future__ import annotations

import re
from collections.abc import Iterable

from workshop_lib.llm.mentions import listed, stem, stems

_FACT = re.compile(
    r"^(?:(?:hi|hello|hey|by the way|also|and|please|well|ok|so|oh|just so you know)\b[\s,!]*)*"
    r"(?P<told>(?:please )?(?:remember|note|keep in mind|don't forget)\b(?: this)?:?(?: that)?\s+)?"
    r"(?P<fact>(?:my|our) [\w'’ -]{1,40}? (?:is|are|was|were)(?: called| named)? .+"
    r"|(?:i am|i'm|we are|we're) (?!looking|trying|wondering|going to ask|asking|not sure|interested|curious).+"
    r"|(?:i|we) (?:live|work|come|like|love|prefer|hate|own|study|have|speak|was born|were|play)\b.+"
    r"|call me (?!an?\b|the\b|when|if|at\b|back|now|later)\w+(?: \w+)?"
    r"|(?:i|we) (?:was|were|have been|had been) (?:already )?\w+ed\b.+|(?P<any>.+))$",
    re.IGNORECASE | re.DOTALL,
)
_ASKS = re.compile(r"\b(?:please|(?:can|could|would|will) you|i (?:want|need)|i would like|i'd like)\b", re.IGNORECASE)
_FLIPS = {
    "i am": "you are",
    "i'm": "you are",
    "we are": "you are",
    "we're": "you are",
    "i was": "you were",
    "am i": "you are",
    "myself": "yourself",
    "mine": "yours",
    **dict.fromkeys(("my", "our"), "your"),
    **dict.fromkeys(("i", "me", "we", "us"), "you"),
}
_FLIP = re.compile(r"\b(" + "|".join(sorted(_FLIPS, key=len, reverse=True)) + r")(?![\w'’])", re.IGNORECASE)
_ABOUT_USER = re.compile(
    r"\b(?:what(?:'s| is| are| was| were)|who(?:'s| is| am| are)|where|how (?:old|many|much|long)|which"
    r"|do you (?:remember|know|recall)"
    r"|can you remember|when|tell me|say|did i|what)\b[^.!]*?\b(?:my|i|am i|we|our|me)\b",
    re.IGNORECASE,
)
_FACT_ASKED = re.compile(
    r"\b(?:what|who|which|where|when|how (?:old|many|much))(?:'s|’s)?(?: \w+){0,3}? (?:my|our|i|we|me)\b", re.IGNORECASE
)
_ADVICE = re.compile(r"\b(?:can|could|should|may|must|need|have to|to do)\b", re.IGNORECASE)
_RECALL = re.compile(
    r"\b(?:did you (?:say|tell|find|get)|you (?:said|told|found)|(?:was|were)\b.*\bagain|remind me|said earlier"
    r"|told me earlier"
    r"|did (?:it|that) say|was the (?:result|answer|outcome))\b",
    re.IGNORECASE,
)
_EMPTY = frozenset(
    stem(w)
    for w in listed(
        "a an the is are was were be been am my our your you i we me us do does did can could would will what "
        "which who how when where why that this it of in on at for to from and or again know remember tell "
        "say said told please still again recall ve ll s m re t d called call   have has had "
        "many so now just right about there not there's by with up out get"
    )
)


def telling(sentence: str) -> str:
    """The fact that a sentence tells.

    Args:
        sentence: One sentence of the user's.

    Returns:
        The fact in the user's words; empty if it is a question, a request, or anything else.
    """
    match = None if sentence.rstrip().endswith("?") else _FACT.match(sentence.strip(" .!\n"))
    if match is None or (not match["told"] and (match["any"] or _ASKS.search(sentence))):
        return ""
    return match["fact"].strip(" .!")


def flipped(fact: str) -> str:
    """A fact, said to the user: ``my name is Ann`` becomes ``Your name is Ann``.

    Args:
        fact: In the user's words.

    Returns:
        The sentence, without its full stop.
    """
    fact = re.sub(r"^call me ", "my name is ", fact, flags=re.IGNORECASE)
    said = _FLIP.sub(lambda m: _FLIPS[m[0].lower()], fact)
    return said[:1].upper() + said[1:]


def asks_memory(question: str) -> bool:
    """Whether a question is about the user, or about what the user told.

    Args:
        question: What the user wrote.

    Returns:
        Whether facts could answer it.
    """
    return bool(_ABOUT_USER.search(question)) or bool(re.search(r"\bremember\b", question, re.IGNORECASE))


def asks_fact(question: str) -> bool:
    """Whether a question is about a fact that only the user could have told.

    Args:
        question: What the user wrote.

    Returns:
        Whether it is, as against a question of what one may or should do.
    """
    return bool(_FACT_ASKED.search(question)) and not _ADVICE.search(question)


def asks_again(question: str) -> bool:
    """Whether a question is about what was answered before.

    Args:
        question: What the user wrote.

    Returns:
        Whether earlier results of tools could answer it.
    """
    return bool(_RECALL.search(question))


def content_words(text: str) -> list[str]:
    """The stems that say what a text is about.

    Args:
        text: Any text.

    Returns:
        In order, without the words that every text has.
    """
    return [word for word in stems(text) if word not in _EMPTY]


def recalled(question: str, facts: Iterable[str]) -> str:
    """The fact that answers a question.

    Args:
        question: What the user asks.
        facts: What the user told, in order; the latest counts.

    Returns:
        A sentence; empty if none answers it.
    """
    asked = set(content_words(question)) - {stem("earlier"), stem("before")}
    if re.search(r"\bwho am i\b|\bam i called\b|\bcall me\b", question, re.IGNORECASE):
        asked = {"name"}
    if re.search(r"\bhow old\b", question, re.IGNORECASE):
        asked = {"#age"}
    best, found = 0.0, ""
    for fact in facts:
        held = set(content_words(flipped(fact)))
        if re.match(r"(?:[Ii] am|[Ii]'m) [A-Z]", fact):
            held.add("name")
        if re.match(r"(?:i am|i'm)\s+\d+\b|my age\b", fact, re.IGNORECASE):
            held.add("#age")
        share = len(asked & held) / len(asked) if asked else 0.0
        if share >= max(best, 0.6):
            best, found = share, flipped(fact) + "."
    return found
