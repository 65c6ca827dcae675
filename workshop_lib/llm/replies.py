"""What the stand-in for a language model says: results in sentences, questions for what is missing, small talk."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from workshop_lib.llm.conversation import Conversation, Done, sentences_in
from workshop_lib.llm.memory import flipped
from workshop_lib.llm.mentions import listed, stem
from workshop_lib.llm.repairs import cast

__all__ = ["ask", "call", "no_tool", "noted", "plain_value", "say", "sentences", "sentences_in", "small_talk"]

_LONG = 600
_VERBS = {stem(v) for v in listed("get show fetch find look read list calculate compute search ask check lookup query")}
_TALK = (
    (r"(?:hi|hello|hey|good (?:morning|afternoon|evening|day)|howdy|greetings|hi there"
     r"|hello there)", "Hello! What can I do for you?"),
    (r"(?:thanks|thank you|thx|cheers|many thanks|great|perfect|nice|cool|well done|good job|ok|okay|all right|i see)"
     r"(?: (?:a lot|very much|so much|you|for .{1,40}|that.{0,40}))*", "You are welcome."),
    (r"(?:bye|goodbye|good bye|good night|see you(?: .{1,20})?|farewell|cheerio|have a (?:nice"
     r"|good) .{1,20})", "Goodbye!"),
    (r"how are you(?: .{1,20})?|how do you do|how is it going"
     r"|what's up", "I am well, thank you. What can I do for you?"),
    (r"(?:no|nope|no thanks|no thank you|never mind|nevermind|nothing|stop|cancel that)(?:,? .{0,20})?", "All right."),
)  # fmt: skip
_WHO = re.compile(
    r"^(?:so |and )?(?:who|what) (?:are|r) you\b|^are you (?:a |an )?(?:human|robot|bot|ai|real|person)"
    r"|^introduce yourself"
    r"|^what(?:'s| is) your name\b",
    re.IGNORECASE,
)
_ABLE = re.compile(
    r"^(?:what|how) (?:else )?(?:can|could|do) you (?:do|help|offer)\b|^(?:help|help me)$|^what (?:tools"
    r"|are you able)\b"
    r"|^what are your (?:tools|abilities|skills)",
    re.IGNORECASE,
)


def say(text: str) -> dict[str, Any]:
    """An answer.

    Args:
        text: What to say.

    Returns:
        The message.
    """
    return {"role": "assistant", "content": text}


def call(calls: Iterable[tuple[str, str]], talk: Conversation) -> dict[str, Any]:
    """Calls of tools.

    Args:
        calls: The tools' names and their arguments as JSON text.
        talk: The conversation, whose ids must not be used again.

    Returns:
        The message.
    """
    made, used = [], set(talk.ids)
    for at, (name, arguments) in enumerate(calls):
        chosen = f"call_{talk.length}_{at}"
        while chosen in used:
            chosen += "x"
        used.add(chosen)
        made.append({"id": chosen, "type": "function", "function": {"name": name, "arguments": arguments}})
    return {"role": "assistant", "content": None, "tool_calls": made}


def small_talk(text: str, names: list[str]) -> str:
    """An answer to a greeting, to thanks, or to a question about the assistant.

    Args:
        text: What the user wrote.
        names: The tools' names.

    Returns:
        The answer; empty if the text is something else.
    """
    plain = text.strip(" .!?,\n\t👋🙏😊").lower().replace("’", "'")
    plain = re.sub(r"[,!.]+\s*", " ", plain)
    if len(plain) > 120:
        return ""
    bare = re.sub(r"^(?:hi|hello|hey)\b[\s,!]*(?=\w)", "", plain)
    if _WHO.search(bare) and len(bare) < 60:
        return "I am an offline stand-in for a language model: I choose tools by rules. " + able(names)
    if _ABLE.search(bare):
        return able(names)
    plain = re.sub(r"^(?:ok|okay|well|great|perfect|all right)\b[\s,]+(?=\w)", "", plain)
    plain = re.sub(r"^(?:thanks|thank you)(?: so much| very much| a lot)? (?=bye|good)", "", plain)
    plain = re.sub(r"^(?:hi|hello|hey)(?: there)? (?=how|what)", "", plain)
    for pattern, answer in _TALK:
        if re.fullmatch(rf"(?:{pattern})(?: (?:then|there|now|everyone|all|again|thanks|please|{pattern}))*", plain):
            return answer
    return ""


def able(names: list[str]) -> str:
    """What tools there are.

    Args:
        names: Their names.

    Returns:
        A sentence.
    """
    if not names:
        return "I have no tools here."
    plain = [spoken(name) for name in names]
    return "I can use these tools: " + ", ".join(plain) + "."


def no_tool(names: list[str]) -> str:
    """That nothing fits.

    Args:
        names: The tools' names.

    Returns:
        A sentence or two.
    """
    if not names:
        return "I cannot answer that: I have no tools here."
    return "None of my tools fits that. " + able(names)


def noted(facts: list[str]) -> str:
    """That facts were heard.

    Args:
        facts: In the user's words.

    Returns:
        A sentence or two.
    """
    said = [flipped(fact) for fact in facts]
    said = [s if s.split()[0].isupper() else s[:1].lower() + s[1:] for s in said]
    return "I will remember that " + ", and that ".join(said) + "."


def ask(missing: list[tuple[str, list[str]]], done: list[Done]) -> str:
    """Asks for arguments.

    Args:
        missing: Tools, and what each still needs, in plain words.
        done: What was found already.

    Returns:
        A sentence for each tool, after the results there are.
    """
    lines = [sentences(done)] if done else []
    for name, words in missing:
        need = words[0] if len(words) == 1 else ", ".join(words[:-1]) + " and " + words[-1]
        lines.append(f"For the {spoken(name)} I need the {need}: what should I take?")
    return "\n".join(lines)


def plain_value(schema: dict[str, Any], text: str) -> Any:
    """The user's answer to a question for an argument.

    Args:
        schema: The argument's schema.
        text: The answer.

    Returns:
        The answer as a value of that type.
    """
    return cast(text.strip(" .!"), str(schema.get("type") or "string"))


def spoken(name: str) -> str:
    """A tool's name in words.

    Args:
        name: The name.

    Returns:
        Words with blanks between.
    """
    split = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    return re.sub(r"[_\-.\s]+", " ", split).strip() or name


def sentences(done: list[Done]) -> str:
    """What calls came to, in sentences.

    Args:
        done: The calls with their results.

    Returns:
        One line for each.
    """
    names = [d.name for d in done]
    return "\n".join(_sentence(d, names.count(d.name) > 1) for d in done)


def _sentence(done: Done, several: bool) -> str:
    values = [str(v) for v in done.arguments.values() if isinstance(v, str | int | float)]
    which = f" ({', '.join(values)})" if several and values else ""
    value = unwrapped(done.text)
    if done.failed:
        reason = _in_words(value, top=True)
        reason = re.sub(r"^(?:an )?error\b(?: (?:occurred|while \w+ tool))?[:\s.-]*", "", reason, flags=re.I) or reason
        return _ended(f"The {spoken(done.name)}{which} did not work: {reason[:_LONG]}")
    words = spoken(done.name).split()
    while len(words) > 1 and stem(words[0]) in _VERBS:
        words = words[1:]
    said = _in_words(value, top=True)
    if len(said) > 160:
        return f"The {' '.join(words)}{which} says: “{said[:_LONG].rstrip()}{'…' if len(said) > _LONG else ''}”"
    return _ended(f"The {' '.join(words)}{which}: {said}")


def _ended(text: str) -> str:
    return text if text.rstrip()[-1:] in ".!?”" else text.rstrip() + "."


def unwrapped(text: str) -> Any:
    """A result without its wrapping.

    Args:
        text: What a tool answered: JSON or plain text, perhaps as a text part of the Model Context Protocol.

    Returns:
        The value.
    """
    value: Any = text
    for _ in range(4):
        if (
            isinstance(value, list)
            and len(value) == 1
            and isinstance(value[0], dict)
            and value[0].get("type") == "text"
        ):
            value = value[0]
        if isinstance(value, dict) and value.get("type") == "text" and isinstance(value.get("text"), str):
            value = value["text"]
        elif isinstance(value, dict) and list(value) == ["result"]:
            value = value["result"]
        elif isinstance(value, str) and value.strip()[:1] in '{["' and len(value) < 200_000:
            try:
                value = json.loads(value)
            except (ValueError, RecursionError):
                return value
        else:
            break
    return value


def only_number(text: str) -> str:
    """The number that a result comes to.

    Args:
        text: What a tool answered.

    Returns:
        The number as text; empty unless there is exactly one.
    """
    numbers = re.findall(r"(?<![\w.-])-?\d[\d,]*(?:\.\d+)?(?![\w-])", _in_words(unwrapped(text), top=True)[:2000])
    return numbers[0].replace(",", "") if len(numbers) == 1 else ""


def _in_words(value: Any, top: bool = False, depth: int = 0) -> str:
    if depth > 5:
        return "…"
    if isinstance(value, dict):
        parts = [f"{spoken(str(k))} {_in_words(v, depth=depth + 1)}" for k, v in list(value.items())[:40]]
        return ", ".join(parts) if top else "(" + ", ".join(parts) + ")"
    if isinstance(value, list):
        return ", ".join(_in_words(v, depth=depth + 1) for v in value[:40]) or "nothing"
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = str(value).strip()
    return text or "nothing"
