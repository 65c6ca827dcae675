"""A model's provider that says what it is scripted to, and refuses every conversation that is not well formed."""

import json
import re
from collections import defaultdict, deque
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

FINE = "All is well."
_NAME, _ID = re.compile(r"[A-Za-z0-9_-]{1,64}"), re.compile(r"[A-Za-z0-9]{9}")  # Mistral's ids are the strictest
EXTRAS = ("reasoning_content", "thinking_blocks", "provider_specific_fields", "extra_content")


def said(content: Any = None, calls: Any = None, **more: Any) -> dict[str, Any]:
    """An assistant's message; each call is a name and its arguments, and an id if it matters."""
    if calls is not None:
        more["tool_calls"] = [_call(*call) if isinstance(call, tuple) else call for call in calls]
    return {"role": "assistant", "content": content, **more}


def _call(name: Any, arguments: Any, number: Any = "call_0") -> dict[str, Any]:
    return {"id": number, "type": "function", "function": {"name": name, "arguments": arguments}}


def completion(message: dict[str, Any], model: str = "strict") -> dict[str, Any]:
    """All that a provider answers with, besides the message."""
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    return {"id": "x", "object": "chat.completion", "created": 0, "model": model, "choices": [choice], "usage": usage}


class StrictProvider:
    """OpenAI's chat completions over HTTP (``app``).

    Attributes:
        script: By the user's latest message, what it answers next: messages, or whole responses. After that everything
            is fine.
        given: How many of these it has given.
        refused: Why it refused conversations.
        asked: The conversations that it got.
    """

    def __init__(self) -> None:
        self.script: defaultdict[str, deque[dict[str, Any] | Response]] = defaultdict(deque)
        self.given = 0
        self.refused: list[str] = []
        self.asked: list[list[dict[str, Any]]] = []
        self._owed: dict[str, list[dict[str, Any]]] = {}  # what has to come back with the latest tool calls
        # By request: an attempt that is repeated gets the same.
        self._answered: dict[str, dict[str, Any] | Response] = {}
        self.app = Starlette(routes=[Route("/v1/chat/completions", self._complete, methods=["POST"])])

    async def _complete(self, request: Request) -> Response:
        messages, key = json.loads(await request.body())["messages"], request.headers["x-client-request-id"]
        self.asked.append(messages)
        if key in self._answered:
            return self._response(self._answered[key])
        text = next((each["content"] for each in reversed(messages) if each["role"] == "user"), "")
        try:
            json.dumps(messages, ensure_ascii=False).encode()
            well_formed(messages)
            self._settle(messages, self._owed.pop(text, []))
        except (AssertionError, ValueError, KeyError, TypeError) as error:
            self.refused.append(f"{type(error).__name__}: {error!a}"[:500])
            return JSONResponse({"error": {"message": self.refused[-1]}}, 400)
        script = self.script[text]
        self.given += bool(script)
        answer = self._answered[key] = script.popleft() if script else said(FINE)
        if not isinstance(answer, Response) and answer.get("tool_calls"):
            self._owed[text] = [answer, *answer["tool_calls"]]
        return self._response(answer)

    @staticmethod
    def _response(answer: dict[str, Any] | Response) -> Response:
        if isinstance(answer, Response):
            return answer
        return Response(json.dumps(completion(answer)), media_type="application/json")

    @staticmethod
    def _settle(messages: list[dict[str, Any]], owed: list[dict[str, Any]]) -> None:
        """The latest tool calls came back with what was sent along."""
        latest = next((each for each in reversed(messages) if each.get("tool_calls")), None)
        for sent, back in zip(owed, [latest, *latest["tool_calls"]] if latest else [], strict=False):
            for name in EXTRAS if back is not None else ():
                wanted = sent.get(name)
                assert not wanted or back.get(name) == wanted or wanted.items() <= back[name].items(), f"{name} is lost"


def well_formed(messages: list[dict[str, Any]]) -> None:
    """Every provider takes this conversation."""
    seen: set[str] = set()
    waiting: list[str] = []
    for message in messages:
        if message["role"] == "tool":
            assert message["tool_call_id"] in waiting, "a result without a call"
            waiting.remove(message["tool_call_id"])
            assert isinstance(message["content"], str), "a result that is not text"
            continue
        assert not waiting, "a call without a result"
        assert message["role"] in ("system", "user", "assistant"), message["role"]
        calls = message.get("tool_calls")
        text = message.get("content")
        assert calls or (isinstance(text, str) and text.strip()), "a blank message"
        assert text is None or isinstance(text, str), "content that is not text"
        assert calls is None or (message["role"] == "assistant" and calls), "an empty list of calls"
        for call in calls or []:
            assert set(call) <= {"id", "type", "function", *EXTRAS}, f"unknown fields: {set(call)}"
            assert set(call["function"]) == {"name", "arguments"}, "a function's fields"
            assert _ID.fullmatch(call["id"]), f"the id {call['id']!r}"
            assert call["id"] not in seen, f"the id {call['id']} occurs twice"
            assert _NAME.fullmatch(call["function"]["name"]), f"the name {call['function']['name']!r}"
            given = json.loads(call["function"]["arguments"], parse_constant=_refuse)
            assert isinstance(given, dict), "arguments that are not an object"
            seen.add(call["id"])
            waiting.append(call["id"])
    assert not waiting, "a call without a result"


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} in arguments")
