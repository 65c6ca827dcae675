"""The choices of an offline stand-in for a language model: rules that match a request with the tools at hand."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from workshop_lib.llm import replies
from workshop_lib.llm.arguments import Filled, fill, polite_free, text_of
from workshop_lib.llm.clauses import pieces, steps, without_facts, without_negations
from workshop_lib.llm.conversation import Conversation, Done
from workshop_lib.llm.memory import asks_again, asks_fact, asks_memory, content_words, recalled, telling
from workshop_lib.llm.mentions import matches, stem, stems
from workshop_lib.llm.repairs import repaired
from workshop_lib.llm.tools import COMMON, Tool, read_tools

_BAR = 1.15  # what a request must score for a tool to be called
_BAR_FREE = 0.6  # the same for one that takes free text only, where no other fits
_REPAIRS = 2
_WORTH = {
    "expression": 3.0,
    "unit": 1.3,
    "id": 0.7,
    "date": 0.7,
    "enum": 0.7,
    "list": 0.9,
}  # what a value of a kind speaks for a tool
_BACK = re.compile(
    r"\b(?:(?:that|this|the) (?:result|answer|outcome|same|latter|number|price|amount|sum|value|total|figure)"
    r"|it|that(?! \w+ (?:is|are))|this|there|them|those|same)\b",
    re.IGNORECASE,
)
_FOLLOW = re.compile(r"^(?:(?:and|what about|how about|also|same|the same|now|ok|or)\b[\s,]*)+", re.IGNORECASE)
_JOINED = re.compile(r"^(?:because|since|so that|if|when|who|which|that|as|due)\b", re.IGNORECASE)


@dataclass
class Want:
    """A call that the user asks for.

    Attributes:
        tool: The tool to call.
        text: The part of the request that asks for it.
        begin: Where that part begins.
        given: Arguments known from a call that it repeats.
        filled: Its arguments, once looked for.
    """

    tool: Tool
    text: str
    begin: int = 0
    given: dict[tuple[str, ...], Any] = field(default_factory=dict)
    filled: Filled = field(default_factory=Filled)


def plan(messages: list[dict[str, Any]], tools: list[dict[str, Any]]) -> dict[str, Any]:
    """Chooses the assistant's next message.

    Args:
        messages: The conversation so far, in OpenAI's chat-completions form.
        tools: The tools that may be called, each with its JSON schema; perhaps none.

    Returns:
        The message: text, or calls of tools. The same for the same input.
    """
    known = read_tools(json.dumps(tools or [], default=str))
    conversation = Conversation(messages, {t.name: frozenset(p.path[0] for p in t.params) for t in known})
    if not conversation.request:
        return replies.say("What can I do for you?")
    return Turn(conversation, list(known)).next()


class Turn:
    """What to do about the user's latest message, after what was done about it already.

    Attributes:
        talk: The conversation.
        tools: The tools at hand.
        words: The stems that speak for any of them.
    """

    def __init__(self, talk: Conversation, tools: list[Tool]) -> None:
        self.talk = talk
        self.tools = tools
        self.words = {word for tool in tools for word in tool.weights}
        self._ranks: dict[str, list[tuple[float, Tool]]] = {}

    def next(self) -> dict[str, Any]:
        """The assistant's next message."""
        if any(not slot[-1].handed_over for slot in self.talk.slots):
            return self._after_results()
        text = self.talk.request
        quick = replies.small_talk(text, [t.name for t in self.tools]) or self._from_memory(text)
        if quick:
            return replies.say(quick)
        stages = self._stages()
        if stages:
            return self._start(stages[0], "")
        return replies.say(self._no_tool(text))

    # ---- answers without a tool

    def _from_memory(self, text: str) -> str:
        """An answer from what was said before; empty if that holds none."""
        if said := re.search(r"\bwhat did i\b.*?(\bfirst\b|$)", text, re.IGNORECASE):
            older = self.talk.older
            return f"You said: “{older[-1 if said[1] else 0][:300]}”" if older else "You have not said anything before."
        if asks_again(text) and (done := self._told_before(text)):
            return replies.sentences(done)
        told = [telling(s) for s in replies.sentences_in(text)]
        if told and all(told) and not self._asked_besides(text):
            return replies.noted([t for t in told if t])
        if asks_memory(text):
            known = recalled(text, self.talk.facts)
            if known or (asks_fact(text) and not self._choose(text)):
                return known or "I do not know that: you have not told me."
        return ""

    def _asked_besides(self, text: str) -> bool:
        """Whether a request follows what is told in the same sentence: "My lamp is broken, open …"."""
        after = [text[begin:end] for begin, end in pieces(text)][1:]
        return any((tool := self._choose(piece)) and not tool.filled(piece).missing for piece in after)

    def _told_before(self, text: str) -> list[Done]:
        asked = set(content_words(text)) - {stem("result"), stem("answer")}
        ranked = []
        for at, done in enumerate(self.talk.earlier):
            tool = next((t for t in self.tools if t.name == done.name), None)
            words = set(tool.weights if tool else []) | set(stems(done.name + " " + done.text[:600]))
            said = set(stems(" ".join(map(str, done.arguments.values()))))
            ranked.append((sum(matches(w, words) for w in asked) + 2 * len(asked & said), at, done))
        best = max(ranked, key=lambda r: r[:2], default=None)
        return [best[2]] if best and (best[0] or not asked) else []

    def _no_tool(self, text: str) -> str:
        if without_negations(text, self.words) != text:
            return "All right, I will not do that."
        known = recalled(text, self.talk.facts) if content_words(text) else ""
        if known:
            return known
        words = set(content_words(text))
        for done in reversed(self.talk.earlier[-5:]):
            if words and words <= set(stems(done.text[:2000])):
                return replies.sentences([done])
        return replies.no_tool([t.name for t in self.tools])

    # ---- which tools

    def _rank(self, text: str) -> list[tuple[float, Tool]]:
        """The tools, best first, with how well the words of a text speak for each."""
        if text not in self._ranks:
            words = list(dict.fromkeys(w for w in content_words(text) if w not in COMMON))[:400]
            scored = [(self._score(words, text, tool), tool) for tool in self.tools]
            self._ranks[text] = sorted(scored, key=lambda s: -round(s[0], 4))
        return self._ranks[text]

    def _score(self, words: list[str], text: str, tool: Tool) -> float:
        score, near = 0.0, []
        for word in words:
            if word in tool.weights:
                score += tool.weights[word]
            else:
                near.append(max((tool.weights[w] for w in tool.weights if matches(word, {w})), default=0.0))
        score += 0.55 * sum(near)
        asked = {"whether"} if re.match(r"\W*(?:is|are|does|do|has|was)\b", text, re.IGNORECASE) else set()
        score += 0.3 * len(tool.asks & (set(stems(text[:300])) | set(map(stem, asked))))
        score += len(tool.named & set(words)) / len(tool.named) if tool.named else 0.0
        return score + (self._fit(text, tool) if score > 0.3 or _takes(tool, "expression", "unit") else 0.0)

    def _fit(self, text: str, tool: Tool) -> float:
        """Whether the text holds what the tool needs, and the tool takes what the text holds."""
        before = "\n" + self.talk.older[0][:1000] if self.talk.older and _BACK.search(text) else ""
        said = _BACK.sub("1", text[:2000]) if _takes(tool, "expression") else text[:2000]  # "add 8 to it"
        filled, fit = tool.filled(said + before, prose=False), 0.0
        for param in tool.params:
            if param.required and param.kind != "prose":
                score = filled.scores.get(param.path, -0.5)
                fit += _WORTH.get(param.kind, 0.4) if score >= 2 else 0.3 if score > 0 else -0.5
        kinds = {p.kind for p in tool.params}
        if not kinds & {"prose", "text", "list", "object"}:
            fit -= 0.9 * sum(bool(text_of(text[:2000]).mentions(k)) for k in ("date", "email", "url") if k not in kinds)
        return max(fit, -1.0)

    def _choose(self, text: str) -> Tool | None:
        """The tool that a piece of text asks for; None if none does."""
        score, tool = next(iter(self._rank(text)), (0.0, None))
        return tool if score >= _BAR else None

    def _open(self, text: str) -> list[Want]:
        """The tool that takes free text, and so may be asked anything, where some word at least speaks for it."""
        score, tool = next(iter(self._rank(text)), (0.0, None))
        free = tool is not None and bool(tool.params) and all(p.kind == "prose" for p in tool.params)
        return [Want(tool, polite_free(text))] if tool and free and score >= _BAR_FREE else []

    # ---- which calls, in which order

    def _stages(self) -> list[list[Want]]:
        """The calls that the message asks for; those of one list can be made at once, later lists come after."""
        text = without_negations(without_facts(self.talk.request), self.words)
        stages = [self._wants(step) for step in steps(text)]
        stages = [wants for wants in stages if wants]
        if not stages and text.strip(" .,!"):
            stages = [wants for wants in [self._open(text) or self._follow_up(text)] if wants]
        return [part for stage in stages for part in _dependent(stage)]

    def _wants(self, text: str) -> list[Want]:
        wants: list[Want] = []
        whole = self._choose(text)
        for begin, end in pieces(text, rows=whole is not None and _takes(whole, "list")):
            piece = text[begin:end]
            tool = None if wants and _JOINED.match(piece) else self._choose(piece)
            if not wants:
                tool = tool or self._choose(text[:end])
                wants += [Want(tool, polite_free(text[:end]), 0)] if tool else []
                continue
            last = wants[-1]
            joined = _lead(text, last.begin) + polite_free(text[last.begin : end])
            repeat = self._repeat(last, piece)
            if tool and _directs(tool, piece):
                wants[-1] = Want(tool, joined, last.begin)
            elif tool and not self._completes(last, joined, tool, piece):
                wants.append(Want(tool, _lead(text, begin) + polite_free(piece), begin))
            elif repeat:
                wants.append(replace(repeat, begin=begin))
            else:
                last.text = joined
        return wants

    def _completes(self, last: Want, joined: str, tool: Tool, piece: str) -> bool:
        """Whether a piece belongs to the call before it rather than asking for one of its own."""
        own = tool.filled("and " + piece, prose=False)
        if tool.name != last.tool.name:
            scores = {t.name: score for score, t in self._rank(piece)}
            weak = scores[last.tool.name] >= 0.6 * scores[tool.name] and bool(own.missing)
            before, after = last.tool.filled(last.text), last.tool.filled(joined)
            longer = any(isinstance(v, list) and v != before.values.get(k) for k, v in after.values.items())
            return weak or (longer and bool(own.missing)) or len(after.missing) < len(before.missing)
        needed = [p for p in tool.params if p.required]
        return bool(own.missing) or not needed or all(p.kind == "prose" for p in needed)

    def _repeat(self, last: Want, piece: str) -> Want | None:
        """The same call with another argument, where a piece holds nothing else."""
        had, new = last.tool.filled(last.text, prose=False), last.tool.filled("and " + piece, prose=False)
        again = [p for p in last.tool.params if p.required and p.path in new.values and p.path in had.values]
        if not again or had.missing or _takes(last.tool, "list"):
            return None
        held = set(stems(" ".join(map(str, new.values.values()))))
        others = [w for w in content_words(piece) if w not in held | last.tool.own | set(last.tool.weights) | COMMON]
        if others or any(had.values.get(path) is None for path in new.values):
            return None
        return Want(last.tool, "and " + piece, given={**last.given, **had.values})

    def _follow_up(self, text: str) -> list[Want]:
        """The answer to a question of ours: or "and for …?": the latest tool, with what is new."""
        asked = self.talk.asked
        for old in self.talk.older:
            tool, clean = self._choose(old), without_negations(old, self.words)
            if tool is None or clean != old:
                continue
            new = tool.filled("and " + _FOLLOW.sub("", text), prose=False)
            held = set(stems(" ".join(map(str, new.values.values()))))
            others = [w for w in content_words(text) if w not in held and not matches(w, set(tool.weights))]
            more, fits = bool(_FOLLOW.match(text)), max(new.scores.values(), default=0.0) >= 1.0
            if asked or (fits and len(others) <= 1 + more) or (more and _BACK.search(text) and not others):
                given = tool.filled(old)
                if asked and given.missing and not new.values and not more:
                    new.values.update({given.missing[0].path: replies.plain_value(given.missing[0].schema, text)})
                return [Want(tool, "and " + _FOLLOW.sub("", text), given={**given.values, **new.values})]
        return []

    # ---- arguments

    def _fill(self, want: Want, result: str) -> Filled:
        """Finds the arguments: in the clause, the result it refers to, the whole message, earlier messages."""
        filled = want.tool.filled(want.text, prose=not want.given)
        filled.values = {**want.given, **filled.values}
        back = bool(_BACK.search(want.text))
        latest = result or (self.talk.earlier[-1].text if self.talk.earlier else "")
        if back and latest and (number := replies.only_number(latest)):
            put_in = want.tool.filled(_BACK.sub(number, want.text), prose=not want.given)
            filled.values = {**put_in.values, **filled.values}
        sources = [result] if result else []
        sources += [t for t in (self.talk.request, *self.talk.older) if t != want.text]
        for source in [*sources, *(d.text for d in reversed(self.talk.earlier) if back)]:
            missing = [p for p in want.tool.params if p.required and p.path not in filled.values]
            if not missing:
                break
            found = fill(missing, text_of(source[:4000]), want.tool.own, prose=False)
            for param in missing:
                # A number from elsewhere must have something to do with the parameter: better to ask than to guess.
                bar = 0.0 if result and source == result else 1.5 if param.kind == "number" and not back else 0.9
                value = found.values.get(param.path)
                if found.scores.get(param.path, -1) >= bar and value not in filled.values.values():
                    filled.values[param.path] = value
        filled.missing = [p for p in want.tool.params if p.required and p.path not in filled.values]
        filled.values = {p.path: filled.values[p.path] for p in want.tool.params if p.path in filled.values}
        return filled

    def _start(self, wants: list[Want], result: str) -> dict[str, Any]:
        for want in wants:
            want.filled = self._fill(want, result)
        ready = [(w.tool.name, w.filled.arguments) for w in wants if not w.filled.missing]
        if ready:
            return replies.call(
                list(dict.fromkeys((n, json.dumps(a, ensure_ascii=False)) for n, a in ready)), self.talk
            )
        missing = [(w.tool.name, [p.spoken for p in w.filled.missing]) for w in wants]
        return replies.say(replies.ask(missing, self.talk.done))

    # ---- after results

    def _after_results(self) -> dict[str, Any]:
        slots = self.talk.slots
        calls = [c for c in (self._again(slot) for slot in slots if slot[-1].wrong) if c]
        if calls:
            return replies.call(calls, self.talk)
        done = [slot[-1] for slot in slots if not slot[-1].handed_over]
        stages, rounds = self._stages(), self._rounds()
        if len(stages) > rounds:
            result = next((d.text for d in reversed(done) if not d.failed), "")
            following = self._start(stages[rounds], result)
            if following.get("tool_calls") or not any(d.failed for d in done):
                return following
        unasked = self._unasked(stages[:rounds])
        return replies.say("\n".join([replies.sentences(done), *unasked]))

    def _rounds(self) -> int:
        """How many of the steps are done; those of an agent with other tools do not count."""
        ours = {tool.name for tool in self.tools} | {d.name for d in self.talk.done if d.failed}
        return sum(bool(names & ours) for names in self.talk.rounds)

    def _unasked(self, stages: list[list[Want]]) -> Iterator[str]:
        """Questions for what could not be called along with the rest."""
        for want in (w for stage in stages for w in stage):
            want.filled = self._fill(want, "")
            if want.filled.missing and all(slot[0].name != want.tool.name for slot in self.talk.slots):
                yield replies.ask([(want.tool.name, [p.spoken for p in want.filled.missing])], [])

    def _again(self, slot: list[Done]) -> tuple[str, str] | None:
        """A call once more, put right; None if nothing could be changed, or enough was tried."""
        last = slot[-1]
        if len(slot) > _REPAIRS:
            return None
        tool = next((t for t in self.tools if t.name == last.name), None)
        if last.unknown or tool is None:
            others = Turn(self.talk, [t for t in self.tools if t.name != last.name])
            want = next((w for stage in others._stages() for w in stage), None)
            if want is None or others._fill(want, "").missing:
                return None
            return want.tool.name, json.dumps(others._fill(want, "").arguments, ensure_ascii=False)
        texts = [self.talk.request, *self.talk.older]
        mended = repaired(last, list(tool.params), tool.own, texts)
        return None if mended == last.arguments else (tool.name, json.dumps(mended, ensure_ascii=False))


def _lead(text: str, begin: int) -> str:
    """What keeps a piece from looking like a sentence's beginning, where a capital letter says nothing."""
    return "and " if begin and text[:begin].rstrip()[-1:] not in ".?!;:" else ""


def _takes(tool: Tool, *kinds: str) -> bool:
    return any(p.kind in kinds for p in tool.params)


def _directs(tool: Tool, piece: str) -> bool:
    """Whether a piece only says whom to ask what was said before: "Ask the …"."""
    words = [w for w in content_words(piece) if w not in COMMON]
    prose = [p for p in tool.params if p.required and p.kind == "prose"]
    return bool(prose) and bool(words) and set(words) <= tool.named


def _dependent(wants: list[Want]) -> list[list[Want]]:
    """Puts a call that needs another's result after it."""
    stages: list[list[Want]] = [[]]
    for want in wants:
        refers = re.search(r"\b(?:the result|that|it|the answer|this)\b", want.text, re.IGNORECASE)
        if stages[-1] and refers and want.tool.filled(want.text).missing:
            stages.append([])
        stages[-1].append(want)
    return [stage for stage in stages if stage]
