"""Puts a call right whose arguments a tool did not take, by what the tool said about them."""

from __future__ import annotations

import re
from typing import Any

from workshop_lib.llm.arguments import Param, fill, text_of
from workshop_lib.llm.conversation import Done
from workshop_lib.llm.mentions import stems

_EXTRA = re.compile(r"unexpected|extra|unknown|not permitted|not allowed|unrecognized", re.IGNORECASE)
_MISSING = re.compile(r"missing|required", re.IGNORECASE)
_TYPES = (
    ("integer", r"\b(?:int|integer|whole number)\b"),
    ("number", r"\b(?:number|float|numeric|decimal)\b"),
    ("string", r"\b(?:str|string|text)\b"),
    ("array", r"\b(?:list|array)\b"),
    ("boolean", r"\b(?:bool|boolean|true or false)\b"),
)


def repaired(done: Done, params: list[Param], own: frozenset[str], texts: list[str]) -> dict[str, Any]:
    """The arguments of a call, changed by what the tool said about them.

    Args:
        done: The call and the tool's answer.
        params: What the tool takes, by its schema.
        own: The stems of the tool's name and description.
        texts: Where to look for values: what the user wrote, the latest first.

    Returns:
        The new arguments; those of the call if nothing can be changed.
    """
    known = {p.path[0] for p in params}
    said = re.sub(
        r"^([\w.]+)\n\s+", r"\1: ", done.text, flags=re.MULTILINE
    )  # pydantic names a field on a line of its own
    remarks = re.split(r"[;\n]+|,\s+(?=['\"`\w]+['\"`]? (?:is|must|was)|missing|unexpected|unknown)|\.\s+", said)
    arguments = {name: value for name, value in done.arguments.items() if name in known}
    for name in list(arguments):
        if any(_EXTRA.search(r) and _names(r, name) for r in remarks):
            del arguments[name]
    _fill_in(arguments, params, own, texts, done.text)
    for name in _new_names(remarks, known | set(done.arguments)):
        _fill_in(arguments, [Param((name,), {}, True, "text", tuple(stems(name)), frozenset())], own, texts, done.text)
    for param in params:
        for remark in remarks:
            if len(param.path) == 1 and _names(remark, param.path[0]) and param.path[0] in arguments:
                arguments[param.path[0]] = _changed(arguments[param.path[0]], remark, param, texts)
        if len(param.path) == 1 and param.path[0] in arguments:
            declared = str(param.schema.get("type") or "")
            if not any(_names(r, param.path[0]) for r in remarks):
                arguments[param.path[0]] = cast(arguments[param.path[0]], declared)
    return arguments


def _fill_in(
    arguments: dict[str, Any], params: list[Param], own: frozenset[str], texts: list[str], remark: str
) -> None:
    """Adds what is required by the schema, or missing by what the tool said."""
    for param in params:
        needed = param.required or (_MISSING.search(remark) and _names(remark, param.path[-1]))
        if not needed or param.path[0] in arguments:
            continue
        wanted = Param(param.path, param.schema, True, param.kind, param.name, param.about)
        for text in texts:
            found = fill([wanted], text_of(text[:4000]), own)
            if found.values:
                arguments.update(found.arguments)
                break


def _new_names(remarks: list[str], known: set[str]) -> list[str]:
    """Names that the tool misses but its schema does not tell of."""
    found = []
    for remark in remarks:
        if _MISSING.search(remark) and not _EXTRA.search(remark):
            found += [n for n in re.findall(r"['\"`](\w+)['\"`]", remark) if n not in known]
    return found


def _names(remark: str, name: str) -> bool:
    return bool(re.search(rf"(?<!\w){re.escape(name)}(?!\w)", remark))


def _changed(value: Any, remark: str, param: Param, texts: list[str]) -> Any:
    """A value as a remark wants it."""
    choices = re.search(r"(?:one of|either|should be|expected)[:\s]+(.+)", remark, re.IGNORECASE)
    options = re.findall(r"['\"`]([^'\"`]+)['\"`]", choices[1]) if choices else []
    if choices and not options and "one of" in choices[0]:
        options = [o.strip(" .[]()") for o in re.split(r",|\bor\b|\band\b", choices[1]) if o.strip(" .[]()")]
    if options:
        said = next((o for t in [str(value), *texts] for o in options if text_of(t).place_of(o)), None)
        return value if said is None else said
    for kind, pattern in _TYPES:
        if re.search(pattern, remark.split("got")[0].split("not ")[0], re.IGNORECASE):
            return cast(value, kind)
    if re.search(r"\b(?:ISO|YYYY|date)\b", remark) and (dates := text_of(str(value)).mentions("date")):
        return dates[0].value
    if re.search(r"positive|greater than|at least", remark) and isinstance(value, int | float) and value < 0:
        return -value
    if re.search(r"\bupper", remark, re.IGNORECASE):
        return str(value).upper()
    return str(value).lower() if re.search(r"\blower ?case", remark, re.IGNORECASE) else value


def cast(value: Any, kind: str) -> Any:
    """A value as another type.

    Args:
        value: What a call had.
        kind: A type of JSON schema.

    Returns:
        The value as that type; unchanged where it says nothing of the kind.
    """
    if kind in ("integer", "number") and isinstance(value, str):
        numbers = text_of(value).mentions("number")
        value = numbers[0].value if numbers else value
    if kind == "integer" and isinstance(value, float):
        return int(value)
    if kind == "string" and isinstance(value, int | float):
        return str(value).lower() if isinstance(value, bool) else str(value)
    if kind == "array" and not isinstance(value, list):
        return [value]
    if kind == "boolean" and str(value).lower() in ("true", "yes", "1", "false", "no", "0"):
        return str(value).lower() in ("true", "yes", "1")
    return value
