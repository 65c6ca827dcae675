"""Messages of a model, in a form that every provider accepts when it is sent again; and the arguments of a tool call.

Some providers send what others refuse in a conversation: arguments that are not a JSON object, ids that occur twice,
names with a space. The activity that calls the model applies ``received`` to each answer, before it is remembered, and
``sendable`` to each conversation that it sends.
"""

import base64
import contextlib
import hashlib
import json
import re
from collections.abc import Sequence
from typing import Any

from pydantic_core import from_json

from workshop_lib.agents.conversation import Message
from workshop_lib.evidence.messages import valid_text

MOST_CALLS = 20  # tool calls in one answer; the server lets 30 Nexus operations of a Workflow wait at once
_LONGEST_ANSWER = 100_000  # bytes: it is in the history, and in each request from then on
# What some providers want back with a tool call.
_KEPT = ("reasoning_content", "thinking_blocks", "provider_specific_fields", "extra_content")
_ID_LENGTH = 9  # the only length that Mistral accepts; 45 bits, enough for unique ids in a conversation


def received(choice: Any, key: str) -> Message:
    """Turn an answer of a model into the message that is remembered.

    Its tool calls get new ids. A tool name that providers refuse becomes one that no tool has. Arguments stay as they
    are: whoever uses the tool reports what is wrong with them.

    Args:
        choice: The first choice of LiteLLM's answer.
        key: A name of this call of the model, the same in each attempt.

    Raises:
        ValueError: The answer is too long.
    """
    said = json.loads(valid_text(json.dumps(choice.message.model_dump(warnings=False), ensure_ascii=False)))
    if len(json.dumps(said)) > _LONGEST_ANSWER:
        raise ValueError(f"an answer of more than {_LONGEST_ANSWER} bytes")
    refusal = said.get("refusal") or (said.get("provider_specific_fields") or {}).get("refusal")
    if choice.finish_reason == "content_filter":
        refusal = refusal or "The model's provider declines to answer that."
    content = next((text for text in (said.get("content"), refusal) if isinstance(text, str) and text.strip()), None)
    message: Message = {"role": "assistant", "content": content}
    if calls := said.get("tool_calls") or []:
        if len(calls) > MOST_CALLS:
            message["content"] = f"{content or ''} (Of my {len(calls)} tool calls, the first {MOST_CALLS} are made.)"
        message["tool_calls"] = [_call(call, f"{key}/{number}") for number, call in enumerate(calls[:MOST_CALLS])]
        message |= {name: said[name] for name in _KEPT if said.get(name)}
    return message


def _call(call: dict[str, Any], key: str) -> dict[str, Any]:
    function = call.get("function") or {}
    name, arguments = function.get("name") or "", function.get("arguments") or "{}"
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name):
        name = re.sub(r"[^A-Za-z0-9_-]", "_", name)[:50] + "_unknown"
    if "\\u" in arguments:  # half of a pair may be escaped
        with contextlib.suppress(ValueError, RecursionError):
            arguments = valid_text(json.dumps(json.loads(arguments), ensure_ascii=False))
    digest = base64.b32encode(hashlib.sha256(key.encode()).digest()).decode().lower()
    return {
        "id": digest[:_ID_LENGTH],
        "type": "function",
        "function": {"name": name, "arguments": arguments},
        **{kept: call[kept] for kept in _KEPT if call.get(kept)},
    }


def sendable(messages: Sequence[Any]) -> list[Any]:
    """Replace arguments that are not a JSON object by ``{}``. The result of that call says what was wrong with them.

    Args:
        messages: A conversation, in the format of OpenAI's chat completions.
    """
    return [
        {**said, "tool_calls": [_clean(c) for c in said["tool_calls"]]} if said.get("tool_calls") else said
        for said in messages
    ]


def _clean(call: dict[str, Any]) -> dict[str, Any]:
    try:
        json_object(call["function"]["arguments"])
    except ValueError:
        return {**call, "function": {**call["function"], "arguments": "{}"}}
    return call


def json_object(text: str) -> dict[str, Any]:
    """Parse the arguments of a tool call.

    Args:
        text: The text that the model wrote.

    Raises:
        ValueError: It is not a JSON object with finite numbers and whole characters.
    """
    try:
        given = from_json(text or "{}", allow_inf_nan=False)
        json.dumps(given, allow_nan=False)  # 1e999 is infinite, too
    except ValueError as error:
        raise ValueError(f"they are not valid JSON. {error}") from None
    if not isinstance(given, dict):
        raise ValueError("they are not a JSON object.")
    return given
