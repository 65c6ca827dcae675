"""The choices of an offline stand-in for a language model: rules that match a request with the tools at hand."""

import json
import re
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache, partial
from hashlib import sha256
from itertools import pairwise
from math import log
from typing import Any

from workshop_lib.agents.model.arguments import (
    WITHIN,
    WORDS,
    Found,
    Param,
    bare,
    fill,
    nested,
    params_of,
    pattern,
    stems,
)

_BAR, _BAR_FREE = 1.15, 0.6  # what a request must score for a tool, and for one of free text where no other fits
_REPAIRS = 2  # in a turn
_LONGEST = 4_100  # characters that are read of a message
_WORTH = {"expression": 3.0, "unit": 1.3, "id": 0.7, "date": 0.7, "enum": 0.7, "list": 0.9}
_COMMON = set(stems(WORDS["common"]))
_SYNONYMS = [set(stems(line)) for line in WORDS["alike"]]
_re = partial(re.compile, flags=re.IGNORECASE | re.DOTALL)
_BACK = _re(r"\b(?:(?:that|this|the) (?:result|number|price|amount)|it|that(?! \w+ (?:is|are))|this|there|them)\b")
_THEN = _re(r"[\s,;.]*\b(?:and\s+|but\s+)?(?:then|after that|finally|(?=use (?:the|that) result))\b[\s,]*")
_CUT = _re(r"(?<!\bDr)(?<!\bMr)[.?!;]+(?=\s|$)|,?\s+(?:and|also|plus|as well as|but|compared to)\s+(?=\S)|,\s+|\n+")
_NOT = pattern("not", re.IGNORECASE | re.DOTALL)
_FACT = pattern("fact", re.IGNORECASE | re.DOTALL)
_FLIP = _re(r"\b(" + "|".join(sorted(WORDS["you"], key=len, reverse=True)) + r")(?![\w'’])")
_ABOUT_ME = _re(r".*(?:\b(?:what|who|which|where|how)\b[\w'’ ]{0,25} (?:my|our|i|we|me)\b|\bremember\b)")
_ADVICE = _re(r"\b(?:can|could|should|may|must|need|to do)\b")
_RECALL = _re(r"\bdid you (?:say|tell|find)\b|\byou (?:said|told|found)\b|\bwas\b.*\bagain\b")
_WRONG = pattern("wrong", re.IGNORECASE | re.DOTALL)
_FAILED = _re(r"\W*(?:an )?error\b|.{0,60}\b(?:failed|unavailable|declined|refused|timed out)\b(?!.{40})")
_flipped = partial(_FLIP.sub, lambda m: WORDS["you"][m[0].lower()])  # "my name is Ann" becomes "your name is Ann"
_json = partial(json.dumps, ensure_ascii=False, default=str)
_sentences = re.compile(r"(?<=[.!?])\s+").split
_Calls = list[tuple[str, str]]  # names, and arguments as JSON


@dataclass(frozen=True)
class _Tool:
    name: str
    params: tuple[Param, ...]
    own: frozenset[str]  # the stems of its name and description
    weights: dict[str, float]  # how much each stem that speaks for it counts

    def fill(self, text: str, prose: bool = True) -> Found:
        return fill(self.params, text, self.own, prose)

    def lacks(self, found: Found) -> list[Param]:
        return [p for p in self.params if p.required and p.name not in found]

    def question(self, found: Found) -> str:
        needed = " and the ".join(_spoken(param.name.split(WITHIN)[-1]) for param in self.lacks(found))
        return f"For the {_spoken(self.name)} I need the {needed}: what should I take?"

    def adds_only(self, said: str, others: int) -> bool:
        new = self.fill(said, prose=False)
        held = {*stems(" ".join(str(value) for _, value in new.values())), *self.own, *self.weights}
        needed = [new.get(p.name, (0.0,))[0] for p in self.params if p.required and p.kind != "list"]
        return max(needed, default=0.0) >= 1.0 and sum(word not in held for word in _content(said)) <= others

    @property
    def free(self) -> bool:  # takes nothing but free text, and so may be asked anything
        return bool(self.params) and all(p.kind == "prose" for p in self.params if p.required)


class _Done:
    def __init__(self, function: dict[str, Any]) -> None:
        self.name, self.arguments, self.text = str(function.get("name")), None, ""
        with suppress(ValueError):  # a model may write anything
            self.arguments = json.loads(function.get("arguments") or "{}")

    @property
    def state(self) -> str:
        text = _words_of(self.text)[:400]
        return "wrong" if _WRONG.match(text) else "failed" if _FAILED.match(text) else "fine"


_Want = tuple[_Tool, str, int]  # a tool, the text that asks for it, and where that begins


@lru_cache(maxsize=64)
def _read_tools(text: str) -> tuple[_Tool, ...]:
    """The tools of JSON text (so that a set already read is known again); words that many share count little."""
    functions = [t["function"] for t in json.loads(text) if isinstance(t, dict) and isinstance(t.get("function"), dict)]
    texts = [(str(f.get("name")), str(f.get("description") or "")) for f in functions]
    read = [(*text, tuple(params_of(f.get("parameters")))) for f, text in zip(functions, texts, strict=True)]
    fields = [dict[str, float]() for _ in read]
    for weighed, (name, description, params) in zip(fields, read, strict=True):
        about, names = [word for p in params for word in p.about], [word for p in params for word in p.words]
        options = stems(" ".join(str(option) for p in params for option in p.schema.get("enum") or []))
        parts = (about, 0.9), (stems(description), 1.3), (names, 1.4), (options, 2.0), (stems(name), 3.0)
        weighed.update({w: weight for words, weight in parts for w in words if w not in _COMMON and w.isalpha()})
    found, count = [], len(read) + 1
    for weighed, (name, description, params) in zip(fields, read, strict=True):
        rare = {w: max(log(count / sum(w in other for other in fields)) / log(count), 0.05) for w in weighed}
        own = frozenset(w for w in stems(f"{name} {description}") if not w.isdigit())
        found.append(_Tool(name, params, own, {word: weight * rare[word] for word, weight in weighed.items()}))
    return tuple(found)


def plan(messages: list[dict[str, Any]], tools: list[dict[str, Any]]) -> dict[str, Any]:
    """Chooses the assistant's next message. All is in OpenAI's chat-completions form; the same input gives the same."""
    more = [tool for tool in tools or [] if "none of your other tools fits" in str(tool)]
    read = _read_tools(json.dumps([tool for tool in tools or [] if tool not in more], default=str))
    turn = _Turn(messages, list(read), [(tool["function"]["name"], "{}") for tool in more])
    said = turn.next() if turn.request else "What can I do for you?"
    if isinstance(said, str):
        return {"role": "assistant", "content": said}
    digest = sha256(json.dumps(messages, default=str).encode()).hexdigest()[:16]  # no two calls share an id
    calls = [
        {"id": f"call_{digest}_{at}", "type": "function", "function": {"name": name, "arguments": arguments}}
        for at, (name, arguments) in enumerate(dict.fromkeys(said))
    ]
    return {"role": "assistant", "content": None, "tool_calls": calls}


class _Turn:
    """What to do about the user's latest message, after what was done about it already."""

    def __init__(self, messages: list[dict[str, Any]], tools: list[_Tool], more: _Calls) -> None:
        self.tools, self.more, self.request, by_id = tools, more, "", dict[str, _Done]()
        self.asked = self.unmet = False  # whether we asked the user; whether no tool fits a part of the request
        self.older, self.earlier = list[str](), list[_Done]()  # texts, the latest first; what calls came to
        self.rounds = list[list[_Done]]()
        for message in messages:
            role, text = message.get("role"), _plain(message.get("content"))
            if role == "user":
                self.older = [self.request, *self.older] if self.request else self.older
                self.earlier += [d for done in self.rounds for d in done if d.text]
                self.request, self.rounds = text, []
            elif role == "tool" and message.get("tool_call_id") in by_id:
                by_id[message["tool_call_id"]].text = text or "nothing"
            elif role == "assistant" and message.get("tool_calls"):
                self.rounds.append([_Done(c.get("function") or {}) for c in message["tool_calls"]])
                by_id.update(zip((c.get("id") for c in message["tool_calls"]), self.rounds[-1], strict=True))
            elif role == "assistant":
                self.asked = text.endswith("what should I take?")
        # An agent with other tools may have handed over to us: what it did is not ours.
        ours = {tool.name for tool in tools}
        done = [[d for d in r if d.text and (d.name in ours or d.state != "fine")] for r in self.rounds]
        self.rounds = [r for r in done if r]

    def next(self) -> str | _Calls:
        if self.rounds:
            return self._after_results()
        asks_fact = _ABOUT_ME.match(self.request) and not _ADVICE.search(self.request)
        known = self._recalled() if asks_fact else ""
        if quick := self._small_talk(self.request) or known or self._found_before(_RECALL.search(self.request) is None):
            return quick
        if stages := self._stages():
            return self.more if self.unmet and self.more else self._start(stages[0], "")
        if facts := [t for t in map(_fact, _sentences(self.request)) if t]:
            return f"I will remember that {', and that '.join(_flipped(t) for t in facts)}."
        if self._wanted(self.request) != self.request:
            return "All right, I will not do that."
        if asks_fact:
            return self.more or "I do not know that: you have not told me."
        return self._recalled() or self.more or "None of my tools fits that. " + self._small_talk("help")

    def _small_talk(self, plain: str) -> str:
        names = ", ".join(_spoken(t.name) for t in self.tools)
        able = f"I can use these tools: {names}." if names else "I have no tools here."
        plain = re.sub(r"^(?:hi|hello|hey) (?=how|who|what)", "", re.sub(r"[,!.?\s]+", " ", plain.lower()).strip())
        return next((answer.format(able) for said, answer in WORDS["talk"].items() if re.fullmatch(said, plain)), "")

    def _recalled(self) -> str:  # the fact that answers the question
        asked = set(_content(re.sub(r"(?i)\bwho am i\b|\bcall me\b", "name", self.request))) - {"wher"}
        for said in (_flipped(_fact(s)) for text in (self.request, *self.older) for s in _sentences(text)[::-1]):
            held = set(_content(re.sub(r"^you are (?=\d)", "old ", said)))
            if asked and len(asked & held) >= 0.6 * len(asked):
                return f"{said[:1].upper()}{said[1:]}."
        return ""

    def _found_before(self, wholly: bool) -> str:  # an earlier result that has the words of the request
        asked = set(_content(self.request))
        if not asked or (wholly and self._stages()):
            return ""
        held = [(len(asked & set(stems(f"{d.name} {d.text}"[:600]))), at) for at, d in enumerate(self.earlier)]
        most, at = max(held, default=(0, 0))
        return _sentences_of([self.earlier[at]]) if most >= (len(asked) if wholly else 1) else ""

    def _rank(self, text: str) -> list[tuple[float, _Tool]]:  # the best first
        return sorted([(round(self._score(text, tool), 4), tool) for tool in self.tools], key=lambda s: -s[0])

    def _score(self, text: str, tool: _Tool) -> float:
        score, words, named = 0.0, dict.fromkeys(_content(text)), {w for w in stems(tool.name) if w not in _COMMON}
        for word in words:
            near = {w for line in _SYNONYMS if word in line for w in line}
            score += tool.weights.get(word) or 0.55 * max((tool.weights.get(w, 0.0) for w in near), default=0.0)
        score += len(named & set(words)) / len(named) if named else 0.0
        takes, fit = {p.kind for p in tool.params}, 0.0
        if score <= 0.3 and not takes & {"expression", "unit"}:
            return score
        said = _BACK.sub("1", text) if "expression" in takes else text  # "add 8 to it"
        said += "\n" + self.older[0] if self.older and _BACK.search(text) else ""
        found = tool.fill(said, prose=False)
        for param in [p for p in tool.params if p.required and p.kind != "prose"]:
            sure = found.get(param.name, (-1,))[0]
            fit += _WORTH.get(param.kind, 0.4) if sure >= 2 else 0.3 if sure > 0 else -0.5
        return score + max(fit, -1.0)

    def _choose(self, text: str, bar: float = _BAR) -> _Tool | None:
        score, tool = next(iter(self._rank(text)), (0.0, None))
        return tool if tool and score >= bar and (tool.free or bar == _BAR) else None

    def _wanted(self, text: str) -> str:  # without what is not to be done
        words = {word for tool in self.tools for word in tool.weights}
        near = words | {w for line in _SYNONYMS if line & words for w in line}
        return str(_NOT.sub(lambda m: " " if set(_content(m[0])) & near else m[0], text)).strip()

    def _stages(self) -> list[list[_Want]]:
        """The calls that the message asks for; those of one list can be made at once, later lists come after."""
        text = self._wanted(self.request)
        stages = [wants for step in _THEN.split(text) if (wants := self._wants(step))]
        if not stages and text.strip(" .,!"):
            self.unmet, free = False, self._choose(text, _BAR_FREE)  # asked anything, if some word speaks for it
            stages = [wants for wants in [[(free, bare(text), 0)] if free else self._follow_up(text)] if wants]
        return stages

    def _wants(self, text: str) -> list[_Want]:
        wants, spans = list[_Want](), [(begin, end) for begin, end in _spans(text) if not _fact(text[begin:end])]
        for begin, end in spans:
            clause, start = text[begin:end], spans[0][0]
            if not wants:
                tool = self._choose(clause) or self._choose(text[start:end])
                wants += [(tool, bare(text[start:end]), start)] if tool else []
                self.unmet |= not tool and bool(_content(clause)) and not self._small_talk(clause)
                continue
            (last, said, since), tool, clause = wants[-1], self._choose(clause), "and " + bare(clause)
            joined = ("and " if since else "") + bare(text[since:end])
            if tool and tool.free and set(_content(clause)) <= set(stems(tool.name)):  # "Ask the …": only whom to ask
                wants[-1] = tool, joined, since
            elif tool and not self._completes(last, said, joined, tool, clause):
                wants.append((tool, clause, begin))
            elif not last.lacks(last.fill(said)) and last.adds_only(clause, 0):
                wants.append((last, clause, begin))
            else:
                self.unmet |= not tool and last.fill(joined) == last.fill(said)
                wants[-1] = last, joined, since
        return wants

    def _completes(self, last: _Tool, said: str, joined: str, tool: _Tool, clause: str) -> bool:
        missing = bool(tool.lacks(tool.fill(clause, prose=False))) and not tool.free
        before, after = last.fill(said), last.fill(joined)
        longer = any(isinstance(v, list) and v != before.get(k, (0, 0))[1] for k, (_, v) in after.items())
        if tool.name == last.name:
            return missing or longer or tool.free or not any(p.required for p in tool.params)
        scores = {t.name: score for score, t in self._rank(clause)}
        weak = longer or scores[last.name] >= 0.6 * scores[tool.name]
        return (missing and weak) or len(last.lacks(after)) < len(last.lacks(before))

    def _follow_up(self, text: str) -> list[_Want]:  # an answer to a question of ours, or "and for …?"
        fact = _fact(text) and not (self.asked and re.match(r"(?i)i\b", text))  # "I live in …" may answer
        for old in () if fact else self.older:
            tool = self._choose(old) if self._wanted(old) == old else None
            if tool and (self.asked or tool.adds_only("and " + text, 2 * bool(re.match(r"(?i)and|\w+ about", text)))):
                return [(tool, "and " + text, 0)]
        return []

    def _fill(self, want: _Want, result: str) -> Found:
        tool, text, _ = want
        back = bool(_BACK.search(text))
        latest = result or (self.earlier[-1].text if self.earlier else "")
        numbers = re.findall(r"(?<![\w.-])-?\d[\d,]*(?:\.\d+)?(?![\w-])", _words_of(latest)) if back else []
        found = tool.fill(_BACK.sub(numbers[0].replace(",", ""), text) if len(numbers) == 1 else text)
        for source in [result, *(t for t in (self.request, *self.older) if t != text), latest if back else ""]:
            for param in tool.lacks(found) if source else ():
                score, value = fill([param], source, tool.own, prose=False).get(param.name, (-1, None))
                # A number from elsewhere must have something to do with the parameter: better to ask than to guess.
                bar = 0.0 if source == result else 2.1 if param.kind == "number" and not back else 1.2
                if score >= bar and all(value != other for _, other in found.values()):
                    found[param.name] = score, value
        return found

    def _start(self, wants: list[_Want], result: str) -> str | _Calls:
        filled = [(want[0], self._fill(want, result)) for want in wants]
        ready = [(t.name, _json(nested(f))) for t, f in filled if not t.lacks(f)]
        return ready or "\n".join(tool.question(f) for tool, f in filled)

    def _after_results(self) -> str | _Calls:
        last, stages = self.rounds[-1], self._stages()
        repairs = sum(any(d.state == "wrong" for d in done) for done in self.rounds[:-1])
        stage = len(self.rounds) - repairs
        wrong = [(d, at) for at, d in enumerate(last) if d.state == "wrong" and repairs < _REPAIRS]
        if calls := [call for d, at in wrong for call in self._repaired(d, at, stage - 1)]:
            return calls
        done = [d for each in self.rounds for d in each if d.state != "wrong" or each is last]
        fine = [d.text for d in done if d.state == "fine"]
        following = self._start(stages[stage], fine[-1] if fine else "") if len(stages) > stage else ""
        if isinstance(following, list):
            return following
        unasked = [w for wants in stages[: stage + 1] for w in wants if w[0].name not in {d.name for d in done}]
        missing = [w[0].question(f) for w in unasked if w[0].lacks(f := self._fill(w, ""))]
        return "\n".join([_sentences_of(done), *(missing if len(fine) == len(done) else [])])

    def _repaired(self, done: _Done, at: int, stage: int) -> _Calls:  # none if nothing can be changed
        fine = [d.text for each in self.rounds for d in each if d.state == "fine"] if stage else []
        over = [(d.name, d.arguments) for each in self.rounds for d in each if d.state != "wrong"]
        filled = [(w[0], self._fill(w, "".join(fine[-1:]))) for ws in self._stages()[stage : stage + 1] for w in ws]
        calls = [c for tool, f in filled if not tool.lacks(f) and (c := (tool.name, nested(f))) not in over]
        same = [call for call in calls if call[0] == done.name] or calls[at : at + 1] or calls[:1]
        return [(n, _json(a)) for n, a in same[:1] if (n, a) != (done.name, done.arguments)]


def _plain(content: Any) -> str:  # which may come in parts
    parts = content if isinstance(content, list) else [{"text": content}]
    return " ".join(str(part.get("text") or "") for part in parts if isinstance(part, dict))[:_LONGEST].strip()


def _spans(text: str) -> list[tuple[int, int]]:  # the clauses; quotations and dates are not cut
    masked = re.sub(r"\"[^\"]*\"|“[^”]*”|\([^)]*\)|\w+ \d\d?, \d{4}", lambda m: "x" * len(m[0]), text)
    cuts = [(0, 0), *(m.span() for m in _CUT.finditer(masked)), (len(text), len(text))]
    return [(a, b) for (_, a), (b, _) in pairwise(cuts) if text[a:b].strip()][:40]


def _content(text: str) -> list[str]:
    return [word for word in stems(text) if word not in _COMMON][:400]


def _fact(sentence: str) -> str:
    match = None if sentence.rstrip().endswith("?") else _FACT.match(sentence.strip(" .!\n"))
    return (match[1] or match[2]).strip(" .!") if match else ""


def _spoken(name: str) -> str:
    return re.sub(r"[_\-.\s]+", " ", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)).strip() or name


def _sentences_of(done: list[_Done]) -> str:  # one line for each; a sentence as it is
    lines = []
    for each in done:
        name, said = re.sub("^(calculate|get|set) ", "", _spoken(each.name)), _words_of(each.text)
        if each.state != "fine":
            said = f"The {name} did not work: {re.sub(r'^[Ee]rror: ', '', said)}"
        elif not re.search(r"\s|[.!?]$", said) or each.text[:1] == "{":
            said = f"The {name}{':' if ' ' in said else ' says'} {said}"
        lines.append(said if said[-1:] in (".", "!", "?", "”", "…") else said + ".")
    return "\n".join(lines)


def _words_of(text: str) -> str:  # JSON is unwrapped, and an object as Python's str() shows it
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        fields = _re(r"(\w+)=('[^']*'|[^,()]+)").findall(text) if _re(r"\w+\(\w+=.*\)").fullmatch(text.strip()) else []
        value = {name: float(v) if _re(r"-?\d+(\.\d+)?").fullmatch(v) else v.strip("'") for name, v in fields}
        if not value:
            return text.strip() or "nothing"
    value = value.get("text") or value.get("result") or value if isinstance(value, dict) else value
    parts = value.items() if isinstance(value, dict) else [("", v) for v in value] if isinstance(value, list) else []
    if parts:
        return ", ".join(f"{_spoken(name)} {_words_of(_json(part))}".strip() for name, part in parts)
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value).strip() or "nothing"
