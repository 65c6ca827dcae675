"""Words, and what they say about a tool's parameters: how the planner fills the arguments of a call."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from workshop_lib.llm.mentions import Mention, Text, matches, stem, stems

# Which words of a parameter's name or description say what kind of value it takes; the first kind that fits counts.
_KINDS: dict[str, str] = {
    "expression": "expression formula arithmetic equation",
    "email": "email mail",
    "url": "url link website webpage uri",
    "date": "date day deadline birthday due when",
    "time": "time clock",
    "path": "path file filename folder directory",
    "unit": "unit units currency",
    "prose": "question query text message reason description content body note notes comment title subject summary"
    " topic prompt request task instruction instructions details phrase sentence keywords problem what todo",
    "id": "id order symbol ticker code key project ticket issue sku account invoice tracking identifier reference"
    " number serial flight",
    "name": "city town place location country region destination origin person name customer user assignee recipient"
    " attendee employee patient team language company owner author artist contact who address street",
}
_KIND_OF = {stem(word): kind for kind, line in _KINDS.items() for word in line.split()}

# Parameters whose value is the text that the request is about, as against the request itself.
_CONTENT = set(
    stems("text message content body note comment title subject task phrase sentence topic summary name what todo")
)
_PLACE = set(stems("city town place location country region street address"))
_PERSON = set(stems("name person customer user assignee recipient attendee employee patient owner contact who guest"))
_MONEY = set(
    stems("amount price cost budget invest paid pay salary total fee money value return spend sum revenue income")
)
_PERCENT = set(stems("percent percentage rate share discount tip interest tax"))
_DIMENSIONS = {
    stem(unit): set(stems(line.split(":")[0]))
    for line in (
        "weight mass: kg kilo kilos kilogram g gram lb lbs pound oz ounce ton tonne",
        "duration hours hour length time long: h hour hr",
        "duration minutes minute length time long: m min minute",
        "duration seconds second length time long: s sec second",
        "duration days day length time long night: day night week month year",
        "distance length height width depth: km m cm mm mile mi meter metre kilometer kilometre ft foot feet inch",
        "volume litre liter: l ml litre liter gallon",
        "temperature degree: c f celsius fahrenheit degree",
        "people person attendee guest seat participant party size capacity: people person guest attendee participant",
        "quantity count copy piece item: item piece copy unit box time",
    )
    for unit in line.split(":")[1].split()
}
_FROM = set(stems("from source origin start min minimum low lower departure begin sender first after since"))
_TO = set(stems("to target destination end max maximum high upper arrival until recipient language last before"))

# What introduces the value of a free-text parameter.
_MARKED = {
    "reason": r"\b(?:because(?: of)?|due to|since|reason(?: is|:)?|as it|as the)\s+(.+)",
    "message": r"(?:\b(?:saying|says?|that reads?|message)\b:?|:)\s*(.+)",
    "title": r"(?:\b(?:called|titled|named|about|title)\b:?|:)\s*(.+)",
    "subject": r"(?:\b(?:about|subject)\b:?|:)\s*(.+)",
    "topic": r"\b(?:about|on|regarding)\s+(.+)",
    "text": r":\s*(.+)",
    "note": r"(?:\b(?:saying|note that|note)\b:?|:)\s*(.+)",
    "task": r"\b(?:to|:)\s+(.+)",
}
_MARKERS = {stem(word): pattern for word, pattern in _MARKED.items()}
_POLITE = re.compile(
    r"^(?:(?:hi|hello|hey|please|kindly|ok|okay|and|also|but|just|so|now|then|first|well|thanks|quickly)\b[\s,!]*"
    r"|(?:can|could|would|will) you (?:please )?(?:tell me |let me know |show me |find out |say |help me )?"
    r"|(?:i would|i'd) (?:like|love) (?:you )?to (?:know |ask )?|i (?:want|need) (?:you )?to (?:know )?"
    r"|(?:do you know|tell me|let me know|i wonder)\b[\s,]*(?:if |whether )?)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Param:
    """One value that a tool takes; those within nested objects stand for themselves.

    Attributes:
        path: The names that lead to it.
        schema: Its JSON schema, references resolved.
        required: Whether a call needs it.
        kind: What sort of value it takes, such as ``number`` or ``date``.
        name: The stems of its name.
        about: The stems of its description.
    """

    path: tuple[str, ...]
    schema: dict[str, Any]
    required: bool
    kind: str
    name: tuple[str, ...]
    about: frozenset[str]

    @property
    def spoken(self) -> str:
        """Its name in plain words."""
        return " ".join(self.path).replace("_", " ").replace("-", " ").strip() or "value"


@dataclass
class Filled:
    """The values found for a tool's parameters.

    Attributes:
        values: By path.
        scores: How well each fits its parameter.
        missing: What is required and was not found.
    """

    values: dict[tuple[str, ...], Any] = field(default_factory=dict)
    scores: dict[tuple[str, ...], float] = field(default_factory=dict)
    missing: list[Param] = field(default_factory=list)

    @property
    def arguments(self) -> dict[str, Any]:
        """As the tool takes them: nested again."""
        found: dict[str, Any] = {}
        for path, value in self.values.items():
            inner = found
            for name in path[:-1]:
                inner = inner.setdefault(name, {})
            inner[path[-1]] = value
        return found


Candidate = tuple[float, int, int, Any]  # how well it fits, where it stands in the text, the value


def resolved(schema: Any, root: dict[str, Any], depth: int = 0) -> dict[str, Any]:
    """A schema without references and without the choice of null.

    Args:
        schema: Any part of a tool's JSON schema.
        root: The whole, with its ``$defs``.
        depth: How far down already; schemas may contain themselves.

    Returns:
        The schema that a value must fit, its own description kept.
    """
    if not isinstance(schema, dict) or depth > 6:
        return {}
    inner: Any = None
    if isinstance(schema.get("$ref"), str):
        inner = root
        for part in schema["$ref"].lstrip("#/").split("/"):
            inner = inner.get(part) if isinstance(inner, dict) else None
    else:
        for choice in ("anyOf", "oneOf", "allOf"):
            options = [o for o in schema.get(choice) or [] if isinstance(o, dict) and o.get("type") != "null"]
            if options:
                inner = options[0]
                break
    if inner is None:
        return schema
    return {**resolved(inner, root, depth + 1), **{k: v for k, v in schema.items() if k in ("description", "default")}}


def params_of(schema: Any) -> list[Param]:
    """The values that a tool takes.

    Args:
        schema: The JSON schema of the tool's parameters; anything else counts as none.

    Returns:
        One each, in the schema's order, those of nested objects included.
    """
    return list(_params(schema, schema, (), True)) if isinstance(schema, dict) else []


def _params(schema: dict[str, Any], root: dict[str, Any], path: tuple[str, ...], needed: bool) -> Iterator[Param]:
    properties = schema.get("properties")
    required = schema.get("required")
    for name, part in (properties if isinstance(properties, dict) else {}).items():
        own = resolved(part, root)
        must = needed and name in (required if isinstance(required, list) else [])
        if isinstance(own.get("properties"), dict) and len(path) < 4:
            yield from _params(own, root, (*path, name), must)
        else:
            if isinstance(own.get("items"), dict):
                own = {**own, "items": _whole(resolved(own["items"], root), root)}
            about = frozenset(stems(str(own.get("description") or "")))
            named = tuple(stems(name)) or (name,)
            yield Param((*path, name), own, must, _kind(own, named, own.get("description")), named, about)


def _whole(schema: dict[str, Any], root: dict[str, Any]) -> dict[str, Any]:
    return {**schema, "$defs": root.get("$defs", {})} if "properties" in schema else schema


def _kind(schema: dict[str, Any], name: tuple[str, ...], description: Any) -> str:
    declared = schema.get("type")
    if isinstance(declared, list):
        declared = next((t for t in declared if t != "null"), None)
    if schema.get("enum") or "const" in schema:
        return "enum"
    plain = {"boolean": "flag", "integer": "number", "number": "number", "array": "list", "object": "object"}
    if declared in plain:
        return plain[declared]
    form = {"date": "date", "date-time": "date", "email": "email", "uri": "url", "time": "time"}
    if schema.get("format") in form:
        return form[schema["format"]]
    for word in (*reversed(name), *stems(str(description or ""))):
        if word in _KIND_OF:
            return _KIND_OF[word]
    return "text"


def fill(params: Iterable[Param], text: Text, own: frozenset[str] = frozenset(), prose: bool = True) -> Filled:
    """Finds the values of parameters in a text.

    Args:
        params: What to find.
        text: Where to look.
        own: The stems of the tool's own name and description: words that name the tool are no values.
        prose: Whether free-text parameters may take the clause as it stands.

    Returns:
        What was found, each value used once, and what is missing.
    """
    wanted = list(params)
    offers: list[tuple[float, int, int, int, Any]] = []
    for index, param in enumerate(wanted):
        for score, start, end, value in _candidates(param, text, own):
            bar = 0.45 if param.required else 2.0
            if score >= bar:
                offers.append((score, index, start, end, value))
    # The best fits first; among equals, values go to parameters in the order of both.
    offers.sort(key=lambda o: (-round(o[0] + (0.3 if wanted[o[1]].required else 0), 3), o[1], o[2]))
    filled, used = Filled(), list[tuple[int, int]]()
    for score, index, start, end, value in offers:
        path = wanted[index].path
        if path in filled.values or any(start < e and s < end for s, e in used):
            continue
        filled.values[path], filled.scores[path] = value, score
        used.append((start, end))
    if prose:
        _add_prose(wanted, text, own, used, filled)
    filled.values = {p.path: filled.values[p.path] for p in wanted if p.path in filled.values}
    touched = {path[:n] for path in filled.values for n in range(1, len(path))}
    filled.missing = [p for p in wanted if p.path not in filled.values and (p.required or p.path[:-1] in touched)]
    filled.missing = [p for p in filled.missing if p.required]
    return filled


def _add_prose(
    wanted: list[Param], text: Text, own: frozenset[str], used: list[tuple[int, int]], filled: Filled
) -> None:
    for param in wanted:
        if param.kind == "prose" and param.required and param.path not in filled.values:
            value = _content(text, own, used) if set(param.name) & _CONTENT else polite_free(text.text)
            if value:
                filled.values[param.path], filled.scores[param.path] = value, 0.5


def polite_free(text: str) -> str:
    """A clause without its leading politeness.

    Args:
        text: What a person wrote.

    Returns:
        The request itself.
    """
    before = None
    text = text.strip(" ,;\n\t")
    while before != text:
        before, text = text, _POLITE.sub("", text, count=1).strip(" ,;\n\t")
    return re.sub(r"[,\s]+please\W*$", "", text, flags=re.IGNORECASE)


def _content(text: Text, own: frozenset[str], used: list[tuple[int, int]]) -> str:
    """What a request is about: without the words that name the tool, and without what other arguments took."""
    clause, end = text.text, len(text.text)
    for start, stop in sorted(used, reverse=True):
        if clause[stop:end].strip(" .?!,") == "":
            end = start
            end -= len(clause[:end]) - len(re.sub(r"\s*\b(?:in|into|to|for|from|at|on|with|by)\s*$", "", clause[:end]))
    body = polite_free(clause[:end])
    while match := re.match(r"(?:the|a|an|this|that|to|of|about|for|me|us|is|new|word|phrase|" r"[\w']+)\b\s*", body):
        word = match[0].strip().lower()
        skip = word in {"the", "a", "an", "this", "to", "of", "about", "me", "us", "new", "that", "word", "phrase"}
        if not skip and not set(stems(word)) & own:
            break
        body = body[match.end() :]
    return body.strip(" .?!,:") or polite_free(clause)


def _candidates(param: Param, text: Text, own: frozenset[str]) -> list[Candidate]:
    finder = _FINDERS.get(param.kind, _text_values)
    return finder(param, text, own)


def _near(param: Param, text: Text, mention: Mention) -> float:
    """From 0 to 3: whether the parameter's name, or else its description, stands close to a mention."""
    return 2 * text.closeness(mention, param.name) + text.closeness(mention, param.about - set(param.name))


def _direction(param: Param, mention: Mention) -> float:
    words = {word for name in param.path for word in stems(name)}
    if mention.before in ("from", "between"):
        return 2.0 if words & _FROM else -1.0 if words & _TO else 0.0
    if mention.before in ("to", "into", "until", "till"):
        return 2.0 if words & _TO else -1.0 if words & _FROM else 0.0
    return 0.0


def _numbers(param: Param, text: Text, own: frozenset[str]) -> list[Candidate]:
    words = set(param.name) | param.about
    found: list[Candidate] = []
    for mention in text.mentions("number"):
        value: Any = mention.value
        if param.schema.get("type") == "integer":
            if value != int(value):
                continue
            value = int(value)
        score = 1.0 + _near(param, text, mention) + _direction(param, mention) + _unit_fits(words, mention)
        start, end = _unit_place(text, mention)
        span = (end, mention.end) if start == mention.start < end else (mention.start, start)
        found.append((score - (0.4 if mention.spelled else 0.0), *span, value))
    return found


def _unit_place(text: Text, mention: Mention) -> tuple[int, int]:
    """Where a number's unit stands: before it, as "$", or after it; empty, at its end, without a unit."""
    said = text.text[mention.start : mention.end]
    if said[0] in "$€£¥":
        return mention.start, mention.start + 1
    if said[-1] in "$€£¥":
        return mention.end - 1, mention.end
    return mention.end - (len(mention.unit_text) if said.endswith(mention.unit_text) else 0), mention.end


def _unit_fits(words: set[str], mention: Mention) -> float:
    if mention.unit in ("money", "percent"):
        return 2.0 if words & (_MONEY if mention.unit == "money" else _PERCENT) else -0.4
    unit = stem(mention.unit)
    if not unit:
        return 0.0
    if unit in words:
        return 3.0
    dimension = _DIMENSIONS.get(unit)
    if dimension is None:
        return 0.0
    return 2.0 if dimension & words else -0.6 if "unit" in words or words & _MONEY - {stem("value")} else -0.3


def _enums(param: Param, text: Text, own: frozenset[str]) -> list[Candidate]:
    found: list[Candidate] = []
    options = param.schema.get("enum") or [param.schema.get("const")]
    for option in options if isinstance(options, list) else []:
        place = text.place_of(str(option))
        if place:
            mention = Mention("word", option, *place)
            turn = _direction(param, Mention("word", option, *place, before=text.word_before(place[0])))
            found.append((3.0 + _near(param, text, mention) + turn, *place, option))
    return found or ([(0.6, 0, 0, options[0])] if len(options) == 1 and param.required else [])


def _flags(param: Param, text: Text, own: frozenset[str]) -> list[Candidate]:
    telling = [w for w in param.name if w not in own] or list(param.name)
    for word, start, end in text.tokens:
        if word in telling and len(word) > 2:
            no = re.search(r"\b(?:no|not|without|don't|do not|never|skip)(?:\s+\w+)?\s*$", text.text[:start], re.I)
            return [(2.5, start, end, not no)]
    return []


def _expressions(param: Param, text: Text, own: frozenset[str]) -> list[Candidate]:
    return [(4.0, m.start, m.end, m.value) for m in text.mentions("expression")]


def _of_kind(kind: str) -> Callable[[Param, Text, frozenset[str]], list[Candidate]]:
    def find(param: Param, text: Text, own: frozenset[str]) -> list[Candidate]:
        return [
            (2.2 + _near(param, text, m) + _direction(param, m), m.start, m.end, m.value) for m in text.mentions(kind)
        ]

    return find


def _units(param: Param, text: Text, own: frozenset[str]) -> list[Candidate]:
    """The unit of a number is what to convert from; one after ``to`` what to convert to."""
    found: list[Candidate] = []
    source, target = set(param.name) & _FROM, set(param.name) & _TO
    for mention in text.mentions("number"):
        if mention.unit_text and not (target and not source):
            found.append((2.5 if source else 2.1, *_unit_place(text, mention), mention.unit_text))
    for match in re.finditer(r"\b(?:to|into|in)\s+([A-Za-z°]+)", text.text):
        if not source:
            found.append((2.5 if target else 1.5, match.start(1), match.end(1), match[1]))
    for match in re.finditer(r"\bfrom\s+([A-Za-z°]+)", text.text):
        if not target:
            found.append((2.6 if source else 1.5, match.start(1), match.end(1), match[1]))
    return found


def _ids(param: Param, text: Text, own: frozenset[str]) -> list[Candidate]:
    found: list[Candidate] = []
    for mention in text.mentions("id"):
        named = set(stems(str(mention.value)))
        score = 2.2 + _near(param, text, mention) + (1.5 if named & set(param.name) else 0)
        found.append((score - (2.5 if named <= own else 0), mention.start, mention.end, mention.value))
    for match in text.after_word(param.name):  # "order 7", "ticket number 12", "project alpha"
        plain = match[1]
        score = 2.4 if any(c.isdigit() for c in plain) else 0.9 if plain[0].isupper() else 0
        found.append((score, match.start(1), match.end(1), plain))
    return found + [(s - 1.2, a, b, v) for s, a, b, v in _names(param, text, own) if s > 1.5]


def _names(param: Param, text: Text, own: frozenset[str]) -> list[Candidate]:
    found: list[Candidate] = []
    for mention in text.mentions("name"):
        if set(stems(str(mention.value))) <= own:
            continue
        start, value = _after_verb(mention, own)
        usual = 1.0 if mention.before in ("in", "for", "of", "at", "with", "by", "to", "near", "on") else 0.0
        opening = mention.opening and start == mention.start
        score = (0.3 if opening else 1.2) + usual + _near(param, text, mention) + _direction(param, mention)
        found.append((score + _place_or_person(param, mention), start, mention.end, value))
    for mention in text.mentions("lower"):
        if not set(stems(str(mention.value))) & own:
            found.append((0.7 + _direction(param, mention) / 2, mention.start, mention.end, mention.value))
    quoted = [(1.9 + _near(param, text, m), m.start, m.end, m.value) for m in text.mentions("quoted")]
    ids = [(0.8, m.start, m.end, m.value) for m in text.mentions("id") if not set(stems(str(m.value))) <= own]
    return found + quoted + ids


def _after_verb(mention: Mention, own: frozenset[str]) -> tuple[int, str]:
    """A name without the verb that stands before it at a sentence's beginning, such as "Invite Ann"."""
    first, _, rest = str(mention.value).partition(" ")
    if mention.opening and rest and matches(stem(first), set(own)):
        return mention.end - len(rest), rest
    return mention.start, str(mention.value)


def _place_or_person(param: Param, mention: Mention) -> float:
    words = set(param.name)
    if mention.before in ("in", "at", "near"):
        return 0.6 if words & _PLACE else -0.4 if words & _PERSON else 0.0
    if mention.before in ("to", "with", "by", "for"):
        return 0.3 if words & _PERSON else 0.0
    return 0.0


def _prose(param: Param, text: Text, own: frozenset[str]) -> list[Candidate]:
    found: list[Candidate] = [
        (3.0 + _near(param, text, m), m.start, m.end, m.value)
        for m in text.mentions("quoted")
        if param.required or text.closeness(m, param.name) > 0.3
    ]
    for word in param.name:
        if word in _MARKERS and (match := re.search(_MARKERS[word], text.text, re.IGNORECASE | re.DOTALL)):
            value = re.split(r",\s+(?=and\b|with\b|priority\b)", match[1])[0].strip(" .!\"'")
            if value:
                found.append((2.5, match.start(), match.start(1) + len(value), value))
    return found


def _text_values(param: Param, text: Text, own: frozenset[str]) -> list[Candidate]:
    """A string that nothing is known of: what follows its name, or else whatever stands out."""
    found: list[Candidate] = []
    for match in text.after_word(param.name):
        found.append((2.3, match.start(1), match.end(1), match[1]))
    for match in text.before_word(param.name):
        if not set(stems(match[1])) & own:
            found.append((1.8, match.start(1), match.end(1), match[1]))
    found += _after_own(text, own)
    for mention in text.mentions("quoted"):
        found.append((2.0 + _near(param, text, mention), mention.start, mention.end, mention.value))
    for mention in text.mentions("id"):
        if not set(stems(str(mention.value))) <= own:
            found.append((1.2 + _near(param, text, mention), mention.start, mention.end, mention.value))
    return found + [(score - 0.2, a, b, value) for score, a, b, value in _names(param, text, own)]


def _after_own(text: Text, own: frozenset[str]) -> list[Candidate]:
    """What follows the tool's verb at the beginning: "start X"."""
    match = re.match(r"\W*(?:please\s+)?(\w+)\s+(?:the\s+)?([\w.-]*\w)", text.text)
    if (
        not match
        or stem(match[1]) not in own
        or set(stems(match[2])) & own
        or match[2].lower() in ("a", "an", "up", "all")
    ):
        return []
    return [(0.6, match.start(2), match.end(2), match[2])]


def _lists(param: Param, text: Text, own: frozenset[str]) -> list[Candidate]:
    items = param.schema.get("items")
    schema: dict[str, Any] = items if isinstance(items, dict) else {}
    if isinstance(schema.get("properties"), dict):
        return _object_lists(schema, text)
    named = (*param.name, *param.about)
    kind = _kind(schema, param.name, schema.get("description") or param.schema.get("description"))
    single = Param(param.path, schema, True, "name" if kind in ("text", "prose") else kind, tuple(named), param.about)
    found = [c for c in _candidates(single, text, own) if c[0] >= 0.5]
    if kind in ("text", "prose", "name"):
        found = _listed(param, text, found) or [c for c in found if c[0] >= 1.2] or found[:1]
    unique: dict[tuple[int, int], Any] = {}
    for _score, start, end, value in sorted(found, key=lambda c: c[1]):
        if not any(start < e and s < end for s, e in unique):
            unique[start, end] = value
    if not unique:
        return []
    best = max(c[0] for c in found) + (0.5 if len(unique) > 1 else 0)
    return [(best, min(s for s, _ in unique), max(e for _, e in unique), list(unique.values()))]


def _listed(param: Param, text: Text, found: list[Candidate]) -> list[Candidate]:
    """Items in small letters: a row of words, the nearest to the parameter's name."""
    rows = [Mention("row", m[0], *m.span()) for m in text.lists()]
    if sum(c[0] >= 1.2 for c in found) > 1 or not rows:
        return []
    best = max(rows, key=lambda row: (_near(param, text, row), len(row.value)))
    return [
        (2.0, best.start + item.start(), best.start + item.end(), item[0])
        for item in re.finditer(r"[\w-]+", best.value)
        if item[0] != "and"
    ]


def _object_lists(schema: dict[str, Any], text: Text) -> list[Candidate]:
    inner = params_of(schema)
    rows = []
    for piece in re.split(r",|\band\b|;", text.text):
        filled = fill(inner, Text(piece), prose=False)
        if filled.values and not filled.missing:
            rows.append(filled.arguments)
    return [(2.0, 0, 0, rows)] if rows else []


def _objects(param: Param, text: Text, own: frozenset[str]) -> list[Candidate]:
    """An object of which the schema says nothing: ``key: value`` and ``key=value`` pairs."""
    pairs = re.findall(r"\b(\w+)\s*[:=]\s*(\w+)", text.text)
    return [(2.0, 0, 0, dict(pairs))] if pairs else []


_FINDERS: dict[str, Callable[[Param, Text, frozenset[str]], list[Candidate]]] = {
    "number": _numbers,
    "enum": _enums,
    "flag": _flags,
    "expression": _expressions,
    "date": _of_kind("date"),
    "time": _of_kind("time"),
    "email": _of_kind("email"),
    "url": _of_kind("url"),
    "unit": _units,
    "path": lambda p, t, o: [*_of_kind("path")(p, t, o), *_text_values(p, t, o)],
    "id": _ids,
    "name": _names,
    "prose": _prose,
    "list": _lists,
    "object": _objects,
    "text": _text_values,
}


@lru_cache(maxsize=512)
def text_of(text: str) -> Text:
    """A text, looked through once.

    Args:
        text: What a person or a tool wrote.

    Returns:
        Its mentions.
    """
    return Text(text)
