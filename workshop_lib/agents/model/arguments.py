"""Arguments from text: what a request mentions, and which of it a tool's parameters take. Its words: ``words.toml``."""

import re
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

WORDS: dict[str, Any] = tomllib.loads(Path(__file__).with_name("words.toml").read_text(encoding="utf-8"))
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-zà-öø-ÿß]+|\d+|[^\W\d_]+")


def pattern(name: str, flags: int = 0) -> re.Pattern[str]:
    """One of the ``patterns`` in ``words.toml``, with the words that it names."""
    text = re.sub(r"«(\w+)»", lambda found: "|".join(WORDS[found[1]].split()), WORDS["patterns"][name])
    return re.compile(text, flags | re.VERBOSE)


_ENDING = pattern("ending")


@lru_cache(maxsize=8192)
def stem(word: str) -> str:
    """The part of a word that its forms share, roughly."""
    word = _ENDING.sub("", re.sub(r"(?<=\w{2})ies$", "y", word.lower()))
    if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "lse":
        word = word[:-1]
    return word[:-1] if len(word) > 4 and word.endswith("e") else word


def stems(text: str) -> list[str]:
    """The stems of a text's words, in order; names_with_underscores and camelCase count as several words."""
    return [stem(word) for word in _WORD.findall(text)]


WITHIN = "\x1f"  # no name holds it
_DEEPEST = 3  # objects within objects; a schema may name itself
_Offer = tuple[float, int, int, Any]  # how well a value fits, where it is in the text, the value
# What is clear by itself is masked once found: a date's day is no number, and a quoted word is no name.
_CLEAR = [("quoted", 0), ("email", 0), ("path", 0), ("date", re.IGNORECASE), ("time", re.IGNORECASE)]
_PATTERNS = [(kind, pattern(kind, flags)) for kind, flags in _CLEAR]
_CURRENCY = {"$": "USD", "€": "EUR", "£": "GBP", "¥": "JPY"}
_SPELLED, _NO_UNIT, _MONTHS = (WORDS[name].split() for name in ("numbers", "no_unit", "months"))
_NUMBER, _MONTH = pattern("number"), pattern("month", re.IGNORECASE)
_ID = pattern("id")
_NAME = re.compile(r"(?:(?:Dr|Mr|Ms)\. )?[A-ZÀ-Þ][\w'’-]*[a-zß-ÿ](?: (?:(?:de|la|of|van) )?[A-ZÀ-Þ][\w'’-]+)*")
_OPENERS = set(WORDS["opener"].split())
_LOWER = re.compile(r"\b(?:in|for|of|at|to|from|with) (?:(?:the|my) )?(?!(?:the|an?|my|me|it|that)\b)([a-zß-ÿ]{3,})")
_BEFORE = re.compile(r"(\w+)(?:\s+(?:the|a|an|about|only))?[\s\"'“(:$€£]*$")
_UNIT = re.compile(r"\b(?:to|into|in|from|how many)\s+([A-Za-z°]+)", re.IGNORECASE)
_ROW = re.compile(r"[\w-]+(?:, [\w-]+)*,? and (?!(?:the|a|an|in|for|my|get|to)\b)[\w-]+|[\w-]+(?:, [\w-]+){2,}")
_SIGN = {"pl": "+", "ad": "+", "su": "+", "mi": "-", "ti": "*", "mu": "*", "pr": "*", "di": "/", "ov": "/", "÷": "/"}
_INFIX = re.compile(r"(?<=[\d)])\s*(plus|minus|times|multiplied|divided|over|[x×·÷])(?: by)?\s*(?=[\d(])")
_PREFIX = re.compile(r"(?i)\b(multiply|divide|add|sum|product)(?: of)? (-?[\d.]+) (?:by|with|to|and) (?=-?\d)")
_SUM = re.compile(r"(?<![\w.-])[-(\s]*\d[\d.]*(?:[\s()]*(?:\*\*|[-+*/%])[\s(]*-?[\s(]*\d[\d.]*)+[\s)]*")


@dataclass(frozen=True)
class _Mention:
    kind: str
    value: Any
    start: int
    end: int
    before: str = ""


@lru_cache(maxsize=512)
def _mentions(text: str) -> tuple[_Mention, ...]:
    found, masked = list[_Mention](), text
    for kind, pattern in _PATTERNS:
        for match in list(pattern.finditer(masked)):
            value = next((group for group in match.groups() if group), match[0]).strip().rstrip(".")
            found.append(_Mention(kind, _iso(value) if kind == "date" else value, *match.span()))
            masked = masked[: match.start()] + " " * len(match[0]) + masked[match.end() :]
    found += [*_numbers(masked), *_names(masked), *_sums(masked)]
    found += [_Mention("id", m[0], *m.span()) for m in _ID.finditer(masked)]
    found += [_Mention("lower", m[1], *m.span(1)) for m in _LOWER.finditer(masked)]
    found += [_Mention("unit", m[1], *m.span(1), before="to") for m in _UNIT.finditer(masked)]
    before = [_BEFORE.search(text[max(0, m.start - 40) : m.start]) for m in found]
    return tuple(replace(m, before=m.before or (b[1].lower() if b else "")) for m, b in zip(found, before, strict=True))


def _iso(said: str) -> str:
    year, month, day = (re.search(p, said) for p in (r"\b\d{4}\b", _MONTH, r"\b\d{1,2}(?!\d)"))
    if not (year and month and day):
        return said
    return f"{year[0]}-{_MONTHS.index(month[0][:3].lower()) + 1:02}-{int(day[0]):02}"


def _numbers(text: str) -> Iterator[_Mention]:
    """Numbers, and their units on their own: a unit is what to convert from."""
    for match in _NUMBER.finditer(text):
        digits = match[2].replace(",", "")
        value = float(_SPELLED.index(digits)) if digits in _SPELLED else float(digits)
        unit = _CURRENCY.get(match[1]) or _CURRENCY.get(match[3] or "") or match[3] or match[4] or ""
        yield _Mention("number", int(value) if value.is_integer() else value, *match.span(2))
        if unit:
            yield _Mention("unit", unit, *match.span(1 if match[1] else 3 if match[3] else 4), before="from")


def _names(text: str) -> Iterator[_Mention]:
    for match in _NAME.finditer(text):
        first, _, value = match[0].partition(" ")
        opens = first.replace("’", "'").lower() in _OPENERS
        value = match[0] if not opens else value if value[:1].isupper() else ""
        start = match.end() - len(value)
        if value := re.sub(r"['’]s$", "", value):
            yield _Mention("name", value, start, start + len(value))


def _sums(text: str) -> Iterator[_Mention]:
    text = re.sub(r"(?<=\d)\s?(?:dollars?|euros?|[€$£])(?!\w)|[$€£](?=\d)|(?<=\d),(?=\d{3})", "", text)
    text = re.sub(r"(?<=\d)\s*(?:%|percent) of (?=\d)", " / 100 * ", text)
    text = _PREFIX.sub(lambda m: f"{m[2]} {_SIGN[m[1][:2].lower()]} ", text)
    for match in _SUM.finditer(_INFIX.sub(lambda m: f" {_SIGN.get(m[1][:2], '*')} ", text)):
        value = match[0].strip(" .")
        if value.count("(") == value.count(")"):
            yield _Mention("expression", value, match.start(), match.start())  # a place in the changed text: no width


@lru_cache(maxsize=512)
def _words(text: str) -> tuple[tuple[str, int, int], ...]:
    return tuple((stem(m[0]), *m.span()) for m in _WORD.finditer(text))


def _near(mention: _Mention, wanted: Iterable[str], text: str) -> float:
    """How close some words are to a mention: 1 for next to it, 0 for not at all."""
    names = {w for w in wanted if len(w) > 1 and w not in _NO_UNIT}
    before = enumerate([w for w, _, end in _words(text) if end <= mention.start][:-7:-1])
    after = enumerate([w for w, start, _ in _words(text) if start >= mention.end][:3])
    found = [1 / (1 + gap / 2) for gap, w in before if w in names] + [0.8 / (1 + gap) for gap, w in after if w in names]
    return max(found, default=0.0)


_KIND_OF = {stem(word): kind for kind, words in WORDS["kinds"].items() for word in words.split()}
_CONTENT, _FROM, _TO = (set(stems(WORDS[name])) for name in ("content", "from", "to"))
_PREPOSITIONS = ("in", "for", "of", "at", "with", "by", "to", "near", "on")
_AFTER = pattern("after")
_AHEAD = re.compile(r"\b(?:the|our|my|a|an)\s+([\w.-]*\w)\s+$")
_SKIP = re.compile(r"(?:the|a|an|this|to|of|about|me|us|new|that|word|phrase)\b", re.IGNORECASE)
_SAYING = r"(?:\b(?:saying|says|called|titled|named|about|message|title|subject)\b:?|:)\s*(.+)"
_POLITE = pattern("polite", re.IGNORECASE)


@dataclass(frozen=True)
class Param:
    """One value that a tool takes; its name and its description also as stems."""

    name: str
    schema: dict[str, Any]
    required: bool
    kind: str
    words: tuple[str, ...]
    about: frozenset[str]


Found = dict[str, tuple[float, Any]]  # by the parameter's name: how well the value fits, and the value


def params_of(schema: Any) -> Iterator[Param]:
    """The values that a tool takes, by the JSON schema of its parameters; anything else counts as none.

    Those of an object within have its name before theirs, and WITHIN between them.
    """
    yield from _params_of(schema, schema, "", True)


def _params_of(schema: Any, root: Any, before: str, needed: bool) -> Iterator[Param]:
    properties, required = (schema.get(k) for k in ("properties", "required")) if isinstance(schema, dict) else (0, 0)
    for name, part in (properties if isinstance(properties, dict) else {}).items():
        own = _resolved(part, root)
        must = needed and isinstance(required, list) and name in required
        if isinstance(own.get("properties"), dict) and before.count(WITHIN) < _DEEPEST:
            yield from _params_of(own, root, f"{before}{name}{WITHIN}", must)
            continue
        words, about = tuple(stems(name)) or (name,), stems(str(own.get("description") or ""))
        kind = next((_KIND_OF[word] for word in (*reversed(words), *about) if word in _KIND_OF), "text")
        kind = WORDS["types"].get(str(own.get("type"))) or WORDS["types"].get(str(own.get("format"))) or kind
        kind = "enum" if own.get("enum") or "const" in own else kind
        yield Param(f"{before}{name}", own, must, kind, words, frozenset(about))


def nested(values: Found) -> dict[str, Any]:
    """Arguments as the tool takes them: the opposite of the names of ``params_of``."""
    found = dict[str, Any]()
    for name, (_, value) in values.items():
        *objects, last = name.split(WITHIN)
        inner = found
        for each in objects:
            inner = inner.setdefault(each, {})
        inner[last] = value
    return found


def _resolved(schema: Any, root: dict[str, Any]) -> dict[str, Any]:
    """A schema without references and without the choice of null."""
    choices = (schema.get("anyOf") or [schema]) if isinstance(schema, dict) else []
    inner = next((c for c in choices if isinstance(c, dict) and c.get("type") != "null"), {})
    defined = (root.get("$defs") or {}).get(str(inner.get("$ref")).rpartition("/")[2])
    return {**(schema if choices else {}), **(defined if isinstance(defined, dict) else inner)}


def fill(params: Sequence[Param], text: str, own: frozenset[str], prose: bool = True) -> Found:
    """Values of parameters in a text; the tool's own words are none, and ``prose`` may be the text itself."""
    text = re.sub(r"^\w+(?= [A-Z][a-z])", lambda m: m[0].lower() if stem(m[0]) in own else m[0], text)  # "Invite Ann"
    offers = [
        (-round(score + 0.3 * param.required, 3), index, start, end, value)
        for index, param in enumerate(params)
        for score, start, end, value in _offers(param, text, own)
        if score >= (0.45 if param.required else 2.0)
    ]
    found, used = Found(), list[tuple[int, int]]()
    # The best fits first; among equals, values go to parameters in the order of both.
    for score, index, start, end, value in sorted(offers, key=lambda offer: offer[:3]):
        if params[index].name not in found and not any(start < e and s < end for s, e in used):
            found[params[index].name] = -score, value
            used.append((start, end))
    for param in params:
        if prose and param.kind == "prose" and param.required and param.name not in found:
            value = _content(text, own, used) if set(param.words) & _CONTENT else bare(text).strip(" .?!,")
            found.update({param.name: (0.5, value)} if value else {})
    return found


def bare(text: str) -> str:
    """A clause without its politeness."""
    return re.sub(r"[,\s]+please\W*$", "", _POLITE.sub("", text.strip(" ,;\n\t"), count=1), flags=re.IGNORECASE)


def _content(text: str, own: frozenset[str], used: list[tuple[int, int]]) -> str:
    """What a request is about: without the words that name the tool, and without what other arguments took."""
    end = len(text)
    for start, stop in sorted(used, reverse=True):
        if not text[stop:end].strip(" .?!,"):
            end = len(re.sub(r"\s*\b(?:in|into|to|for|from|at|on|with|by)\s*$", "", text[:start]))
    body = bare(text[:end])
    while (match := re.match(r"[\w']+\s*", body)) and (_SKIP.match(match[0]) or set(stems(match[0])) & own):
        body = body[match.end() :]
    return body.strip(" .?!,:") or bare(text)


def _offers(param: Param, text: str, own: frozenset[str]) -> Iterator[_Offer]:
    """Values that a parameter could take: how well each fits, where it is, the value."""
    special = {"enum": _options, "flag": _options, "list": _lists}
    if param.kind in special:
        yield from special[param.kind](param, text, own)
        return
    for mention in [m for m in _mentions(text) if m.kind in ("quoted", "number") or not set(stems(m.value)) <= own]:
        base = WORDS["fit"].get(param.kind, {}).get(mention.kind, 2.2 if param.kind == mention.kind else 0.0)
        if base:
            yield base + _context(param, mention, text), mention.start, mention.end, mention.value
    if param.kind in ("id", "name", "text"):
        yield from _named(param, text, own)
    for word in set(param.words) & {*WORDS["marks"], *_CONTENT} if param.kind == "prose" else ():
        if match := re.search(WORDS["marks"].get(word, _SAYING), text, re.IGNORECASE | re.DOTALL):
            yield 2.5, match.start(), match.end(1), match[1].strip(" .!?\"'")


def _context(param: Param, mention: _Mention, text: str) -> float:
    """What the words around a mention say for a parameter."""
    name, score = set(param.words), 2 * _near(mention, param.words, text) + _near(mention, param.about, text)
    start, goal = mention.before in ("from", "between"), mention.before in ("to", "into", "until")
    score += 2.0 * bool((start and name & _FROM) or (goal and name & _TO))
    score -= 1.0 * bool((start and name & _TO - _FROM) or (goal and name & _FROM - _TO))
    return score + (mention.kind == "name" and mention.before in _PREPOSITIONS)


def _named(param: Param, text: str, own: frozenset[str]) -> Iterator[_Offer]:
    """What is beside the parameter's name: "order 7", "project alpha", "the payments service"."""
    for word, start, end in _words(text):
        if word in param.words and len(word) > 2:
            if match := _AFTER.match(text, end):
                clear = re.search(r"[A-Z\d]", match[1]) or param.kind == "text"
                yield 2.3 if clear else 0.1, *match.span(1), match[1]
            if (match := _AHEAD.search(text, 0, start)) and not set(stems(match[1])) & own:
                yield 1.8, *match.span(1), match[1]


def _options(param: Param, text: str, own: frozenset[str]) -> Iterator[_Offer]:
    """The values of an enum; a flag is set where its name is."""
    flag = dict.fromkeys(param.name.split("_"), True) if param.kind == "flag" else {}
    for said, option in flag.items() or [(str(o), o) for o in param.schema.get("enum") or [param.schema.get("const")]]:
        for match in re.finditer(rf"\b{re.escape(said)}(?:s|d|ed)?\b", text, re.IGNORECASE):
            yield 3.0 + _near(_Mention("", option, *match.span()), param.words, text), *match.span(), option


def _lists(param: Param, text: str, own: frozenset[str]) -> Iterator[_Offer]:
    """Several names, or else a row of words: the one nearest to the parameter's name."""
    found = [m for m in _mentions(text) if m.kind != "number" and not set(stems(m.value)) <= own]
    names = [m for m in found if m.kind in ("quoted", "name", "email")]
    rows = [_Mention("row", re.findall(r"\b(?!and\b)[\w-]+", m[0]), *m.span()) for m in _ROW.finditer(text)]
    if rows and len(names) < 2:
        row = max(rows, key=lambda row: (_near(row, param.words, text), len(row.value)))
        yield 2.5, row.start, row.end, row.value
    elif names := sorted(names or [m for m in found if m.kind == "lower"], key=lambda m: m.start):
        yield 2.0 + 0.5 * (len(names) > 1), names[0].start, names[-1].end, [m.value for m in names]
