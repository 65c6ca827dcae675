"""What a model said, in a form that every provider takes when it is sent again; and the arguments of a tool call.

Providers refuse a conversation that holds what some of them send: arguments that are not a JSON object, ids that occur
twice, names with a space. ``received`` is applied once, in the activity that calls the model, before anything is
remembered; ``sendable`` to each conversation that is sent.
"""

from __future__ import annotations

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
_ID_LENGTH = 9  # Mistral takes no other; 45 bits, so that two in a conversation are never the same


def received(choice: Any, key: str) -> Message:
    """What a model said, as it is remembered.

    Its tool calls have ids of our own. A tool's name that no provider takes becomes one that no tool has. The arguments
    stay as they are, for whoever uses the tool to say what is wrong with them.

    Args:
        choice: The first of LiteLLM's answer.
        key: Names this call of the model, and is the same in each attempt.

    Raises:
        ValueError: It is too long.
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
    if "\\u" in arguments:  # half a pair may also be written so
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
    """Messages without arguments that are not a JSON object: the result of the call says what was wrong with them.

    Args:
        messages: Of a conversation, as OpenAI's chat completions have it.
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
    """The arguments of a tool call.

    Args:
        text: As the model wrote them.

    Raises:
        ValueError: They are not a JSON object, with finite numbers and whole characters only. The message says so.
    """
    try:
        given = from_json(text or "{}", allow_inf_nan=False)
        json.dumps(given, allow_nan=False)  # 1e999 is infinite, too
    except ValueError as error:
        raise ValueError(f"they are not valid JSON. {error}") from None
    if not isinstance(given, dict):
        raise ValueError("they are not a JSON object.")
    return given
