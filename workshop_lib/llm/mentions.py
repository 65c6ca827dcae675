"""What a text mentions: numbers with units, sums of money, dates, ids, names, quotations, expressions."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any


def listed(words: str) -> list[str]:
    """The words of a line.

    Args:
        words: With blanks between.

    Returns:
        One by one.
    """
    return words.split()


_ENDINGS = listed(
    "ations ation ators ator ating ated ates ate ings ing ions ion ments ment ers er ed es ly s e"
)  # the longest that leaves four letters goes (three for the plain ones)

_WHOLE = frozenset(("news", "less", "this", "always", "pass"))  # what looks like an ending belongs to them
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-zà-öø-ÿß]+|\d+|[^\W\d_]+")

_MONTHS = listed("january february march april may june july august september october november december")
_MONTH = "(" + "|".join(f"{m[:3]}(?:{m[3:]})?" if m != "may" else m for m in _MONTHS) + r")\.?"
_DATES = (
    re.compile(r"\b(?P<y>\d{4})-(?P<n>\d{1,2})-(?P<d>\d{1,2})(?:T[\d:]+Z?)?\b"),
    re.compile(rf"\b{_MONTH}\s+(?P<d>\d{{1,2}})(?:st|nd|rd|th)?(?:,?\s+(?P<y>\d{{4}}))?\b", re.IGNORECASE),
    re.compile(rf"\b(?P<d>\d{{1,2}})(?:st|nd|rd|th)?(?: of)?\s+{_MONTH}(?:,?\s+(?P<y>\d{{4}}))?\b", re.IGNORECASE),
)
_DAYS = re.compile(
    r"\b(?:(?:next|this|on) )?(?:today|tomorrow|yesterday|(?:mon|tues|wednes|thurs|fri|satur|sun)day)\b", re.IGNORECASE
)
_TIME = re.compile(r"\b(?:\d{1,2}:\d{2}(?:\s?[ap]m)?|\d{1,2}\s?[ap]m|noon|midnight)\b", re.IGNORECASE)
_EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_URL = re.compile(r"https?://[^\s,;\"')]+|\bwww\.[^\s,;\"')]+")
_PATH = re.compile(r"(?<![\w/])(?:~|\.{1,2})?(?:/[\w.-]*\w)+/?|\b\w[\w-]*(?:/[\w.-]+)*\.[a-z]{2,4}\b(?!\.)")
_QUOTED = re.compile(r"\"([^\"]+)\"|“([^”]+)”|«([^»]+)»|(?<!\w)['‘]([^'’]+(?:['’]\w[^'’]*)*)['’](?!\w)")
_CURRENCY = {"$": "USD", "€": "EUR", "£": "GBP", "¥": "JPY"}
_MONEY_AFTER = re.compile(
    r"\s?(USD|EUR|GBP|JPY|CHF|CAD|AUD|SEK|NOK|DKK|INR|CNY|[€£$¥]|(?:us )?dollars?|euros?|pounds? sterling"
    r"|bucks?|yen|cents?)"
    r"(?!\w)"
)
_NUMBER = re.compile(
    r"(?<![\w.,#-])([$€£¥]\s?)?(-?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?)(k\b|\s(?:thousand|million)\b)?"
)
_UNIT = re.compile(r"\s?(%|percent\b|per cent\b|°\s?[CF]\b)|\s?-?([A-Za-z]+)\b")
_SPELLED = {
    word: value
    for value, word in enumerate(
        listed(
            "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
            "sixteen seventeen eighteen nineteen twenty"
        )
    )
} | {"thirty": 30, "forty": 40, "fifty": 50, "hundred": 100, "dozen": 12}
_NUMBER_WORD = re.compile(rf"\b({'|'.join(_SPELLED)})\b(?:\s+([a-z]+))?", re.IGNORECASE)
_NO_UNIT = frozenset(
    listed("and or to for in on at of from with by into is are was the a an as because then if per than")
)
_ID = re.compile(
    r"(?<![\w-])(?:[A-Za-z]+[-_#]\d[\w-]*|[A-Z]{2,}(?:[-.][A-Z\d]+)*\d*|[A-Z]+\d[A-Z\d]*|\d+[A-Z][A-Z\d]*"
    r"|#\d+)(?![\w])"
)
_NAME = re.compile(
    r"(?:(?:Dr|Mr|Mrs|Ms|Prof|St)\.\s+)?"
    r"[A-ZÀ-ÖØ-Þ][\w'’-]*[a-zà-öø-ÿ](?:\s+(?:(?:de|la|of|van|von|the|du|le)\s+)?[A-ZÀ-ÖØ-Þ][\w'’-]+)*"
)
_LOWER = re.compile(
    r"\b(in|for|of|at|to|into|from|with|near)\s+(?:(?:the|my|our)\s+)?(?!(?:the|a|an|my|our|your|me|us|it|that|this"
    r"|there)\b)([a-zà-öø-ÿ]{3,})"
)
_OPERATORS = (
    (r"\s+(?:multiplied by|times|x)\s+", " * "),
    (r"\s+(?:divided by|over)\s+", " / "),
    (r"\s+plus\s+", " + "),
    (r"\s+minus\s+", " - "),
    (r"\s+to the power of\s+", " ** "),
    (r"(?<=\d)\s*[×·]\s*(?=[\d(])", " * "),
    (r"(?<=\d)\s*÷\s*(?=[\d(])", " / "),
)
_SAID = (
    (r"\bmultiply (-?[\d.]+) (?:by|with) (?=-?\d)", r"\1 * "),
    (r"\bdivide (-?[\d.]+) by (?=-?\d)", r"\1 / "),
    (r"\badd (-?[\d.]+) (?:to|and) (?=-?\d)", r"\1 + "),
    (r"\bsubtract (-?[\d.]+) from (-?[\d.]*\d)", r"\2 - \1"),
    (r"\b(?:the )?(?:sum|total) of (-?[\d.]+) and (?=-?\d)", r"\1 + "),
    (r"\b(?:the )?product of (-?[\d.]+) and (?=-?\d)", r"\1 * "),
    (r"\b(?:double|twice) (-?[\d.]*\d)", r"2 * \1"),
    (r"\bhalf of (-?[\d.]*\d)", r"\1 / 2"),
    (r"\bsquare root of (-?[\d.]*\d)", r"\1 ** 0.5"),
)
_SUM = re.compile(r"(?<![\w.-])[-(\s]*\d[\d.,]*(?:[\s()]*(?:\*\*|[-+*/^%])[\s()-]*\d[\d.,]*)+[\s)]*")
_OPENERS = frozenset(
    listed(
        "a an the and or but also i i'm it is are was do does did can could would should will what what's "
        "which who how when where why if please show give get tell find look check use ask let my our your "
        "his her their we you they this that these those there no not don't yes ok okay hi hello hey thanks "
        "first then after next finally now in on at for of from to with about hey dear monday tuesday "
        "wednesday thursday friday saturday sunday remember"
    )
) | frozenset(_MONTHS)


@lru_cache(maxsize=8192)
def stem(word: str) -> str:
    """The part of a word that its forms share, roughly.

    Args:
        word: One word.

    Returns:
        Small letters, without the ending.
    """
    word = word.lower()
    if word in _WHOLE:
        return word
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    for ending in _ENDINGS:
        keep = 3 if ending in ("s", "es", "ed", "ing") else 4
        if word.endswith(ending) and len(word) - len(ending) >= keep and not word.endswith("ss"):
            word = word[: -len(ending)]
            break
    if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "lse":
        word = word[:-1]
    return word[:-1] if len(word) > 4 and word.endswith("e") else word


def stems(text: str) -> list[str]:
    """The stems of a text's words; names_with_underscores and camelCase count as several.

    Args:
        text: Any text.

    Returns:
        In order, repeats included.
    """
    return [stem(word) for word in _WORD.findall(text)]


@dataclass(frozen=True)
class Mention:
    """Something that stands in a text.

    Attributes:
        kind: Such as ``number``, ``date`` or ``name``.
        value: What it stands for.
        start: Where it begins.
        end: Where it ends.
        unit: Of a number: the unit, ``money`` or ``percent``.
        unit_text: The unit as a tool would take it.
        before: The word before it.
        opening: Whether it begins a sentence, where a capital letter says nothing.
        spelled: Whether it is a number word.
    """

    kind: str
    value: Any
    start: int
    end: int
    unit: str = ""
    unit_text: str = ""
    before: str = ""
    opening: bool = False
    spelled: bool = False


class Text:
    """A text and what it mentions.

    Attributes:
        text: The text itself.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self._kinds: dict[str, list[Mention]] = {}

    @cached_property
    def tokens(self) -> list[tuple[str, int, int]]:
        """Its words: stem, beginning, end."""
        return [(stem(m[0]), m.start(), m.end()) for m in _WORD.finditer(self.text)]

    @cached_property
    def _masked(self) -> tuple[str, dict[str, list[Mention]]]:
        """Finds what stands for itself, blanking each so that a date's day is no number and a quotation no name."""
        found: dict[str, list[Mention]] = {}
        text = self.text
        steps: list[tuple[str, Callable[[str], Iterable[Mention]]]] = [
            ("quoted", _quotations),
            ("email", lambda t: _plain("email", _EMAIL, t)),
            ("url", lambda t: _plain("url", _URL, t)),
            ("path", lambda t: _plain("path", _PATH, t)),
            ("date", _dates),
            ("time", lambda t: _plain("time", _TIME, t)),
        ]
        for kind, find in steps:
            found[kind] = list(find(text))
            for mention in found[kind]:
                text = text[: mention.start] + " " * (mention.end - mention.start) + text[mention.end :]
        return text, found

    def mentions(self, kind: str) -> list[Mention]:
        """What of a kind it mentions.

        Args:
            kind: ``number``, ``date``, ``time``, ``email``, ``url``, ``quoted``, ``id``, ``name``, ``lower`` (a word
                in small letters where a name could stand) or ``expression``.

        Returns:
            In order.
        """
        if kind not in self._kinds:
            masked, found = self._masked
            finders: dict[str, Callable[[str], Iterator[Mention]]] = {
                "number": _numbers,
                "id": _ids,
                "name": _names,
                "lower": _lower,
                "expression": _expressions,
            }
            raw = finders[kind](masked) if kind in finders else found.get(kind, [])
            self._kinds[kind] = [
                Mention(**{**m.__dict__, "before": self.word_before(m.start)}) if kind != "lower" else m for m in raw
            ]
        return self._kinds[kind]

    def word_before(self, place: int) -> str:
        """The word before a place in the text.

        Args:
            place: The place.

        Returns:
            In small letters, an article skipped; empty at the beginning.
        """
        match = re.search(r"(\w+)(?:\s+(?:the|a|an|about|only))?[\s\"'“(:$€£]*$", self.text[max(0, place - 40) : place])
        return match[1].lower() if match else ""

    def closeness(self, mention: Mention, words: Iterable[str]) -> float:
        """How close some words stand to a mention.

        Args:
            mention: The mention.
            words: Stems.

        Returns:
            1 for next to it, less for further away, 0 for not in the same clause.
        """
        wanted, best = {w for w in words if len(w) > 1 and w not in _NO_UNIT}, 0.0
        if not wanted:
            return best
        before = [w for w, _, end in self.tokens if end <= mention.start][-6:]
        after = [w for w, start, _ in self.tokens if start >= mention.end][:3]
        for gap, word in enumerate(reversed(before)):
            best = max(best, 1 / (1 + 0.5 * gap) if matches(word, wanted) else 0.0)
        for gap, word in enumerate(after):
            best = max(best, 0.8 / (1 + gap) if matches(word, wanted) else 0.0)
        return best

    def place_of(self, option: str) -> tuple[int, int] | None:
        """Where one of the values of an enum stands.

        Args:
            option: The value.

        Returns:
            Beginning and end; None if it is not there in any form.
        """
        if len(option) <= 2:
            match = re.search(rf"(?<!\w){re.escape(option)}(?!\w)", self.text)
            return match.span() if match and option != "I" else None
        wanted = stems(option)
        words = [w for w, _, _ in self.tokens]
        for at in range(len(words) - len(wanted) + 1):
            if wanted and all(_same(a, b) for a, b in zip(words[at:], wanted, strict=False)):
                return self.tokens[at][1], self.tokens[at + len(wanted) - 1][2]
        return None

    def after_word(self, name: Iterable[str]) -> Iterator[re.Match[str]]:
        """Values that follow a parameter's name: ``order 7``, ``colour: red``, ``room is B12``.

        Args:
            name: The stems of the name.

        Returns:
            Matches whose first group is the value.
        """
        wanted = {w for w in name if len(w) > 2}
        for word, _, end in self.tokens:
            if word in wanted:
                match = re.compile(
                    r"(?:\s+(?:is|number|no\.|id|to|of|named|called|with)(?!\w))*\s*[:=#]?\s*"
                    r"(?!(?:the|a|an|my|is|in|on|for|and|of|to|was|were|with|that|please|from|at|has|have|are"
                    r"|if|by|as)\b)"
                    r"([\w.-]*\w)"
                ).match(self.text, end)
                if match:
                    yield match

    def before_word(self, name: Iterable[str]) -> Iterator[re.Match[str]]:
        """Values that stand before a parameter's name: ``the red colour``.

        Args:
            name: The stems of the name.

        Returns:
            Matches whose first group is the value.
        """
        for match in re.finditer(r"\b(?:the|our|my|a|an)\s+([\w.-]*\w)\s+(\w+)", self.text):
            if stem(match[2]) in name:
                yield match

    def lists(self) -> Iterator[re.Match[str]]:
        """Words in a row, as in ``bread, milk and eggs``.

        Returns:
            Matches of the whole row.
        """
        return _ROW.finditer(self.text)


_ROW = re.compile(
    r"\b[\w-]+(?:,\s+[\w-]+)*,?\s+and\s+(?!(?:the|a|an|in|for|my|get|to)\b)[\w-]+"
    r"|\b[\w-]+(?:,\s+[\w-]+){2,}"
)

# What people call things that descriptions call otherwise. Words of one line count as nearly the same.
_SYNONYMS = [
    [stem(word) for word in line.split()]
    for line in (
        "price cost quote worth trade trading much expensive",
        "share stock ticker equity trading",
        "ship send deliver dispatch mail post",
        "ship send parcel package",
        "message send text write notify",
        "create open new add file raise make start report",
        "close finish resolve end solve",
        "cancel delete remove drop",
        "find search look lookup seek",
        "book reserve schedule arrange",
        "meeting appointment call",
        "translate say mean",
        "convert change turn exchange",
        "pay money reimburse repay back",
        "return back",
        "calculate compute sum arithmetic math maths multiply divide",
        "invest put investment",
        "profit gain yield investment",
        "rule policy handbook guideline terms",
        "news headline headlines article",
        "history past previous earlier former formerly before",
        "issue ticket bug defect",
        "expert specialist colleague",
        "person people employee guest attendee",
        "temperature warm warmer hot cold rain raining sunny snow wind windy forecast climate umbrella degrees",
        "city outdoors warm hot cold rain raining sunny snow wind windy umbrella temperature forecast",
        "light lamp bulb",
        "remind reminder",
        "trip journey travel flight",
        "water irrigate",
        "big large size",
        "distance far",
        "duration long",
        "time clock hour",
        "address location",
        "picture image photo",
    )
]
_RELATED: dict[str, set[str]] = {}
for _line in _SYNONYMS:
    for _word in _line:
        _RELATED.setdefault(_word, set()).update(_line)


def related(word: str) -> set[str]:
    """Stems of words that mean about the same.

    Args:
        word: A stem.

    Returns:
        Without the word itself.
    """
    return _RELATED.get(word, set()) - {word}


def matches(word: str, wanted: set[str]) -> bool:
    """Whether a word is one of those wanted, or means about the same.

    Args:
        word: A stem.
        wanted: Stems.

    Returns:
        Whether it is.
    """
    return word in wanted or bool(_RELATED.get(word, set()) & wanted)


def _same(one: str, other: str) -> bool:
    return one == other or (min(len(one), len(other)) >= 4 and (one.startswith(other) or other.startswith(one)))


def _quotations(text: str) -> Iterator[Mention]:
    for match in _QUOTED.finditer(text):
        yield Mention("quoted", next(g for g in match.groups() if g).strip(), match.start(), match.end())


def _plain(kind: str, pattern: re.Pattern[str], text: str) -> Iterator[Mention]:
    for match in pattern.finditer(text):
        yield Mention(kind, match[0].rstrip("."), match.start(), match.end())


def _dates(text: str) -> Iterator[Mention]:
    for pattern in _DATES:
        for match in pattern.finditer(text):
            groups = match.groupdict()
            name = next((g for g in match.groups() if g and g[0].isalpha()), None)
            month = int(groups["n"]) if groups.get("n") else _month(name or "")
            day, year = int(groups["d"]), groups.get("y")
            value = f"{year}-{month:02}-{day:02}" if year else match[0]
            if 1 <= month <= 12 and 1 <= day <= 31:
                yield Mention("date", value, match.start(), match.end())
    for match in _DAYS.finditer(text):
        yield Mention("date", re.sub("^on ", "", match[0], flags=re.IGNORECASE), match.start(), match.end())


def _month(name: str) -> int:
    return next((at for at, month in enumerate(_MONTHS, 1) if month.startswith(name.lower()[:3])), 0)


def _numbers(text: str) -> Iterator[Mention]:
    for match in _NUMBER.finditer(text):
        value = (
            float(match[2].replace(",", ""))
            * {"": 1, "k": 1000, "thousand": 1000, "million": 1e6}[(match[3] or "").strip()]
        )
        end, unit, unit_text = _unit_after(text, match)
        if end >= 0:
            yield Mention("number", _tidy(value), match.start(), end, unit, unit_text)
    for match in _NUMBER_WORD.finditer(text):
        unit = match[2] if match[2] and match[2] not in _NO_UNIT else ""
        yield Mention("number", _SPELLED[match[1].lower()], match.start(1), match.end(1), unit, unit, spelled=True)


def _unit_after(text: str, match: re.Match[str]) -> tuple[int, str, str]:
    """Where a number ends with its unit, the unit, and how a tool would take it; -1 for no number after all."""
    end = match.end()
    if match[1]:
        return end, "money", _CURRENCY[match[1].strip()]
    if text[end : end + 1].isalpha() and re.match(r"[A-Z]|(?:st|nd|rd|th)\b", text[end:]):
        return -1, "", ""
    money = _MONEY_AFTER.match(text, end)
    if money:
        return money.end(), "money", _CURRENCY.get(money[1], money[1])
    found = _UNIT.match(text, end)
    if found is None or (found[2] or "").lower() in _NO_UNIT:
        return end, "", ""
    if found[1]:
        return (found.end(), "percent", "%") if found[1][0] in "%p" else (found.end(), "degree", found[1])
    return found.end(), found[2], found[2]


def _tidy(value: float) -> int | float:
    return int(value) if value == int(value) and abs(value) < 1e15 else value


def _ids(text: str) -> Iterator[Mention]:
    for match in _ID.finditer(text):
        if match[0] not in ("OK", "AM", "PM", "USD", "EUR", "GBP", "JPY", "CHF", "NOT", "AND"):
            yield Mention("id", match[0], match.start(), match.end())


def _names(text: str) -> Iterator[Mention]:
    for match in _NAME.finditer(text):
        start, value = match.start(), match[0]
        opening = not text[:start].strip() or text[:start].rstrip()[-1] in ".?!:"
        first, _, rest = value.partition(" ")
        if first.lower().replace("’", "'") in _OPENERS:
            if not rest or not rest[0].isupper():
                continue
            start, value, opening = start + len(value) - len(rest.lstrip()), rest.lstrip(), False
        for trail in ("'s", "’s"):
            value = value.removesuffix(trail)
        yield Mention("name", value, start, start + len(value), opening=opening)


def _lower(text: str) -> Iterator[Mention]:
    for match in _LOWER.finditer(text):
        yield Mention("lower", match[2], match.start(2), match.end(2), before=match[1])


def _expressions(text: str) -> Iterator[Mention]:
    spoken = re.sub(r"(?<=\d)\s?(?:dollars?|euros?|[€$£])(?!\w)|[$€£](?=\d)", "", text)
    for pattern, form in _SAID:
        spoken = re.sub(pattern, form, spoken, flags=re.IGNORECASE)
    spoken = re.sub(r"(?<=\d)\s*%\s+of\s+(?=\d)", " / 100 * ", spoken, flags=re.IGNORECASE)
    for pattern, sign in _OPERATORS:
        spoken = re.sub(rf"(?<=[\d)]){pattern}(?=[\d(])" if pattern[0] == "\\" else pattern, sign, spoken)
    for match in _SUM.finditer(spoken):
        value = re.sub(r"(?<=\d),(?=\d{3})", "", match[0]).strip(" ,.-" if match[0].strip()[0] != "-" else " ,.")
        if re.search(r"\d\s*(?:\*\*|[-+*/^%])\s*[\d(-]|\)\s*[-+*/^]", value) and value.count("(") == value.count(")"):
            start = min(match.start(), len(text))
            yield Mention("expression", re.sub(r"\^", "**", value), start, min(max(match.end(), start + 1), len(text)))
